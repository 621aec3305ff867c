"""Axis orders, and arrays as the kernels see them: NCHW views of the caller's memory, or copies where that cannot be.

Decision: maps are read where they lie, whatever their strides, as long as the innermost one is one element, because a
copy of the maps costs more than most calls.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .._typing import Array


@functools.lru_cache(maxsize=256)
def name_of(dtype: np.dtype[Any]) -> str:
    """`dtype.name`, which NumPy forms anew each time: a small call asks for so many that they were a third of it."""
    return dtype.name


# layout -> where n, c, y, x stand in it
AXES = {"NCHW": (0, 1, 2, 3), "NHWC": (0, 3, 1, 2)}


def planar_shape(shape: Sequence[int], layout: str) -> tuple[int, int, int, int]:
    """(n, c, h, w) of a shape written in `layout`."""
    n, c, y, x = (shape[axis] for axis in AXES[layout])
    return n, c, y, x


def batch_shape(shape: tuple[int, ...], layout: str) -> tuple[int, int, int, int]:
    """Planar (n, c, h, w) of a batch, or of a single image with or without channels."""
    if len(shape) == 2:
        return (1, 1, *shape)
    return planar_shape(shape if len(shape) == 4 else (1, *shape), layout)


def layout_shape(planar: Sequence[int], layout: str) -> tuple[int, ...]:
    """The shape in `layout` of planar (n, c, h, w)."""
    shape = [0] * 4
    for size, axis in zip(planar, AXES[layout], strict=True):
        shape[axis] = size
    return tuple(shape)


def readable(array: Array, layout: str) -> Array:
    """NCHW view of maps that the kernels can read in place, or of a copy.

    In place: aligned, strides of whole elements, and the innermost stride, of x or of c, is one element. The stride of
    an axis of length 1 says nothing: it is never used, and NumPy may export another one than it shows.
    """
    view = array.transpose(AXES[layout])
    return view if is_readable(view) else np.array(array, order="C", copy=True).transpose(AXES[layout])


def is_readable(planar: Array) -> bool:
    """Whether the kernels can work on these NCHW maps in place."""
    innermost = any(planar.shape[axis] <= 1 or planar.strides[axis] == planar.itemsize for axis in (1, 3))
    return innermost and addressable(planar)


def is_scattered(planar: Array) -> bool:
    """Whether the pixels of these NCHW maps hold a few channels each, up to 32 bytes, and do not follow each other.

    To add to such pixels one by one takes about three times as long as to add to rows and to copy them.
    """
    pixel = planar.shape[1] * planar.itemsize
    return planar.shape[3] > 1 and planar.strides[3] not in (planar.itemsize, pixel) and pixel <= 32


def as_batch(array: Array, layout: str) -> Array:
    """A view with four axes: a missing channel axis, then a missing image axis, are added."""
    if array.ndim == 2:
        array = np.expand_dims(array, layout.index("C") - 1)
    return array if array.ndim == 4 else array[np.newaxis]


def addressable(array: Array) -> bool:
    """Every element is reached by whole elements from the first one."""
    size = array.itemsize
    if not (array.flags.aligned if isinstance(array, np.ndarray) else array.data.ptr % size == 0):
        return False
    return not [stride for stride in array.strides if stride % size]


def traversable(array: Array) -> Array:
    """`array` where the kernels can read it by its strides, else a copy."""
    return array if addressable(array) else np.array(array, order="K", copy=True)


# Results that kernels do not write themselves: what they write instead. All of bool that is not 0 is true; the long
# integers come out of float64.
_WRITTEN_AS = {"bool": np.int8, "int32": np.float64, "uint32": np.float64, "int64": np.float64, "uint64": np.float64}


def writable(array: Array) -> Array:
    """`array` where the kernels can write into it, else scratch of the same shape, to be copied from."""
    dtype = written_as(array.dtype)
    return array if dtype == array.dtype and addressable(array) else np.empty(array.shape, dtype)


@functools.lru_cache(maxsize=256)
def written_as(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type of results that kernels write, for a result that is to be stored as `dtype`."""
    return np.dtype(_WRITTEN_AS.get(name_of(dtype)) or dtype.newbyteorder("="))


def rounded(values: Array, dtype: np.dtype[Any]) -> Array:
    """float64 as integers: halves to even, saturated, NaN as 0, and no floating-point exception on the way.

    What a conversion of the kernels would give, for types that they do not have. `values` are overwritten.
    """
    limits = np.iinfo(dtype)
    values[np.isnan(values)] = 0
    np.rint(values, out=values)
    low, high = values <= limits.min, values >= float(limits.max)  # the limit of 64 bits is 1 beyond, as is its float
    values[low | high] = 0
    integers = values.astype(dtype.newbyteorder("="))
    integers[low], integers[high] = limits.min, limits.max
    return integers
