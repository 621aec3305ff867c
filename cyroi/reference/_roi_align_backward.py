"""The float64 oracle of RoI Align's gradients: the formula, sample by sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments.boxes import BOX_VALUES, roi_boxes
from ..arguments.layout import AXES
from ..arguments.validate import wrt_names
from . import _gradients
from ._roi_align import axis_samples, border


def roi_align_backward(
    grad_output: ArrayLike,
    input: ArrayLike | tuple[int, int, int, int],
    boxes: ArrayLike | Sequence[ArrayLike],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
    *,
    mode: str = "avg",
    wrt: str | tuple[str, ...] = "input",
    batch_indices: ArrayLike | None = None,
    layout: str = "NCHW",
    out: NDArray[Any] | list[NDArray[Any]] | None = None,
    num_threads: int | None = None,
) -> Any:
    """Gradients of RoI Align in float64: to the maps, to the boxes, or to both.

    They are those of ``sum(grad_output * roi_align(input, boxes, ...))``.

    Parameters
    ----------
    grad_output : array_like, shape (K, C, output height, output width) in the axis order of `layout`
        Gradient of the result of `roi_align`. The output size is read from it.
    input : array_like, shape (N, C, H, W) in the axis order of `layout`, or this shape as a tuple of ints
        The maps that the result came from. Their shape is enough where `wrt` is "input"; the dtype of
        `grad_output` then stands for theirs.
    boxes, spatial_scale, sampling_ratio, aligned, mode, batch_indices, layout
        As in `cyroi.roi_align`.
    wrt : {"input", "boxes"} or a tuple of them
        What to differentiate with respect to.
    out : ndarray, or list of ndarray for a list of boxes, optional
        Receives the one gradient that `wrt` asks for, cast to its dtype. Overwritten, not added to.
    num_threads : int, optional
        Ignored; here so that the signatures agree.

    Returns
    -------
    ndarray, float64, or `out`
        For a tuple `wrt`: a tuple of gradients, in that order.

        * "input": shape and axis order of `input`, per unit of the maps.
        * "boxes": shape and columns of `boxes`, per unit of the boxes. For shape (K, 5), column 0 is zero, because
          the image index is no quantity to differentiate by. For a list of arrays, a list of arrays.

    Raises
    ------
    TypeError
        `input` is a shape, but the gradient to the boxes needs its values.
    ValueError
        `grad_output` has another number of boxes or channels than the result, `wrt` is not a choice of the names
        above, each at most once, or `out` is given for more than one gradient; and as in `cyroi.roi_align`.
    IndexError
        An image index outside [0, N).

    Notes
    -----
    With the symbols of `cyroi.roi_align`, y and x for the coordinates of sample (i, j) of bin (p, q), and
    ``g = grad_output[k, c, p, q] / max(grid_h*grid_w, 1)``, each sum over all samples inside the band (and, for a
    box, over all channels)::

        d/d input[n, c, r, s] = sum g * weight of pixel (r, s) in B(y, x)
        d/d y1 = sum g * dB/dy * dy/dy1,  d/d y2 = sum g * dB/dy * dy/dy2       (x likewise)
        dB/dy = (1 - lx)*(v[y0+1, x0] - v[y0, x0]) + lx*(v[y0+1, x0+1] - v[y0, x0+1])   0 < y < H-1
        dB/dy = 0                                                                       else: a clamped border
        dy/dy2 = s*t,  dy/dy1 = s*(1 - t),  t = (p + (i + 0.5)/grid_h)/P
        dy/dy2 = 0,    dy/dy1 = s             where the legacy rule enlarges the height (height < 1)

    ``y0 = floor(y)``, ``lx = x - floor(x)``. The grid size is a constant. So the gradient to the boxes is the exact
    derivative almost everywhere: not where a sample crosses a pixel centre (there it is the slope towards larger
    coordinates; 0 at y = 0 and y = H-1), leaves the band, or the adaptive grid changes its size.

    A pixel of weight 0 gets and gives nothing, and neither does a sample that does not move, so NaN and infinity in
    `grad_output` or `input` reach exactly the gradients that they have a part in. Coordinates are computed in the
    dtype that `cyroi.roi_align` would choose, so that both agree in every discrete decision.

    References
    ----------
    To the maps: the gradient of ``torchvision.ops.roi_align``, which has none to the boxes. To the boxes: the
    derivative of the formula above.

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
    maps = _gradients.maps_or_stand_in("input", input, given.dtype, names).transpose(AXES[layout])
    rois = roi_boxes(boxes, batch_indices, len(maps), maps.dtype)
    corners, images = rois.coordinates, rois.images
    gradient = _gradients.as_crops(given, layout, len(corners), maps.shape[1])
    to_maps, to_boxes = np.zeros(maps.shape), np.zeros((len(corners), BOX_VALUES))
    for k, (y1, x1, y2, x2) in enumerate(corners):
        y, grid_h = samples(y1, y2, gradient.shape[2], maps.shape[2], spatial_scale, sampling_ratio, aligned)
        x, grid_w = samples(x1, x2, gradient.shape[3], maps.shape[3], spatial_scale, sampling_ratio, aligned)
        share = gradient[k] / max(grid_h * grid_w, 1)
        if "input" in names:
            _gradients.add_to_planes(share, y, x, to_maps[images[k]])
        if "boxes" in names:
            to_boxes[k] = _gradients.to_box(share, maps[images[k]], y, x)
    results = {
        "input": to_maps.transpose(np.argsort(AXES[layout])),
        "boxes": _gradients.as_given(rois, to_boxes),
    }
    return _gradients.hand_over(results, wrt, names, out)


def samples(lo: Any, hi: Any, bins: int, size: int, *convention: Any) -> tuple[_gradients.Samples, int]:
    """The samples of one axis inside the band, and the size of the grid."""
    made = axis_samples(lo, hi, bins, size, *convention)
    return _gradients.inside(border(made.t, size), made.by_lo, made.by_hi), made.grid
