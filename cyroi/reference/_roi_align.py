"""The float64 oracle of RoI Align: the formula, sample by sample.

Nothing here knows of taps or of separability. Coordinates are computed in the operator's geometry dtype, because they
decide what is sampled; everything after that is float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..arguments import validate as check
from ..arguments.boxes import roi_boxes
from ..arguments.layout import AXES, as_batch
from ._bilinear import bilinear

MOST_SAMPLES = 2**31  # per bin and axis; beyond, nothing is provably inside the map


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
    dtype: DTypeLike | None = None,
    validate: bool = True,
    out: NDArray[Any] | None = None,
    num_threads: int | None = None,
) -> NDArray[Any]:
    """RoI Align in float64.

    Parameters
    ----------
    input, boxes, output_size, spatial_scale, sampling_ratio, aligned, mode, batch_indices, layout
        As in `cyroi.roi_align`.
    dtype : dtype, optional
        Of a new result, to which it is cast; float64 by default.
    out : ndarray, optional
        Receives the result, cast to its dtype.
    validate, num_threads
        Ignored; here so that the signatures agree.

    Returns
    -------
    ndarray, float64 or `dtype`, or `out`
        Shape as in `cyroi.roi_align`.

    Examples
    --------
    >>> import numpy as np
    >>> roi_align(np.arange(16.0).reshape(1, 1, 4, 4), [[0, 0, 0, 4, 4]], 1, sampling_ratio=2, aligned=True)
    array([[[[7.5]]]])
    """
    pixels = np.asarray(input)
    maps = as_batch(pixels, layout).transpose(AXES[layout])
    height, width = check.output_size("output_size", output_size)
    rois = roi_boxes(boxes, batch_indices, len(maps), maps.dtype, single=pixels.ndim == 3)
    crops = np.empty((len(rois.images), maps.shape[1], height, width))
    for crop, (y1, x1, y2, x2), image in zip(crops, rois.rows(), rois.images, strict=True):
        samples_y = axis_samples(y1, y2, height, maps.shape[2], spatial_scale, sampling_ratio, aligned)
        samples_x = axis_samples(x1, x2, width, maps.shape[3], spatial_scale, sampling_ratio, aligned)
        y = inside_first(border(samples_y.t, maps.shape[2]))
        x = inside_first(border(samples_x.t, maps.shape[3]))
        values = bilinear(maps[image], y, x)
        values = values.reshape(len(values), *y.shape, *x.shape)  # channel, bin row, sample row, bin column, sample ...
        crop[:] = values.sum(axis=(2, 4)) / max(samples_y.grid * samples_x.grid, 1)
    result = crops.transpose(np.argsort(AXES[layout]))
    if out is None:
        return result if dtype is None else result.astype(dtype)
    out[...] = result
    return out


class AxisSamples(NamedTuple):
    """The samples of one axis of one box. Arrays have shape (bins, samples)."""

    t: NDArray[Any]  # coordinates in pixels, in the geometry dtype
    grid: int  # samples per bin that the average counts
    by_lo: NDArray[np.float64]  # derivative of t with respect to the low side of the box, in its own unit
    by_hi: NDArray[np.float64]  # ... to the high side; the grid is a constant


def axis_samples(
    lo: Any, hi: Any, bins: int, size: int, spatial_scale: float, sampling_ratio: int, aligned: bool
) -> AxisSamples:
    """Where one axis is sampled, and how the samples move with the sides of the box."""
    dtype = lo.dtype.type
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows lies outside
        scale, offset = dtype(spatial_scale), dtype(0.5 if aligned else 0)
        start = lo * scale - offset
        extent = (hi * scale - offset) - start
        enlarged = not aligned and extent < 1
        if not aligned:
            extent = np.maximum(extent, dtype(1))
        step = extent / dtype(bins)
        grid = sampling_ratio if sampling_ratio > 0 else _adaptive_grid(step)
        bin_starts = start + np.arange(bins).astype(dtype) * step
        i = _sample_numbers(bin_starts, float(step), float(extent), grid, size)
        t = bin_starts[:, np.newaxis] + (i.astype(dtype) + dtype(0.5)) * step / dtype(grid)
        along = (np.arange(bins)[:, np.newaxis] + (i + 0.5) / grid) / bins  # 0 at the low side, 1 at the high side
    by_hi = np.zeros_like(along) if enlarged else float(scale) * along
    return AxisSamples(np.where((i >= 0) & (i < grid), t, dtype(np.nan)), grid, float(scale) - by_hi, by_hi)


def _sample_numbers(bin_starts: NDArray[Any], step: float, extent: float, grid: int, size: int) -> NDArray[np.float64]:
    """The numbers i of the samples in each bin, shape (bins or 1, samples); some may lie outside [0, grid).

    An adaptive grid of many more samples than the map has pixels is cut to those that may lie in [-1, size]; the
    coordinates of all others are outside, and what is outside counts 0.
    """
    if grid <= 4 * size + check.MAX_SAMPLING_RATIO:  # never a grid of fixed size
        return np.arange(grid, dtype=float)[np.newaxis]
    # Samples are at least half a pixel apart; `slack` of them covers the rounding of large coordinates.
    slack = 8 + int(np.finfo(bin_starts.dtype).eps * 32 * (abs(float(bin_starts[0])) + extent))
    first = np.floor((-1 - bin_starts.astype(float)) * (grid / step)) - slack
    return np.asarray(first[:, np.newaxis] + np.arange(2 * (size + 2) + 2 * slack + 2))


def inside_first(t: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same samples without columns that hold none: the outside ones of each bin (NaN) move to its end."""
    most = int((~np.isnan(t)).sum(axis=1).max(initial=0))
    return np.take_along_axis(t, np.argsort(np.isnan(t), axis=1, kind="stable"), axis=1)[:, :most]


def _adaptive_grid(step: Any) -> int:
    return int(np.ceil(step)) if 0 < step <= MOST_SAMPLES else 0


def border(t: NDArray[Any], size: int) -> NDArray[np.float64]:
    """The band rule: [-1, 0) and (size-1, size] become the border pixel, all beyond becomes NaN, "outside"."""
    with np.errstate(invalid="ignore"):
        inside = (t >= -1) & (t <= t.dtype.type(size)) & (size > 0)
        return np.where(inside, np.clip(t.astype(float), 0, max(size - 1, 0)), np.nan)
