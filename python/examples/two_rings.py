"""One loop that waits for two rings. Sockets and pipes can be among them; `selectors` and
`loop.add_reader` take a reader, too."""

from __future__ import annotations

import multiprocessing

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
    ):
        senders = [multiprocessing.Process(target=send, args=(ring, counts[name])) for ring, name in ((fast, "fast"), (slow, "slow"))]
        for sender in senders:
            sender.start()
        got, names = dict.fromkeys(counts, 0), {one: "fast", two: "slow"}
        while names:
            for reader in seqring.wait(names):
                try:
                    while reader.try_read() is not None:
                        got[names[reader]] += 1
                except seqring.Closed:
                    del names[reader]
        for sender in senders:
            sender.join()
    print(got)


if __name__ == "__main__":
    main()
