"""What the pipeline is to reach from Python, and whether it does: `python benches/reach_pipeline.py [--quick] [--rivals]`.

As `reach.py`, whose table it has. `--rivals` adds a table of items a second, latency and processor time of all contestants.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import seqring
from pipelines import ALL, LARGE, SMALL, Compat, Contestant, Endless, InPlace, Original, Pipeline
from reach import Row, cell, main


def rate(kind: type[Contestant], shape: tuple[int, ...], count: int, producers: int = 2, ordered: bool = True) -> float:
    """Items a second."""
    contestant = kind(shape, producers, ordered)
    try:
        take(contestant, max(4 * producers, count // 10))
        began = time.perf_counter()
        take(contestant, count)
        return count / (time.perf_counter() - began)
    finally:
        contestant.stop()


def take(contestant: Contestant, count: int) -> None:
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


def memcpy_rate(count: int) -> float:
    """Pictures a second that as many processes as there are producers, one, copies between warm buffers."""
    picture = numpy.random.default_rng(1).integers(0, 255, LARGE, "u1")
    places = [numpy.zeros_like(picture) for _ in range(4)]
    began = time.perf_counter()
    for n in range(count):
        numpy.copyto(places[n % len(places)], picture)
    return count / (time.perf_counter() - began)


def tree() -> list[int]:
    """This process, and all below it."""
    found = [os.getpid()]
    for pid in found:
        try:
            children = Path(f"/proc/{pid}/task").glob("*/children")
            found += [int(child) for task in children for child in task.read_text().split()]
        except OSError:
            continue
    return found


def seconds_of(pid: int) -> float:
    """Time that its threads ran, those that ended too: its processor clock, whose number Linux makes of the pid's."""
    return time.clock_gettime(~pid << 3 | 2)


def busy_share(seconds: float, meanwhile: Callable[[], Any] | None = None) -> float:
    """The part of a core that all processes take together, while this one does `meanwhile`, or sleeps."""
    pids = tree()
    before, began = sum(map(seconds_of, pids)), time.monotonic()
    (meanwhile or (lambda: time.sleep(seconds)))()
    return (sum(map(seconds_of, pids)) - before) / (time.monotonic() - began)


class Silent(Endless):
    """A commander that has nothing to say after its first messages."""

    def create_message(self) -> Any:
        if self.number == 7:
            time.sleep(3600)
        return super().create_message()


class Blocked(InPlace):
    """A producer that is at its item for ever."""

    def create_data(self, message: Any, out: Any) -> None:
        if message["number"] == 8:
            time.sleep(3600)
        super().create_data(message, out)


def idle(commander: Any, producer: Any, seconds: float, *, waits: bool) -> float:
    """What an idle pipeline takes of a core: with a consumer that waits for it, or is away."""
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
        return busy_share(seconds, wait if waits else None)
    finally:
        pipeline.stop()


def opened(count: int) -> tuple[float, float]:
    """Segments, named or not, and descriptors beside one a worker, that this process has of a running pipeline."""

    def look() -> tuple[int, int]:
        targets = [target(fd) for fd in os.listdir("/proc/self/fd")]
        # Two descriptors of one file are one segment.
        return len({file for name, file in targets if "memfd:" in name or "/dev/shm/" in name}), len(targets)

    before = look()
    contestant = Pipeline(SMALL, count, True)
    try:
        take(contestant, 4 * count)
        segments, descriptors = (now - then for now, then in zip(look(), before))
        return segments, descriptors - (count + 1)
    finally:
        contestant.stop()


def target(fd: str) -> tuple[str, int]:
    """What a descriptor leads to: its name, and the file's number."""
    path = f"/proc/self/fd/{fd}"
    try:
        return os.readlink(path), os.stat(path).st_ino
    except OSError:
        return "", 0


def rows(quick: bool) -> list[Row]:
    def n(count: int) -> int:
        return max(40, count // 100) if quick else count

    seconds = 1 if quick else 3

    def against(kind: type[Contestant], shape: tuple[int, ...], count: int) -> float:
        return rate(kind, shape, n(count)) / rate(Original, shape, n(count if shape == LARGE else count // 10))

    def ordered_against_not() -> float:
        return rate(Pipeline, SMALL, n(50_000)) / rate(Pipeline, SMALL, n(50_000), ordered=False)

    def in_flight_latency() -> float:
        contestant = Pipeline(SMALL, 2, True)
        by_rate = contestant.in_flight / rate(Pipeline, SMALL, n(20_000))
        return latency(contestant, n(20_000)) / by_rate

    def share(commander: Any, producer: Any, waits: bool) -> Callable[[], float]:
        return lambda: 100 * idle(commander, producer, seconds, waits=waits)

    most = {"unit": "%", "aim": 1, "at_most": True}
    return [
        Row("12 kB, 2 producers, against `concurrentbuffer`'s algorithm", lambda: against(Pipeline, SMALL, 50_000), "×", 5),
        Row("the same through compat", lambda: against(Compat, SMALL, 50_000), "×", 5),
        Row("12.6 MB, 2 producers, against `concurrentbuffer`'s algorithm", lambda: against(Pipeline, LARGE, 500), "×", 1.4),
        Row("the same through compat", lambda: against(Compat, LARGE, 500), "×", 1.4),
        Row("12.6 MB in place, 1 producer, against memcpy",
            lambda: rate(Pipeline, LARGE, n(500), 1) / memcpy_rate(n(500)), "×", 0.85),
        Row("12 kB, ordered against unordered", ordered_against_not, "×", 0.95),
        Row("12 kB, commander to consumer, one in flight",
            lambda: latency(Pipeline(SMALL, 1, True, 1), n(20_000)) * 1e6, "µs", 100, at_most=True),
        Row("12 kB, saturated, against in flight / rate", in_flight_latency, "×", 1.2, at_most=True),
        Row("idle, no message", share(Silent(), InPlace(SMALL), True), **most),
        Row("idle, all buffers full, consumer away", share(Endless(), InPlace(SMALL), False), **most),
        Row("idle, producer blocked, consumer waits", share(Endless(), Blocked(SMALL), True), **most),
        Row("segments, 8 producers", lambda: opened(8)[0], "", 1, at_most=True),
        Row("descriptors beside one a worker, 8 producers", lambda: opened(8)[1], "", 4, at_most=True),
    ]


def rivals(quick: bool, repetitions: int) -> None:
    cases = [(shape, producers, ordered) for shape in (SMALL, LARGE) for producers in (1, 2, 8) for ordered in (True, False)]
    titles = [
        f"{'12 kB' if shape == SMALL else '12.6 MB'}, {producers}{'' if ordered else ', unordered'}"
        for shape, producers, ordered in cases
    ]
    print("\n| items a second | " + " | ".join(titles) + " | µs to the consumer | cores, 12 kB |")
    print("|---" * (len(cases) + 3) + "|")
    for kind in ALL:
        cells = []
        for shape, producers, ordered in cases:
            count = (20_000 if shape == SMALL else 200) // (100 if quick else 1)
            cells.append(cell(lambda: rate(kind, shape, count, producers, ordered), repetitions))
        cells.append(cell(lambda: latency(kind(SMALL, 1, True), 2000 // (50 if quick else 1)) * 1e6, repetitions))
        cells.append(cell(lambda: cores(kind, 20_000 // (100 if quick else 1)), repetitions))
        print(f"| {kind.name} | " + " | ".join(cells) + " |", flush=True)


def cores(kind: type[Contestant], count: int) -> float:
    """Cores that all processes take together at full speed."""
    contestant = kind(SMALL, 2, True)
    try:
        take(contestant, count // 10)
        return max(0.01, busy_share(0, lambda: take(contestant, count)))
    finally:
        contestant.stop()


if __name__ == "__main__":
    sys.exit(main(__doc__, rows, rivals))
