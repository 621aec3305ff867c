"""OpenCV has neither operator: `remap` at the samples of each box, and `resize` of the pixels of each box.

Its images are interleaved. They are kept as groups of channels, because it allows no more than 128 (OpenCV 5).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import cyroi

from ..contender import Array, Contender, to_layout

MOST_CHANNELS = 128
# It rounds coordinates to 1/32 of a pixel where there are more than 4 channels: up to 1/64 on either axis, between
# pixels that may differ by twice the largest value.
REMAP_TOLERANCE = 1 / 16
# The rounding of its coordinates is some 1e-5 of a pixel, between pixels that may differ by as much.
RESIZE_TOLERANCE = 1e-4
NOTE = (
    "has neither operator, and takes one box per call of NHWC maps. For roi_align it is `remap` at the samples of each"
    " box, which were planned beforehand, and their mean in each bin; it rounds coordinates to 1/32 of a pixel, so it"
    f" agrees to {REMAP_TOLERANCE:g}. For crop_and_resize it is `resize` of the whole pixels under each box: as many"
    f" samples, at other places. It agrees to {RESIZE_TOLERANCE:g} with cyroi asked for those places, where they lie"
    " between the centres of those pixels."
)


def roi_align(arguments: dict[str, Any], shape: tuple[int, ...], threads: int) -> Contender:
    """The samples of a box by `remap`, their mean in each bin by `resize`. Planning the samples is not timed."""
    cv2.setNumThreads(threads)
    groups = channel_groups(to_layout(arguments["input"], "NCHW", "NHWC"))
    size = (arguments["output_size"],) * 2
    boxes = [(int(box[0]), *sample_points(box[1:], arguments)) for box in arguments["boxes"]]
    results = [np.full((len(boxes), *size, group.shape[3]), np.nan, np.float32) for group in groups]

    def run() -> None:
        for group, result in zip(groups, results, strict=True):
            for (image, x, y), crop in zip(boxes, result, strict=True):
                samples = cv2.remap(group[image], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
                cv2.resize(samples, size, dst=crop, interpolation=cv2.INTER_AREA)

    return Contender(run, lambda: joined(results, "NCHW"), tolerance=REMAP_TOLERANCE)


def sample_points(box: NDArray[np.float32], arguments: dict[str, Any]) -> tuple[Array, Array]:
    """Columns and rows of the samples of one box, as two images."""
    offset, smallest = (0.5, -np.inf) if arguments["aligned"] else (0.0, 1.0)
    x1, y1, x2, y2 = box * np.float32(arguments["spatial_scale"]) - np.float32(offset)

    def axis(start: float, end: float) -> Array:
        length = max(end - start, smallest)
        bins = arguments["output_size"]
        samples = bins * (arguments["sampling_ratio"] or int(np.ceil(length / bins)))
        return (start + length * (np.arange(samples) + 0.5) / samples).astype(np.float32)

    x, y = np.meshgrid(axis(x1, x2), axis(y1, y2))
    return x, y


def crop_and_resize(arguments: dict[str, Any], shape: tuple[int, ...], threads: int) -> Contender:
    """The whole pixels under each box, resized: as much work, but samples at OpenCV's half-pixel centres."""
    cv2.setNumThreads(threads)
    layout, size = arguments["layout"], arguments["crop_size"]
    images = to_layout(arguments["image"], layout, "NHWC")
    groups = channel_groups(images)
    scale = np.tile([images.shape[1] - 1, images.shape[2] - 1], 2)
    edges = arguments["boxes"].astype(np.float64) * scale
    starts, ends = np.floor(edges[:, :2]).astype(int), np.ceil(edges[:, 2:]).astype(int) + 1
    corners = zip(arguments["box_indices"], starts, ends, strict=True)
    windows = [np.s_[image, y1:y2, x1:x2] for image, (y1, x1), (y2, x2) in corners]
    results = [np.full((len(windows), size, size, group.shape[3]), np.nan, np.float32) for group in groups]

    def run() -> None:
        for group, result in zip(groups, results, strict=True):
            for window, crop in zip(windows, result, strict=True):
                cv2.resize(group[window], (size, size), dst=crop, interpolation=cv2.INTER_LINEAR)

    def expected(ours: Array) -> Array:
        return resized(arguments, starts, ends, scale)

    return Contender(run, lambda: joined(results, layout), expected, tolerance=RESIZE_TOLERANCE)


def resized(arguments: dict[str, Any], starts: Array, ends: Array, scale: Array) -> Array:
    """What `resize` of these pixels gives: cyroi at its samples; NaN where they lie out of the pixels' centres."""
    size, layout = arguments["crop_size"], arguments["layout"]
    half = (ends - starts) / (2 * size)
    boxes = np.concatenate([starts - 0.5 + half, ends - 0.5 - half], axis=1) / scale
    expected = cyroi.crop_and_resize(**{**arguments, "boxes": boxes})
    crops = expected.transpose([layout.index(axis) for axis in "NHWC"])
    samples = (np.arange(size) + 0.5) * 2 * half[..., np.newaxis] - 0.5  # from the first pixel of the window
    outside = (samples < 0) | (samples > (ends - starts - 1)[..., np.newaxis])
    crops[outside[:, 0, :, np.newaxis] | outside[:, 1, np.newaxis, :]] = np.nan
    return expected


def channel_groups(images: Array) -> list[Array]:
    """The NHWC images as contiguous arrays of at most MOST_CHANNELS channels."""
    starts = range(0, images.shape[3], MOST_CHANNELS)
    return [np.ascontiguousarray(images[..., start : start + MOST_CHANNELS]) for start in starts]


def joined(results: list[Array], layout: str) -> Array:
    return to_layout(np.concatenate(results, axis=3), "NHWC", layout)
