"""Every check of an argument, and every message.

Each function takes the argument's name as the user wrote it and gives the value in the one form that the rest of the
library uses. Errors: TypeError for the wrong kind of object or dtype, ValueError for shape, size, enum or a non-finite
value, IndexError for an image index out of range, MemoryError for allocation.

Boxes and indices are copied before they are looked at (snapshot, then validate): another thread that changes the
caller's array cannot invalidate a check.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .cpu import _separable

if TYPE_CHECKING:
    from ._typing import Array, Indices

MAX_SAMPLING_RATIO = 4096
MAX_SIDE = 2**31 - 1  # pixel indices are 32-bit integers in the kernels
_EXACT_IN_FLOAT64 = 2**53


def as_array(name: str, value: object) -> Array:
    """`value` as a private view of base class, without a copy where it is an array.

    Private, because its owner may change the shape of an array while we look at it; of base class, because a subclass
    may redefine what we rely on.
    """
    refuse_mask(name, value)
    try:
        return np.ndarray.view(np.asarray(value), np.ndarray)
    except ValueError as error:
        if hasattr(value, "__array__"):
            raise
        raise ValueError(f"{name} must be an array or nested sequences of equal lengths; {error}") from None


def refuse_mask(name: str, value: object) -> None:
    masked = sys.modules.get("numpy.ma")  # who has a masked array has imported it; we need not, it takes milliseconds
    if masked is not None and isinstance(value, masked.MaskedArray):
        raise TypeError(f"{name} must be an array without a mask; got a masked array (fill or compress it first)")


def maps(name: str, value: object, ndims: Collection[int], shape: str) -> Array:
    """Feature maps or images: an array of a supported dtype, native byte order, with an allowed number of axes."""
    array = as_array(name, value)
    stored(name, array.dtype)
    if array.ndim not in ndims:
        raise ValueError(f"{name} must have shape {shape}; got {array.shape}")
    if max(array.shape) > MAX_SIDE:
        raise ValueError(f"{name} must have no axis longer than {MAX_SIDE}; got {array.shape}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def stored(name: str, dtype: np.dtype[Any]) -> None:
    """Whether maps and results may be stored in this dtype, in any byte order."""
    if dtype.name not in _separable.ELEMENTS:
        raise TypeError(f"{name} must have dtype {', '.join(_separable.ELEMENTS)}; got {dtype}")


def result_dtype(maps_dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of a new result: that of the maps, or float32 for integers."""
    return np.dtype(np.float32) if maps_dtype.kind in "iu" else maps_dtype


def integer(name: str, value: object) -> int:
    """A Python int from anything with __index__, but not from a bool."""
    if not isinstance(value, (bool, np.bool_)):
        try:
            return operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            pass
    raise TypeError(f"{name} must be an integer; got {value!r}")


def boolean(name: str, value: object) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be a bool; got {value!r}")
    return bool(value)


def real(name: str, value: object) -> float:
    """A Python float from any real number, but not from a string, a bool or an array with axes."""
    if isinstance(value, (np.ndarray, np.generic)):
        refuse_mask(name, value)
        convertible = value.ndim == 0 and value.dtype.kind in "iuf"
    else:
        convertible = hasattr(value, "__float__") and not isinstance(value, (bool, complex))
    try:
        if convertible:
            return float(value)  # type: ignore[arg-type]
    except OverflowError:
        raise ValueError(f"{name} must fit a float64; got {value!r}") from None
    except TypeError:
        pass
    raise TypeError(f"{name} must be a real number; got {value!r}")


def choice(name: str, value: object, choices: Collection[str]) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, one of {', '.join(map(repr, choices))}; got {value!r}")
    value = str.__str__(value)  # a subclass may compare and hash as it likes
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}")
    return value


def output_size(name: str, value: object) -> tuple[int, int]:
    """(height, width) from an int or a pair of ints, each at least 1."""
    is_array = isinstance(value, np.ndarray) and value.ndim > 0
    if is_array or (isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview))):
        if len(value) != 2:  # type: ignore[arg-type]
            raise ValueError(f"{name} must be an int or (height, width); got {value!r}")
        pair = (value[0], value[1])  # type: ignore[index]
    else:
        pair = (value, value)
    height, width = (integer(name, side) for side in pair)
    if height < 1 or width < 1:
        raise ValueError(f"{name} must be at least 1 in height and width; got {value!r}")
    return height, width


def spatial_scale(name: str, value: object) -> float:
    scale = real(name, value)
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"{name} must be finite and > 0; got {value!r}")
    return scale


def sampling_ratio(name: str, value: object) -> int:
    """Samples per bin and axis; 0 for the adaptive grid, which every value below 1 asks for."""
    ratio = integer(name, value)
    if ratio > MAX_SAMPLING_RATIO:
        raise ValueError(f"{name} must be at most {MAX_SAMPLING_RATIO}; got {value!r}")
    return max(ratio, 0)


def box_dtype(name: str, array: Array) -> Array:
    """Boxes of a dtype that converts exactly to float32 or float64."""
    if array.size == 0 and array.dtype.kind == "f":
        array = array.astype(np.float32)  # an empty list has no dtype of its own
    kind, size = array.dtype.kind, array.dtype.itemsize
    if not (kind in "iu" or (kind == "f" and size <= 8)):
        raise TypeError(f"{name} must have a real dtype of at most 64 bits; got {array.dtype}")
    if kind in "iu" and size == 8 and array.size and max(int(array.max()), -int(array.min())) > _EXACT_IN_FLOAT64:
        raise ValueError(f"{name} must hold integers that float64 represents, within +-2**53")
    return array


def geometry_dtype(maps_dtype: np.dtype[Any], boxes_dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type in which coordinates are computed: float32, unless maps or boxes say more than it can hold."""
    wide = boxes_dtype.itemsize > (4 if boxes_dtype.kind == "f" else 2)
    return np.dtype(np.float64 if wide or maps_dtype.itemsize > 4 else np.float32)


def coordinates(name: str, boxes: Array, order: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """Private copy of (K, 4) boxes, columns in `order`, finite, contiguous, in the geometry dtype."""
    copied = boxes[:, order]  # fancy indexing: always a copy
    finite(name, copied, boxes)
    return np.ascontiguousarray(copied, dtype)  # exact


def finite(name: str, boxes: Array, shown: Array, first: int = 0) -> None:
    """That boxes are finite, else an error with a row of `shown`; first: the number of row 0.

    Before boxes are converted: NumPy tells of a signalling NaN there, by an exception of its own if the user wants it.
    """
    if not np.isfinite(boxes).all():
        row = int(np.flatnonzero(~np.isfinite(boxes).all(axis=1))[0])
        raise ValueError(f"{name} must be finite; got {shown[row].tolist()} in row {first + row}")


def image_indices(name: str, value: object, count: int, images: int) -> Indices:
    """Private copy of the image index of each of `count` boxes."""
    array = np.array(as_array(name, value))
    if array.size == 0 and not hasattr(value, "dtype"):
        array = array.astype(np.intp)  # an empty list has no dtype of its own
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must have an integer dtype; got {array.dtype}")
    if array.shape != (count,):
        raise ValueError(f"{name} must have shape ({count},), one index per box; got {array.shape}")
    return _in_range(name, array, images)


def index_column(name: str, column: Array, images: int) -> Indices:
    """Image indices from the first column of (K, 5) boxes, which is often floating."""
    column = np.array(column)
    if column.dtype.kind == "f":
        if not np.isfinite(column).all():
            raise ValueError(f"{name} must be finite; the image index of row {_first(~np.isfinite(column))} is not")
        if not (column == np.trunc(column)).all():
            row = _first(column != np.trunc(column))
            raise ValueError(f"{name} must have whole image indices in column 0; got {column[row]} in row {row}")
        dtype, column = column.dtype, column.astype(np.float64)  # `images` may be more than a float16 holds
        exact = 2.0 ** (np.finfo(dtype).nmant + 1)
        _in_range(name, column, images)
        if (column >= exact).any():
            raise ValueError(f"{name} of dtype {dtype} cannot hold image indices from {exact:.0f} on exactly")
    return _in_range(name, column, images)


def _in_range(name: str, array: Array, images: int) -> Indices:
    outside = (array < 0) | (array >= images)
    if outside.any():
        row = _first(outside)
        raise IndexError(f"{name} must have image indices in [0, {images}); got {array[row]} in row {row}")
    return array.astype(np.intp)


def _first(mask: Array) -> int:
    return int(np.flatnonzero(mask)[0])


def allocate(name: str, create: Callable[[], Array], shape: Sequence[int]) -> Array:
    """The new result array; its size follows from the argument `name`."""
    try:
        return create()
    except (MemoryError, ValueError) as error:
        message = f"{name} asks for a result of shape {tuple(shape)}, which cannot be allocated: {error}"
        raise MemoryError(message) from None
