"""A writer that is killed and started again: its reader gets every number. Then all are killed and start again."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time

import seqring

NUMBERS = 1000


def ring_of(name: str) -> seqring.Ring:
    # The first process creates the ring; one that processes left which were all killed is replaced.
    return seqring.Ring.open_or_create(name, 64, 8, replace_unused=True)


def count(name: str) -> None:
    with ring_of(name) as ring, ring.writer() as writer:
        # The ring knows how far the killed writer came.
        for n in range(ring.next_sequence, NUMBERS):
            writer.write(n.to_bytes(8, "little"))


def collect(name: str) -> None:
    processes = [multiprocessing.Process(target=count, args=(name,))]
    with ring_of(name) as ring, ring.reader() as reader:
        processes[-1].start()
        seen: list[int] = []
        while len(seen) < NUMBERS:
            try:
                seen.append(int.from_bytes(reader.read(), "little"))
            except seqring.PeerDied:
                print(f"the writer was killed after number {len(seen) - 1}")
                processes.append(multiprocessing.Process(target=count, args=(name,)))
                processes[-1].start()
            except seqring.Closed:  # No writer is registered yet.
                time.sleep(0.001)
            if len(seen) == NUMBERS // 2 and len(processes) == 1:
                processes[0].kill()
        assert seen == list(range(NUMBERS))
        processes[-1].join()
        print(f"all {NUMBERS} numbers, each once, in order")
        os.kill(os.getpid(), signal.SIGKILL)  # Leaves the ring.


def main() -> None:
    name = f"restart-{os.getpid()}"
    for _ in range(2):
        collector = multiprocessing.Process(target=collect, args=(name,))
        collector.start()
        collector.join()
    ring_of(name).close()  # As `seqring.gc(remove=True)`, for this ring alone.
    print("left behind:", [left for left in os.listdir("/dev/shm") if name in left])


if __name__ == "__main__":
    main()
