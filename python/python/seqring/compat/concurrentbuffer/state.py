"""The states of the buffers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import Enum
from typing import Any

import numpy

Array = numpy.ndarray[Any, numpy.dtype[Any]]


class BufferState(Enum):
    """The state of a buffer: free, full, at a producer, at the consumer."""

    FREE = 1
    AVAILABLE = 2
    RESERVED = 3
    PROCESSING = 4


class BufferStateMemory:
    """The states of the buffers. Every access takes the lock."""

    def __init__(self, count: int, dtype: Any, lock: AbstractContextManager[Any], buffer: Any) -> None:
        self._lock = lock
        self._states: Array = numpy.ndarray((count,), dtype, buffer.buf)
        with self._lock:
            self._states[:] = BufferState.FREE.value

    @property
    def lock(self) -> AbstractContextManager[Any]:
        return self._lock

    def get_state_buffer(self) -> Array:
        """The state of each buffer, as a number."""
        with self._current() as states:
            return states.copy()

    def get_free_buffer_id(self) -> int | None:
        """Reserves a free buffer; `None` if there is none."""
        return self._change(BufferState.FREE, BufferState.RESERVED)

    def get_available_buffer_id(self, buffer_id: int | None = None) -> int | None:
        """Takes the full buffer `buffer_id`, or any; `None` if there is none."""
        return self._change(BufferState.AVAILABLE, BufferState.PROCESSING, buffer_id)

    def update_buffer_id_to_free(self, buffer_id: int) -> None:
        """Frees the buffer."""
        self._set(buffer_id, BufferState.FREE)

    def update_buffer_id_to_available(self, buffer_id: int) -> None:
        """Marks the buffer as full."""
        self._set(buffer_id, BufferState.AVAILABLE)

    @contextmanager
    def _current(self) -> Iterator[Array]:
        with self._lock:
            yield self._states

    def _set(self, buffer_id: int, state: BufferState) -> None:
        with self._current() as states:
            states[buffer_id] = state.value

    def _change(self, state: BufferState, to: BufferState, buffer_id: int | None = None) -> int | None:
        with self._current() as states:
            found = numpy.flatnonzero(states == state.value)
            if buffer_id is None:
                buffer_id = int(found[0]) if len(found) else None
            if buffer_id is None or buffer_id not in found:
                return None
            states[buffer_id] = to.value
            return buffer_id
