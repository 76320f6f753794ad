"""Measurements. Each forks the processes that it needs and returns one number."""

from __future__ import annotations

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import seqring
from message_contestants import Contestant

_context = multiprocessing.get_context("fork")


class Failed(Exception):
    """A process of the measurement ended without a result."""


def _start(work: Callable[[Any], None]) -> tuple[Any, Any]:
    here, there = _context.Pipe()

    def run() -> None:
        here.close()
        work(there)
        there.poll(None)  # Until the other end closes: a queue's thread can still be sending.
        os._exit(0)  # Forked objects are the parent's: no destructors here.

    process = _context.Process(target=run, daemon=True)
    process.start()
    there.close()
    _result(process, here)  # The process is ready.
    return process, here


def _result(process: Any, pipe: Any) -> Any:
    try:
        return pipe.recv()
    except EOFError:
        process.join()
        raise Failed(f"a process ended with {process.exitcode}") from None


def _end(rings: list[Contestant], others: list[tuple[Any, Any]]) -> None:
    for _, pipe in others:
        pipe.close()
    for process, _ in others:
        process.join(10)
        if process.is_alive():
            process.kill()
            process.join()
    for ring in rings:
        ring.close()


def throughput(
    kind: type[Contestant], size: int, count: int, *, slots: int, consumers: int = 1, data: bytes | None = None
) -> float:
    """Messages per second, from the first write until the last consumer has the last message."""
    # Without broadcast, each consumer has its own queue, and the producer writes to all of them.
    is_split = consumers > 1 and not kind.broadcast
    rings = [kind(size, slots, 1) for _ in range(consumers)] if is_split else [kind(size, slots, consumers)]
    warm, data = max(1, count // 10), bytes(size) if data is None else data

    def consume(number: int) -> Callable[[Any], None]:
        def work(pipe: Any) -> None:
            receive = rings[number].receiver(0) if is_split else rings[0].receiver(number)
            pipe.send("ready")
            for _ in range(warm + count):
                receive()
            pipe.send(time.monotonic())

        return work

    others = [_start(consume(number)) for number in range(consumers)]
    senders = [ring.sender() for ring in rings]
    for _ in range(warm):
        for send in senders:
            send(data)
    began = time.monotonic()
    for _ in range(count):
        for send in senders:
            send(data)
    ended = max(_result(*other) for other in others)
    _end(rings, others)
    return count / (ended - began)


def round_trip(kind: type[Contestant], size: int, count: int) -> float:
    """Seconds for a message and its echo, the median of ten parts."""
    there, back = kind(size, 8, 1), kind(size, 8, 1)
    part = count // 10

    def work(pipe: Any) -> None:
        receive, send = there.receiver(0), back.sender()
        pipe.send("ready")
        for _ in range(11 * part):
            send(bytes(receive()))

    other = _start(work)
    send, receive, data = there.sender(), back.receiver(0), bytes(size)
    times = []
    for _ in range(11):
        began = time.monotonic()
        for _ in range(part):
            send(data)
            receive()
        times.append((time.monotonic() - began) / part)
    _end([there, back], [other])
    return statistics.median(times[1:])  # The first part warms up.


def memcpy(size: int, count: int, targets: int = 1) -> float:
    """Bytes per second that one thread copies from a warm buffer to others."""
    import numpy

    source = numpy.random.default_rng(1).integers(0, 255, size, "u1")
    copies = [numpy.zeros_like(source) for _ in range(targets)]
    began = time.monotonic()
    for n in range(count):
        numpy.copyto(copies[n % targets], source)
    return size * count / (time.monotonic() - began)


def empty_try(count: int) -> float:
    """Seconds for `try_read` on an empty ring, without the loop around it."""
    with seqring.Ring.create(64, 100) as ring, ring.reader() as reader:
        call, nothing = reader.try_read, range(count)
        began = time.perf_counter()
        for _ in nothing:
            call()
        with_call = time.perf_counter() - began
        began = time.perf_counter()
        for _ in nothing:
            pass
        return (with_call - (time.perf_counter() - began)) / count


def cpu_share(pids: Iterable[int], meanwhile: Callable[[], Any]) -> float:
    """The part of a core that the processes use together while this one calls `meanwhile`."""

    def seconds() -> float:
        # The CPU-time clock of a process, whose id Linux derives from the pid.
        return sum(time.clock_gettime(~pid << 3 | 2) for pid in pids)

    before, began = seconds(), time.monotonic()
    meanwhile()
    return (seconds() - before) / (time.monotonic() - began)


def waiting_share(seconds: float) -> float:
    """The part of a core that a blocked reader uses."""
    with seqring.Ring.create(64, 100) as ring, ring.writer() as writer:
        parked = ring.reader().park()

        def work(pipe: Any) -> None:
            reader = ring.resume(parked.ticket)
            pipe.send("ready")
            reader.read()

        other = _start(work)
        share = cpu_share([other[0].pid], lambda: time.sleep(seconds))
        writer.write(b"")
        _end([], [other])
        return share
