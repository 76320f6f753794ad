"""`ReadersWriterLock`, for programs that use one. The ring itself takes no lock.

The state is one shared word, `[changes:23 | record:9 | writer:1 | readers:31]`. A table of records holds
how often each process has acquired the lock, so that a killed process's share can be released. A waiting
process sleeps until a release, and checks for dead holders meanwhile.

State and table change together even if a process is killed between any two steps (a write-ahead intent):

1. The holder writes its intent to its record: what it will hold, and the number of the change.
2. It exchanges the state for one that names the record. This commits the change.
3. Any process, before any other change, copies the intent to the record's held field, unless that has
   the change's number already, and removes the record's name from the state.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

from seqring import _lifetime
from seqring._seqring import Ring, Words
from seqring.compat.ringbuffer._errors import InternalLockingError
from seqring.compat.ringbuffer._process_identity import is_gone, started

_WRITER = 1 << 31
_READERS = _WRITER - 1
_HOLDS = _WRITER | _READERS
_NUMBER = _HOLDS << 32
_NAMED_RECORD = 0x1FF << 32
_HOLDERS = 256
# The state, the count of writes, the holders' records, and the word that waiting processes sleep
# on.
_WRITES, _FIRST = 1, 2
# A holder's record: pid, start time, what it holds (as the low half of the state), its intent.
_START, _HELD, _INTENT, _RECORD = 1, 2, 3, 4
_RELEASED = _FIRST + _RECORD * _HOLDERS
WORDS = _RELEASED + 1
_LIVENESS_SECONDS = 0.05


class ReadersWriterLock(_lifetime.Attached):
    """Many readers or one writer, between threads and processes. A killed holder's share is
    released.

    >>> lock = ReadersWriterLock()
    >>> with lock.for_read(), lock.for_read():
    ...     lock.readers.value
    2
    """

    _OWN: tuple[str, ...] = ("_memory", "_words", "_base", "readers", "writer")

    def __init__(self) -> None:
        self._attach(Ring.create(1, 8, words=WORDS, participants=2), 0)

    def _attach(self, memory: Ring, base: int) -> None:
        self._memory = memory
        self._words = memory.words
        self._base = base
        self.readers = _BitField(self._words, base, 0, _READERS)
        self.writer = _BitField(self._words, base, 31, 1)

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
        """Holds the lock for writing. It is not reentrant: a thread that holds it deadlocks."""
        self._acquire(lambda state: not state & _HOLDS, _WRITER)
        try:
            yield
        finally:
            self._words.add(self._base + _WRITES, 1)
            self._release(-_WRITER)

    def wait_for_write(self) -> None:
        """Releases the caller's read lock until a write was made, and acquires it again."""
        writes = self._words.load(self._base + _WRITES)
        if not self.readers.value:
            raise InternalLockingError("wait_for_write() needs the lock held for reading")
        self._release(-1)
        self._acquire(lambda state: not state & _WRITER and self._words.load(self._base + _WRITES) != writes, 1)

    def _acquire(self, is_free: Callable[[int], bool], change: int) -> None:
        while True:
            seen = self._words.notified(self._base + _RELEASED)
            with _lifetime.lock:  # The threads of a process share its record.
                record = self._own_record()
                while is_free(state := self._settled()):
                    if self._change(state, record, change):
                        return
            if not self._words.wait(self._base + _RELEASED, seen, _LIVENESS_SECONDS):
                self._release_dead()

    def _release(self, change: int) -> None:
        with _lifetime.lock:  # The threads of a process share its record.
            record = self._own_record()
            if not self._words.load(record + _HELD) & _HOLDS:
                return  # A forked child does not release its parent's share.
            while not self._change(self._settled(), record, change):
                pass
        self._words.notify(self._base + _RELEASED)

    def _change(self, state: int, record: int, change: int) -> bool:
        """Changes a settled state and the record's share by `change`. Returns false if the state
        has changed."""
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
        """The state, after any unfinished change was finished."""
        while True:
            state = self._words.load(self._base)
            name = (state & _NAMED_RECORD) >> 32
            if not name:
                return state
            record = self._record(name - 1)
            held, intent = self._words.load(record + _HELD), self._words.load(record + _INTENT)
            if self._words.load(self._base) != state:
                continue  # Another process settled it; the intent can belong to the next change.
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

    def _release_dead(self) -> None:
        """Releases what dead processes held."""
        for record in map(self._record, range(_HOLDERS)):
            pid, start = self._words.load(record), self._words.load(record + _START)
            if pid and is_gone(pid, start):
                self._release_record(record, pid, start)

    def _release_record(self, record: int, pid: int, start: int) -> None:
        while True:
            state = self._settled()
            # If another process released it, a new process can own the record. Otherwise none can
            # until the state changes.
            if (self._words.load(record), self._words.load(record + _START)) != (pid, start):
                return
            held = self._words.load(record + _HELD) & _HOLDS
            if not held:
                break
            if held & _WRITER:
                self._words.add(self._base + _WRITES, 1)
            if self._change(state, record, -held):
                self._words.notify(self._base + _RELEASED)
        self._words.exchange(record + _START, start, 0)
        self._words.exchange(record, pid, 0)

    def _arguments(self) -> tuple[Ring, int]:
        return self._memory, self._base


def _after(held: int) -> int:
    """The number of the change after the last one of `held`."""
    return (held + (1 << 32)) & _NUMBER


def _next(state: int, holds: int, name: int) -> int:
    """The state after `state`. Its change count prevents ABA."""
    changes = ((state >> 41) + 1) & ((1 << 23) - 1)
    return changes << 41 | name << 32 | holds


class _BitField:
    """Bits of a shared word, as an object with `.value`."""

    def __init__(self, words: Words, index: int, shift: int, mask: int) -> None:
        self._words, self._index, self._shift, self._mask = words, index, shift, mask

    @property
    def value(self) -> int:
        return self._words.load(self._index) >> self._shift & self._mask
