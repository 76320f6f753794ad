"""`ReadersWriterLock`: what the ring does without, kept for programs that use it.

Its state is one shared word, `[changes:23 | changed for:9 | writer:1 | readers:31]`, and a table says which process holds
it how often, so that what a killed process held is let go of. Whoever waits sleeps until somebody lets go, and looks for
dead holders meanwhile.

State and table change together, whoever is killed when:

1. The holder says in its record what it will hold: its intent, with the number of the change.
2. It exchanges the state for one that names the record. From here on the change is made.
3. Anybody, before any other change, copies the intent to what the record holds, unless that has its number already, and
   takes the name out of the state.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

from seqring._seqring import Ring, Words
from seqring.compat.ringbuffer._errors import InternalLockingError
from seqring.compat.ringbuffer._process import is_gone, started

_WRITER = 1 << 31
_READERS = _WRITER - 1
_HOLDS = _WRITER | _READERS
_NUMBER = _HOLDS << 32
_CHANGED_FOR = 0x1FF << 32
_HOLDERS = 256
# The state, how many have written, the holders' records, and a word that wakes those who wait.
_WRITES, _FIRST = 1, 2
# A holder's record: process, its start, what it holds (as the low half of the state), what it is about to hold.
_START, _HELD, _INTENT, _RECORD = 1, 2, 3, 4
_BELL = _FIRST + _RECORD * _HOLDERS
WORDS = _BELL + 1
_LOOK_AFTER_SECONDS = 0.05

# The threads of a process share its record, by whichever object of the lock: one at a time changes something.
_changing = threading.Lock()


def _renew() -> None:
    """In a fork's child: who held it is not there."""
    global _changing
    _changing = threading.Lock()


os.register_at_fork(after_in_child=_renew)


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
        self._acquire(lambda state: not state & _HOLDS, _WRITER)
        try:
            yield
        finally:
            self._words.add(self._base + _WRITES, 1)
            self._release(-_WRITER)

    def wait_for_write(self) -> None:
        """Lets go of the read lock that the caller holds, until somebody has written, and takes it again."""
        writes = self._words.load(self._base + _WRITES)
        if not self.readers.value:
            raise InternalLockingError("wait_for_write() is for those who hold the lock for reading")
        self._release(-1)
        self._acquire(lambda state: not state & _WRITER and self._words.load(self._base + _WRITES) != writes, 1)

    def _acquire(self, is_free: Callable[[int], bool], change: int) -> None:
        while True:
            seen = self._words.notified(self._base + _BELL)
            with _changing:
                record = self._own_record()
                while is_free(state := self._settled()):
                    if self._change(state, record, change):
                        return
            if not self._words.wait(self._base + _BELL, seen, _LOOK_AFTER_SECONDS):
                self._look_after()

    def _release(self, change: int) -> None:
        with _changing:
            record = self._own_record()
            if not self._words.load(record + _HELD) & _HOLDS:
                return  # A fork's child leaves what its parent holds.
            while not self._change(self._settled(), record, change):
                pass
        self._words.notify(self._base + _BELL)

    def _change(self, state: int, record: int, change: int) -> bool:
        """Changes a settled state, and what the record holds, by so much; or nothing, if it is not the state any more."""
        held, intent = self._words.load(record + _HELD), self._words.load(record + _INTENT)
        wanted = _after(held) | (held + change) & _HOLDS
        if not self._words.exchange(record + _INTENT, intent, wanted):
            return False
        name = 1 + (record - self._base - _FIRST) // _RECORD
        if not self._words.exchange(self._base, state, _next(state, (state + change) & _HOLDS, name)):
            return False
        self._settled()
        return True

    def _settled(self) -> int:
        """The state, with no change unfinished."""
        while True:
            state = self._words.load(self._base)
            name = (state & _CHANGED_FOR) >> 32
            if not name:
                return state
            record = self._record(name - 1)
            held, intent = self._words.load(record + _HELD), self._words.load(record + _INTENT)
            if self._words.load(self._base) != state:
                continue  # It is settled, and the intent may be the next one.
            if intent & _NUMBER == _after(held):
                self._words.exchange(record + _HELD, held, intent)
            self._words.exchange(self._base, state, _next(state, state & _HOLDS, 0))

    def _record(self, index: int) -> int:
        return self._base + _FIRST + _RECORD * index

    def _own_record(self) -> int:
        pid = os.getpid()
        start = started(pid) or 0
        free = None
        for record in map(self._record, range(_HOLDERS)):
            holder = self._words.load(record)
            if holder == pid and self._words.load(record + _START) in (start, 0):
                return record
            if holder == 0 and free is None:
                free = record
        if free is None:
            raise InternalLockingError(f"{_HOLDERS} processes use this lock already")
        if not self._words.exchange(free, 0, pid):
            return self._own_record()
        self._words.store(free + _START, start)
        return free

    def _look_after(self) -> None:
        """Lets go of what dead processes held."""
        for record in map(self._record, range(_HOLDERS)):
            pid, start = self._words.load(record), self._words.load(record + _START)
            if pid and is_gone(pid, start):
                self._let_go(record, pid, start)

    def _let_go(self, record: int, pid: int, start: int) -> None:
        while True:
            state = self._settled()
            # Another may have done it, and a new process have the record. If not, none has until the state changes.
            if (self._words.load(record), self._words.load(record + _START)) != (pid, start):
                return
            held = self._words.load(record + _HELD) & _HOLDS
            if not held:
                break
            if held & _WRITER:
                self._words.add(self._base + _WRITES, 1)
            if self._change(state, record, -held):
                self._words.notify(self._base + _BELL)
        self._words.exchange(record + _START, start, 0)
        self._words.exchange(record, pid, 0)

    def __reduce__(self) -> tuple[Any, ...]:
        return over, (self._memory, self._base)


def _after(held: int) -> int:
    """The number of the change after the one that led to what is held."""
    return (held + (1 << 32)) & _NUMBER


def _next(state: int, holds: int, name: int) -> int:
    """The state after `state`: never one that was there lately."""
    changes = ((state >> 41) + 1) & ((1 << 23) - 1)
    return changes << 41 | name << 32 | holds


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
