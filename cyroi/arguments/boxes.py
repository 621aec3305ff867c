"""Boxes, whatever container they come in, and the images that they belong to.

Boxes and indices are copied before they are looked at (snapshot, then validate): another thread that changes the
caller's array cannot invalidate a check. The caller's object is asked for its values once. What else anybody needs to
know of it, such as what a gradient goes out in, is noted on that occasion.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .validate import as_array, refuse_mask

if TYPE_CHECKING:
    from .._typing import Array, ArrayLike, Indices

BOX_VALUES = 4  # of one box, in the kernels' order: y1 x1 y2 x2
# This order, as columns of ...
FROM_X1Y1X2Y2 = (1, 0, 3, 2)
FROM_Y1X1Y2X2 = (0, 1, 2, 3)
_EXACT_IN_FLOAT64 = 2**53


class Boxes(NamedTuple):
    """Private copies of boxes and of their image indices, validated; and the container that they came in."""

    coordinates: Array  # (K, BOX_VALUES) in the geometry dtype
    images: Indices  # (K,)
    arrays: list[Array]  # as they came, for their shapes and dtypes only: values may have changed since
    is_list: bool  # one array per image, else one for all
    order: Sequence[int]  # where y1 x1 y2 x2 stand among the last columns; its own inverse
    sources: Sequence[object]  # the caller's objects: `out` must lie apart from those that are arrays


def roi_boxes(boxes: Any, batch_indices: Any, images: int, maps_dtype: np.dtype[Any]) -> Boxes:
    """Boxes x1 y1 x2 y2 of roi_align: (K, 5), (K, 4) with `batch_indices`, or a list of one array per image."""
    arrays = _list_of_arrays(boxes)
    sources = boxes if isinstance(boxes, (list, tuple)) else [boxes]
    if arrays is None:
        array = as_array("boxes", boxes)
        columns, indices = _from_array(array, batch_indices, images)
        arrays, is_list = [array], False
    else:
        if batch_indices is not None:
            raise ValueError("batch_indices must be None where boxes is a list of arrays, one per image")
        columns, indices = _from_list(arrays, images)
        is_list = True
    found = coordinates("boxes", columns, FROM_X1Y1X2Y2, geometry_dtype(maps_dtype, columns.dtype))
    return Boxes(found, indices, arrays, is_list, FROM_X1Y1X2Y2, sources)


def crop_boxes(
    boxes: Any, box_indices: ArrayLike | None, images: int, maps_dtype: np.dtype[Any], *, single: bool
) -> Boxes:
    """Boxes y1 x1 y2 x2 of crop_and_resize, (K, 4); single: there is one image, without an axis for it."""
    array = as_array("boxes", boxes)
    found = corners("boxes", array, FROM_Y1X1Y2X2, maps_dtype)
    if single != (box_indices is None):
        expected = "None for a single image" if single else "given for a batch of images"
        raise ValueError(f"box_indices must be {expected}; got {box_indices!r}")
    count = len(found)
    indices = image_indices("box_indices", np.zeros(count, np.intp) if single else box_indices, count, images)
    return Boxes(found, indices, [array], False, FROM_Y1X1Y2X2, [boxes])


def corners(name: str, array: Array, order: Sequence[int], maps_dtype: np.dtype[Any]) -> Array:
    """Private copy of (K, 4) boxes, as y1 x1 y2 x2 in the geometry dtype."""
    if array.ndim != 2 or array.shape[1] != BOX_VALUES:
        raise ValueError(f"{name} must have shape (K, {BOX_VALUES}); got {array.shape}")
    array = box_dtype(name, array)
    return coordinates(name, array, order, geometry_dtype(maps_dtype, array.dtype))


def _list_of_arrays(boxes: object) -> list[Array] | None:
    """The arrays of a list or tuple none of whose elements has less than two axes; None if boxes are something else."""
    if not isinstance(boxes, (list, tuple)):
        return None
    arrays = []
    for i, element in enumerate(boxes):
        try:
            array = np.asarray(element)
        except ValueError:
            if hasattr(element, "__array__"):
                raise
            return None  # ragged: as_array will say so
        if array.ndim < 2:
            return None
        refuse_mask(f"boxes[{i}]", element)
        arrays.append(np.ndarray.view(array, np.ndarray))  # private, as in as_array
    return arrays


def _from_list(arrays: list[Array], images: int) -> tuple[Array, Indices]:
    """The boxes of all images one after the other, and the image of each."""
    found = []
    for i, array in enumerate(arrays):
        if array.ndim != 2 or array.shape[1] != BOX_VALUES:
            raise ValueError(f"boxes[{i}] must have shape (L, {BOX_VALUES}); got {array.shape}")
        found.append(box_dtype(f"boxes[{i}]", array))
    if len(found) != images:
        raise ValueError(f"boxes must hold one array per image: expected {images}, got {len(found)}")
    counts = [len(array) for array in found]
    if len({array.dtype for array in found}) > 1:  # they are converted on the way
        for array, first in zip(found, itertools.accumulate(counts, initial=0), strict=False):
            finite("boxes", array, array, first)
    together = np.concatenate(found) if found else np.empty((0, BOX_VALUES), np.float32)
    return together, np.repeat(np.arange(images), counts)


def _from_array(boxes: Array, batch_indices: Any, images: int) -> tuple[Array, Indices]:
    """Private copy of the columns that are corners, and the image of each box."""
    if batch_indices is None and boxes.shape == (0, BOX_VALUES):
        batch_indices = []  # no box needs an index
    has_column = batch_indices is None
    if boxes.ndim != 2 or boxes.shape[1] != BOX_VALUES + has_column:
        bare, full = f"(K, {BOX_VALUES})", f"(K, {BOX_VALUES + 1})"
        expected = f"{full}, or {bare} with batch_indices" if has_column else f"{bare}, because batch_indices is given"
        raise ValueError(f"boxes must have shape {expected}; got {boxes.shape}")
    boxes = np.array(box_dtype("boxes", boxes))
    if has_column:
        return boxes[:, 1:], index_column("boxes", boxes[:, 0], images)
    return boxes, image_indices("batch_indices", batch_indices, len(boxes), images)


# --- coordinates ---


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


# --- image indices ---


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
