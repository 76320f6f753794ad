"""Indices into the words of a ring."""

from __future__ import annotations

from seqring.compat.ringbuffer import _active_writers, _readers_writer_lock

MAX_POINTERS = 4096
# A pointer's record: count, entry and state of its ticket, pid of the process that reads by it.
_POINTER = 4

POINTERS_MADE = 0
WRITERS_AT = 1
LOCK_AT = WRITERS_AT + _active_writers.WORDS
_POINTERS_AT = LOCK_AT + _readers_writer_lock.WORDS
WORDS = _POINTERS_AT + _POINTER * MAX_POINTERS


def pointer_at(number: int) -> int:
    """The index of a pointer's record."""
    return _POINTERS_AT + _POINTER * number
