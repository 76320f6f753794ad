"""Joins, departures, losses and deaths in a ring, as records of `logging`."""

from __future__ import annotations

import logging
import multiprocessing
import sys

import seqring

log = logging.getLogger("rings")
Known = dict[tuple[str, int, int], seqring.Participant]


class Trace:
    """Compares the statistics of a ring with those of the call before. They cost the ring's users nothing."""

    def __init__(self, ring: seqring.Ring) -> None:
        self._ring = ring
        self._known: Known = {}

    def look(self) -> None:
        """Logs what changed. Call it now and then."""
        now: Known = {(one.role, one.entry, one.pid): one for one in self._ring.stats().participants}
        for key, one in now.items():
            before = self._known.get(key)
            if before is None:
                log.info("a %s joined in process %d", one.role, one.pid)
            if not one.alive and (before is None or before.alive):
                log.warning("the %s of process %d was killed, %d messages behind", one.role, one.pid, one.lag)
            if lost := one.lost - (before.lost if before else 0):
                log.warning("the %s of process %d lost %d messages", one.role, one.pid, lost)
        for role, _, pid in self._known.keys() - now.keys():
            log.info("the %s of process %d left", role, pid)
        self._known = now


def wait(ring: seqring.Ring) -> None:
    with ring.reader() as reader:
        reader.read()


def main() -> None:
    logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s", level=logging.INFO)
    with seqring.Ring.create(8, 64, delivery="lossy") as ring, ring.writer() as writer:
        trace = Trace(ring)
        process = multiprocessing.Process(target=wait, args=(ring,))
        process.start()
        writer.wait_for_readers(1, timeout=60)
        trace.look()
        process.kill()
        process.join()
        trace.look()
        with ring.reader(skip_lost=True) as reader:
            for n in range(20):
                writer.write(str(n).encode())
            reader.read()
            trace.look()
        trace.look()


if __name__ == "__main__":
    main()
