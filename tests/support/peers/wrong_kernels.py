"""Kernels that are wrong in ways that kernels have been wrong, for showing that the comparison fails on each."""

from __future__ import annotations

from unittest import mock

import numpy as np

import cyroi
from cyroi.reference import _crop_and_resize, _roi_align, oracle


def one_sample_more(maps, boxes, *, sampling_ratio, **arguments):
    if sampling_ratio > 0:
        return cyroi.roi_align(maps, boxes, sampling_ratio=sampling_ratio + 1, **arguments)
    right = _roi_align._adaptive_grid
    with mock.patch.object(_roi_align, "_adaptive_grid", lambda step: right(step) + 1):
        return oracle.roi_align(maps, boxes, sampling_ratio=sampling_ratio, **arguments)


def half_pixel_missing(maps, boxes, *, spatial_scale, **arguments):
    half = maps.dtype.type(0.5 / spatial_scale)
    return cyroi.roi_align(maps, boxes + half * (np.arange(5) > 0), spatial_scale=spatial_scale, **arguments)


def minimum_size_missing(maps, boxes, *, spatial_scale, aligned, **arguments):
    half = maps.dtype.type(0.5 / spatial_scale)
    boxes = boxes + half * (np.arange(5) > 0)
    return cyroi.roi_align(maps, boxes, spatial_scale=spatial_scale, aligned=True, **arguments)


def roi_x_and_y_swapped(maps, boxes, **arguments):
    return cyroi.roi_align(maps, boxes[:, [0, 2, 1, 4, 3]], **arguments)


def band_without_its_ends(maps, boxes, **arguments):
    right = _roi_align.border

    def border(t, size):
        return np.where((t == -1) | (t == size), np.nan, right(t, size))

    with mock.patch.object(_roi_align, "border", border):
        return oracle.roi_align(maps, boxes, **arguments)


def band_one_ulp_wider(maps, boxes, **arguments):
    right = _roi_align.border

    def border(t, size):
        low, high = (np.nextafter(end, away, dtype=t.dtype) for end, away in ((-1, -np.inf), (size, np.inf)))
        return right(np.where(t == low, -1, np.where(t == high, size, t)).astype(t.dtype), size)

    with mock.patch.object(_roi_align, "border", border):
        return oracle.roi_align(maps, boxes, **arguments)


def crop_x_and_y_swapped(image, boxes, images, **arguments):
    return cyroi.crop_and_resize(image, boxes[:, [1, 0, 3, 2]], images, **arguments)


def image_without_its_ends(image, boxes, images, **arguments):
    right = _crop_and_resize.axis_samples

    def axis_samples(lo, hi, bins, size, method, snap_edges):
        t = right(lo, hi, bins, size, "bilinear")
        inside = (t > 0) & (t < size - 1)
        return np.where(inside, right(lo, hi, bins, size, method), np.nan)

    with mock.patch.object(_crop_and_resize, "axis_samples", axis_samples):
        return oracle.crop_and_resize(image, boxes, images, **arguments)


def other_method(image, boxes, images, *, method, **arguments):
    method = "nearest" if method == "bilinear" else "bilinear"
    return cyroi.crop_and_resize(image, boxes, images, method=method, **arguments)


def other_fill(image, boxes, images, *, extrapolation_value, **arguments):
    return cyroi.crop_and_resize(image, boxes, images, extrapolation_value=extrapolation_value + 1, **arguments)


# Kernel, operator, families of cases (where their names begin), and the share of those cases that have to notice.
WRONG = [
    (one_sample_more, "roi_align", ("random", "edge", "dyadic"), 1.0),
    (half_pixel_missing, "roi_align", ("random", "edge", "dyadic"), 1.0),
    (minimum_size_missing, "roi_align", ("edge", "dyadic"), 1.0),
    (roi_x_and_y_swapped, "roi_align", ("random", "edge", "dyadic"), 1.0),
    (band_without_its_ends, "roi_align", ("edge", "dyadic"), 0.7),
    (band_one_ulp_wider, "roi_align", ("edge",), 0.6),
    (crop_x_and_y_swapped, "crop_and_resize", ("random", "edge"), 0.6),  # crops of a one-pixel image are all the same
    (image_without_its_ends, "crop_and_resize", ("edge",), 1.0),
    (other_method, "crop_and_resize", ("random", "edge"), 0.6),
    (other_fill, "crop_and_resize", ("random", "edge"), 0.6),
]
