"""One loop that waits for two rings, with `selectors`. `loop.add_reader` of asyncio is the same."""

from __future__ import annotations

import multiprocessing
import selectors

import seqring


def send(ring: seqring.Ring, count: int) -> None:
    with ring.writer() as writer:
        for n in range(count):
            writer.write(n.to_bytes(8, "little"))


def main() -> None:
    counts = {"fast": 1000, "slow": 10}
    with (
        seqring.Ring.create(16, 8) as fast,
        seqring.Ring.create(16, 8) as slow,
        fast.reader() as one,
        slow.reader() as two,
        selectors.DefaultSelector() as selector,
    ):
        selector.register(one, selectors.EVENT_READ, "fast")
        selector.register(two, selectors.EVENT_READ, "slow")
        senders = [multiprocessing.Process(target=send, args=(ring, counts[name])) for ring, name in ((fast, "fast"), (slow, "slow"))]
        for sender in senders:
            sender.start()
        got = dict.fromkeys(counts, 0)
        while selector.get_map():
            for key, _ in selector.select():
                reader = one if key.data == "fast" else two
                try:
                    while reader.try_read() is not None:  # Then the descriptor sleeps again.
                        got[key.data] += 1
                except seqring.Closed:
                    selector.unregister(reader)
        for sender in senders:
            sender.join()
    print(got)


if __name__ == "__main__":
    main()
