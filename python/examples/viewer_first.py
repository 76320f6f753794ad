"""A camera and a viewer that may start in any order: here the viewer is first."""

from __future__ import annotations

import multiprocessing
import os

import seqring

NAME = f"camera-{os.getpid()}"
FRAMES = 100


def view(name: str) -> None:
    with seqring.Ring.open(name, timeout=60) as ring, ring.reader() as reader:
        brightest = max(float(view[...].mean()) for view in reader.views())
    print("the viewer saw every frame, the brightest", brightest)


def film(name: str) -> None:
    # Gated, the default: nothing is overwritten until the first reader has joined.
    with seqring.Ring.create(8, shape=(480, 640, 3), dtype="uint8", name=name) as ring, ring.writer() as writer:
        for n in range(FRAMES):
            with writer.claim() as frame:
                frame[...] = n


def main() -> None:
    processes = [multiprocessing.Process(target=run, args=(NAME,)) for run in (view, film)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


if __name__ == "__main__":
    main()
