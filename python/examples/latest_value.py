"""A value that changes often, of which each reader wants only the newest."""

from __future__ import annotations

import multiprocessing

import numpy
import seqring


def steer(positions: seqring.Ring, ready: seqring.Queue) -> None:
    with positions.reader("latest", skip_lost=True) as reader:
        ready.put("ready")
        seen = 1
        position = reader.read()
        while position[0] < 9999:
            seen += 1
            reader.wait()
            reader.skip_to_latest()
            position = reader.read()
        print(f"the last position is {position.tolist()}, of {seen} that were read")


def main() -> None:
    with (
        seqring.Ring.create(4, delivery="lossy", shape=3, dtype="float64") as positions,
        seqring.Queue() as ready,
    ):
        process = multiprocessing.Process(target=steer, args=(positions, ready))
        process.start()
        ready.get(timeout=60)
        with positions.writer() as writer:
            for n in range(10_000):
                writer.write(numpy.array([n, 2 * n, 3 * n], "float64"))  # Never waits.
            process.join()


if __name__ == "__main__":
    main()
