"""Messages between processes, against targets: `python benches/messages.py [--quick]
[--rivals]`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import measure
import message_contestants as contestants
from message_contestants import Compat, Contestant, Seqring, SeqringInPlace
from report import Row, main, table


def rows(quick: bool) -> list[Row]:
    def n(count: int) -> int:
        return max(20, count // 100) if quick else count

    def rate(kind: type[Contestant], size: int, count: int, **options: int) -> float:
        slots = 1024 if size <= 1000 else 16 if size <= 1 << 20 else 4
        return measure.throughput(kind, size, n(count), **{"slots": slots, **options})

    def against_algorithm(size: int, count: int) -> float:
        fewer = max(40, count // 20) if size < 1 << 20 else count
        return rate(Compat, size, count) / rate(contestants.RingbufferAlgorithm, size, fewer)

    def batches() -> float:
        return 64 * measure.throughput(contestants.SeqringBatches, 100, n(50_000), slots=4096)

    def sleeping_trip() -> float:
        trip = measure.round_trip(contestants.SeqringSleeping, 100, n(20_000))
        return trip / measure.round_trip(contestants.Futex, 100, n(20_000))

    def in_place(kind: type[Contestant], size: int, count: int) -> float:
        data = (os.urandom(4096) * (size // 4096 + 1))[:size]
        return size * measure.throughput(kind, size, count, slots=8, data=data)

    def by_hand_ratio() -> float:
        by_hand = in_place(contestants.HandRolledInPlace, 1 << 20, n(5_000))
        return in_place(SeqringInPlace, 1 << 20, n(5_000)) / by_hand

    def memcpy_ratio() -> float:
        return in_place(SeqringInPlace, 10_000_000, n(500)) / measure.memcpy(10_000_000, n(500))

    def spinning_trip() -> float:
        return measure.round_trip(contestants.SeqringSpinning, 100, n(100_000)) * 1e6

    def copied() -> float:
        return rate(contestants.SeqringInto, 10_000_000, 500) * 10_000_000 / 1e9

    def waiting() -> float:
        return measure.waiting_share(1 if quick else 10) * 100

    return [
        Row("100 B, one to one, a call at a time", lambda: rate(Seqring, 100, 1_000_000) / 1e6, "M/s", 0.8),
        Row("100 B, one to one, batches of 64", lambda: batches() / 1e6, "M/s", 3),
        Row("100 B there and back, spinning", spinning_trip, "µs", 6, at_most=True),
        Row("100 B there and back, sleeping, against bare futexes", sleeping_trip, "×", 1.3, at_most=True),
        Row("100 B, one to four", lambda: rate(Seqring, 100, 200_000, consumers=4) / 1e3, "k/s", 250),
        Row("1 MB in place, spinning, against a ring by hand", by_hand_ratio, "×", 0.95),
        Row("10 MB in place, spinning, against memcpy", memcpy_ratio, "×", 0.9),
        Row("10 MB copied in and out", copied, "GB/s", 8),
        Row("compat, 100 B, against `ringbuffer`'s algorithm", lambda: against_algorithm(100, 200_000), "×", 20),
        Row("compat, 10 kB, against `ringbuffer`'s algorithm", lambda: against_algorithm(10_000, 100_000), "×", 20),
        Row("compat, 10 MB, against `ringbuffer`'s algorithm", lambda: against_algorithm(10_000_000, 300), "×", 1.5),
        Row("`try_read` on an empty ring", lambda: measure.empty_try(n(2_000_000)) * 1e9, "ns", 150, at_most=True),
        Row("a reader that waits, of a core", waiting, "%", 1, at_most=True),
    ]


def rivals(quick: bool, repetitions: int) -> None:
    sizes = [100, 10_000, 1 << 20, 10_000_000, 100_000_000]
    titles = ["messages a second", *(f"{size:,} B" for size in sizes), "100 B, 1 to 4", "there and back, µs"]

    def runs(kind: type[Contestant]) -> list[Callable[[], float]]:
        def one_to_one(size: int) -> Callable[[], float]:
            count = max(20, min(100_000, 2_000_000_000 // size) // (100 if quick else 1))
            return lambda: measure.throughput(kind, size, count, slots=256 if size <= 10_000 else 4)

        few = max(20, 20_000 // (100 if quick else 1))
        return [
            *map(one_to_one, sizes),
            lambda: measure.throughput(kind, 100, few, slots=256, consumers=4),
            lambda: measure.round_trip(kind, 100, few) * 1e6,
        ]

    kinds: list[type[Contestant]] = [Seqring, Compat, *contestants.RIVALS]
    table(titles, [(kind.name, runs(kind)) for kind in kinds], repetitions)


if __name__ == "__main__":
    sys.exit(main(__doc__, rows, rivals))
