"""Boxes, whatever container they come in."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _validate

if TYPE_CHECKING:
    from ._typing import Array, ArrayLike, Indices

# The kernels' order y1 x1 y2 x2, as columns of ...
FROM_X1Y1X2Y2 = (1, 0, 3, 2)
FROM_Y1X1Y2X2 = (0, 1, 2, 3)


def is_list_of_arrays(boxes: object) -> bool:
    """Whether boxes are one two-dimensional array per image: a list or tuple none of whose elements is less."""
    if not isinstance(boxes, (list, tuple)):
        return False
    try:
        return all(np.ndim(element) >= 2 for element in boxes)
    except ValueError:  # ragged: np.asarray will say so
        return False


def normalise(boxes: Any, batch_indices: Any, images: int, maps_dtype: np.dtype[Any]) -> tuple[Array, Indices]:
    """Private copies of the coordinates (K, 4), y1 x1 y2 x2 in the geometry dtype, and of the image indices (K,)."""
    if is_list_of_arrays(boxes):
        if batch_indices is not None:
            raise ValueError("batch_indices must be None where boxes is a list of arrays, one per image")
        corners, indices = _from_list(boxes, images)
    else:
        corners, indices = _from_array(_validate.as_array("boxes", boxes), batch_indices, images)
    geometry = _validate.geometry_dtype(maps_dtype, corners.dtype)
    return _validate.coordinates("boxes", corners, FROM_X1Y1X2Y2, geometry), indices


def corners(boxes: Any, maps_dtype: np.dtype[Any]) -> Array:
    """Private copy of (K, 4) boxes that are y1 x1 y2 x2 already, in the geometry dtype."""
    array = _validate.as_array("boxes", boxes)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"boxes must have shape (K, 4); got {array.shape}")
    array = _validate.box_dtype("boxes", array)
    return _validate.coordinates("boxes", array, FROM_Y1X1Y2X2, _validate.geometry_dtype(maps_dtype, array.dtype))


def crop_indices(box_indices: ArrayLike | None, count: int, images: int, *, single: bool) -> Indices:
    """The image of each of `count` boxes of crop_and_resize; single: there is one image, without an axis for it."""
    if single != (box_indices is None):
        expected = "None for a single image" if single else "given for a batch of images"
        raise ValueError(f"box_indices must be {expected}; got {box_indices!r}")
    return _validate.image_indices("box_indices", np.zeros(count, np.intp) if single else box_indices, count, images)


def _from_list(boxes: list[Any] | tuple[Any, ...], images: int) -> tuple[Array, Indices]:
    arrays = []
    for i, element in enumerate(boxes):
        array = _validate.as_array(f"boxes[{i}]", element)
        if array.ndim != 2 or array.shape[1] != 4:
            raise ValueError(f"boxes[{i}] must have shape (L, 4); got {array.shape}")
        arrays.append(_validate.box_dtype(f"boxes[{i}]", array))
    if len(arrays) != images:
        raise ValueError(f"boxes must hold one array per image: expected {images}, got {len(arrays)}")
    counts = [len(array) for array in arrays]
    if len({array.dtype for array in arrays}) > 1:  # they are converted on the way
        for array, first in zip(arrays, itertools.accumulate(counts, initial=0), strict=False):
            _validate.finite("boxes", array, array, first)
    corners = np.concatenate(arrays) if arrays else np.empty((0, 4), np.float32)
    return corners, np.repeat(np.arange(images), counts)


def _from_array(boxes: Array, batch_indices: Any, images: int) -> tuple[Array, Indices]:
    if batch_indices is None and boxes.shape == (0, 4):
        batch_indices = []  # no box needs an index
    columns = 5 if batch_indices is None else 4
    if boxes.ndim != 2 or boxes.shape[1] != columns:
        expected = "(K, 5), or (K, 4) with batch_indices" if columns == 5 else "(K, 4), because batch_indices is given"
        raise ValueError(f"boxes must have shape {expected}; got {boxes.shape}")
    boxes = np.array(_validate.box_dtype("boxes", boxes))
    if columns == 4:
        return boxes, _validate.image_indices("batch_indices", batch_indices, len(boxes), images)
    return boxes[:, 1:], _validate.index_column("boxes", boxes[:, 0], images)
