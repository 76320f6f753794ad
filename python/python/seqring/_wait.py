"""Waiting for several rings, and for other objects that have a descriptor."""

from __future__ import annotations

import asyncio
import math
import select
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any, Protocol, TypeVar

from seqring import _aio, _lifetime
from seqring._seqring import Observer, Reader, TableReader, Taker, Writer
from seqring.errors import Closed, PeerDied


class HasFileno(Protocol):
    def fileno(self) -> int: ...


# One call to the kernel: it takes 32-bit milliseconds.
_LONGEST_SECONDS = 86400.0

_T = TypeVar("_T", bound="HasFileno | Observer | int")


def wait(objects: Iterable[_T], timeout: float | None = None) -> list[_T]:
    """Waits until one of `objects` is ready, for at most `timeout` seconds. Returns those that are, in
    their order; an empty list if none is.

    >>> import seqring
    >>> with seqring.Ring.create(4, 64) as one, seqring.Ring.create(4, 64) as other:
    ...     readers = [one.reader(), other.reader()]
    ...     _ = other.writer().write(b"hello")
    ...     [bytes(reader.read()) for reader in seqring.wait(readers, timeout=1)]
    [b'hello']

    As `multiprocessing.connection.wait`, whose objects it takes: sockets, connections, and whatever else
    has a `fileno`; a number is a descriptor. They are ready when they are readable. A `Reader`, `Taker`,
    `Observer` or `Queue` is ready when its next `try_` call would not return `None` (or raise
    `queue.Empty`): also at the end of the stream, which that call raises. A `Writer` is ready when there
    is room, a `TableReader` when a value has changed. Another taker may take the message first.
    """
    objects, end = list(objects), _lifetime.end_of(timeout)
    if not objects and end is None:
        raise ValueError("no objects, and no timeout: the wait would never end")
    ends = [_end_of(one) for one in objects]
    naps = any(isinstance(one, Observer) for one in ends)
    descriptors = [one if isinstance(one, int) else None if isinstance(one, Observer) else one.fileno() for one in ends]
    poll = select.poll()
    for descriptor in descriptors:
        if descriptor is not None:
            poll.register(descriptor, select.POLLIN)
    while True:
        # A call that finds nothing makes a ring's descriptor unreadable, until there is something.
        ready = [isinstance(one, _Endpoint) and one.wait(0) for one in ends]
        left = math.inf if end is None else max(0.0, end - time.monotonic())
        pause = 0.0 if any(ready) else min(left, _aio.NAP_SECONDS) if naps else left
        readable = {descriptor for descriptor, _ in poll.poll(math.ceil(min(pause, _LONGEST_SECONDS) * 1000))}
        found = [
            one
            for one, end_of_one, is_ready, descriptor in zip(objects, ends, ready, descriptors, strict=True)
            if is_ready or (descriptor in readable and not isinstance(end_of_one, _Endpoint))
        ]
        if found or left == 0.0:
            return found


_Endpoint = (Reader, TableReader, Taker, Observer, Writer)


def _end_of(one: Any) -> Any:
    """The reader of a queue's items; any other object itself."""
    return getattr(one, "_wait_for", lambda: one)()


class Merge:
    """See `merge`."""

    def __init__(self, endpoints: tuple[Reader | Observer | Taker, ...]) -> None:
        self._endpoints = list(endpoints)
        self._in_a_row = 0

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        self._in_a_row = (self._in_a_row + 1) % _aio.TURN
        if self._in_a_row == 0:
            await asyncio.sleep(0)
        while self._endpoints:
            for _ in range(len(self._endpoints)):
                endpoint = self._endpoints.pop(0)
                try:
                    message = endpoint.try_take() if isinstance(endpoint, Taker) else endpoint.try_read()
                except Exception as error:
                    if isinstance(error, Closed) and not isinstance(error, PeerDied):
                        continue
                    self._endpoints.append(endpoint)
                    raise
                self._endpoints.append(endpoint)
                if message is not None:
                    return message
            if self._endpoints:
                await _aio.ready(*self._endpoints)
        raise StopAsyncIteration


def merge(*endpoints: Reader | Observer | Taker) -> Merge:
    """The messages of several readers, observers or takers as they come, for `async for`.

    Each in turn: none waits while another one has messages. It ends when all streams have. An error of one
    (`PeerDied`, `Lagged`) is raised, and the next `anext` continues. Cancelling a task loses no message, as
    with `Reader.aio`.
    """
    return Merge(endpoints)
