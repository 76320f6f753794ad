"""numpy frames from one process to two others; the readers do not copy."""

from __future__ import annotations

import multiprocessing

import numpy
import seqring

FRAMES = 200


def look(ring: seqring.Ring, name: str) -> None:
    with ring.reader("oldest") as reader:
        # Each view is released before the next one: no array over it may be left.
        means = [float(numpy.asarray(view).mean()) for view in reader.views()]
        print(f"{name}: {len(means)} frames, the brightest {max(means):.1f}")


def main() -> None:
    with seqring.Ring.create(slots=8, shape=(480, 640, 3), dtype="uint8") as ring:
        readers = [multiprocessing.Process(target=look, args=(ring, f"reader {n}")) for n in range(2)]
        for process in readers:
            process.start()
        with ring.writer() as writer:
            writer.wait_for_readers(len(readers))
            for n in range(FRAMES):
                with writer.claim() as frame:
                    frame[...] = n
        for process in readers:
            process.join()


if __name__ == "__main__":
    main()
