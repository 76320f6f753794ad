"""`Commander` and `Producer`, which users derive from, and adapters for iterables and functions."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from seqring.pipeline.errors import ArrayMismatch


class Out(list[Any]):
    """The arrays of an item that a producer fills, in the memory that the consumer will read.

    Initially they hold data of an earlier item; when the item is done they become read-only. `out[i] =
    made` checks shape and element type, and copies. `number` is the message's number, `tries` counts
    from 1. `meta`, if set, goes with the item: bytes, or a value that JSON can represent.
    """

    def __init__(self, arrays: Iterable[Any], number: int, tries: int) -> None:
        super().__init__(arrays)
        self.number = number
        self.tries = tries
        self.meta: Any = None

    def __setitem__(self, index: Any, made: Any) -> None:
        array = self[index]
        if isinstance(index, slice):
            raise TypeError("set arrays one by one, not by a slice")
        copy_checked(array, made, index)


def copy_checked(array: Any, made: Any, index: int) -> None:
    """Copies `made` to the array of an item, after a check of shape and element type."""
    import numpy

    if made is array:
        return
    made = numpy.asarray(made)
    if made.shape != array.shape or made.dtype != array.dtype:
        wanted, found = f"{array.shape} of {array.dtype}", f"{made.shape} of {made.dtype}"
        raise ArrayMismatch(f"array {index} is {wanted}, but the producer made {found}")
    array[...] = made


class Commander(ABC):
    """Issues messages, one after the other, until it raises `StopIteration`.

    It runs in a process of its own, so it must pickle, unless the start method is fork. `__len__`, if
    it has one, is the number of messages.
    """

    def build(self) -> None:
        """Called once in the commander's process, first."""

    @abstractmethod
    def create_message(self) -> Any:
        """The next message: any object that pickles. It may be the same object each time."""


class Producer(ABC):
    """Makes items from messages. Each process has a copy of it; each thread has a shallow copy."""

    def build(self) -> None:
        """Called once in the producer's process, first."""

    @abstractmethod
    def create_data(self, message: Any, *arguments: Any, **keywords: Any) -> Any:
        """Makes the item of a message.

        With a parameter `out`, an `Out`, it fills the arrays in place. A returned value is checked and
        copied: an array for each shape, or for one shape the array itself.
        """


Make = Callable[..., Any]


class IterableCommander(Commander):
    """Issues the elements of an iterable."""

    def __init__(self, messages: Iterable[Any]) -> None:
        self._messages = messages
        self._iterator: Iterator[Any] | None = None

    def create_message(self) -> Any:
        if self._iterator is None:
            self._iterator = iter(self._messages)
        return next(self._iterator)


class FunctionProducer(Producer):
    """Makes items by a function."""

    def __init__(self, make: Make) -> None:
        self._make = make

    @property
    def create_data(self) -> Make:
        return self._make


def fills_in_place(create_data: Make) -> bool:
    """Whether `create_data` has a parameter `out`.

    >>> fills_in_place(lambda message, out: None), fills_in_place(lambda message: None)
    (True, False)
    """
    try:
        return "out" in inspect.signature(create_data).parameters
    except (TypeError, ValueError):  # Some functions written in C have no signature.
        return False


def count_of(messages: Any) -> int | None:
    """The number of messages, if it is known."""
    try:
        return len(messages)
    except TypeError:
        return None


def as_sequence(data: Any, count: int) -> Sequence[Any]:
    """The value that a producer returned, as a sequence of arrays.

    >>> as_sequence((1, 2), 2), as_sequence("one array", 1)
    ((1, 2), ['one array'])
    """
    if count == 1 and not (isinstance(data, (list, tuple)) and len(data) == 1):
        return [data]
    return data if isinstance(data, (list, tuple)) else list(data)
