"""Arrays as the kernels see them: NCHW views of the caller's memory, copied only where a stride forbids it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._validate import allocate, refuse_mask, stored

if TYPE_CHECKING:
    from ._typing import Array

# layout -> where n, c, y, x stand in it
AXES = {"NCHW": (0, 1, 2, 3), "NHWC": (0, 3, 1, 2)}


def planar_shape(shape: Sequence[int], layout: str) -> tuple[int, int, int, int]:
    """(n, c, h, w) of a shape written in `layout`."""
    n, c, y, x = (shape[axis] for axis in AXES[layout])
    return n, c, y, x


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
    return array.flags.aligned and all(stride % array.itemsize == 0 for stride in array.strides)


def result(
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    out: object,
    inputs: Mapping[str, Sequence[object]],
) -> Array:
    """A new array of `dtype`, or a view of `out` once known to be fit: shape, dtype, writable, apart from `inputs`.

    `name` is the argument that determines the size of the result. The view is private and of base class: what a
    subclass or another thread does to `out` itself cannot move what was checked.
    """
    if out is None:
        return allocate(name, lambda: np.empty(shape, dtype), shape)
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a numpy.ndarray; got {type(out).__name__}")
    refuse_mask("out", out)
    out = np.ndarray.view(out, np.ndarray)
    stored("out", out.dtype)
    if out.shape != shape:
        raise ValueError(f"out must have shape {shape}; got {out.shape}")
    if not out.flags.writeable:
        raise ValueError("out must be writable; got a read-only array")
    if _overlaps_itself(out):
        raise ValueError(f"out must not overlap itself; got strides {out.strides} for shape {out.shape}")
    for other, values in inputs.items():
        if any(isinstance(value, np.ndarray) and share_memory(out, value) for value in values):
            raise ValueError(f"out must not share memory with {other}")
    return out


def writable(array: Array) -> Array:
    """`array` where the kernels can write into it, else scratch of the same shape, to be copied from."""
    if array.dtype.isnative and addressable(array):
        return array
    return np.empty(array.shape, array.dtype.newbyteorder("="))


def share_memory(a: Array, b: Array) -> bool:
    try:
        return bool(np.shares_memory(a, b, max_work=10_000))  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True  # cannot be told cheaply: refuse rather than corrupt


def _overlaps_itself(array: Array) -> bool:
    """Conservative: true wherever sorted strides do not nest, as they do in every view made by slicing."""
    extent = array.itemsize
    for stride, size in sorted((abs(stride), size) for stride, size in zip(array.strides, array.shape, strict=True)):
        if size > 1:
            if stride < extent:
                return array.size > 0
            extent += stride * (size - 1)
    return False
