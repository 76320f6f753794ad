"""Where things lie in the words of a ring."""

from __future__ import annotations

from seqring.compat.ringbuffer import _lock, _writers

POINTERS = 4096
# A pointer's record: count, entry and state of its ticket, the process that reads by it.
_POINTER = 4

POINTERS_MADE = 0
WRITERS_AT = 1
LOCK_AT = WRITERS_AT + _writers.WORDS
_POINTERS_AT = LOCK_AT + _lock.WORDS
WORDS = _POINTERS_AT + _POINTER * POINTERS


def pointer_at(number: int) -> int:
    """The record of that pointer."""
    return _POINTERS_AT + _POINTER * number
