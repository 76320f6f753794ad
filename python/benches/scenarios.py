"""The five scenarios and the performance tool of `ringbuffer`, through `seqring.compat.ringbuffer`.

`python benches/scenarios.py` runs all five, `--scenario N` runs one; other options change it. Messages are
numbered, and every reader compares every byte unless `--no-verify-writes`. A scenario passes if the writer
kept its rate within 1.5 %, no message was torn, and each reader got or counted as lost every message.
"""

from __future__ import annotations

import argparse
import multiprocessing
import queue
import sys
import time
from dataclasses import dataclass, fields, replace
from typing import Any

from seqring.compat import ringbuffer

# Bodies alternate, so that messages that can share a slot have different ones.
BODIES = 3
HEAD = 8


@dataclass(frozen=True)
class Scenario:
    slot_bytes: int = 1_000_000
    slots: int = 10
    duration_seconds: float = 10
    writes_per_second: float = 24
    readers: int = 1
    reader_burn_cpu_milliseconds: float = 0
    verify_writes: bool = True

    def bodies(self) -> list[bytes]:
        return [bytes([turn + 1]) * (self.slot_bytes - HEAD) for turn in range(BODIES)]

    def __str__(self) -> str:
        burning = f", each busy {self.reader_burn_cpu_milliseconds:g} ms" if self.reader_burn_cpu_milliseconds else ""
        verified = "" if self.verify_writes else ", not verified"
        return (
            f"{self.slot_bytes / 1e6:g} MB × {self.slots}, {self.writes_per_second:g}/s, "
            f"readers: {self.readers}{burning}{verified}"
        )


SCENARIOS = [
    Scenario(slots=50, readers=5),
    Scenario(readers=100),
    Scenario(writes_per_second=2000),
    Scenario(slot_bytes=100_000_000, slots=3, verify_writes=False),
    Scenario(readers=4, reader_burn_cpu_milliseconds=100, duration_seconds=3),
]


@dataclass
class Read:
    """The counts of one reader."""

    messages: int = 0
    lost: int = 0
    torn: int = 0


def write(ring: ringbuffer.RingBuffer, scenario: Scenario, start: Any, results: Any) -> None:
    bodies = scenario.bodies()
    messages = [bytearray(HEAD) + body for body in bodies]
    count = round(scenario.duration_seconds * scenario.writes_per_second)
    start.wait()
    began, syncs = time.monotonic(), 0
    for number in range(count):
        time.sleep(max(0.0, began + number / scenario.writes_per_second - time.monotonic()))
        message = messages[number % BODIES]
        message[:HEAD] = number.to_bytes(HEAD, "little")
        while True:
            try:
                ring.try_write(message)
                break
            except ringbuffer.WaitingForReaderError:
                ring.force_reader_sync()
                syncs += 1
    elapsed = time.monotonic() - began
    ring.writer_done()
    results.put((count, elapsed + 1 / scenario.writes_per_second, syncs))


def read(ring: ringbuffer.RingBuffer, pointer: Any, scenario: Scenario, start: Any, results: Any) -> None:
    bodies, seen, last = scenario.bodies(), Read(), -1
    start.wait()
    try:
        while True:
            data = ring.blocking_read(pointer)
            seen.messages += 1
            if scenario.verify_writes:
                number = int.from_bytes(data[:HEAD], "little")
                is_whole = len(data) == scenario.slot_bytes and data.startswith(bodies[number % BODIES], HEAD)
                seen.torn += not (is_whole and number > last)
                last = number
            burn(scenario.reader_burn_cpu_milliseconds / 1000)
    except ringbuffer.WriterFinishedError:
        seen.lost = pointer.lost
        results.put(seen)


def burn(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def run(scenario: Scenario, method: str, debug: bool) -> bool:
    context: Any = multiprocessing.get_context(method)
    ring = ringbuffer.RingBuffer(slot_bytes=scenario.slot_bytes, slot_count=scenario.slots)
    ring.new_writer()
    start, results = context.Barrier(scenario.readers + 1), context.Queue()
    processes = [context.Process(target=write, args=(ring, scenario, start, results))]
    for _ in range(scenario.readers):
        processes.append(context.Process(target=read, args=(ring, ring.new_reader(), scenario, start, results)))
    for process in processes:
        process.start()
    outcomes = [result(results, processes) for _ in processes]
    for process in processes:
        process.join()
    ring.close()
    ((count, elapsed, syncs),) = (one for one in outcomes if isinstance(one, tuple))
    readers = [one for one in outcomes if isinstance(one, Read)]
    if debug:
        print(*readers, sep="\n")
    rate = count / elapsed / scenario.writes_per_second
    torn, lost = sum(one.torn for one in readers), sum(one.lost for one in readers)
    exact = all(one.messages + one.lost == count for one in readers)
    passed = exact and torn == 0 and abs(rate - 1) <= 0.015
    losses = f"{lost} lost, {'exact' if exact else '**not exact**'}" if lost or not exact else "none lost"
    verdict = "passed" if passed else "**failed**"
    print(f"| {scenario} | {rate:.2%} | {syncs} | {losses} | {torn} | {verdict} |", flush=True)
    return passed


def result(results: Any, processes: list[Any]) -> Any:
    """The next result of a process. Exits if a process died."""
    while True:
        try:
            return results.get(timeout=1)
        except queue.Empty:
            dead = [process for process in processes if process.exitcode not in (None, 0)]
            if dead:
                for process in processes:
                    process.kill()
                sys.exit(f"process {dead[0].pid} ended with {dead[0].exitcode}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario", type=int, choices=range(1, 6), help="one of the five; other options change it")
    parser.add_argument("--slot-bytes", type=int)
    parser.add_argument("--slots", type=int)
    parser.add_argument("--duration-seconds", type=float)
    parser.add_argument("--writes-per-second", type=float)
    parser.add_argument("--readers", type=int)
    parser.add_argument("--reader-burn-cpu-milliseconds", type=float)
    parser.add_argument("--verify-writes", action=argparse.BooleanOptionalAction)
    parser.add_argument("--start-method", choices=multiprocessing.get_all_start_methods(), default="fork")
    parser.add_argument("--debug", action="store_true", help="also print the counts of each reader")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    names = [field.name for field in fields(Scenario)]
    changes: dict[str, Any] = {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    if given.scenario:
        chosen = [SCENARIOS[given.scenario - 1]]
    else:
        chosen = [Scenario()] if changes.keys() - {"duration_seconds"} else SCENARIOS
    print("| scenario | of the rate | found full | losses | torn | |\n|---|---|---|---|---|---|")
    results = [run(replace(scenario, **changes), given.start_method, given.debug) for scenario in chosen]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
