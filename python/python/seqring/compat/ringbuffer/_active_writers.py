"""A count of active writers that stays correct when a writer is killed at any point.

The count is one shared word, `[version:16 | died:1 | leaving:15 | count:32]`. A thread that has written
has a record. It leaves by one exchange that decrements the count and names its record; any process then
clears the record. So a record of a dead process was not counted out yet. If a writer is counted out
because it died, its record stays, marked, until the process that started it calls `writer_done()` for
it; that call does not decrement the count again.

One announced writer can write from several threads, such as a pool's. So of the records of a dead
process one is certainly a writer. The others are counted out only while the count leaves one writer for
each live process that writes.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

from seqring._seqring import Words
from seqring.compat.ringbuffer._errors import AlreadyClosedError
from seqring.compat.ringbuffer._process_identity import is_gone, started

COUNT = (1 << 32) - 1
_LEAVING = 0x7FFF << 32
_DIED = 1 << 47
_RECORDS = 1024
# A record: owner, start of its process, pid of the process that started that one.
_RECORD = 3
# An owner: thread, process, and two flags: it was counted out; it can be the same writer as one
# that is done.
_PROCESS = (1 << 31) - 1
_DOUBTFUL = 1 << 31
_COUNTED = 1 << 63
# The word itself, the pid of the writer that died last, the number of records used so far.
_HEADER_WORDS = 3
WORDS = _HEADER_WORDS + _RECORD * _RECORDS


class ActiveWriters:
    """The active writers of a ring."""

    def __init__(self, words: Words, base: int) -> None:
        self._words = words
        self._base = base

    @property
    def value(self) -> int:
        """How many are active."""
        return self._words.load(self._base) & COUNT

    @property
    def died(self) -> int:
        """The pid of the writer that died last; 0 if none died."""
        return self._words.load(self._base + 1)

    def announce(self) -> None:
        """Increments the count."""
        while True:
            word = self._settled()
            if self._words.exchange(self._base, word, _next(word, (word & COUNT) + 1)):
                return

    def enter(self) -> None:
        """Records this thread as a writer: from now on the death of its process is that of a
        writer."""
        me = _me()
        for number, owner in sorted(self._own(), key=lambda one: not _is(me, one[1])):
            # This thread takes over the record of a thread that has ended.
            if _is(me, owner) or not os.path.exists(f"/proc/self/task/{owner >> 32}"):
                if self._words.exchange(self._at(number), owner, me):
                    return
        # Without a free record, reuse one that was counted out. Without one of those, the death of
        # this writer is not noticed.
        if not self._claim(me, lambda owner: owner == 0):
            self._claim(me, lambda owner: owner & _COUNTED > 0)

    def _claim(self, me: int, is_free: Callable[[int], bool]) -> bool:
        for number in range(_RECORDS):
            at = self._at(number)
            owner = self._words.load(at)
            if is_free(owner):
                self._raise_used(number + 1)
                if self._words.exchange(at, owner, me):
                    self._words.store(at + 1, started(os.getpid()) or 0)
                    self._words.store(at + 2, _starter())
                    return True
        return False

    def leave(self) -> None:
        """Decrements the count: for this thread, if it wrote; else for the threads of its process
        that wrote; else for a dead writer whose process this one started."""
        while True:
            word, number = self._settled(), self._leaver()
            owner = 0 if number is None else self._words.load(self._at(number))
            if number is not None and owner & _COUNTED:
                if self._words.exchange(self._at(number), owner, 0):
                    return
            elif self._count_out(word, number, 1):
                if word & COUNT == 0:
                    raise AlreadyClosedError("writer_done() was called more often than new_writer()")
                return

    def _leaver(self) -> int | None:
        """The record of the writer that leaves by this thread's call."""
        me, own = _me(), self._own()
        for number, owner in own:
            if _is(me, owner):
                self._doubt_others(number, own)
                return number
        for number, owner in own[1:]:
            # Without the start, which must not be taken for that of the record's next owner.
            self._words.store(self._at(number) + 1, 0)
            self._words.exchange(self._at(number), owner, 0)
        if own:
            return own[0][0]
        for number, owner in (records := self._records()):
            at = self._at(number)
            if self._words.load(at + 2) == os.getpid():
                if owner & _COUNTED:
                    return number
                if is_gone(owner & _PROCESS, self._words.load(at + 1)):
                    self._doubt_others(number, [one for one in records if one[1] & _PROCESS == owner & _PROCESS])
                    return number
        return None

    def _doubt_others(self, number: int, records: list[tuple[int, int]]) -> None:
        """Marks the other records: they can be of the same writer as record `number`."""
        for other, owner in records:
            if other != number and not owner & _COUNTED:
                self._words.exchange(self._at(other), owner, owner | _DOUBTFUL)

    def remove_dead(self) -> None:
        """Counts out writers whose processes died."""
        counted: set[int] = set()
        processes: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for number, owner in self._records():
            if owner & _COUNTED:
                counted.add(owner & _PROCESS)
            else:
                process = owner & _PROCESS, self._words.load(self._at(number) + 1)
                processes.setdefault(process, []).append((number, owner))
        dead = [process for process in processes if is_gone(*process)]
        living = sum(
            any(not owner & _DOUBTFUL for _, owner in records)
            for process, records in processes.items()
            if process not in dead
        )
        for process in dead:
            for number, owner in sorted(processes[process], key=lambda one: one[1] & _DOUBTFUL):
                is_certain = process[0] not in counted and not owner & _DOUBTFUL
                self._remove(number, owner, 0 if is_certain else living)
                counted.add(process[0])

    def _remove(self, number: int, owner: int, others: int) -> None:
        """Counts out a dead writer, if that leaves `others` writers."""
        word = self._settled()
        if self._words.load(self._at(number)) == owner:
            is_active = word & COUNT > others
            self._count_out(word, number, int(is_active), _DIED if is_active else 0)

    def _count_out(self, word: int, number: int | None, less: int, died: int = 0) -> bool:
        leaving = 0 if number is None else number + 1 << 32
        changed = _next(word, max(0, (word & COUNT) - less), leaving | died)
        if not self._words.exchange(self._base, word, changed):
            return False
        self._settled()
        return True

    def _settled(self) -> int:
        """The word, after any unfinished leaving was finished."""
        while True:
            word = self._words.load(self._base)
            if not word & _LEAVING:
                return word
            at = self._at(((word & _LEAVING) >> 32) - 1)
            owner = self._words.load(at)
            if self._words.load(self._base) != word:
                continue  # Another process settled it; the record can have a new owner.
            if word & _DIED:
                self._words.store(self._base + 1, owner & _PROCESS)
            self._words.store(at + 1, 0)
            self._words.exchange(at, owner, owner | _COUNTED if word & _DIED else 0)
            self._words.exchange(self._base, word, _next(word, word & COUNT))

    def _records(self) -> list[tuple[int, int]]:
        """Number and owner of each used record."""
        used = self._words.load(self._base + 2)
        records = ((number, self._words.load(self._at(number))) for number in range(used))
        return [(number, owner) for number, owner in records if owner]

    def _own(self) -> list[tuple[int, int]]:
        """The records of this process's threads."""
        pid = os.getpid()
        return [one for one in self._records() if one[1] & _PROCESS == pid and not one[1] & _COUNTED]

    def _raise_used(self, used: int) -> None:
        while (now := self._words.load(self._base + 2)) < used:
            self._words.exchange(self._base + 2, now, used)

    def _at(self, number: int) -> int:
        return self._base + _HEADER_WORDS + _RECORD * number


def _me() -> int:
    return threading.get_native_id() << 32 | os.getpid()


def _is(me: int, owner: int) -> bool:
    return owner & ~_DOUBTFUL == me


def _starter() -> int:
    """The pid of the process that started this one, which with multiprocessing can differ from the
    parent."""
    multiprocessing = sys.modules.get("multiprocessing.process")  # Its children have imported it.
    parent = None if multiprocessing is None else multiprocessing.parent_process()
    return os.getppid() if parent is None else int(parent.pid)


def _next(word: int, count: int, leaving: int = 0) -> int:
    """The word after `word`. Its version prevents ABA."""
    version = ((word >> 48) + 1) & 0xFFFF
    return version << 48 | leaving | count
