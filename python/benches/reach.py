"""What the Python package is to reach, and whether it does: `python benches/reach.py [--quick] [--rivals]`.

Contestants take turns within each repetition, so that they meet the same machine; a row is the median, with the lowest and
highest. `--quick` shows that everything runs: its figures mean nothing. `--rivals` adds a table of all contestants that
are installed.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import platform
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass

import contestants
import measure
from contestants import Compat, Contestant, Original, Seqring, SeqringInto, SeqringSleeping, SeqringSpinning


@dataclass(frozen=True)
class Row:
    """One aim: `run` gives a figure, in `unit`, that must be at least, or at most, `aim`."""

    what: str
    run: Callable[[], float]
    unit: str
    aim: float
    at_most: bool = False

    def report(self, repetitions: int) -> bool:
        figures = sorted(self.run() for _ in range(repetitions))
        median = statistics.median(figures)
        reached = median <= self.aim if self.at_most else median >= self.aim
        spread = f"{figures[0]:.3g}–{figures[-1]:.3g}, {repetitions}"
        aim = f"{'≤' if self.at_most else '≥'} {self.aim:g} {self.unit}"
        verdict = "reached" if reached else "**missed**"
        print(f"| {self.what} | {median:.3g} {self.unit} ({spread}) | {aim} | {verdict} |", flush=True)
        return reached


def rows(quick: bool) -> list[Row]:
    def n(count: int) -> int:
        return max(20, count // 100) if quick else count

    def rate(kind: type[Contestant], size: int, count: int, **options: int) -> float:
        slots = 1024 if size <= 1000 else 16 if size <= 1 << 20 else 4
        return measure.throughput(kind, size, n(count), **{"slots": slots, **options})

    def against_original(size: int, count: int) -> float:
        return rate(Compat, size, count) / rate(Original, size, max(40, count // 20) if size < 1 << 20 else count)

    def futex_ratio() -> float:
        bare = measure.futex_round_trip(n(20_000))
        return measure.round_trip(SeqringSleeping, 100, n(20_000)) / bare

    def by_hand_ratio() -> float:
        by_hand = measure.in_place(1 << 20, n(5_000), by_hand=contestants.HandRolledInPlace)
        return measure.in_place(1 << 20, n(5_000)) / by_hand

    def memcpy_ratio() -> float:
        return measure.in_place(10_000_000, n(500)) / measure.memcpy(10_000_000, n(500))

    return [
        Row("100 B, one to one, a call at a time", lambda: rate(Seqring, 100, 1_000_000) / 1e6, "M/s", 0.8),
        Row("100 B, one to one, batches of 64", lambda: measure.batches(100, 64 * n(50_000), 64) / 1e6, "M/s", 3),
        Row("100 B there and back, spinning", lambda: measure.round_trip(SeqringSpinning, 100, n(100_000)) * 1e6,
            "µs", 6, at_most=True),
        Row("100 B there and back, sleeping, against bare futexes", futex_ratio, "×", 1.3, at_most=True),
        Row("100 B, one to four", lambda: rate(Seqring, 100, 200_000, consumers=4) / 1e3, "k/s", 250),
        Row("1 MB in place, spinning, against a ring by hand", by_hand_ratio, "×", 0.95),
        Row("10 MB in place, spinning, against memcpy", memcpy_ratio, "×", 0.9),
        Row("10 MB copied in and out", lambda: rate(SeqringInto, 10_000_000, 500) * 10_000_000 / 1e9, "GB/s", 8),
        Row("compat, 100 B, against `ringbuffer`'s algorithm", lambda: against_original(100, 200_000), "×", 20),
        Row("compat, 10 kB, against `ringbuffer`'s algorithm", lambda: against_original(10_000, 100_000), "×", 20),
        Row("compat, 10 MB, against `ringbuffer`'s algorithm", lambda: against_original(10_000_000, 300), "×", 1.5),
        Row("`try_read` on an empty ring", lambda: measure.empty_try(n(2_000_000)) * 1e9, "ns", 150, at_most=True),
        Row("a reader that waits, of a core", lambda: measure.idle_share(1 if quick else 10) * 100, "%", 1, at_most=True),
    ]


def rivals(quick: bool, repetitions: int) -> None:
    sizes = [100, 10_000, 1 << 20, 10_000_000, 100_000_000]
    print("\n| messages a second | " + " | ".join(f"{size:,} B" for size in sizes) + " | 100 B, 1 to 4 | there and back, µs |")
    print("|---" * (len(sizes) + 3) + "|")
    for kind in [Seqring, Compat, *contestants.RIVALS]:
        cells = []
        for size in sizes:
            count = max(20, min(100_000, 2_000_000_000 // size) // (100 if quick else 1))
            slots = 256 if size <= 10_000 else 4
            cells.append(cell(lambda: measure.throughput(kind, size, count, slots=slots), repetitions))
        four = max(20, 20_000 // (100 if quick else 1))
        cells.append(cell(lambda: measure.throughput(kind, 100, four, slots=256, consumers=4), repetitions))
        cells.append(cell(lambda: measure.round_trip(kind, 100, four) * 1e6, repetitions))
        print(f"| {kind.name} | " + " | ".join(cells) + " |", flush=True)


def cell(run: Callable[[], float], repetitions: int) -> str:
    try:
        figure = statistics.median(run() for _ in range(repetitions))
    except ImportError:
        return "not installed"
    except Exception as error:
        # Its processes wait for what will not come.
        for process in multiprocessing.active_children():
            process.kill()
        return f"failed: {type(error).__name__}"
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.{max(0, 2 - int(math.log10(figure)))}f}"


def main(
    description: str | None = __doc__,
    rows: Callable[[bool], list[Row]] = rows,
    rivals: Callable[[bool, int], None] = rivals,
) -> int:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short runs that show only that everything works")
    parser.add_argument("--rivals", action="store_true", help="also measure everything else that is installed")
    parser.add_argument("--repetitions", type=int, help="of each row; 5, or 1 with --quick")
    arguments = parser.parse_args()
    repetitions = arguments.repetitions or (1 if arguments.quick else 5)
    print(f"CPython {platform.python_version()}, {os.cpu_count()} cores, {platform.release()}\n")
    print("| what | median (lowest–highest, repetitions) | aim | |\n|---|---|---|---|")
    reached = [row.report(repetitions) for row in rows(arguments.quick)]
    if arguments.rivals:
        rivals(arguments.quick, repetitions)
    return 0 if all(reached) or arguments.quick else 1


if __name__ == "__main__":
    sys.exit(main())
