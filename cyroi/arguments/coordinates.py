"""The numbers of boxes and the images that they belong to: copied first, then looked at (see boxes.py).

What lies on a device is seen here only from outside; its values are checked by the kernel that plans boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import Place, as_array, on_device, real_numbers, refuse_inexact
from .layout import name_of

if TYPE_CHECKING:
    from .._typing import Array, Indices

BOX_VALUES = 4  # of one box, in the kernels' order: y1 x1 y2 x2
# This order, as columns of ...
FROM_X1Y1X2Y2 = (1, 0, 3, 2)
FROM_Y1X1Y2X2 = (0, 1, 2, 3)
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_BOX_DTYPES = {"float16", "float32", "float64"} | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
# Of the significand: what whole numbers a type holds exactly.
_DIGITS = {"bfloat16": 8, "float16": 11, "float32": 24, "float64": 53}


def exact_digits(dtype: np.dtype[Any]) -> int:
    """Binary digits of the whole numbers that a type holds exactly."""
    return _DIGITS.get(name_of(dtype), 64)


def box_dtype(name: str, array: Array) -> Array:
    """Boxes of a dtype that converts exactly to float32 or float64."""
    if on_device(array):
        if name_of(array.dtype) not in _BOX_DTYPES | {"bfloat16"}:
            raise TypeError(f"{name} must have a real dtype of at most 64 bits; got {array.dtype}")
        return array
    if name_of(array.dtype) == "bfloat16" or (array.size == 0 and array.dtype.kind in "fO"):
        array = array.astype(np.float32)  # NumPy knows nothing of bfloat16; an empty list has no dtype of its own
    if name_of(array.dtype) not in _BOX_DTYPES:
        raise TypeError(f"{name} must have a real dtype of at most 64 bits; got {array.dtype}")
    refuse_inexact(name, array)
    return array


def geometry_dtype(maps_dtype: np.dtype[Any], boxes_dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type in which coordinates are computed: float32, unless maps or boxes say more than it can hold."""
    return FLOAT64 if _is_wide(maps_dtype) or _is_wide(boxes_dtype) else FLOAT32


def _is_wide(dtype: np.dtype[Any]) -> bool:
    return dtype.itemsize > (2 if dtype.kind in "iu" else 4)


def coordinates(name: str, boxes: Array, order: Sequence[int], dtype: np.dtype[Any]) -> Array:
    """Private copy of (K, 4) boxes, columns in `order`, finite, contiguous, in the geometry dtype."""
    copied = boxes[:, order]  # fancy indexing: always a copy
    finite(name, copied, boxes)
    return np.ascontiguousarray(copied, dtype)  # exact


def finite(name: str, boxes: Array, shown: Array) -> None:
    """That boxes are finite, else an error with a row of `shown`.

    Before boxes are converted: NumPy tells of a signalling NaN there, by an exception of its own if the user wants it.
    """
    if not np.isfinite(boxes).all():
        row = int(np.flatnonzero(~np.isfinite(boxes).all(axis=1))[0])
        raise ValueError(f"{name} must be finite; got {shown[row].tolist()} in row {row}")


# --- image indices ---


def image_indices(name: str, value: object, count: int, images: int, place: Place | None = None) -> Indices:
    """Private copy of the image index of each of `count` boxes; on a device, the caller's array."""
    array = real_numbers(name, as_array(name, value, place), value)
    array = array if on_device(array) else np.array(array)
    if array.shape == (0,) and array.dtype.kind in "fO":
        array = np.empty(0, np.intp)  # an empty list has no dtype of its own
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must have an integer dtype; got {array.dtype}")
    if array.shape != (count,):
        raise ValueError(f"{name} must have shape ({count},), one index per box; got {array.shape}")
    return array if on_device(array) else _in_range(name, array, images)


def index_column(name: str, column: Array, digits: int, images: int) -> Indices:
    """Image indices from the first column of (K, 5) boxes, which is often floating, once of so many binary digits."""
    column = np.array(column)
    if column.dtype.kind == "f":
        if not np.isfinite(column).all():
            raise ValueError(f"{name} must be finite; the image index of row {_first(~np.isfinite(column))} is not")
        if not (column == np.trunc(column)).all():
            row = _first(column != np.trunc(column))
            raise ValueError(f"{name} must have whole image indices in column 0; got {column[row]} in row {row}")
        column, exact = column.astype(np.float64), 2.0**digits  # `images` may be more than a float16 holds
        _in_range(name, column, images)
        if (column >= exact).any():
            raise ValueError(f"{name} of their dtype cannot hold image indices from {exact:.0f} on exactly")
    return _in_range(name, column, images)


def _in_range(name: str, array: Array, images: int) -> Indices:
    outside = (array < 0) | (array >= images)
    if outside.any():
        row = _first(outside)
        raise IndexError(f"{name} must have image indices in [0, {images}); got {array[row]} in row {row}")
    return array.astype(np.intp)


def _first(mask: Array) -> int:
    return int(np.flatnonzero(mask)[0])
