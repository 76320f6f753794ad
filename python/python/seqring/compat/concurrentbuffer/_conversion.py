"""Converts the data of a producer to the shape and element type of a buffer.

`concurrentbuffer` copies by assignment, which repeats small arrays and truncates large values. Here
shapes may differ only in extents of one, and values are converted only without a loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from seqring.pipeline.errors import ArrayMismatch


def copy_converted(array: Any, made: Any, what: str = "the array") -> None:
    """Copies `made` to `array`, converted.

    >>> buffer = numpy.zeros((1, 2), "uint8")
    >>> copy_converted(buffer, [3.0, 4.0]); buffer
    array([[3, 4]], dtype=uint8)
    >>> copy_converted(buffer, [300, 4])
    Traceback (most recent call last):
    seqring.pipeline.errors.ArrayMismatch: the array has int64 values that uint8 cannot represent
    """
    made = numpy.asarray(made)
    if made.dtype == array.dtype and made.shape == array.shape:
        array[...] = made
        return
    if not is_same_shape(made.shape, array.shape):
        raise ArrayMismatch(f"{what} has the shape {made.shape}, but the buffers have {array.shape}")
    made = made.reshape(array.shape)
    with numpy.errstate(invalid="ignore"):
        numpy.copyto(array, made, casting="unsafe")
    if not is_lossless(made.dtype, array.dtype) and not (array == made).all():
        raise ArrayMismatch(f"{what} has {made.dtype} values that {array.dtype} cannot represent")


def is_same_shape(made: Sequence[int], wanted: Sequence[int]) -> bool:
    """Whether two shapes differ only in extents of one."""
    return [extent for extent in made if extent != 1] == [extent for extent in wanted if extent != 1]


def is_lossless(made: Any, wanted: Any) -> bool:
    """Whether all values survive the conversion, except for the rounding of floating-point
    numbers."""
    return bool(numpy.can_cast(made, wanted, "safe")) or (made.kind == wanted.kind and made.kind in "fc")


def each_of(data: Any, shapes: Sequence[Sequence[int]]) -> Sequence[Any]:
    """The value that a producer returned, as a sequence of arrays. For one shape it may be the
    array itself.

    >>> [array.shape for array in each_of(numpy.zeros((4, 2)), [(4, 2)])]
    [(4, 2)]
    >>> [array.shape for array in each_of(numpy.zeros((2, 4, 2)), [(4, 2), (4, 2)])]
    [(4, 2), (4, 2)]
    """
    if len(shapes) == 1 and not (isinstance(data, (list, tuple)) and len(data) == 1):
        whole = numpy.asarray(data)
        if is_same_shape(whole.shape, shapes[0]):
            return [whole]
    arrays = data if isinstance(data, (list, tuple)) else list(data)
    if len(arrays) != len(shapes):
        raise ArrayMismatch(f"the producer returned {len(arrays)} arrays for {len(shapes)} shapes")
    return arrays
