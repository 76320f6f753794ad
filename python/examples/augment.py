"""Image augmentation: four processes draw, mirror and brighten pictures, delivered in order with
labels."""

from __future__ import annotations

from typing import Any

import numpy
import seqring

SIDE = 256
IMAGES = 200


class Plans(seqring.pipeline.Commander):
    """Issues the parameters of each picture."""

    def build(self) -> None:
        self.random = numpy.random.default_rng(1)
        self.number = -1

    def create_message(self) -> dict[str, Any]:
        self.number += 1
        if self.number == IMAGES:
            raise StopIteration
        return {"seed": self.number, "mirrored": bool(self.random.integers(2)), "gain": self.random.uniform(0.5, 1)}


class Augmenter(seqring.pipeline.Producer):
    """Makes a picture in the memory that the consumer reads."""

    def build(self) -> None:
        rows, columns = numpy.mgrid[:SIDE, :SIDE]
        self.ramp = (rows + 2 * columns) // 3

    def create_data(self, message: dict[str, Any], out: seqring.pipeline.Out) -> None:
        picture = (self.ramp + message["seed"]) % 256
        if message["mirrored"]:
            picture = picture[:, ::-1]
        out[0][...] = (picture * message["gain"])[..., None]
        out.meta = {"label": message["seed"] % 10, "mirrored": message["mirrored"]}


def main() -> None:
    mirrored = brightness = 0.0
    with seqring.Pipeline(Plans(), Augmenter(), shapes=(SIDE, SIDE, 3), producers=4) as pipeline:
        for (picture,), meta in pipeline:
            assert pipeline.number is not None and meta["label"] == pipeline.number % 10, "the order of the messages"
            mirrored += meta["mirrored"]
            brightness += picture.mean()
        stats = pipeline.stats()
    print(f"{stats.done} pictures in order, {mirrored:.0f} mirrored, brightness {brightness / stats.done:.0f}")
    print("made by each producer:", [producer.made for producer in stats.producers])


if __name__ == "__main__":
    main()
