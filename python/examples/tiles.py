"""Tiles of a large picture: four processes decode and normalise them, and the consumer assembles
them.

The source is a generator, which stays in the consumer's process, as a data loader would.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy
import seqring

SIDE, TILE = 4096, 512
Picture = numpy.ndarray[Any, numpy.dtype[numpy.uint8]]


def draw() -> Picture:
    rows, columns = numpy.ogrid[:SIDE, :SIDE]
    picture: Picture = ((rows // 7) ^ (columns // 5)).astype("uint8")
    return picture


def compressed(picture: Picture) -> Iterator[dict[str, Any]]:
    """What a tiled file has."""
    for row in range(0, SIDE, TILE):
        for column in range(0, SIDE, TILE):
            tile = picture[row : row + TILE, column : column + TILE].tobytes()
            yield {"row": row, "column": column, "data": zlib.compress(tile, 1)}


def decode(message: dict[str, Any], out: seqring.pipeline.Out) -> None:
    tile = numpy.frombuffer(zlib.decompress(message["data"]), "uint8").reshape(TILE, TILE)
    out[0][...] = tile
    out[0] -= tile.mean()
    out[0] /= tile.std()
    out.meta = [message["row"], message["column"]]


def main() -> None:
    picture = draw()
    whole = numpy.zeros((SIDE, SIDE), "float32")
    with seqring.Pipeline(
        compressed(picture), decode, shapes=(TILE, TILE), dtypes="float32", producers=4, ordered=False,
        message_bytes=TILE * TILE,
    ) as tiles:
        for (tile,), (row, column) in tiles:
            whole[row : row + TILE, column : column + TILE] = tile
    corner = picture[:TILE, :TILE]
    assert numpy.allclose(whole[:TILE, :TILE] * corner.std() + corner.mean(), corner, atol=0.01)
    print(f"{(SIDE // TILE) ** 2} tiles, mean {abs(whole.mean()):.4f}, standard deviation {whole.std():.4f}")


if __name__ == "__main__":
    main()
