"""What a worker does, in its process or thread: the calls of the user's code, and what goes in and out of them."""

from __future__ import annotations

import copy
import pickle
import signal
import traceback
from typing import Any

from seqring import _seqring
from seqring.pipeline import _meta
from seqring.pipeline._arrays import Arrays
from seqring.pipeline._roles import Commander, Out, Producer, fills_in_place

# Of a traceback that is longer, the middle is left out.
_TRACEBACK_CHARS = 6000


class Commanding:
    """A commander at work."""

    def __init__(self, commander: Commander) -> None:
        self.commander = commander

    def build(self) -> None:
        self.commander.build()

    def next(self) -> bytes | None:
        """The next message; `None` after the last."""
        try:
            message = self.commander.create_message()
        except StopIteration:
            return None
        return self.encoded(message)

    def encoded(self, message: Any) -> bytes:
        return pickle.dumps(message, pickle.HIGHEST_PROTOCOL)


class Making:
    """A producer at work."""

    def __init__(self, producer: Producer, arrays: Arrays) -> None:
        self.producer = producer
        self._arrays = arrays
        self._in_place = fills_in_place(producer.create_data)

    def build(self) -> None:
        self.producer.build()

    def make(self, command: bytes, filling: _seqring.Filling) -> bytes:
        """Makes the item of a message; returns its metadata."""
        arrays = self._arrays.over(filling)
        out = Out(arrays, filling.number, filling.tries)
        try:
            self.fill(pickle.loads(command), out)
        finally:
            for array in arrays:
                array.flags.writeable = False
        return _meta.encode(out.meta)

    def fill(self, message: Any, out: Out) -> None:
        if not self._in_place:
            self._arrays.fill(out, self.producer.create_data(message))
        elif (made := self.producer.create_data(message, out=out)) is not None:
            self._arrays.fill(out, made)


Role = Commanding | Making


def work(role: Role, index: int | None, ticket: bytes) -> None:
    """Takes part as the commander, or as the producer of that index, until the pipeline ends."""
    if isinstance(role, Making):
        assert index is not None
        _seqring.produce(ticket, index, role.build, role.make)
    else:
        _seqring.command(ticket, role.build, role.next)


def work_in_process(role: Role, index: int | None, ticket: bytes) -> None:
    """The same as the one thing that a process does."""
    # Ctrl-C is the consumer's, who ends the pipeline.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work(role, index, ticket)


def work_in_thread(role: Role, index: int | None, ticket: bytes) -> None:
    """The same in a thread: of an object that others use, too, it takes a shallow copy."""
    if isinstance(role, Making):
        role = copy.copy(role)
        role.producer = copy.copy(role.producer)
        role._in_place = fills_in_place(role.producer.create_data)
    work(role, index, ticket)


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
