"""Number, shapes and element type of the buffers."""

from __future__ import annotations

from typing import Any

import numpy

Shapes = tuple[tuple[int, ...], ...]


class BufferInfo:
    """Number of buffers, and the shapes and element type of their arrays."""

    def __init__(self, shapes: Shapes, count: int, dtype: Any = numpy.dtype("uint8")) -> None:
        self._shapes = shapes
        self._count = count
        self._dtype = dtype

    def __len__(self) -> int:
        return len(self._shapes)

    @property
    def count(self) -> int:
        return self._count

    @property
    def shapes(self) -> Shapes:
        return self._shapes

    @property
    def dtype(self) -> Any:
        return self._dtype
