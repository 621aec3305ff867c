"""Law: in a list of boxes, one array per image, the geometry of a box is that of its own array.

So its bits, forward and in both gradients, do not depend on what types other images' boxes have.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import cyroi
from cyroi.reference import classic, oracle
from support.laws import assert_matches, assert_same_bits

TYPES = [np.float32, np.float64, np.float16, ml_dtypes.bfloat16, np.int16, np.int64, np.float32, np.float64]
RNG = np.random.default_rng(0)
MAPS = RNG.standard_normal((len(TYPES), 3, 20, 21)).astype(np.float32)
CORNERS = np.sort(RNG.uniform(0, 60, (len(TYPES), 5, 2, 2)), axis=2).reshape(-1, 5, 4)  # x1 y1 x2 y2
BOXES = [corners.astype(dtype) for corners, dtype in zip(CORNERS, TYPES, strict=True)]
BOXES[6] = BOXES[6][:0]
OPTIONS = [
    {"spatial_scale": 0.3, "sampling_ratio": ratio, "aligned": aligned} for ratio in (0, 2) for aligned in (False, True)
]


def alone(function, image, *arguments, **options):
    return function(*arguments, MAPS[image : image + 1], [BOXES[image]], **options)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("num_threads", [1, 2])
def test_forward(options, num_threads):
    result = cyroi.roi_align(MAPS, BOXES, 5, **options, num_threads=num_threads)
    parts = [cyroi.roi_align(MAPS[i : i + 1], [BOXES[i]], 5, **options) for i in range(len(BOXES))]
    assert_same_bits(result, np.concatenate(parts))
    assert_matches(result, oracle.roi_align(MAPS, BOXES, 5, **options), MAPS)
    assert_matches(classic.roi_align(MAPS, BOXES, 5, **options), oracle.roi_align(MAPS, BOXES, 5, **options), MAPS)


def test_the_types_matter():
    """Or this file would prove nothing: the same numbers as float64 throughout give other bits."""
    options = OPTIONS[-1]
    result = cyroi.roi_align(MAPS, BOXES, 5, **options)
    wide = cyroi.roi_align(MAPS, [boxes.astype(np.float64) for boxes in BOXES], 5, **options)
    assert (result[:5] != wide[:5]).any()
    assert_same_bits(result[5:10], wide[5:10])


@pytest.mark.parametrize("options", OPTIONS)
def test_gradients(options):
    grad = np.random.default_rng(1).standard_normal((35, 3, 5, 5)).astype(np.float32)
    to_maps, to_boxes = cyroi.roi_align_backward(grad, MAPS, BOXES, **options, wrt=("input", "boxes"))
    last = 0
    for i, boxes in enumerate(BOXES):
        first, last = last, last + len(boxes)
        part = alone(
            lambda maps, boxes, **o: cyroi.roi_align_backward(grad[first:last], maps, boxes, **o),  # noqa: B023
            i,
            **options,
            wrt=("input", "boxes"),
        )
        assert_same_bits(to_maps[i : i + 1], part[0])
        assert_same_bits(to_boxes[i], part[1][0])
        own = {"float16", "bfloat16", "float32", "float64"}
        expected = boxes.dtype if boxes.dtype.name in own else np.float64 if boxes.itemsize > 2 else np.float32
        assert to_boxes[i].dtype == expected
    right = oracle.roi_align_backward(grad, MAPS, BOXES, **options)
    np.testing.assert_allclose(to_maps, right, rtol=1e-4, atol=1e-4)


def test_many_boxes_of_two_types_in_chunks():
    """More than a chunk holds, so that types change within chunks and between them."""
    rng = np.random.default_rng(2)
    corners = np.sort(rng.uniform(0, 20, (2, 6000, 2, 2)), axis=2).reshape(2, -1, 4)
    boxes = [corners[0].astype(np.float32), corners[1]]
    result = cyroi.roi_align(MAPS[:2], boxes, 2, 0.7, num_threads=2)
    parts = [cyroi.roi_align(MAPS[i : i + 1], [boxes[i]], 2, 0.7) for i in range(2)]
    assert_same_bits(result, np.concatenate(parts))


def test_all_are_wide_where_the_maps_are():
    maps = MAPS.astype(np.float64)
    result = cyroi.roi_align(maps, BOXES, 5, **OPTIONS[0])
    assert_same_bits(result, cyroi.roi_align(maps, [boxes.astype(np.float64) for boxes in BOXES], 5, **OPTIONS[0]))
