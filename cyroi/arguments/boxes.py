"""Boxes, whatever container they come in, and the images that they belong to.

Boxes and indices are copied before they are looked at (snapshot, then validate): another thread that changes the
caller's array cannot invalidate a check. The caller's object is asked for its values once. What else anybody needs to
know of it, such as what a gradient goes out in, is noted on that occasion.

No detections is an ordinary result. NumPy makes arrays of one axis and of no dtype that matters out of empty lists, so
whatever holds nothing is no boxes: shapes (0,), (0, 0) and (1, 0) too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .arrays import as_array, real_numbers, refuse_inexact
from .layout import name_of

if TYPE_CHECKING:
    from .._typing import Array, ArrayLike, Indices

BOX_VALUES = 4  # of one box, in the kernels' order: y1 x1 y2 x2
# This order, as columns of ...
FROM_X1Y1X2Y2 = (1, 0, 3, 2)
FROM_Y1X1Y2X2 = (0, 1, 2, 3)
_SINGLE = (
    "because the input is a single image (input[None] makes a batch of it, and one of shape (H, W, C) needs"
    ' layout="NHWC")'
)
_FLOAT32, _FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
_BOX_DTYPES = {"float16", "float32", "float64"} | {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
# Of the significand: what whole numbers a type holds exactly.
_DIGITS = {"bfloat16": 8, "float16": 11, "float32": 24, "float64": 53}


class Boxes(NamedTuple):
    """Private copies of boxes and of their image indices, validated; and the container that they came in."""

    coordinates: Array  # (K, BOX_VALUES) in the geometry dtype; in float64 where it is not the same for all
    images: Indices  # (K,)
    geometry: list[np.dtype[Any]]  # the geometry dtype of each of ...
    arrays: list[Array]  # as they came, for their shapes and dtypes only: values may have changed since
    is_list: bool  # one array per image, else one for all
    order: Sequence[int]  # where y1 x1 y2 x2 stand among the last columns; its own inverse
    sources: Sequence[object]  # the caller's objects: `out` must lie apart from those that are arrays

    @property
    def narrow(self) -> Array | None:
        """(K,) of bool: whose geometry dtype is float32 while the coordinates are float64; None: that of no box."""
        if len(set(self.geometry)) == 1 or self.coordinates.dtype == np.float32:
            return None
        return np.repeat([dtype == np.float32 for dtype in self.geometry], list(map(len, self.arrays)))

    def parts(self) -> Iterator[tuple[slice, Array]]:
        """The boxes of each array, and their coordinates in their own geometry dtype."""
        last = 0
        for array, dtype in zip(self.arrays, self.geometry, strict=True):
            first, last = last, last + len(array)
            yield slice(first, last), self.coordinates[first:last].astype(dtype, copy=False)

    def rows(self) -> Iterator[Array]:
        """Each box in its own geometry dtype."""
        return (row for _, part in self.parts() for row in part)


def roi_boxes(boxes: Any, batch_indices: Any, images: int, maps_dtype: np.dtype[Any], *, single: bool = False) -> Boxes:
    """Boxes x1 y1 x2 y2 of roi_align: (K, 5), (K, 4) with `batch_indices`, or a list of one array per image.

    single: there is one image, without an axis for it, so boxes need no index.
    """
    sources = boxes if isinstance(boxes, (list, tuple)) else [boxes]
    arrays = _list_of_arrays(boxes)
    if arrays is not None and batch_indices is None:
        return _from_list(arrays, images, maps_dtype, sources)
    if arrays is not None and any(map(len, arrays)):
        raise ValueError("batch_indices must be None where boxes is a list of arrays, one per image")
    array = arrays[0] if arrays else real_numbers("boxes", as_array("boxes", boxes), boxes)
    array = without_boxes(array, BOX_VALUES + (batch_indices is None and not single))
    if batch_indices is None and (single or array.shape == (0, BOX_VALUES)):
        batch_indices = np.zeros(len(array) if array.ndim else 0, np.intp)
    columns, indices = _from_array(array, batch_indices, images, single)
    found = coordinates("boxes", columns, FROM_X1Y1X2Y2, geometry_dtype(maps_dtype, columns.dtype))
    return Boxes(found, indices, [found.dtype], [array], False, FROM_X1Y1X2Y2, sources)


def crop_boxes(
    boxes: Any, box_indices: ArrayLike | None, images: int, maps_dtype: np.dtype[Any], *, single: bool
) -> Boxes:
    """Boxes y1 x1 y2 x2 of crop_and_resize, (K, 4); single: there is one image, without an axis for it."""
    array = without_boxes(real_numbers("boxes", as_array("boxes", boxes), boxes), BOX_VALUES)
    found = corners("boxes", array, FROM_Y1X1Y2X2, maps_dtype)
    count = len(found)
    if box_indices is None:
        if not single:
            raise ValueError("box_indices must be given for a batch of images; got None")
        box_indices = np.zeros(count, np.intp)
    indices = image_indices("box_indices", box_indices, count, images)
    return Boxes(found, indices, [found.dtype], [array], False, FROM_Y1X1Y2X2, [boxes])


def corners(name: str, array: Array, order: Sequence[int], maps_dtype: np.dtype[Any]) -> Array:
    """Private copy of (K, 4) boxes, as y1 x1 y2 x2 in the geometry dtype."""
    if array.ndim != 2 or array.shape[1] != BOX_VALUES:
        raise ValueError(f"{name} must have shape (K, {BOX_VALUES}); got {array.shape}")
    array = box_dtype(name, array)
    return coordinates(name, array, order, geometry_dtype(maps_dtype, array.dtype))


def without_boxes(array: Array, columns: int) -> Array:
    """An array that holds nothing as one of no boxes; any other as it is."""
    nothing = array.ndim in (1, 2) and array.shape[-1] == 0 and array.shape[0] <= 1
    return array.reshape(0, columns) if nothing else array


def _list_of_arrays(boxes: object) -> list[Array] | None:
    """The arrays of a list or tuple whose elements have two axes, or hold nothing; None if boxes are something else."""
    if not isinstance(boxes, (list, tuple)) or len(boxes) == 0:
        return None
    arrays: list[Array] = []
    for i, element in enumerate(boxes):
        try:
            array = without_boxes(as_array(f"boxes[{i}]", element), BOX_VALUES)
        except ValueError:
            if hasattr(element, "__array__"):
                raise
            return None  # ragged: as_array will say so
        if element is None or isinstance(element, str):
            raise TypeError(f"boxes[{i}] must be boxes, an empty list where there are none; got {element!r}")
        if array.ndim < 2 and arrays:
            raise ValueError(f"boxes[{i}] must have shape (L, {BOX_VALUES}), as boxes[0] has; got {array.shape}")
        if array.ndim < 2:
            return None
        arrays.append(real_numbers(f"boxes[{i}]", array, element))
    return arrays


def _from_list(arrays: list[Array], images: int, maps_dtype: np.dtype[Any], sources: Sequence[object]) -> Boxes:
    """The boxes of all images one after the other, each in the geometry dtype of its own array."""
    found = []
    for i, array in enumerate(arrays):
        if array.ndim != 2 or array.shape[1] != BOX_VALUES:
            raise ValueError(f"boxes[{i}] must have shape (L, {BOX_VALUES}); got {array.shape}")
        found.append(box_dtype(f"boxes[{i}]", array))
    if len(found) != images:
        raise ValueError(f"boxes must hold one array per image: expected {images}, got {len(found)}")
    of_dtype = {dtype: geometry_dtype(maps_dtype, dtype) for dtype in {array.dtype for array in found}}
    geometry = [of_dtype[array.dtype] for array in found]
    together = _together(found, geometry)
    image = np.repeat(np.arange(images), [len(array) for array in found])
    return Boxes(together, image, geometry, arrays, True, FROM_X1Y1X2Y2, sources)


def _together(found: list[Array], geometry: list[np.dtype[Any]]) -> Array:
    """The coordinates of all arrays, one after the other, in float64 if any of them is."""
    wide = max(geometry, key=lambda dtype: dtype.itemsize, default=_FLOAT32)
    if len({array.dtype for array in found}) == 1:  # at once: many arrays of few boxes are common
        together = np.concatenate(found)
        if np.isfinite(together).all():
            return coordinates("boxes", together, FROM_X1Y1X2Y2, wide)
    parts = [coordinates(f"boxes[{i}]", array, FROM_X1Y1X2Y2, wide) for i, array in enumerate(found)]
    return np.concatenate([np.empty((0, BOX_VALUES), wide), *parts])


def _from_array(boxes: Array, batch_indices: Any, images: int, single: bool) -> tuple[Array, Indices]:
    """Private copy of the columns that are corners, and the image of each box."""
    has_column = batch_indices is None
    if boxes.ndim != 2 or boxes.shape[1] != BOX_VALUES + has_column:
        bare, full = f"(K, {BOX_VALUES})", f"(K, {BOX_VALUES + 1})"
        why = _SINGLE if single else "because batch_indices is given"
        expected = f"{full}, or {bare} with batch_indices" if has_column else f"{bare}, {why}"
        raise ValueError(f"boxes must have shape {expected}; got {boxes.shape}")
    digits = _DIGITS.get(name_of(boxes.dtype), 64)
    boxes = np.array(box_dtype("boxes", boxes))
    if has_column:
        return boxes[:, 1:], index_column("boxes", boxes[:, 0], digits, images)
    return boxes, image_indices("batch_indices", batch_indices, len(boxes), images)


# --- coordinates ---


def box_dtype(name: str, array: Array) -> Array:
    """Boxes of a dtype that converts exactly to float32 or float64."""
    if name_of(array.dtype) == "bfloat16" or (array.size == 0 and array.dtype.kind in "fO"):
        array = array.astype(np.float32)  # NumPy knows nothing of bfloat16; an empty list has no dtype of its own
    if name_of(array.dtype) not in _BOX_DTYPES:
        raise TypeError(f"{name} must have a real dtype of at most 64 bits; got {array.dtype}")
    refuse_inexact(name, array)
    return array


def geometry_dtype(maps_dtype: np.dtype[Any], boxes_dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type in which coordinates are computed: float32, unless maps or boxes say more than it can hold."""
    return _FLOAT64 if _is_wide(maps_dtype) or _is_wide(boxes_dtype) else _FLOAT32


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


def image_indices(name: str, value: object, count: int, images: int) -> Indices:
    """Private copy of the image index of each of `count` boxes."""
    array = np.array(real_numbers(name, as_array(name, value), value))
    if array.shape == (0,) and array.dtype.kind in "fO":
        array = array.astype(np.intp)  # an empty list has no dtype of its own
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must have an integer dtype; got {array.dtype}")
    if array.shape != (count,):
        raise ValueError(f"{name} must have shape ({count},), one index per box; got {array.shape}")
    return _in_range(name, array, images)


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
