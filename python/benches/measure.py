"""Measurements: each forks the processes that it needs, and returns one number."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import seqring
from contestants import Contestant, Receive

_context = multiprocessing.get_context("fork")
_FUTEX = 202


class Failed(Exception):
    """A process of the measurement ended without a result."""


def _start(work: Callable[[Any], None]) -> tuple[Any, Any]:
    here, there = _context.Pipe()

    def run() -> None:
        here.close()
        work(there)
        there.poll(None)  # Until the other end is closed: a thread may still be sending what was put into a queue.
        os._exit(0)  # Nothing of what was forked is this process's to end.

    process = _context.Process(target=run, daemon=True)
    process.start()
    there.close()
    return process, here


def _result(process: Any, pipe: Any) -> Any:
    try:
        return pipe.recv()
    except EOFError:
        process.join()
        raise Failed(f"a process ended with {process.exitcode}") from None


def throughput(kind: type[Contestant], size: int, count: int, *, slots: int, consumers: int = 1) -> float:
    """Messages a second, from the first write until the last consumer has the last message."""
    if consumers > 1 and not kind.broadcast:
        # One for each consumer: all are written to.
        return _throughput([kind(size, slots, 1) for _ in range(consumers)], size, count, lambda n: (n, 0))
    return _throughput([kind(size, slots, consumers)], size, count, lambda n: (0, n), consumers)


def _throughput(
    rings: list[Contestant],
    size: int,
    count: int,
    where: Callable[[int], tuple[int, int]],
    consumers: int | None = None,
) -> float:
    warm = max(1, count // 10)

    def consume(number: int) -> Callable[[Any], None]:
        def work(pipe: Any) -> None:
            ring, index = where(number)
            receive = rings[ring].receiver(index)
            pipe.send("ready")
            for _ in range(warm + count):
                receive()
            pipe.send(time.monotonic())

        return work

    others = [_start(consume(number)) for number in range(consumers or len(rings))]
    for other in others:
        _result(*other)
    senders, data = [ring.sender() for ring in rings], bytes(size)
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


def batches(size: int, count: int, batch: int) -> float:
    """Messages a second through `write_batch` and `read_batch`."""
    with seqring.Ring.create(4096, size) as ring:
        parked = ring.reader().park()

        def work(pipe: Any) -> None:
            reader, left = ring.resume(parked.ticket), count
            pipe.send("ready")
            while left:
                left -= len(reader.read_batch(batch))
            pipe.send(time.monotonic())

        other = _start(work)
        _result(*other)
        with ring.writer() as writer:
            messages = [bytes(size)] * batch
            began = time.monotonic()
            for _ in range(count // batch):
                writer.write_batch(messages)
            rate: float = count / (_result(*other) - began)
        _end([], [other])
        return rate


def round_trip(kind: type[Contestant], size: int, count: int) -> float:
    """Seconds there and back, the median of ten parts."""
    there, back = kind(size, 8, 1), kind(size, 8, 1)

    def work(pipe: Any) -> None:
        receive, send = there.receiver(0), back.sender()
        pipe.send("ready")
        for _ in range(11 * (count // 10)):
            send(bytes(receive()))

    other = _start(work)
    _result(*other)
    send, receive, data = there.sender(), back.receiver(0), bytes(size)
    trips = _median_of_parts(count, lambda: (send(data), receive()))
    _end([there, back], [other])
    return trips


def futex_round_trip(count: int) -> float:
    """Seconds for two processes to wake each other in turn, by nothing but futex calls."""
    import mmap

    libc = ctypes.CDLL(None, use_errno=True)
    words = (ctypes.c_uint32 * 32).from_buffer(mmap.mmap(-1, 4096))
    turn, other_turn = ctypes.byref(words, 0), ctypes.byref(words, 64)

    def wake(index: int, word: Any) -> None:
        words[index] += 1
        libc.syscall(_FUTEX, word, 1, 1, None, None, 0)

    def wait(index: int, word: Any, seen: int) -> None:
        while words[index] == seen:
            libc.syscall(_FUTEX, word, 0, seen, None, None, 0)

    def work(pipe: Any) -> None:
        pipe.send("ready")
        for n in range(11 * (count // 10)):
            wait(0, turn, n)
            wake(16, other_turn)

    process = _start(work)
    _result(*process)
    trips = 0

    def trip() -> None:
        nonlocal trips
        wake(0, turn)
        wait(16, other_turn, trips)
        trips += 1

    result = _median_of_parts(count, trip)
    _end([], [process])
    return result


def _median_of_parts(count: int, trip: Callable[[], Any]) -> float:
    parts = []
    for _ in range(11):
        began = time.monotonic()
        for _ in range(count // 10):
            trip()
        parts.append((time.monotonic() - began) / (count // 10))
    return statistics.median(parts[1:])  # The first one warms up.


def in_place(size: int, count: int, *, by_hand: type[Contestant] | None = None) -> float:
    """Bytes a second that a writer copies in, while a reader looks at one word of each line where it lies. Both spin."""
    import numpy

    slots = 8
    ring = by_hand(size, slots, 1) if by_hand else None
    own = None if ring else seqring.Ring.create(slots, size, slot_class="arena")
    parked = own.reader().park() if own else None

    def look(data: Any) -> None:
        numpy.frombuffer(data, "u8")[::8].sum()

    def work(pipe: Any) -> None:
        receive: Receive | None = ring.receiver(0) if ring else None
        reader = own.resume(parked.ticket, waiting="spinning") if own and parked else None
        pipe.send("ready")
        for _ in range(count + slots):
            if reader:
                with reader.view() as view:
                    look(view)
            elif receive:
                look(receive())
        pipe.send(time.monotonic())

    other = _start(work)
    _result(*other)
    writer = own.writer(waiting="spinning") if own else None
    send = writer.write if writer else ring.sender()  # type: ignore[union-attr]
    data = os.urandom(4096) * (size // 4096 + 1)
    data = data[:size]
    for _ in range(slots):
        send(data)
    began = time.monotonic()
    for _ in range(count):
        send(data)
    ended = _result(*other)
    _end([ring] if ring else [], [other])
    if own and writer:
        writer.close()
        own.close()
    return size * count / (ended - began)


def memcpy(size: int, count: int) -> float:
    """Bytes a second that one thread copies between two warm buffers."""
    import numpy

    one, other = numpy.ones(size, "u1"), numpy.zeros(size, "u1")
    began = time.monotonic()
    for _ in range(count):
        numpy.copyto(other, one)
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


def idle_share(seconds: float) -> float:
    """The part of a core that a blocked reader takes."""
    with seqring.Ring.create(64, 100) as ring:
        writer, parked = ring.writer(), ring.reader().park()

        def work(pipe: Any) -> None:
            reader = ring.resume(parked.ticket)
            pipe.send("ready")
            before, began = time.process_time(), time.monotonic()
            try:
                reader.read(timeout=seconds)
            except seqring.TimedOut:
                pipe.send((time.process_time() - before) / (time.monotonic() - began))

        other = _start(work)
        _result(*other)
        share: float = _result(*other)
        writer.close()
        _end([], [other])
        return share


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
