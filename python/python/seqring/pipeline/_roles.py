"""Who says what is to be made, and who makes it; and what else may be given in their place."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from seqring.pipeline.errors import ArrayMismatch


class Out(list[Any]):
    """The arrays of an item that is being made: writable, where the consumer will look at them.

    They hold whatever an earlier item left in them, and become read-only when the item is done. `out[i] = made` checks
    shape and element type, and copies. `number` is that of the message, `tries` counts from 1. `meta`, when set, goes
    with the item: bytes, or what JSON can say.
    """

    def __init__(self, arrays: Iterable[Any], number: int, tries: int) -> None:
        super().__init__(arrays)
        self.number = number
        self.tries = tries
        self.meta: Any = None

    def __setitem__(self, index: Any, made: Any) -> None:
        array = self[index]
        if isinstance(index, slice):
            raise TypeError("arrays are set one by one")
        copy_checked(array, made, index)


def copy_checked(array: Any, made: Any, index: int) -> None:
    """Copies what was made to where the consumer will look, if it is what the items are."""
    import numpy

    if made is array:
        return
    made = numpy.asarray(made)
    if made.shape != array.shape or made.dtype != array.dtype:
        wanted, found = f"{array.shape} of {array.dtype}", f"{made.shape} of {made.dtype}"
        raise ArrayMismatch(f"array {index} is {wanted}, and {found} was made")
    array[...] = made


class Commander(ABC):
    """Says what is to be made: one message after the other, until it raises `StopIteration`.

    It is sent to its own process, so it pickles, unless the start method is fork. A commander with `__len__` tells
    how many there will be.
    """

    def build(self) -> None:
        """Called once, in the commander's own process, before anything else."""

    @abstractmethod
    def create_message(self) -> Any:
        """The next message: anything that pickles. It may be the same object each time."""


class Producer(ABC):
    """Makes items from messages.

    Each process has a copy of its own; each thread a shallow one.
    """

    def build(self) -> None:
        """Called once, in the producer's own process, before anything else."""

    @abstractmethod
    def create_data(self, message: Any, *arguments: Any, **keywords: Any) -> Any:
        """Makes the item of a message.

        With a parameter `out`, fills the arrays of that list, an `Out`, in place. What it returns, an array for
        each shape, or for one shape the array itself, is checked and copied.
        """


Make = Callable[..., Any]


class Listed(Commander):
    """The messages of an iterable."""

    def __init__(self, messages: Iterable[Any]) -> None:
        self._messages = messages
        self._iterator: Iterator[Any] | None = None

    def create_message(self) -> Any:
        if self._iterator is None:
            self._iterator = iter(self._messages)
        return next(self._iterator)


class Function(Producer):
    """A function that makes items."""

    def __init__(self, make: Make) -> None:
        self._make = make

    @property
    def create_data(self) -> Make:
        return self._make


def fills_in_place(create_data: Make) -> bool:
    """Whether it has a parameter `out`.

    >>> fills_in_place(lambda message, out: None), fills_in_place(lambda message: None)
    (True, False)
    """
    try:
        return "out" in inspect.signature(create_data).parameters
    except (TypeError, ValueError):  # Some that are written in C do not say.
        return False


def count_of(messages: Any) -> int | None:
    """How many messages there will be, if that is known."""
    try:
        return len(messages)
    except TypeError:
        return None


def as_sequence(data: Any, count: int) -> Sequence[Any]:
    """What a producer returned, array by array.

    >>> as_sequence((1, 2), 2), as_sequence("one array", 1)
    ((1, 2), ['one array'])
    """
    if count == 1 and not (isinstance(data, (list, tuple)) and len(data) == 1):
        return [data]
    return data if isinstance(data, (list, tuple)) else list(data)
