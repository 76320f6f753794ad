"""`ReadersWriterLock`: what the ring does without, kept for programs that use it.

Its state is one shared word, `[writes:32 | writer:1 | readers:31]`, and a table that says which process holds it how
often, so that what a killed process held is let go of. Whoever waits sleeps until somebody lets go, and looks for dead
holders meanwhile.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

from seqring._seqring import Ring, Words
from seqring.compat.ringbuffer._errors import InternalLockingError
from seqring.compat.ringbuffer._process import is_gone, started

_WRITER = 1 << 31
_READERS = _WRITER - 1
_WRITE = 1 << 32
_ALL = (1 << 64) - 1
_HOLDERS = 256
# A holder's record: process, its start, what it holds (as the low half of the state).
_RECORD = 3
# The last word wakes those who wait.
_BELL = 1 + _RECORD * _HOLDERS
WORDS = _BELL + 1
_LOOK_AFTER_SECONDS = 0.05


class ReadersWriterLock:
    """Many readers, or one writer; between threads and processes. What a killed process held is free again.

    >>> lock = ReadersWriterLock()
    >>> with lock.for_read(), lock.for_read():
    ...     lock.readers.value
    2
    """

    def __init__(self) -> None:
        self._attach(Ring.create(1, 8, words=WORDS, participants=2), 0)

    def _attach(self, memory: Ring, base: int) -> None:
        self._memory = memory
        self._words = memory.words
        self._base = base
        self.readers = _Field(self._words, base, 0, _READERS)
        self.writer = _Field(self._words, base, 31, 1)

    @contextlib.contextmanager
    def for_read(self) -> Iterator[None]:
        """Holds the lock for reading."""
        self._acquire(lambda state: not state & _WRITER, 1)
        try:
            yield
        finally:
            self._release(-1)

    @contextlib.contextmanager
    def for_write(self) -> Iterator[None]:
        """Holds the lock for writing. A thread that holds it already waits for itself."""
        self._acquire(lambda state: not state & (_WRITER | _READERS), _WRITER)
        try:
            yield
        finally:
            self._release(_WRITE - _WRITER)

    def wait_for_write(self) -> None:
        """Lets go of the read lock that the caller holds, until somebody has written, and takes it again."""
        writes = self._words.load(self._base) >> 32
        if not self.readers.value:
            raise InternalLockingError("wait_for_write() is for those who hold the lock for reading")
        self._release(-1)
        self._acquire(lambda state: state >> 32 != writes and not state & _WRITER, 1)

    def _acquire(self, is_free: Callable[[int], bool], change: int) -> None:
        record = self._own_record()
        while True:
            seen = self._words.notified(self._base + _BELL)
            state = self._words.load(self._base)
            if is_free(state):
                # First the record: who dies in between is found to hold too much, never too little.
                self._words.add(record + 2, change)
                if self._words.exchange(self._base, state, state + change):
                    return
                self._words.add(record + 2, -change)
                continue
            if not self._words.wait(self._base + _BELL, seen, _LOOK_AFTER_SECONDS):
                self._look_after()

    def _release(self, change: int) -> None:
        self._change(change)
        held = change if change < 0 else -_WRITER
        self._words.add(self._own_record() + 2, held)

    def _change(self, change: int) -> None:
        while True:
            state = self._words.load(self._base)
            if self._words.exchange(self._base, state, (state + change) & _ALL):
                break
        self._words.notify(self._base + _BELL)

    def _own_record(self) -> int:
        pid = os.getpid()
        start = started(pid) or 0
        free = None
        for index in range(_HOLDERS):
            record = self._base + 1 + _RECORD * index
            holder = self._words.load(record)
            if holder == pid and self._words.load(record + 1) in (start, 0):
                return record
            if holder == 0 and free is None:
                free = record
        if free is None:
            raise InternalLockingError(f"{_HOLDERS} processes use this lock already")
        if not self._words.exchange(free, 0, pid):
            return self._own_record()
        self._words.store(free + 1, start)
        return free

    def _look_after(self) -> None:
        """Lets go of what dead processes held."""
        for index in range(_HOLDERS):
            record = self._base + 1 + _RECORD * index
            pid = self._words.load(record)
            if pid == 0 or not is_gone(pid, self._words.load(record + 1)):
                continue
            held = self._words.load(record + 2)
            # Of several that find it one lets go of it.
            if held and self._words.exchange(record + 2, held, 0):
                self._let_go(held)
            self._words.store(record + 1, 0)
            self._words.exchange(record, pid, 0)

    def _let_go(self, held: int) -> None:
        state = self._words.load(self._base)
        readers = min(held & _READERS, state & _READERS)
        writer = held & state & _WRITER
        self._change(-readers - writer + (_WRITE if writer else 0))

    def __reduce__(self) -> tuple[Any, ...]:
        return over, (self._memory, self._base)


class _Field:
    """Bits of a shared word, as an object with `.value`."""

    def __init__(self, words: Words, index: int, shift: int, mask: int) -> None:
        self._words, self._index, self._shift, self._mask = words, index, shift, mask

    @property
    def value(self) -> int:
        return self._words.load(self._index) >> self._shift & self._mask


def over(memory: Ring, base: int) -> ReadersWriterLock:
    """The lock in those words of that ring."""
    lock = ReadersWriterLock.__new__(ReadersWriterLock)
    lock._attach(memory, base)
    return lock
