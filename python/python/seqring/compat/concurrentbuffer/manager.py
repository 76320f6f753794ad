"""The items that the consumer holds, as numbered buffers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.context import ProcessError
from typing import Any

from seqring import _seqring
from seqring.compat.concurrentbuffer.errors import BufferNotHeldError, BuffersHeldError
from seqring.compat.concurrentbuffer.info import BufferInfo
from seqring.pipeline._arrays import Arrays


class SharedBufferManagerNotStarted(ProcessError):
    """The manager was not started, or was shut down."""


@dataclass(frozen=True)
class Buffer:
    """Memory, and the offset of a buffer in it."""

    buf: Any
    offset: int = 0


class _BuffersOfShape(Mapping[int, Buffer]):
    """The buffers of one shape."""

    def __init__(self, held: dict[int, _seqring.ItemBuffer], offset: int) -> None:
        self._held = held
        self._offset = offset

    def __getitem__(self, buffer_id: int) -> Buffer:
        lease = self._held.get(buffer_id)
        if lease is None:
            raise BufferNotHeldError(buffer_id)
        return Buffer(lease, self._offset)

    def __iter__(self) -> Iterator[int]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


class SharedBufferManager:
    """The items that the consumer holds. Each has the number of a buffer until it is freed. Items
    in the pipeline have no number yet and cannot be accessed."""

    def __init__(self, buffer_info: BufferInfo) -> None:
        self._info = buffer_info
        self._arrays = Arrays(list(buffer_info.shapes), buffer_info.dtype)
        self._held: dict[int, _seqring.ItemBuffer] = {}
        self._states: bytearray | None = None

    @property
    def arrays(self) -> Arrays:
        """The arrays of an item."""
        return self._arrays

    def start(self) -> None:
        self._states = bytearray(self._info.count)

    def shutdown(self) -> None:
        self._held.clear()
        self._states = None

    def check_room(self) -> None:
        """Raises `BuffersHeldError` if no buffer is free."""
        if len(self._held) >= self._info.count:
            raise BuffersHeldError(self._info.count)

    def hold(self, lease: _seqring.ItemBuffer) -> int:
        """Assigns a buffer number to an item: that of its message, if it is free."""
        count = self._info.count
        buffer_id = lease.number % count
        if buffer_id in self._held:
            buffer_id = next(number for number in range(count) if number not in self._held)
        self._held[buffer_id] = lease
        return buffer_id

    def free(self, buffer_id: int) -> None:
        """Frees the item. Its memory goes with the last array over it."""
        self._held.pop(buffer_id, None)

    @property
    def held(self) -> list[int]:
        """The numbers of the buffers that are held."""
        return list(self._held)

    @property
    def state_buffer(self) -> Buffer:
        if self._states is None:
            raise SharedBufferManagerNotStarted("start() was not called, or shutdown() was")
        return Buffer(self._states)

    @property
    def buffers(self) -> list[Mapping[int, Buffer]]:
        if self._states is None:
            raise SharedBufferManagerNotStarted("start() was not called, or shutdown() was")
        return [_BuffersOfShape(self._held, offset) for _, _, offset in self._arrays.fields]
