"""What a worker does, in its process or thread: the calls of the user's code, and what goes in and out of them."""

from __future__ import annotations

import copy
import pickle
import signal
import traceback
from collections.abc import Iterable
from threading import get_ident
from typing import Any

from seqring import _seqring
from seqring.pipeline import _meta
from seqring.pipeline._arrays import Arrays
from seqring.pipeline._roles import Out, fills_in_place

# Of a traceback that is longer, the middle is left out.
_TRACEBACK_CHARS = 6000


class Commanding:
    """A commander at work, whose messages have so many bytes at most. `thread` is the one that is in its code."""

    def __init__(self, commander: Any, message_bytes: int) -> None:
        self.commander = commander
        self.thread: int | None = None
        self._message_bytes = message_bytes

    def build(self) -> None:
        self.thread = get_ident()
        try:
            self.commander.build()
        finally:
            self.thread = None

    def next(self) -> bytes | None:
        """The next message; `None` after the last."""
        self.thread = get_ident()
        try:
            return self.encoded(self.commander.create_message())
        except StopIteration:
            return None
        finally:
            self.thread = None

    def encoded(self, message: Any) -> bytes | None:
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        if len(data) > self._message_bytes:
            raise ValueError(f"a message of {len(data)} bytes, and message_bytes is {self._message_bytes}")
        return data

    def work(self, ticket: str) -> None:
        """Takes part, until there is nothing left to say."""
        _seqring.be_commander(ticket, self)


class Making:
    """A producer at work. `thread` is the one that is in its code."""

    def __init__(self, producer: Any, arrays: Arrays) -> None:
        self.producer = producer
        self.thread: int | None = None
        self._arrays = arrays
        self._in_place = fills_in_place(producer.create_data)

    def build(self) -> None:
        self.thread = get_ident()
        try:
            self.producer.build()
        finally:
            self.thread = None

    def make(self, command: bytes, filling: _seqring.Filling) -> bytes:
        """Makes the item of a message; returns its metadata."""
        arrays = self._arrays.over(filling)
        out = Out(arrays, filling.number, filling.tries)
        self.thread = get_ident()
        try:
            self.fill(pickle.loads(command), out)
        finally:
            self.thread = None
            for array in arrays:
                array.flags.writeable = False
        return _meta.encode(out.meta)

    def fill(self, message: Any, out: Out) -> None:
        if not self._in_place:
            self._arrays.fill(out, self.producer.create_data(message))
        elif (made := self.producer.create_data(message, out=out)) is not None:
            self._arrays.fill(out, made)

    def work(self, ticket: str) -> None:
        """Takes part, until the pipeline ends."""
        _seqring.be_producer(ticket, self)

    def copied(self) -> Making:
        """Another at the same work, with a shallow copy of the producer: for a thread of its own."""
        return type(self)(copy.copy(self.producer), self._arrays)


Role = Commanding | Making


def interrupt(roles: Iterable[Role]) -> None:
    """Has threads of this process leave the user's code by a `SystemExit`, if that is Python's.

    One that is still in it when the interpreter ends would be ended there with all that it holds.
    """
    for role in roles:
        if (thread := role.thread) is not None:
            _seqring.interrupt(thread)


class Sent:
    """A role on its way to its process. What cannot be unpickled there, the consumer is told of."""

    def __init__(self, role: Role) -> None:
        self._role = role

    def open(self) -> Role:
        return self._role

    def __reduce__(self) -> tuple[Any, ...]:
        from multiprocessing.reduction import ForkingPickler

        return Arrived, (bytes(ForkingPickler.dumps(self._role)),)


class Arrived:
    """A role that came to another interpreter."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def open(self) -> Role:
        role: Role = pickle.loads(self._data)
        return role


def work_in_process(sent: Sent | Arrived, ticket: str) -> None:
    """Takes part in a pipeline, as the one thing that a process does."""
    # Ctrl-C is the consumer's, who ends the pipeline.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        role = sent.open()
    except BaseException as error:
        _seqring.refuse(ticket, describe(error))
    else:
        role.work(ticket)


def describe(error: BaseException) -> str:
    """What the consumer is told: one line, and behind a zero where it was.

    >>> describe(ValueError("no image")).partition(chr(0))[0]
    'ValueError: no image'
    """
    summary = "".join(traceback.format_exception_only(error)).strip()
    trace = "".join(traceback.format_exception(error)).rstrip()
    if len(trace) > _TRACEBACK_CHARS:
        half = _TRACEBACK_CHARS // 2
        trace = f"{trace[:half]}\n…\n{trace[-half:]}"
    return f"{summary[:1000]}\0{trace}"
