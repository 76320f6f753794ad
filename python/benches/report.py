"""The tables of `messages.py` and `pipelines.py`: rows with a target, and all contestants.

Contestants alternate within each repetition, so that they run on the same machine state. A row is the
median, with the lowest and highest. `--quick` only shows that everything runs: its numbers mean nothing.
`--rivals` adds a table of all contestants that are installed.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import platform
import statistics
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """`run` returns a number, in `unit`, that must be at least, or at most, `aim`."""

    what: str
    run: Callable[[], float]
    unit: str
    aim: float
    at_most: bool = False

    def report(self, repetitions: int) -> bool:
        numbers = sorted(self.run() for _ in range(repetitions))
        median = statistics.median(numbers)
        reached = median <= self.aim if self.at_most else median >= self.aim
        spread = f"{numbers[0]:.3g}–{numbers[-1]:.3g}, {repetitions}"
        aim = f"{'≤' if self.at_most else '≥'} {self.aim:g} {self.unit}"
        verdict = "reached" if reached else "**missed**"
        print(f"| {self.what} | {median:.3g} {self.unit} ({spread}) | {aim} | {verdict} |", flush=True)
        return reached


def cell(run: Callable[[], float], repetitions: int) -> str:
    try:
        number = statistics.median(run() for _ in range(repetitions))
    except ImportError:
        return "not installed"
    except Exception as error:
        # Its processes wait for messages that will not come.
        for process in multiprocessing.active_children():
            process.kill()
        return f"failed: {type(error).__name__}"
    return f"{number:,.0f}" if number >= 100 else f"{number:.{max(0, 2 - int(math.log10(number)))}f}"


def table(titles: list[str], rows: list[tuple[str, list[Callable[[], float]]]], repetitions: int) -> None:
    print("\n| " + " | ".join(titles) + " |\n" + "|---" * len(titles) + "|")
    for name, runs in rows:
        print(f"| {name} | " + " | ".join(cell(run, repetitions) for run in runs) + " |", flush=True)


def main(
    description: str | None, rows: Callable[[bool], list[Row]], rivals: Callable[[bool, int], None]
) -> int:
    parser = argparse.ArgumentParser(
        description=f"{description}\n{__doc__}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="short runs that only show that everything works")
    parser.add_argument("--rivals", action="store_true", help="also measure all contestants that are installed")
    parser.add_argument("--repetitions", type=int, help="of each row; 5, or 1 with --quick")
    arguments = parser.parse_args()
    repetitions = arguments.repetitions or (1 if arguments.quick else 5)
    print(f"CPython {platform.python_version()}, {os.cpu_count()} cores, {platform.release()}\n")
    print("| what | median (lowest–highest, repetitions) | aim | |\n|---|---|---|---|")
    reached = [row.report(repetitions) for row in rows(arguments.quick)]
    if arguments.rivals:
        rivals(arguments.quick, repetitions)
    return 0 if all(reached) or arguments.quick else 1
