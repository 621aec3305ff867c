"""Maps and boxes: ordinary ones, and those whose samples lie exactly on the edges of a decision or one ulp beside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Rng = np.random.Generator


def random_maps(rng: Rng, shape: tuple[int, int, int, int], dtype: Any) -> Array:
    """Large values, none near 0: a sample that is taken or left by mistake shows far above rounding.

    Channel 0 is constant, so there RoI Align is the constant times the share of a bin's samples that lie inside.
    """
    maps = rng.uniform(500, 1000, shape) * rng.choice([-1, 1], shape)
    maps[:, 0] = 1000
    return maps.astype(dtype)


def around(values: Any, dtype: Any) -> Array:
    """Each value and its two neighbours in `dtype`."""
    at = np.asarray(values, dtype)
    return np.unique(np.concatenate([np.nextafter(at, dtype(-np.inf)), at, np.nextafter(at, dtype(np.inf))]))


def with_images(rng: Rng, corners: Array, images: int) -> Array:
    """Boxes (K, 5) from corners (K, 4), in the order of their random images."""
    column = np.sort(rng.integers(0, images, len(corners)))
    return np.column_stack([column.astype(corners.dtype), corners])


# --- RoI Align --------------------------------------------------------------------------------------------------------


def random_rois(rng: Rng, count: int, shape: tuple[int, ...], scale: float, dtype: Any) -> Array:
    """Boxes in and around the map, of all sizes, x1 <= x2 and y1 <= y2."""
    height, width = np.array(shape[2:]) / scale
    y = np.sort(rng.uniform(-0.2, 1.2, (count, 2)), axis=1) * height
    x = np.sort(rng.uniform(-0.2, 1.2, (count, 2)), axis=1) * width
    return with_images(rng, np.column_stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]]).astype(dtype), shape[0])


@dataclass(frozen=True)
class Setting:
    """What decides where the samples of a RoI Align lie."""

    bins: tuple[int, int]
    ratio: int
    aligned: bool
    scale: float = 1.0


def anchored(
    rng: Rng, count: int, targets: Array, extents: Array, bins: int, setting: Setting, dtype: Any
) -> tuple[Array, Array]:
    """One axis of `count` boxes (lo, hi): an edge of the box, its first or its last sample lies on a target."""
    extent = rng.choice(extents, count).astype(dtype)
    visible = extent if setting.aligned else np.maximum(extent, 1)
    grid = setting.ratio if setting.ratio > 0 else np.maximum(np.ceil(visible / dtype(bins)), 1)
    first = dtype(0.5) * visible / dtype(bins) / np.asarray(grid, dtype)
    anchor = np.choose(rng.integers(0, 4, count), [np.zeros_like(first), first, visible - first, visible])
    lo = rng.choice(targets, count) - anchor + dtype(0.5 if setting.aligned else 0)
    return lo / dtype(setting.scale), (lo + extent) / dtype(setting.scale)


def edge_axis(rng: Rng, count: int, size: int, bins: int, setting: Setting, dtype: Any) -> tuple[Array, Array]:
    """One axis of boxes anchored at the band's ends -1, 0, size - 1 and size, and one ulp beside each.

    Extents are nothing, tiny, around 1, around whole bins (where the adaptive grid grows by one) and larger than the
    map; reversed where torchvision defines that.
    """
    extents = np.concatenate([[0, 0.75], around([1, bins, 2 * bins], dtype), [bins / 2, size + 2.5]])
    if setting.ratio > 0 or not setting.aligned:
        extents = np.concatenate([extents, [-0.75, -bins, -2.5 * bins]])
    lo, hi = anchored(rng, count, around([-1, 0, size - 1, size], dtype), extents, bins, setting, dtype)
    nudge = rng.integers(0, 8, count)  # all this was rounded: so hi's neighbours too, and the smallest box there is
    hi = np.where(nudge == 0, np.nextafter(hi, dtype(np.inf)), hi)
    hi = np.where((nudge == 1) & (hi > lo), np.nextafter(hi, dtype(-np.inf)), hi)
    hi = np.where(nudge == 2, np.nextafter(lo, dtype(np.inf)), hi)
    return lo, hi


def dyadic_axis(rng: Rng, count: int, size: int, bins: int, setting: Setting, dtype: Any) -> tuple[Array, Array]:
    """The same with samples that every order of operations computes exactly, where bins and ratio are powers of two.

    The adaptive grid is a power of two as well. Left out there: empty and reversed boxes, where OpenVINO and Paddle
    have no value.
    """
    targets = np.array([-1, 0, size - 1, size], dtype)
    targets = np.concatenate([targets, targets - dtype(1 / 8), targets + dtype(1 / 8)])
    extents = [1 / 4, 1, 2, 4, 8] + ([0, -1 / 4, -2, -8] if setting.ratio > 0 or not setting.aligned else [])
    return anchored(rng, count, targets, np.array(extents), bins, setting, dtype)


def edge_rois(
    rng: Rng, count: int, shape: tuple[int, ...], setting: Setting, dtype: Any, axis: Any = edge_axis
) -> Array:
    """Boxes with both axes from `edge_axis` or `dyadic_axis`."""
    y = axis(rng, count, shape[2], setting.bins[0], setting, dtype)
    x = axis(rng, count, shape[3], setting.bins[1], setting, dtype)
    return with_images(rng, np.column_stack([x[0], y[0], x[1], y[1]]), shape[0])


def whole_bins(bins: int, dtype: Any) -> Array:
    """Square boxes at (0.5, 0.5) of exactly 1 and 2 pixels per bin, and one ulp larger and smaller."""
    sides = around(np.array([bins, 2 * bins]) + 0.5, dtype)
    start = np.full_like(sides, 0.5)
    return np.column_stack([np.zeros_like(sides), start, start, sides, sides])


# --- crop_and_resize --------------------------------------------------------------------------------------------------


def random_crops(rng: Rng, count: int, images: int, dtype: Any) -> Array:
    """Normalised boxes y1 x1 y2 x2 in and around the image, one in four reversed on each axis."""
    return with_images(rng, rng.uniform(-0.3, 1.3, (count, 4)).astype(dtype), images)


def edge_crops(rng: Rng, count: int, shape: tuple[int, int, int], dtype: Any) -> Array:
    """Normalised boxes with edges on the image's edges, on pixel centres and on halves between them, and beside.

    `shape`: images, height, width. Left out: subnormal coordinates, which TensorFlow flushes to zero.
    """
    tiny = np.finfo(dtype).tiny * 16
    axes = []
    for size in shape[1:]:
        last = max(size - 1, 1)
        pool = around(
            np.concatenate([[0.25, 0.5, 1], np.arange(0.5, 2 * last) / (2 * last), np.arange(last) / last]), dtype
        )
        pool = np.concatenate(
            [pool[np.abs(pool) >= tiny], np.repeat(np.array([0, -tiny, tiny, 1], dtype), 8), [-0.5, 1.5]]
        )
        pool = np.concatenate([pool, np.repeat(around([1], dtype), 8)]).astype(dtype)
        axes += [rng.choice(pool, count), rng.choice(pool, count)]
    y1, y2, x1, x2 = axes
    same = rng.integers(0, 8, count) == 0
    return with_images(rng, np.column_stack([y1, x1, np.where(same, y1, y2), x2]), shape[0])
