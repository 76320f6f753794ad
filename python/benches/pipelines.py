"""Pipelines, against targets: `python benches/pipelines.py [--quick] [--rivals]`."""

from __future__ import annotations

import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import seqring
from measure import cpu_share, memcpy
from pipeline_contestants import ALL, LARGE, SMALL, Compat, Contestant, Endless, InPlace, Pipeline, Shape
from pipeline_contestants import ConcurrentbufferAlgorithm as Algorithm
from report import Row, main, table


def rate(kind: type[Contestant], shape: Shape, count: int, producers: int = 2, ordered: bool = True) -> float:
    """Items per second."""
    contestant = kind(shape, producers, ordered)
    try:
        take(contestant, max(4 * producers, count // 10))
        began = time.perf_counter()
        take(contestant, count)
        return count / (time.perf_counter() - began)
    finally:
        contestant.stop()


def take(contestant: Contestant, count: int) -> None:
    """Takes items and reads their first and last bytes."""
    for _ in range(count):
        ends = contestant.next().reshape(-1)
        ends[0], ends[-1]


def latency(contestant: Contestant, count: int) -> float:
    """Seconds from the creation of a message until the consumer has the item, the median."""
    try:
        take(contestant, count // 10)
        delays = []
        for _ in range(count):
            issued = int(contestant.next().reshape(-1)[8:16].view("i8")[0])
            delays.append(time.monotonic_ns() - issued)
        return statistics.median(delays) / 1e9
    finally:
        contestant.stop()


def tree() -> list[int]:
    """This process and its descendants."""
    found = [os.getpid()]
    for pid in found:
        try:
            children = Path(f"/proc/{pid}/task").glob("*/children")
            found += [int(child) for task in children for child in task.read_text().split()]
        except OSError:
            continue
    return found


class Silent(Endless):
    """A commander that sends nothing after its first messages."""

    def create_message(self) -> Any:
        if self.number == 7:
            time.sleep(3600)
        return super().create_message()


class Blocked(InPlace):
    """A producer that does not finish item 8."""

    def create_data(self, message: Any, out: Any) -> None:
        if message["number"] == 8:
            time.sleep(3600)
        super().create_data(message, out)


def idle(commander: Any, producer: Any, seconds: float, *, waits: bool) -> float:
    """The part of a core that an idle pipeline uses, with a consumer that waits for an item, or
    sleeps."""
    pipeline = seqring.Pipeline(
        commander, producer, shapes=SMALL, producers=2, start_method="fork", timeout=seconds
    )

    def wait() -> None:
        try:
            next(pipeline)
        except seqring.TimedOut:
            return
        raise AssertionError("an item came")

    try:
        for _ in range(8):
            next(pipeline)
        time.sleep(0.5)
        return cpu_share(tree(), wait if waits else lambda: time.sleep(seconds))
    finally:
        pipeline.stop()


def opened(count: int) -> tuple[float, float]:
    """Segments, named or not, and descriptors, except one for each worker, of a running
    pipeline."""

    def open_files() -> tuple[int, int]:
        targets = [target(fd) for fd in os.listdir("/proc/self/fd")]
        # Two descriptors of one file are one segment.
        return len({file for name, file in targets if "memfd:" in name or "/dev/shm/" in name}), len(targets)

    before = open_files()
    contestant = Pipeline(SMALL, count, True)
    try:
        take(contestant, 4 * count)
        segments, descriptors = (now - then for now, then in zip(open_files(), before))
        return segments, descriptors - (count + 1)
    finally:
        contestant.stop()


def target(fd: str) -> tuple[str, int]:
    """The name and inode that a descriptor refers to."""
    path = f"/proc/self/fd/{fd}"
    try:
        return os.readlink(path), os.stat(path).st_ino
    except OSError:
        return "", 0


def rows(quick: bool) -> list[Row]:
    def n(count: int) -> int:
        return max(40, count // 100) if quick else count

    seconds = 1 if quick else 3

    def against(kind: type[Contestant], shape: Shape, count: int) -> float:
        return rate(kind, shape, n(count)) / rate(Algorithm, shape, n(count if shape == LARGE else count // 10))

    def ordered_against_not() -> float:
        return rate(Pipeline, SMALL, n(50_000)) / rate(Pipeline, SMALL, n(50_000), ordered=False)

    def in_flight_latency() -> float:
        contestant = Pipeline(SMALL, 2, True)
        by_rate = contestant.in_flight / rate(Pipeline, SMALL, n(20_000))
        return latency(contestant, n(20_000)) / by_rate

    def memcpy_ratio() -> float:
        nbytes = math.prod(LARGE)
        return rate(Pipeline, LARGE, n(500), 1) * nbytes / memcpy(nbytes, n(500), targets=4)

    def share(commander: Any, producer: Any, waits: bool) -> Callable[[], float]:
        return lambda: 100 * idle(commander, producer, seconds, waits=waits)

    def one_in_flight() -> float:
        return latency(Pipeline(SMALL, 1, True, 1), n(20_000)) * 1e6

    algorithm = "against `concurrentbuffer`'s algorithm"
    compat = "the same through compat"
    return [
        Row(f"12 kB, 2 producers, {algorithm}", lambda: against(Pipeline, SMALL, 50_000), "×", 5),
        Row(compat, lambda: against(Compat, SMALL, 50_000), "×", 5),
        Row(f"12.6 MB, 2 producers, {algorithm}", lambda: against(Pipeline, LARGE, 500), "×", 1.4),
        Row(compat, lambda: against(Compat, LARGE, 500), "×", 1.4),
        Row("12.6 MB in place, 1 producer, against memcpy", memcpy_ratio, "×", 0.85),
        Row("12 kB, ordered against unordered", ordered_against_not, "×", 0.95),
        Row("12 kB, commander to consumer, one in flight", one_in_flight, "µs", 100, at_most=True),
        Row("12 kB, saturated, against in flight / rate", in_flight_latency, "×", 1.2, at_most=True),
        Row("idle, no message", share(Silent(), InPlace(SMALL), True), "%", 1, at_most=True),
        Row("idle, all buffers full, consumer away", share(Endless(), InPlace(SMALL), False), "%", 1, at_most=True),
        Row("idle, producer blocked, consumer waits", share(Endless(), Blocked(SMALL), True), "%", 1, at_most=True),
        Row("segments, 8 producers", lambda: opened(8)[0], "", 1, at_most=True),
        Row("descriptors beside one a worker, 8 producers", lambda: opened(8)[1], "", 4, at_most=True),
    ]


def rivals(quick: bool, repetitions: int) -> None:
    cases = [(shape, producers, ordered) for shape in (SMALL, LARGE) for producers in (1, 2, 8) for ordered in (True, False)]
    titles = [
        f"{'12 kB' if shape == SMALL else '12.6 MB'}, {producers}{'' if ordered else ', unordered'}"
        for shape, producers, ordered in cases
    ]

    def runs(kind: type[Contestant]) -> list[Callable[[], float]]:
        def case(shape: Shape, producers: int, ordered: bool) -> Callable[[], float]:
            count = (20_000 if shape == SMALL else 200) // (100 if quick else 1)
            return lambda: rate(kind, shape, count, producers, ordered)

        return [
            *(case(*each) for each in cases),
            lambda: latency(kind(SMALL, 1, True), 2000 // (50 if quick else 1)) * 1e6,
            lambda: cores(kind, 20_000 // (100 if quick else 1)),
        ]

    titles = ["items a second", *titles, "µs to the consumer", "cores, 12 kB"]
    table(titles, [(kind.name, runs(kind)) for kind in ALL], repetitions)


def cores(kind: type[Contestant], count: int) -> float:
    """Cores that all processes use together at full speed."""
    contestant = kind(SMALL, 2, True)
    try:
        take(contestant, count // 10)
        return max(0.01, cpu_share(tree(), lambda: take(contestant, count)))
    finally:
        contestant.stop()


if __name__ == "__main__":
    sys.exit(main(__doc__, rows, rivals))
