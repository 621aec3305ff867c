"""The numbers that the demo shows: an example to follow by hand, its rivals, and crops of a photograph.

Samples and weights are those of the reference, results are the operators'. What is not theirs, RoI Pool's rounding and
the mean over an area, stands here in NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import cyroi

from ..reference import _roi_align
from ..reference._bilinear import pixel_pair

if TYPE_CHECKING:
    from .._typing import Array

# The tutorial's map
MAP = np.array(
    [
        [251, 44, 47, 104, 178, 101],
        [93, 46, 73, 218, 192, 22],
        [98, 85, 122, 144, 172, 151],
        [227, 22, 58, 27, 144, 160],
        [64, 77, 192, 18, 253, 31],
    ],
    np.float64,
)
BOX = (0.75, 0.85, 4.35, 3.65)  # x1 y1 x2 y2. Its samples lie at tenths of a pixel, so that sums are short
BINS, RATIO = 2, 2
BIN, SAMPLE = (0, 0), 3  # what is derived: a bin, row and column, and a sample in it


class Sample(NamedTuple):
    """A point of the map and the four pixels around it. Arrays have shape (2, 2)."""

    y: float
    x: float
    rows: Array
    columns: Array
    weights: Array

    @property
    def values(self) -> Array:
        """Of the four pixels."""
        found: Array = MAP[self.rows, self.columns]
        return found

    @property
    def value(self) -> float:
        return float((self.weights * self.values).sum())


def roi_align(aligned: bool) -> Array:
    """The example by the operator, shape (BINS, BINS)."""
    pooled: Array = cyroi.roi_align(MAP[np.newaxis, np.newaxis], [[0, *BOX]], BINS, 1.0, RATIO, aligned)[0, 0]
    return pooled


def samples_of(bin_row: int, bin_column: int) -> list[Sample]:
    """The samples of a bin for ``aligned=True``, row by row."""
    x1, y1, x2, y2 = np.array(BOX)
    y = _roi_align.axis_samples(y1, y2, BINS, MAP.shape[0], 1.0, RATIO, True).t[bin_row]
    x = _roi_align.axis_samples(x1, x2, BINS, MAP.shape[1], 1.0, RATIO, True).t[bin_column]
    return [_sample(np.asarray(at_y), np.asarray(at_x)) for at_y in y for at_x in x]


def _sample(y: Array, x: Array) -> Sample:
    (top, top_weight), (bottom, bottom_weight) = pixel_pair(y, MAP.shape[0])
    (left, left_weight), (right, right_weight) = pixel_pair(x, MAP.shape[1])
    rows, columns = np.meshgrid([top, bottom], [left, right], indexing="ij")
    weights = np.outer([top_weight, bottom_weight], [left_weight, right_weight])
    return Sample(float(y), float(x), rows, columns, weights)


def rounded(lo: float, hi: float, bins: int) -> list[tuple[int, int]]:
    """RoI Pool's bins along one axis, each from a pixel to before another: box and bins become whole pixels."""
    first = math.floor(lo + 0.5)
    count = max(math.floor(hi + 0.5) - first + 1, 1)
    return [(first + i * count // bins, first - (-(i + 1) * count // bins)) for i in range(bins)]


def roi_pool() -> tuple[Array, Array]:
    """Means and maxima of the example's rounded bins; the maximum is what RoI Pool takes. Shape (BINS, BINS) each."""
    x1, y1, x2, y2 = BOX
    bins = [[MAP[slice(*row), slice(*column)] for column in rounded(x1, x2, BINS)] for row in rounded(y1, y2, BINS)]
    return np.array([[b.mean() for b in row] for row in bins]), np.array([[b.max() for b in row] for row in bins])


# --- crops of a photograph (H, W, C), all of one box x1 y1 x2 y2 in which pixel i reaches from i to i + 1 ---


class Crops(NamedTuple):
    roi_align: Array
    crop_and_resize: Array
    area_mean: Array


def crops(image: Array, box: Sequence[float], size: int) -> Crops:
    pooled = cyroi.roi_align(image[np.newaxis], [[0, *box]], size, aligned=True, layout="NHWC")[0]
    x1, y1, x2, y2 = np.array(box) - 0.5  # crop_and_resize counts from the first pixel's centre to the last one's
    height, width = (max(side - 1, 1) for side in image.shape[:2])
    resized = cyroi.crop_and_resize(image, [[y1 / height, x1 / width, y2 / height, x2 / width]], None, size)[0]
    return Crops(pooled, resized, area_mean(image, box, size))


def area_mean(image: Array, box: Sequence[float], size: int) -> Array:
    """The mean over each bin's area, where a pixel that lies in it by a part counts by that part."""
    x1, y1, x2, y2 = box
    rows = _shares(y1, y2, size, image.shape[0])
    columns = _shares(x1, x2, size, image.shape[1])
    means: Array = np.einsum("py,qx,yxc->pqc", rows, columns, image, optimize=True)
    return means


def _shares(lo: float, hi: float, bins: int, size: int) -> Array:
    """Which part of each bin lies in each pixel, shape (bins, size)."""
    edges = np.linspace(lo, hi, bins + 1)[:, np.newaxis]
    pixels = np.arange(size)
    lengths: Array = np.maximum(np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels), 0)
    return lengths * (bins / (hi - lo))


def rms(crop: Array, other: Array) -> float:
    return float(np.sqrt(np.mean(np.square(crop.astype(np.float64) - other))))
