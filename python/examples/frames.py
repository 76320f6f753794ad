"""numpy frames from one process to two others; the readers do not copy."""

from __future__ import annotations

import multiprocessing

import numpy
import seqring

FRAMES = 200


def look(ring: seqring.Ring, name: str) -> None:
    with ring.reader("oldest") as reader:
        count, brightest = 0, 0.0
        try:
            while True:
                with reader.view() as view:
                    frame = numpy.asarray(view)
                    count, brightest = count + 1, max(brightest, float(frame.mean()))
                    del frame  # The message goes with the last array that shows it.
        except seqring.Closed:
            print(f"{name}: {count} frames, the brightest {brightest:.1f}")


def main() -> None:
    with seqring.Ring.create(slots=8, shape=(480, 640, 3), dtype="uint8") as ring:
        readers = [multiprocessing.Process(target=look, args=(ring, f"reader {n}")) for n in range(2)]
        for process in readers:
            process.start()
        with ring.writer() as writer:
            while len(ring.stats().of("reader")) < len(readers):
                writer.wait(0.01)
            for n in range(FRAMES):
                with writer.claim((480, 640, 3)) as frame:
                    frame[...] = n
        for process in readers:
            process.join()


if __name__ == "__main__":
    main()
