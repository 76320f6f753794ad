"""The work of a worker in its process or thread: calls of the user's code, and their data."""

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

# The middle of a longer traceback is left out.
_TRACEBACK_CHARS = 6000


class CommanderTask:
    """Runs a commander. `thread` is the thread that is in its code, if one is."""

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
            raise ValueError(f"a message has {len(data)} bytes, but message_bytes is {self._message_bytes}")
        return data

    def work(self, ticket: str) -> None:
        """Joins the pipeline and works until the last message."""
        _seqring.run_commander(ticket, self)


class ProducerTask:
    """Runs a producer. `thread` is the thread that is in its code, if one is."""

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

    def make(self, command: bytes, filling: _seqring.ItemBuffer) -> bytes:
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
        """Joins the pipeline and works until its end."""
        _seqring.run_producer(ticket, self)

    def copied(self) -> ProducerTask:
        """A task with a shallow copy of the producer, for another thread."""
        return type(self)(copy.copy(self.producer), self._arrays)


Task = CommanderTask | ProducerTask


def interrupt(tasks: Iterable[Task]) -> None:
    """Raises `SystemExit` in threads of this process that run the user's Python code.

    A thread still in that code when the interpreter ends would end there with all that it holds.
    """
    for task in tasks:
        if (thread := task.thread) is not None:
            _seqring.interrupt_thread(thread)


class PickledTask:
    """A task for another process. A failure to unpickle it is reported to the consumer."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def open(self) -> Task:
        return self._task

    def __reduce__(self) -> tuple[Any, ...]:
        from multiprocessing.reduction import ForkingPickler

        return UnpickledTask, (bytes(ForkingPickler.dumps(self._task)),)


class UnpickledTask:
    """A task in the other interpreter, unpickled by `open`."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def open(self) -> Task:
        task: Task = pickle.loads(self._data)
        return task


def work_in_process(pickled: PickledTask | UnpickledTask, ticket: str) -> None:
    """The main function of a worker's process."""
    # The consumer handles Ctrl-C and ends the pipeline.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        task = pickled.open()
    except BaseException as error:
        _seqring.refuse_start(ticket, describe(error))
    else:
        task.work(ticket)


def describe(error: BaseException) -> str:
    """The text for the consumer: one line and, after a zero, the traceback.

    >>> describe(ValueError("no image")).partition(chr(0))[0]
    'ValueError: no image'
    """
    summary = "".join(traceback.format_exception_only(error)).strip()
    trace = "".join(traceback.format_exception(error)).rstrip()
    if len(trace) > _TRACEBACK_CHARS:
        half = _TRACEBACK_CHARS // 2
        trace = f"{trace[:half]}\n…\n{trace[-half:]}"
    return f"{summary[:1000]}\0{trace}"
