"""The float64 oracle of crop_and_resize: the formula, sample by sample.

Coordinates are computed in the operator's geometry dtype, because they decide what is sampled; everything after that is
float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..arguments import validate as check
from ..arguments.boxes import crop_boxes
from ..arguments.layout import AXES, as_batch
from ._bilinear import bilinear


def crop_and_resize(
    image: ArrayLike,
    boxes: ArrayLike,
    box_indices: ArrayLike | None = None,
    crop_size: int | Sequence[int] | None = None,
    method: str = "bilinear",
    extrapolation_value: float = 0.0,
    *,
    snap_edges: bool = False,
    layout: str = "NHWC",
    dtype: DTypeLike | None = None,
    validate: bool = True,
    out: NDArray[Any] | None = None,
    num_threads: int | None = None,
) -> NDArray[Any]:
    """crop_and_resize in float64.

    Parameters
    ----------
    image, boxes, box_indices, crop_size, method, extrapolation_value, snap_edges, layout
        As in `cyroi.crop_and_resize`.
    dtype : dtype, optional
        Of a new result, to which it is cast; float64 by default.
    out : ndarray, optional
        Receives the result, cast to its dtype.
    validate, num_threads
        Ignored; here so that the signatures agree.

    Returns
    -------
    ndarray, float64 or `dtype`, or `out`
        Shape as in `cyroi.crop_and_resize`.

    Examples
    --------
    >>> crop_and_resize([[0.0, 1.0], [2.0, 3.0]], [[0, 0, 1, 1]], None, 3)[0]
    array([[0. , 0.5, 1. ],
           [1. , 1.5, 2. ],
           [2. , 2.5, 3. ]])
    """
    pixels = np.asarray(image)
    maps = as_batch(pixels, layout).transpose(AXES[layout])
    height, width = check.output_size("crop_size", crop_size)
    rois = crop_boxes(boxes, box_indices, len(maps), maps.dtype, single=pixels.ndim < 4)
    crops = np.empty((len(rois.images), maps.shape[1], height, width))
    for crop, (y1, x1, y2, x2), i in zip(crops, rois.rows(), rois.images, strict=True):
        y = axis_samples(y1, y2, height, maps.shape[2], method, snap_edges)
        x = axis_samples(x1, x2, width, maps.shape[3], method, snap_edges)
        crop[:] = bilinear(maps[i], y, x, outside=extrapolation_value)
    result = crops[:, 0] if pixels.ndim == 2 else crops.transpose(np.argsort(AXES[layout]))
    if out is None:
        return result if dtype is None else result.astype(dtype)
    out[...] = result
    return out


def axis_samples(lo: Any, hi: Any, bins: int, size: int, method: str, snap_edges: bool = False) -> NDArray[np.float64]:
    """Coordinates of the samples of one axis, shape (bins,); NaN for those outside the image."""
    dtype = lo.dtype.type
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows lies outside
        last = dtype(size - 1)
        if bins > 1:
            t = lo * last + np.arange(bins).astype(dtype) * ((hi - lo) * last / dtype(bins - 1))
        else:
            t = np.array([dtype(0.5) * (lo + hi) * last])
        if snap_edges:
            unit = np.finfo(dtype).eps
            slack = min(dtype(8) * unit * np.maximum(np.abs(lo), np.abs(hi)) * last, dtype(0.5))
            t = np.where((t >= -slack) & (t <= last + slack), np.clip(t, 0, last), t)
        inside = (t >= 0) & (t <= last)
        t = t.astype(float)
        if method == "nearest":
            t = np.floor(t) + (
                t - np.floor(t) >= 0.5
            )  # halves upwards; t + 0.5 itself could round up to a whole number
        return np.where(inside, t, np.nan)
