"""Who writes: a count of active writers that stays right when one of them is killed at any moment.

The count is one shared word, `[version:16 | died:1 | leaving:15 | count:32]`. A thread that has written has a record; it
leaves by one exchange that both counts it out and names its record, which anybody then settles. So whoever finds a record
whose process is dead knows that it was not counted out yet. The record of one that is counted out because it died stays,
marked, until whoever started its process calls `writer_done()` for it, which takes nothing more off the count.

One announced writer may write by several threads, such as a pool's. So of the records of a dead process, one is a writer for
certain; the others are counted out as far as that leaves a writer to each process that lives and writes.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

from seqring._seqring import Words
from seqring.compat.ringbuffer._errors import AlreadyClosedError
from seqring.compat.ringbuffer._process import is_gone, started

COUNT = (1 << 32) - 1
_LEAVING = 0x7FFF << 32
_DIED = 1 << 47
_RECORDS = 1024
# A record: who, the start of its process, which process started that.
_RECORD = 3
# Who: thread, process, and whether it was counted out, or may be the same writer as one that is done.
_PROCESS = (1 << 31) - 1
_DOUBTFUL = 1 << 31
_COUNTED = 1 << 63
# The word itself, the process that died last, records used so far.
_HEAD = 3
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
        return self._words.load(self._base + 1)

    def announce(self) -> None:
        """One more."""
        while True:
            word = self._settled()
            if self._words.exchange(self._base, word, _next(word, (word & COUNT) + 1)):
                return

    def enter(self) -> None:
        """This thread writes from now on: its process's death is that of a writer."""
        me = _me()
        for number, who in sorted(self._own(), key=lambda one: not _is(me, one[1])):
            # A thread that ended writes no more: this one goes on in its place.
            if _is(me, who) or not os.path.exists(f"/proc/self/task/{who >> 32}"):
                if self._words.exchange(self._at(number), who, me):
                    return
        # Rather forget one that was counted out than not notice the next death. With so many at once, one more's is not.
        if not self._claim(me, lambda who: who == 0):
            self._claim(me, lambda who: who & _COUNTED > 0)

    def _claim(self, me: int, is_free: Callable[[int], bool]) -> bool:
        for number in range(_RECORDS):
            at = self._at(number)
            who = self._words.load(at)
            if is_free(who):
                self._raise_used(number + 1)
                if self._words.exchange(at, who, me):
                    self._words.store(at + 1, started(os.getpid()) or 0)
                    self._words.store(at + 2, _starter())
                    return True
        return False

    def leave(self) -> None:
        """One less: this thread, if it wrote; else those of its process that wrote for it; else one that died, of a process
        that this one started."""
        while True:
            word, number = self._settled(), self._leaver()
            who = 0 if number is None else self._words.load(self._at(number))
            if number is not None and who & _COUNTED:
                if self._words.exchange(self._at(number), who, 0):
                    return
            elif self._count_out(word, number, 1):
                if word & COUNT == 0:
                    raise AlreadyClosedError("writer_done() was called more often than new_writer()")
                return

    def _leaver(self) -> int | None:
        """The record of the writer that leaves, when this thread says that one does."""
        me, own = _me(), self._own()
        for number, who in own:
            if _is(me, who):
                self._doubt_others(number, own)
                return number
        for number, who in own[1:]:
            # Without a start, which is not that of whoever claims the record next.
            self._words.store(self._at(number) + 1, 0)
            self._words.exchange(self._at(number), who, 0)
        if own:
            return own[0][0]
        for number, who in (records := self._records()):
            at = self._at(number)
            if self._words.load(at + 2) == os.getpid():
                if who & _COUNTED:
                    return number
                if is_gone(who & _PROCESS, self._words.load(at + 1)):
                    self._doubt_others(number, [one for one in records if one[1] & _PROCESS == who & _PROCESS])
                    return number
        return None

    def _doubt_others(self, number: int, records: list[tuple[int, int]]) -> None:
        """Of the process of that record, others may be of the same writer."""
        for other, who in records:
            if other != number and not who & _COUNTED:
                self._words.exchange(self._at(other), who, who | _DOUBTFUL)

    def look_after(self) -> None:
        """Counts out those whose processes died."""
        counted: set[int] = set()
        processes: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for number, who in self._records():
            if who & _COUNTED:
                counted.add(who & _PROCESS)
            else:
                process = who & _PROCESS, self._words.load(self._at(number) + 1)
                processes.setdefault(process, []).append((number, who))
        dead = [process for process in processes if is_gone(*process)]
        living = sum(
            any(not who & _DOUBTFUL for _, who in records)
            for process, records in processes.items()
            if process not in dead
        )
        for process in dead:
            for number, who in sorted(processes[process], key=lambda one: one[1] & _DOUBTFUL):
                is_certain = process[0] not in counted and not who & _DOUBTFUL
                self._bury(number, who, 0 if is_certain else living)
                counted.add(process[0])

    def _bury(self, number: int, who: int, others: int) -> None:
        """Counts out one that died, if that leaves so many others."""
        word = self._settled()
        if self._words.load(self._at(number)) == who:
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
        """The word, with nobody's leaving unfinished."""
        while True:
            word = self._words.load(self._base)
            if not word & _LEAVING:
                return word
            at = self._at(((word & _LEAVING) >> 32) - 1)
            who = self._words.load(at)
            if self._words.load(self._base) != word:
                continue  # It is settled, and the record may be another's.
            if word & _DIED:
                self._words.store(self._base + 1, who & _PROCESS)
            self._words.store(at + 1, 0)
            self._words.exchange(at, who, who | _COUNTED if word & _DIED else 0)
            self._words.exchange(self._base, word, _next(word, word & COUNT))

    def _records(self) -> list[tuple[int, int]]:
        """The number of each record that is taken, and who has it."""
        used = self._words.load(self._base + 2)
        records = ((number, self._words.load(self._at(number))) for number in range(used))
        return [(number, who) for number, who in records if who]

    def _own(self) -> list[tuple[int, int]]:
        """Those of this process's threads."""
        pid = os.getpid()
        return [one for one in self._records() if one[1] & _PROCESS == pid and not one[1] & _COUNTED]

    def _raise_used(self, used: int) -> None:
        while (now := self._words.load(self._base + 2)) < used:
            self._words.exchange(self._base + 2, now, used)

    def _at(self, number: int) -> int:
        return self._base + _HEAD + _RECORD * number


def _me() -> int:
    return threading.get_native_id() << 32 | os.getpid()


def _is(me: int, who: int) -> bool:
    return who & ~_DOUBTFUL == me


def _starter() -> int:
    """The process that started this one; of multiprocessing's not always the one that the kernel names."""
    multiprocessing = sys.modules.get("multiprocessing.process")  # Its children have imported it.
    parent = None if multiprocessing is None else multiprocessing.parent_process()
    return os.getppid() if parent is None else int(parent.pid)


def _next(word: int, count: int, leaving: int = 0) -> int:
    """The word after `word`: never one that was there lately."""
    version = ((word >> 48) + 1) & 0xFFFF
    return version << 48 | leaving | count
