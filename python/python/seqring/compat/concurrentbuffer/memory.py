"""The buffers of one shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy

from seqring.compat.concurrentbuffer._conversion import copy_converted
from seqring.compat.concurrentbuffer.state import Array


class BufferMemory:
    """The buffers of one shape, by number."""

    def __init__(self, shape: tuple[int, ...], dtype: Any, buffers: Mapping[int, Any]) -> None:
        self._shape = shape
        self._dtype = dtype
        self._buffers = buffers

    def get_buffer(self, buffer_id: int) -> Array:
        """The array of a buffer. It stays valid after the buffer is freed."""
        buffer = self._buffers[buffer_id]
        return numpy.ndarray(self._shape, self._dtype, buffer.buf, buffer.offset)

    def update_buffer(self, buffer_id: int, data: Any) -> None:
        """Copies `data` into a buffer, if they fit."""
        copy_converted(self.get_buffer(buffer_id), data)
