"""Boxes, whatever container they come in, and the images that they belong to.

Boxes and indices are copied before they are looked at (snapshot, then validate): another thread that changes the
caller's array cannot invalidate a check. The caller's object is asked for its values once. What else anybody needs to
know of it, such as what a gradient goes out in, is noted on that occasion.

What lies on a device is looked at from outside only, shape and type: to read it here would be to wait for the device.
The kernel that plans boxes checks them there. Where it finds something wrong, the checks of this file are made of
copies, and raise what they raise of boxes in host memory.

No detections is an ordinary result. NumPy makes arrays of one axis and of no dtype that matters out of empty lists, so
whatever holds nothing is no boxes: shapes (0,), (0, 0) and (1, 0) too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .arrays import Place, as_array, on_device, real_numbers, refuse_inexact, same_place
from .coordinates import (
    BOX_VALUES,
    FLOAT32,
    FROM_X1Y1X2Y2,
    FROM_Y1X1Y2X2,
    box_dtype,
    coordinates,
    exact_digits,
    geometry_dtype,
    image_indices,
    index_column,
)

if TYPE_CHECKING:
    from .._typing import Array, Indices

_SINGLE = (
    "because the input is a single image (input[None] makes a batch of it, and one of shape (H, W, C) needs"
    ' layout="NHWC")'
)
_Check = Callable[[Any, Any], object]  # one of the public functions below, of boxes and indices in host memory


class Unread(NamedTuple):
    """What is known of boxes, or of indices, whose values lie on a device: the kernel that plans boxes checks them."""

    wait: bool  # whether the call waits for that check
    again: Callable[[Callable[[Array], Array]], object]  # checks copies that this function makes, and raises


class Boxes(NamedTuple):
    """Private copies of boxes and of their image indices, validated; and the container that they came in."""

    coordinates: Any  # (K, BOX_VALUES) in the geometry dtype; in float64 where it is not the same for all. None: unread
    images: Any  # (K,); on a device unread, None if they are all 0 there or stand in the first column
    geometry: list[np.dtype[Any]]  # the geometry dtype of each of ...
    arrays: list[Array]  # as they came, for their shapes and dtypes only: values may have changed since
    is_list: bool  # one array per image, else one for all
    order: Sequence[int]  # where y1 x1 y2 x2 stand among the last columns; its own inverse
    sources: Sequence[object]  # the caller's objects: `out` must lie apart from those that are arrays
    unread: Unread | None = None

    @property
    def total(self) -> int:
        return sum(map(len, self.arrays))

    @property
    def narrow(self) -> Array | None:
        """(K,) of bool: whose geometry dtype is float32 while the coordinates are float64; None: that of no box."""
        if len(set(self.geometry)) <= 1 or (self.coordinates is not None and self.coordinates.dtype == np.float32):
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


def roi_boxes(
    boxes: Any,
    batch_indices: Any,
    images: int,
    maps_dtype: np.dtype[Any],
    *,
    single: bool = False,
    place: Place | None = None,
    wait: bool = True,
) -> Boxes:
    """Boxes x1 y1 x2 y2 of roi_align: (K, 5), (K, 4) with `batch_indices`, or a list of one array per image.

    single: there is one image, without an axis for it, so boxes need no index.
    """

    def check(some: Any, indices: Any) -> object:
        return roi_boxes(some, indices, images, maps_dtype, single=single)

    sources = boxes if isinstance(boxes, (list, tuple)) else [boxes]
    arrays = _list_of_arrays(boxes, place)
    if arrays is not None and batch_indices is None:
        return _from_list(arrays, images, maps_dtype, sources, wait, check)
    if arrays is not None and any(map(len, arrays)):
        raise ValueError("batch_indices must be None where boxes is a list of arrays, one per image")
    array = arrays[0] if arrays else real_numbers("boxes", as_array("boxes", boxes, place), boxes)
    array = without_boxes(array, BOX_VALUES + (batch_indices is None and not single))
    has_column = batch_indices is None and not single and array.shape != (0, BOX_VALUES)
    _check_columns(array, has_column, single)
    columns = box_dtype("boxes", array)
    indices = None
    if has_column and not on_device(array):
        columns = np.array(columns)
        columns, indices = columns[:, 1:], index_column("boxes", columns[:, 0], exact_digits(array.dtype), images)
    elif not has_column:
        indices = _indices("batch_indices", batch_indices, columns, images, place)
    geometry = geometry_dtype(maps_dtype, columns.dtype)
    found = None if on_device(columns) else coordinates("boxes", columns, FROM_X1Y1X2Y2, geometry)
    return _checked(Boxes(found, indices, [geometry], [array], False, FROM_X1Y1X2Y2, sources), wait, check)


def crop_boxes(
    boxes: Any,
    box_indices: Any,
    images: int,
    maps_dtype: np.dtype[Any],
    *,
    single: bool,
    place: Place | None = None,
    wait: bool = True,
) -> Boxes:
    """Boxes y1 x1 y2 x2 of crop_and_resize, (K, 4); single: there is one image, without an axis for it."""

    def check(some: Any, indices: Any) -> object:
        return crop_boxes(some, indices, images, maps_dtype, single=single)

    array = without_boxes(real_numbers("boxes", as_array("boxes", boxes, place), boxes), BOX_VALUES)
    columns = _bare("boxes", array)
    geometry = geometry_dtype(maps_dtype, columns.dtype)
    found = None if on_device(columns) else coordinates("boxes", columns, FROM_Y1X1Y2X2, geometry)
    if box_indices is None and not single:
        raise ValueError("box_indices must be given for a batch of images; got None")
    indices = _indices("box_indices", box_indices, columns, images, place)
    return _checked(Boxes(found, indices, [geometry], [array], False, FROM_Y1X1Y2X2, [boxes]), wait, check)


def corners(name: str, array: Array, order: Sequence[int], maps_dtype: np.dtype[Any]) -> Array:
    """Private copy of (K, 4) boxes, as y1 x1 y2 x2 in the geometry dtype."""
    array = _bare(name, array)
    return coordinates(name, array, order, geometry_dtype(maps_dtype, array.dtype))


def _bare(name: str, array: Array) -> Array:
    if array.ndim != 2 or array.shape[1] != BOX_VALUES:
        raise ValueError(f"{name} must have shape (K, {BOX_VALUES}); got {array.shape}")
    return box_dtype(name, array)


def without_boxes(array: Array, columns: int) -> Array:
    """An array that holds nothing as one of no boxes; any other as it is."""
    nothing = array.ndim in (1, 2) and array.shape[-1] == 0 and array.shape[0] <= 1
    return array.reshape(0, columns) if nothing else array


def _list_of_arrays(boxes: object, place: Place | None) -> list[Array] | None:
    """The arrays of a list or tuple whose elements have two axes, or hold nothing; None if boxes are something else."""
    if not isinstance(boxes, (list, tuple)) or len(boxes) == 0:
        return None
    arrays: list[Array] = []
    for i, element in enumerate(boxes):
        try:
            array = without_boxes(as_array(f"boxes[{i}]", element, place), BOX_VALUES)
        except ValueError:
            if hasattr(element, "__array__"):
                raise
            return None  # ragged: as_array will say so
        if element is None or isinstance(element, str):
            raise TypeError(f"boxes[{i}] must be boxes, an empty list where there are none; got {element!r}")
        if array.ndim < 2 and arrays:
            raise ValueError(f"boxes[{i}] must have shape (L, {BOX_VALUES}), as boxes[0] has; got {array.shape}")
        if array.ndim < 2 and on_device(array):
            raise TypeError("boxes on a device must be an array or a list of arrays: put rows together by cupy.stack")
        if array.ndim < 2:
            return None
        arrays.append(real_numbers(f"boxes[{i}]", array, element))
    return arrays


def _from_list(
    arrays: list[Array], images: int, maps_dtype: np.dtype[Any], sources: Sequence[object], wait: bool, check: _Check
) -> Boxes:
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
    image = np.repeat(np.arange(images), [len(array) for array in found])
    if not any(map(on_device, arrays)):
        return Boxes(_together(found, geometry), image, geometry, arrays, True, FROM_X1Y1X2Y2, sources)
    boxes = Boxes(None, image, geometry, arrays, True, FROM_X1Y1X2Y2, sources)
    _check_list_on_device(arrays)
    return _unread(boxes, arrays, None, wait, check)


def _check_list_on_device(arrays: list[Array]) -> None:
    first = next(i for i, array in enumerate(arrays) if on_device(array))
    of_one_type = len({array.dtype for array in arrays if len(array)}) <= 1
    for i, array in enumerate(arrays):
        if len(array) and not on_device(array):  # [] is no boxes anywhere
            same_place(f"boxes[{i}]", array, Place(f"boxes[{first}]", arrays[first]))
        if not of_one_type:
            refuse_inexact(f"boxes[{i}]", array)  # because they are converted before the kernel sees them


def _together(found: list[Array], geometry: list[np.dtype[Any]]) -> Array:
    """The coordinates of all arrays, one after the other, in float64 if any of them is."""
    wide = max(geometry, key=lambda dtype: dtype.itemsize, default=FLOAT32)
    if len({array.dtype for array in found}) == 1:  # at once: many arrays of few boxes are common
        together = np.concatenate(found)
        if np.isfinite(together).all():
            return coordinates("boxes", together, FROM_X1Y1X2Y2, wide)
    parts = [coordinates(f"boxes[{i}]", array, FROM_X1Y1X2Y2, wide) for i, array in enumerate(found)]
    return np.concatenate([np.empty((0, BOX_VALUES), wide), *parts])


def _check_columns(boxes: Array, has_column: bool, single: bool) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != BOX_VALUES + has_column:
        bare, full = f"(K, {BOX_VALUES})", f"(K, {BOX_VALUES + 1})"
        why = _SINGLE if single else "because batch_indices is given"
        expected = f"{full}, or {bare} with batch_indices" if has_column else f"{bare}, {why}"
        raise ValueError(f"boxes must have shape {expected}; got {boxes.shape}")


def _indices(name: str, value: Any, boxes: Array, images: int, place: Place | None) -> Indices | None:
    """The image of each box, (K,), which is the only one where there is no `value`."""
    if value is None and on_device(boxes):
        return None
    return image_indices(name, np.zeros(len(boxes), np.intp) if value is None else value, len(boxes), images, place)


def _checked(boxes: Boxes, wait: bool, check: _Check) -> Boxes:
    """The boxes of one array; to be checked by a kernel where they, or their indices, lie on a device."""
    if boxes.coordinates is None or on_device(boxes.images):
        return _unread(boxes, boxes.arrays[0], boxes.images, wait, check)
    return boxes


def _unread(boxes: Boxes, given: Any, indices: Any, wait: bool, check: _Check) -> Boxes:
    """These boxes, to be checked by a kernel. given: the array, or the list, that they came in."""

    def again(copy: Callable[[Array], Array]) -> object:
        def here(array: Any) -> Any:
            return copy(array) if array is not None and on_device(array) else array

        return check([here(array) for array in given] if isinstance(given, list) else here(given), here(indices))

    return boxes._replace(unread=Unread(wait, again), sources=[*boxes.sources, *boxes.arrays])
