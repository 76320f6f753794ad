"""Items of two arrays: pictures of discs, and the masks of the discs.

Written for the package `concurrentbuffer`; only the imports are changed.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy
from seqring.compat.concurrentbuffer.commander import Commander
from seqring.compat.concurrentbuffer.iterator import buffer_iterator_factory
from seqring.compat.concurrentbuffer.producer import Producer

BATCH, SIDE = 12, 128
SHAPES = ((BATCH, SIDE, SIDE, 3), (BATCH, SIDE, SIDE))


class IndexCommander(Commander):
    def __init__(self, max_index: int) -> None:
        self._max_index = max_index
        self._index = 0

    def create_message(self) -> dict[str, Any]:
        message = {"index": self._index}
        self._index = (self._index + 1) % self._max_index
        return message


class DiscProducer(Producer):
    def __init__(self, data_shapes: tuple[tuple[int, ...], ...]) -> None:
        self._data_shapes = data_shapes

    def create_data(self, message: dict[str, Any]) -> Any:
        pictures = numpy.zeros(self._data_shapes[0])
        masks = numpy.zeros(self._data_shapes[1])
        rows, columns = numpy.mgrid[:SIDE, :SIDE]
        for n in range(BATCH):
            radius = 10 + (message["index"] + n) % 40
            masks[n] = (rows - SIDE // 2) ** 2 + (columns - SIDE // 2) ** 2 < radius**2
            pictures[n] = masks[n][..., None] * [200, 120, 40]
        return pictures, masks


def main(context: str, deterministic: bool) -> None:
    buffer_iterator = buffer_iterator_factory(
        cpus=3,
        buffer_shapes=SHAPES,
        commander=IndexCommander(max_index=10),
        producer=DiscProducer(data_shapes=SHAPES),
        context=context,
        deterministic=deterministic,
    )
    covered = 0.0
    for _ in range(20):
        pictures, masks = next(buffer_iterator)
        assert ((pictures[..., 0] == 200) == masks).all()
        covered += masks.mean() / 20
    buffer_iterator.stop()
    print(f"20 batches of {BATCH} pictures, discs on {covered:.0%} of them")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "fork", "--unordered" not in sys.argv)
