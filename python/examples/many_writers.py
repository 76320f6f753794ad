"""Several processes write into one ring. Each fills its frames in place, and marks them with a tag."""

from __future__ import annotations

import multiprocessing

import seqring

SOURCES, FRAMES = 3, 100


def write(ring: seqring.Ring, source: int) -> None:
    with ring.writer() as writer:
        for n in range(FRAMES):
            with writer.claim(tag=source) as frame:  # Published at the end of the block.
                frame[...] = n


def main() -> None:
    with seqring.Ring.create(16, shape=(64, 64), dtype="uint8", writers="many", tag=True) as ring, ring.reader() as reader:
        sources = [multiprocessing.Process(target=write, args=(ring, source)) for source in range(SOURCES)]
        for source in sources:
            source.start()
        seen = [0] * SOURCES
        for _ in range(SOURCES * FRAMES):
            with reader.view(timeout=60) as view:  # In place, too.
                assert view.tag is not None and (view[:] == seen[view.tag]).all(), "each source's frames are in order"
                seen[view.tag] += 1
        for source in sources:
            source.join()
    print(f"{sum(seen)} frames, {seen} of each source")


if __name__ == "__main__":
    main()
