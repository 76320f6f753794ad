"""Who writes: a count of active writers that stays right when one of them is killed at any moment.

The count is one shared word, `[version:16 | leaving:16 | count:32]`. A process that has written has a record; it leaves
by one exchange that both counts it out and names its record, which anybody then clears. So whoever finds a record whose
process is dead knows that it was not counted out yet.
"""

from __future__ import annotations

import os

from seqring._seqring import Words
from seqring.compat.ringbuffer._errors import AlreadyClosedError
from seqring.compat.ringbuffer._process import is_gone, started

COUNT = (1 << 32) - 1
_LEAVING = 0xFFFF << 32
_RECORDS = 1024
# A record: process, its start.
_RECORD = 2
# The word itself, deaths, the process that died last, records used so far.
_HEAD = 4
WORDS = _HEAD + _RECORD * _RECORDS


class Writers:
    """The writers of a ring, and those of them that are this process's."""

    def __init__(self, words: Words, base: int) -> None:
        self._words = words
        self._base = base

    @property
    def value(self) -> int:
        """How many are active."""
        return self._words.load(self._base) & COUNT

    @property
    def died(self) -> int:
        """The process of the writer that died last; 0 if none did."""
        return self._words.load(self._base + 2)

    def announce(self) -> None:
        """One more."""
        while True:
            word = self._settled()
            if self._words.exchange(self._base, word, _next(word, (word & COUNT) + 1, 0)):
                return

    def enter(self) -> None:
        """This process writes from now on: its death is that of a writer."""
        pid = os.getpid()
        if self._find(pid) is not None:
            return
        for number in range(_RECORDS):
            if self._words.exchange(self._record(number), 0, pid):
                self._words.store(self._record(number) + 1, started(pid) or 0)
                self._raise_used(number + 1)
                return
        # With so many that write at once, the death of one more is not noticed.

    def leave(self) -> None:
        """One less; if this process wrote, it does not any more."""
        while True:
            word = self._settled()
            if word & COUNT == 0:
                raise AlreadyClosedError("writer_done() was called more often than new_writer()")
            number = self._find(os.getpid())
            if self._count_out(word, number):
                return

    def look_after(self) -> None:
        """Counts out those whose processes died."""
        for number in range(self._words.load(self._base + 3)):
            word = self._settled()
            pid, start = self._words.load(self._record(number)), self._words.load(self._record(number) + 1)
            if pid == 0 or not is_gone(pid, start) or word & COUNT == 0:
                continue
            if self._count_out(word, number):
                self._words.add(self._base + 1, 1)
                self._words.store(self._base + 2, pid)

    def _count_out(self, word: int, number: int | None) -> bool:
        changed = _next(word, (word & COUNT) - 1, 0 if number is None else number + 1)
        if not self._words.exchange(self._base, word, changed):
            return False
        self._settled()
        return True

    def _settled(self) -> int:
        """The word, with nobody's leaving unfinished."""
        while True:
            word = self._words.load(self._base)
            leaving = (word & _LEAVING) >> 32
            if not leaving:
                return word
            self._clear(leaving - 1)
            self._words.exchange(self._base, word, _next(word, word & COUNT, 0))

    def _clear(self, number: int) -> None:
        self._words.store(self._record(number) + 1, 0)
        self._words.store(self._record(number), 0)

    def _find(self, pid: int) -> int | None:
        used = self._words.load(self._base + 3)
        return next((n for n in range(used) if self._words.load(self._record(n)) == pid), None)

    def _raise_used(self, used: int) -> None:
        while (now := self._words.load(self._base + 3)) < used:
            self._words.exchange(self._base + 3, now, used)

    def _record(self, number: int) -> int:
        return self._base + _HEAD + _RECORD * number


def _next(word: int, count: int, leaving: int) -> int:
    """The word after `word`: never one that was there lately."""
    version = ((word >> 48) + 1) & 0xFFFF
    return version << 48 | leaving << 32 | count
