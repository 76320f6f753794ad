"""The iterator over the items."""

from __future__ import annotations

from collections.abc import Iterator
from multiprocessing.context import BaseContext
from types import TracebackType
from typing import Any, Self

import numpy

from seqring import _lifetime
from seqring.compat.concurrentbuffer.commander import Commander
from seqring.compat.concurrentbuffer.factory import BufferFactory, create_buffer_factory
from seqring.compat.concurrentbuffer.info import Shapes
from seqring.compat.concurrentbuffer.producer import Producer


class BufferIterator(Iterator[Any]):
    """The items of a factory: lists of arrays. It ends when the commander does.

    The caller may keep the arrays. `timeout`: seconds to wait for an item before `TimedOut`. Without
    `auto_free_buffer` the caller frees the buffer of each item by
    `buffer_state_memory.update_buffer_id_to_free`.
    """

    def __init__(
        self, buffer_factory: BufferFactory, auto_free_buffer: bool = True, *, timeout: float | None = None
    ) -> None:
        self._buffer_factory = buffer_factory
        self._auto_free_buffer = auto_free_buffer
        self._last_buffer_id: int | None = None
        _lifetime.end_of(timeout)
        self._timeout = timeout

    @property
    def meta(self) -> Any:
        """The metadata of the last item: the argument of its producer's `set_meta`."""
        return self._buffer_factory.meta

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def __next__(self) -> Any:
        if self._auto_free_buffer and self._last_buffer_id is not None:
            self._buffer_factory.buffer_state_memory.update_buffer_id_to_free(buffer_id=self._last_buffer_id)
            self._last_buffer_id = None
        buffer_id = self._buffer_factory.take(self._timeout)
        if buffer_id is None:
            raise StopIteration
        self._last_buffer_id = buffer_id
        return [memory.get_buffer(buffer_id=buffer_id) for memory in self._buffer_factory.buffer_memories]

    def stop(self) -> None:
        """Ends all processes."""
        self._buffer_factory.shutdown()


def buffer_iterator_factory(
    cpus: int,
    buffer_shapes: Shapes,
    commander: Commander,
    producer: Producer,
    context: str | BaseContext,
    deterministic: bool,
    buffer_dtype: Any = numpy.uint16,
    buffer_iterator_class: Any = BufferIterator,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """An iterator over the items of `cpus` producers. Further arguments go to the iterator's
    class."""
    factory = create_buffer_factory(
        cpus, commander, producer, context, deterministic, buffer_shapes, buffer_dtype
    )
    return buffer_iterator_class(*args, buffer_factory=factory, **kwargs)
