"""Whether what a producer made is what the buffers hold.

`concurrentbuffer` copied by assignment, which repeats what is too small and cuts off what is too large. Here what fits
only by adding extents of one fits, and values that can be converted without a loss are converted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy

from seqring.pipeline.errors import ArrayMismatch


def fit(array: Any, made: Any, what: str = "the array") -> None:
    """Copies `made` to `array`.

    >>> buffer = numpy.zeros((1, 2), "uint8")
    >>> fit(buffer, [3.0, 4.0]); buffer
    array([[3, 4]], dtype=uint8)
    >>> fit(buffer, [300, 4])
    Traceback (most recent call last):
    seqring.pipeline.errors.ArrayMismatch: the array was made of int64, with values that uint8 does not have
    """
    made = numpy.asarray(made)
    if made.dtype == array.dtype and made.shape == array.shape:
        array[...] = made
        return
    if not is_same_shape(made.shape, array.shape):
        raise ArrayMismatch(f"{what} was made as {made.shape}, and the buffers hold {array.shape}")
    made = made.reshape(array.shape)
    with numpy.errstate(invalid="ignore"):
        numpy.copyto(array, made, casting="unsafe")
    if not is_harmless(made.dtype, array.dtype) and not (array == made).all():
        raise ArrayMismatch(f"{what} was made of {made.dtype}, with values that {array.dtype} does not have")


def is_same_shape(made: Sequence[int], wanted: Sequence[int]) -> bool:
    """Whether two shapes differ in nothing but extents of one."""
    return [extent for extent in made if extent != 1] == [extent for extent in wanted if extent != 1]


def is_harmless(made: Any, wanted: Any) -> bool:
    """Whether all values survive the conversion, but for the rounding of floating-point numbers."""
    return bool(numpy.can_cast(made, wanted, "safe")) or (made.kind == wanted.kind and made.kind in "fc")


def each_of(data: Any, shapes: Sequence[Sequence[int]]) -> Sequence[Any]:
    """What a producer returned, array by array. For one shape it may be the array itself.

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
        raise ArrayMismatch(f"{len(arrays)} arrays were made, and there are {len(shapes)} shapes")
    return arrays
