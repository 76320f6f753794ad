"""`Position` and `Pointer`: the position of a reader or writer. All processes with a pointer share
it."""

from __future__ import annotations

from typing import Any, Protocol

from seqring._lifetime import Attached
from seqring._seqring import Ring, Words


class Position:
    """A count of messages, and its slot in a ring of `slot_count`.

    >>> position = Position(4)
    >>> position.counter = 9
    >>> position.index, position.generation
    (1, 2)
    """

    def __init__(self, slot_count: int, counter: int = 0) -> None:
        self.slot_count = slot_count
        self.counter = counter

    @property
    def index(self) -> int:
        """The slot."""
        return self.counter % self.slot_count

    @property
    def generation(self) -> int:
        """The number of completed laps."""
        return self.counter // self.slot_count

    def __repr__(self) -> str:
        return f"Position(counter={self.counter}, index={self.index}, generation={self.generation})"


class SharedValue(Protocol):
    """A number that all processes share."""

    @property
    def value(self) -> int: ...


class SharedWord:
    """One shared word, as an object with `.value`."""

    def __init__(self, words: Words, index: int) -> None:
        self._words = words
        self._index = index

    @property
    def value(self) -> int:
        return self._words.load(self._index)

    @value.setter
    def value(self, value: int) -> None:
        self._words.store(self._index, value)


class Pointer(Attached):
    """A shared count that starts at `start` (0 if it is `None`).

    >>> pointer = Pointer(4, start=3)
    >>> pointer.increment()
    >>> pointer.get()
    Position(counter=4, index=0, generation=1)
    """

    counter: SharedValue
    _OWN: tuple[str, ...] = ("slot_count", "_memory", "counter")

    def __init__(self, slot_count: int, *, start: int | None = None) -> None:
        if slot_count < 1:
            raise ValueError(f"slot_count must be at least 1, not {slot_count}")
        ring = Ring.create(1, 8, words=1, participants=2)
        ring.words.store(0, start or 0)
        self._attach(slot_count, ring)

    def _attach(self, slot_count: int, ring: Ring) -> None:
        self.slot_count = slot_count
        self._memory = ring
        self.counter = SharedWord(ring.words, 0)

    @property
    def position(self) -> Position:
        """The same as `get()`."""
        return self.get()

    def get(self) -> Position:
        """The current position."""
        return Position(self.slot_count, self.counter.value)

    def set(self, counter: int) -> None:
        """Moves to that count."""
        self._memory.words.store(0, counter)

    def increment(self) -> None:
        """Moves by one."""
        self._memory.words.add(0, 1)

    def _arguments(self) -> tuple[Any, ...]:
        return self.slot_count, self._memory
