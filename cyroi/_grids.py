"""Where the operators sample, for pictures: ends of a box, lines of its grid and samples, in pixels of the map.

The samples are the reference's own; nothing about a convention is written again here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .arguments import validate
from .arguments.arrays import as_array, real_numbers
from .arguments.boxes import corners as box_corners
from .arguments.boxes import without_boxes
from .arguments.coordinates import BOX_VALUES, FROM_X1Y1X2Y2, FROM_Y1X1Y2X2, box_dtype, index_column
from .reference import _crop_and_resize, _roi_align

if TYPE_CHECKING:
    from ._typing import Array, ArrayLike

BOX_ORDERS = {"roi_align": FROM_X1Y1X2Y2, "crop_and_resize": FROM_Y1X1Y2X2}
COLUMNS = {"roi_align": (BOX_VALUES, BOX_VALUES + 1), "crop_and_resize": (BOX_VALUES,)}  # 5: with an image index


class GridAxis(NamedTuple):
    """One axis of one box, in pixels of the map."""

    ends: Array  # of the box
    lines: Array  # of the grid
    samples: Array
    inside: Array  # for each sample, whether it counts; False: so far outside the map that it is 0


Convention = Callable[[Any, Any, int, int], GridAxis]  # lower and upper coordinate, bins, pixels of the map


def convention(operator: str, spatial_scale: float, sampling_ratio: int, aligned: bool) -> Convention:
    validate.choice("operator", operator, BOX_ORDERS)
    scale = validate.spatial_scale("spatial_scale", spatial_scale)
    ratio = validate.sampling_ratio("sampling_ratio", sampling_ratio)
    half_pixel = validate.boolean("aligned", aligned)
    if operator == "crop_and_resize":
        if (scale, ratio, half_pixel) != (1.0, 0, False):
            raise ValueError('spatial_scale, sampling_ratio and aligned apply to operator="roi_align" only')
        return _crop_and_resize_axis

    def roi_align_axis(lo: Any, hi: Any, bins: int, size: int) -> GridAxis:
        samples = _roi_align.axis_samples(lo, hi, bins, size, scale, ratio, half_pixel)[0].ravel()
        samples = samples[np.isfinite(samples)]
        pairs = _roi_align.axis_samples(lo, hi, bins, size, scale, 2, half_pixel)[0]
        quarter = (pairs[:, 1] - pairs[:, 0]) / 2  # two samples lie at 1/4 and 3/4 of their bin
        lines = np.append(pairs[:, 0] - quarter, pairs[-1, 1] + quarter[-1])
        return GridAxis(lines[[0, -1]], lines, samples, ~np.isnan(_roi_align.border(samples, size)))

    return roi_align_axis


def _crop_and_resize_axis(lo: Any, hi: Any, bins: int, size: int) -> GridAxis:
    samples = _crop_and_resize.axis_samples(lo, hi, bins, size, "bilinear")
    samples = samples[~np.isnan(samples)]
    zero, one = _crop_and_resize.axis_samples(lo.dtype.type(0), lo.dtype.type(1), 2, size, "bilinear")
    return GridAxis(zero + np.array([lo, hi]) * (one - zero), samples, samples, np.full(samples.shape, True))


def grid(box: Array, bins: tuple[int, int], pixels: Array, axis: Convention) -> tuple[GridAxis, GridAxis]:
    y1, x1, y2, x2 = box
    with np.errstate(all="ignore"):  # what overflows lies outside every picture
        return axis(y1, y2, bins[0], pixels.shape[0]), axis(x1, x2, bins[1], pixels.shape[1])


def corners(name: str, boxes: ArrayLike, operator: str, pixels: Array) -> Array:
    """(K, 4) coordinates y1 x1 y2 x2, of the dtype in which the operator would compute its samples."""
    array = without_boxes(real_numbers(name, as_array(name, boxes), boxes), BOX_VALUES)
    if array.ndim != 2 or array.shape[1] not in COLUMNS[operator]:
        shapes = " or ".join(f"(K, {columns})" for columns in COLUMNS[operator])
        raise ValueError(f"{name} must have shape {shapes}; got {array.shape}")
    return _of_one_image(name, array, operator, pixels)


def corners_of_one(name: str, box: ArrayLike, operator: str, pixels: Array) -> Array:
    """The same of a single box, a row of what `corners` takes."""
    array = real_numbers(name, as_array(name, box), box)
    if array.ndim != 1 or len(array) not in COLUMNS[operator]:
        shapes = " or ".join(f"({columns},)" for columns in COLUMNS[operator])
        raise ValueError(f"{name} must have shape {shapes}; got {array.shape}")
    one: Array = _of_one_image(name, array[np.newaxis], operator, pixels)[0]
    return one


def _of_one_image(name: str, boxes: Array, operator: str, pixels: Array) -> Array:
    if boxes.shape[1] == BOX_VALUES + 1:
        boxes = box_dtype(name, boxes)
        images = np.unique(index_column(name, boxes[:, 0], 64, validate.MAX_SIDE))
        if len(images) > 1:
            one, other = images[:2].tolist()
            raise ValueError(
                f"{name} must be those of one image, like {name}[{name}[:, 0] == {one}]; got images {one} and {other}"
            )
        boxes = boxes[:, 1:]
    return box_corners(name, boxes, BOX_ORDERS[operator], pixels.dtype)
