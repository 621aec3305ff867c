"""The float64 oracle of RoI Align: the formula, sample by sample.

Nothing here knows of taps or of separability. Coordinates are computed in the operator's geometry dtype, because they
decide what is sampled; everything after that is float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _layout, _rois, _validate
from ._bilinear import bilinear


def roi_align(
    input: ArrayLike,
    boxes: ArrayLike | Sequence[ArrayLike],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
    *,
    mode: str = "avg",
    batch_indices: ArrayLike | None = None,
    layout: str = "NCHW",
    out: NDArray[Any] | None = None,
    num_threads: int | None = None,
) -> NDArray[Any]:
    """RoI Align in float64.

    Parameters
    ----------
    input, boxes, output_size, spatial_scale, sampling_ratio, aligned, mode, batch_indices, layout
        As in `cyroi.roi_align`.
    out : ndarray, optional
        Receives the result, cast to its dtype.
    num_threads : int, optional
        Ignored; here so that the signatures agree.

    Returns
    -------
    ndarray, float64, or `out`
        Shape as in `cyroi.roi_align`.

    Examples
    --------
    >>> import numpy as np
    >>> roi_align(np.arange(16.0).reshape(1, 1, 4, 4), [[0, 0, 0, 4, 4]], 1, sampling_ratio=2, aligned=True)
    array([[[[7.5]]]])
    """
    maps = np.asarray(input).transpose(_layout.AXES[layout])
    height, width = _validate.output_size("output_size", output_size)
    corners, images = _rois.normalise(boxes, batch_indices, len(maps), maps.dtype)
    crops = np.empty((len(corners), maps.shape[1], height, width))
    for crop, (y1, x1, y2, x2), image in zip(crops, corners, images, strict=True):
        y, grid_h = axis_samples(y1, y2, height, maps.shape[2], spatial_scale, sampling_ratio, aligned)
        x, grid_w = axis_samples(x1, x2, width, maps.shape[3], spatial_scale, sampling_ratio, aligned)
        y, x = inside_first(border(y, maps.shape[2])), inside_first(border(x, maps.shape[3]))
        values = bilinear(maps[image], y, x)
        values = values.reshape(len(values), *y.shape, *x.shape)  # channel, bin row, sample row, bin column, sample ...
        crop[:] = values.sum(axis=(2, 4)) / max(grid_h * grid_w, 1)
    result = crops.transpose(np.argsort(_layout.AXES[layout]))
    if out is None:
        return result
    out[...] = result
    return out


def axis_samples(
    lo: Any, hi: Any, bins: int, size: int, spatial_scale: float, sampling_ratio: int, aligned: bool
) -> tuple[NDArray[Any], int]:
    """Coordinates of the samples of one axis, shape (bins, samples), and the size of the grid.

    An adaptive grid of many more samples than the map has pixels is cut to those that may lie in [-1, size]; the
    coordinates of all others are outside, and what is outside counts 0.
    """
    dtype = lo.dtype.type
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows lies outside
        scale, offset = dtype(spatial_scale), dtype(0.5 if aligned else 0)
        start = lo * scale - offset
        extent = (hi * scale - offset) - start
        if not aligned:
            extent = np.maximum(extent, dtype(1))
        step = extent / dtype(bins)
        grid = sampling_ratio if sampling_ratio > 0 else _adaptive_grid(step)
        bin_starts = start + np.arange(bins).astype(dtype) * step
        if grid > 4 * size + 4096:
            # Samples are at least half a pixel apart; `slack` of them covers the rounding of large coordinates.
            slack = 8 + int(np.finfo(dtype).eps * 32 * (abs(float(start)) + float(extent)))
            first = np.floor((-1 - bin_starts.astype(float)) * (grid / float(step))) - slack
            i = first[:, np.newaxis] + np.arange(2 * (size + 2) + 2 * slack + 2)
            y = bin_starts[:, np.newaxis] + (i.astype(dtype) + dtype(0.5)) * step / dtype(grid)
            return np.where((i >= 0) & (i < grid), y, dtype(np.nan)), grid
        i = np.arange(grid).astype(dtype)
        return bin_starts[:, np.newaxis] + (i + dtype(0.5)) * step / dtype(grid), grid


def inside_first(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same samples without columns that hold none: the outside ones of each bin (NaN) move to its end."""
    most = int((~np.isnan(t)).sum(axis=1).max(initial=0))
    return np.take_along_axis(t, np.argsort(np.isnan(t), axis=1, kind="stable"), axis=1)[:, :most]


def _adaptive_grid(step: Any) -> int:
    return int(np.ceil(step)) if 0 < step <= 2**31 else 0


def border(t: NDArray[Any], size: int) -> NDArray[np.float64]:
    """The band rule: [-1, 0) and (size-1, size] become the border pixel, all beyond becomes NaN, "outside"."""
    with np.errstate(invalid="ignore"):
        inside = (t >= -1) & (t <= t.dtype.type(size)) & (size > 0)
        return np.where(inside, np.clip(t.astype(float), 0, max(size - 1, 0)), np.nan)
