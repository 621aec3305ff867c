"""The float64 oracle of crop_and_resize's gradients: the formula, sample by sample.

Coordinates are computed in the dtype that the operator would choose, so that both agree in every discrete decision.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments.boxes import crop_boxes
from ..arguments.coordinates import BOX_VALUES
from ..arguments.layout import AXES, as_batch
from ..arguments.validate import wrt_names
from . import _gradients
from ._crop_and_resize import axis_samples


def crop_and_resize_backward(
    grad_output: ArrayLike,
    image: ArrayLike | tuple[int, ...],
    boxes: ArrayLike,
    box_indices: ArrayLike | None = None,
    method: str = "bilinear",
    extrapolation_value: float = 0.0,
    *,
    snap_edges: bool = False,
    wrt: str | tuple[str, ...] = "image",
    layout: str = "NHWC",
    validate: bool = True,
    out: NDArray[Any] | None = None,
    num_threads: int | None = None,
) -> Any:
    """Gradients of crop_and_resize in float64: to the images, to the boxes, or to both.

    The formula stands in `cyroi.crop_and_resize_backward`, with its source and its errors.

    Parameters
    ----------
    grad_output, image, boxes, box_indices, method, extrapolation_value, snap_edges, wrt, layout
        As in `cyroi.crop_and_resize_backward`.
    out : ndarray, optional
        Receives the one gradient that `wrt` asks for, cast to its dtype. Overwritten, not added to.
    validate, num_threads
        Ignored; here so that the signatures agree.

    Returns
    -------
    ndarray, float64, or `out`
        Shapes as in `cyroi.crop_and_resize_backward`.

    Examples
    --------
    A crop of one pixel takes the centre of the box, here the middle of four pixels; moving one side by 1, the
    distance of the two pixels, moves it by 1/2.

    >>> image = [[0.0, 1.0], [10.0, 11.0]]
    >>> gradients = crop_and_resize_backward([[[1.0]]], image, [[0, 0, 1, 1]], None, wrt=("image", "boxes"))
    >>> gradients[0]
    array([[0.25, 0.25],
           [0.25, 0.25]])
    >>> gradients[1]
    array([[5. , 0.5, 5. , 0.5]])
    """
    names = wrt_names(wrt, ("image", "boxes"))
    given = np.asarray(grad_output)
    pixels = _gradients.maps_or_stand_in("image", image, given.dtype, names)
    maps = as_batch(pixels, layout).transpose(AXES[layout])
    rois = crop_boxes(boxes, box_indices, len(maps), maps.dtype, single=pixels.ndim < 4)
    gradient = _gradients.as_crops(given, layout, len(rois.images), maps.shape[1], channel_axis=pixels.ndim > 2)
    to_image, to_boxes = np.zeros(pixels.shape), np.zeros((len(rois.images), BOX_VALUES))
    to_planes = as_batch(to_image, layout).transpose(AXES[layout])  # a view
    for k, (i, (y1, x1, y2, x2)) in enumerate(zip(rois.images, rois.rows(), strict=True)):
        y = samples(y1, y2, gradient.shape[2], maps.shape[2], method, snap_edges)
        x = samples(x1, x2, gradient.shape[3], maps.shape[3], method, snap_edges)
        if "image" in names:
            _gradients.add_to_planes(gradient[k], y, x, to_planes[i])
        if "boxes" in names and method != "nearest":
            to_boxes[k] = _gradients.to_box(gradient[k], maps[i], y, x)
    return _gradients.hand_over({"image": to_image, "boxes": to_boxes}, wrt, names, out)


def samples(lo: Any, hi: Any, bins: int, size: int, method: str, snap_edges: bool) -> _gradients.Samples:
    """The samples of one axis inside the image."""
    along = np.arange(bins) / (bins - 1) if bins > 1 else np.array([0.5])
    by_hi = (size - 1) * along
    return _gradients.inside(axis_samples(lo, hi, bins, size, method, snap_edges), (size - 1) - by_hi, by_hi)
