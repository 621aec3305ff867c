"""The float64 oracle of RoI Align's gradients: the formula, sample by sample.

Coordinates are computed in the dtype that the operator would choose, so that both agree in every discrete decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments.boxes import roi_boxes
from ..arguments.coordinates import BOX_VALUES
from ..arguments.layout import AXES, as_batch
from ..arguments.validate import wrt_names
from . import _gradients
from ._roi_align import axis_samples, border


def roi_align_backward(
    grad_output: ArrayLike,
    input: ArrayLike | Sequence[int],
    boxes: ArrayLike | Sequence[ArrayLike],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
    *,
    mode: str = "avg",
    wrt: str | tuple[str, ...] = "input",
    batch_indices: ArrayLike | None = None,
    layout: str = "NCHW",
    validate: bool = True,
    out: NDArray[Any] | list[NDArray[Any]] | None = None,
    num_threads: int | None = None,
) -> Any:
    """Gradients of RoI Align in float64: to the maps, to the boxes, or to both.

    The formula stands in `cyroi.roi_align_backward`, with its source and its errors.

    Parameters
    ----------
    grad_output, input, boxes, spatial_scale, sampling_ratio, aligned, mode, wrt, batch_indices, layout
        As in `cyroi.roi_align_backward`.
    out : ndarray, or list of ndarray for a list of boxes, optional
        Receives the one gradient that `wrt` asks for, cast to its dtype. Overwritten, not added to.
    validate, num_threads
        Ignored; here so that the signatures agree.

    Returns
    -------
    ndarray, or list of ndarray, float64, or `out`
        Shapes and containers as in `cyroi.roi_align_backward`.

    Examples
    --------
    A sample in the middle of four pixels; moving one side by 1 moves it by 1/2.

    >>> maps = [[[[0.0, 1.0], [10.0, 11.0]]]]
    >>> gradients = roi_align_backward([[[[1.0]]]], maps, [[0, 0, 0, 1, 1]], 1.0, 1, wrt=("input", "boxes"))
    >>> gradients[0]
    array([[[[0.25, 0.25],
             [0.25, 0.25]]]])
    >>> gradients[1]
    array([[0. , 0.5, 5. , 0.5, 5. ]])
    """
    names = wrt_names(wrt, ("input", "boxes"))
    given = np.asarray(grad_output)
    pixels = _gradients.maps_or_stand_in("input", input, given.dtype, names)
    maps = as_batch(pixels, layout).transpose(AXES[layout])
    rois = roi_boxes(boxes, batch_indices, len(maps), maps.dtype, single=pixels.ndim == 3)
    images = rois.images
    gradient = _gradients.as_crops(given, layout, len(images), maps.shape[1])
    to_maps, to_boxes = np.zeros(maps.shape), np.zeros((len(images), BOX_VALUES))
    for k, (y1, x1, y2, x2) in enumerate(rois.rows()):
        y, grid_h = samples(y1, y2, gradient.shape[2], maps.shape[2], spatial_scale, sampling_ratio, aligned)
        x, grid_w = samples(x1, x2, gradient.shape[3], maps.shape[3], spatial_scale, sampling_ratio, aligned)
        share = gradient[k] / max(grid_h * grid_w, 1)
        if "input" in names:
            _gradients.add_to_planes(share, y, x, to_maps[images[k]])
        if "boxes" in names:
            to_boxes[k] = _gradients.to_box(share, maps[images[k]], y, x)
    results = {
        "input": to_maps.transpose(np.argsort(AXES[layout])).reshape(pixels.shape),
        "boxes": _gradients.as_given(rois, to_boxes),
    }
    return _gradients.hand_over(results, wrt, names, out)


def samples(lo: Any, hi: Any, bins: int, size: int, *convention: Any) -> tuple[_gradients.Samples, int]:
    """The samples of one axis inside the band, and the size of the grid."""
    made = axis_samples(lo, hi, bins, size, *convention)
    return _gradients.inside(border(made.t, size), made.by_lo, made.by_hi), made.grid
