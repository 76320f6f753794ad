"""The arrays of an item: shapes, element types, and offsets in its buffer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex

from seqring.pipeline._roles import as_sequence, copy_checked
from seqring.pipeline.errors import ArrayMismatch

if TYPE_CHECKING:
    import numpy

Shape = SupportsIndex | Sequence[SupportsIndex]


class Arrays:
    """Shape, element type and offset of each array. Each starts at a multiple of 64 bytes.

    >>> arrays = Arrays([(4, 3), ()], ["float32", "int64"])
    >>> [(shape, dtype.name, offset) for shape, dtype, offset in arrays.fields], arrays.nbytes
    ([((4, 3), 'float32', 0), ((), 'int64', 64)], [48, 8])
    """

    def __init__(self, shapes: Shape | Sequence[Shape], dtypes: Any) -> None:
        import numpy

        each = each_shape(shapes)
        kinds = list(dtypes) if isinstance(dtypes, (list, tuple)) else [dtypes] * len(each)
        if len(kinds) != len(each):
            raise ValueError(f"there are {len(each)} shapes and {len(kinds)} dtypes")
        self.fields: list[tuple[tuple[int, ...], numpy.dtype[Any], int]] = []
        self.nbytes: list[int] = []
        end = 0
        for shape, kind in zip(each, kinds):
            dtype = numpy.dtype(kind)
            if dtype.hasobject:
                raise ValueError(f"elements must be plain memory, not {dtype}")
            start = -(-end // 64) * 64
            self.fields.append((shape, dtype, start))
            self.nbytes.append(math.prod(shape) * dtype.itemsize)
            end = start + self.nbytes[-1]
        self._ndarray = numpy.ndarray

    def __len__(self) -> int:
        return len(self.fields)

    def over(self, buffer: Any) -> list[Any]:
        """The arrays of an item, in the memory of `buffer`."""
        ndarray = self._ndarray
        return [ndarray(shape, dtype, buffer, offset) for shape, dtype, offset in self.fields]

    def fill(self, out: Sequence[Any], data: Any) -> None:
        """Copies the arrays that a producer returned to `out`, after a check."""
        given = as_sequence(data, len(self))
        if len(given) != len(self):
            raise ArrayMismatch(f"an item has {len(self)} arrays, but the producer returned {len(given)}")
        for index, (array, made) in enumerate(zip(out, given)):
            copy_checked(array, made, index)


def each_shape(shapes: Any) -> list[tuple[int, ...]]:
    """The shapes as a list: `shapes` is one shape or several.

    >>> each_shape((4, 3)), each_shape([(4, 3), 7, ()]), each_shape(5)
    ([(4, 3)], [(4, 3), (7,), ()], [(5,)])
    """
    if isinstance(shapes, SupportsIndex):
        return [(_extent(shapes),)]
    if not isinstance(shapes, list) and all(isinstance(extent, SupportsIndex) for extent in shapes):
        return [tuple(map(_extent, shapes))]
    return [(_extent(one),) if isinstance(one, SupportsIndex) else tuple(map(_extent, one)) for one in shapes]


def _extent(extent: SupportsIndex) -> int:
    number = extent.__index__()
    if number < 0:
        raise ValueError(f"an extent is 0 or more, not {number}")
    return number
