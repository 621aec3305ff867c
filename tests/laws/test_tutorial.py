"""Law: the tutorial's numbers, step by step, and its agreement with crop_and_resize."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import cyroi
from cyroi import reference

IMAGE = np.array(
    [
        [251, 44, 47, 104, 178, 101],
        [93, 46, 73, 218, 192, 22],
        [98, 85, 122, 144, 172, 151],
        [227, 22, 58, 27, 144, 160],
        [64, 77, 192, 18, 253, 31],
    ]
)
BOX = [0.32, 0.05, 0.43, 0.54]
CROP = [[85.03, 164.112], [88, 155.95], [90.97, 147.788]]
FUNCTIONS = [reference.roi_align, reference.roi_align_vectorized]


def test_linear_and_bilinear_interpolation():
    assert reference.interpolate_linear(2.0, 4.0, 0.0) == 2.0
    assert reference.interpolate_linear(2.0, 4.0, 1.0) == 4.0
    np.testing.assert_allclose(reference.interpolate_linear(np.array([0.0, 10.0]), 20.0, 0.3), [6.0, 13.0])
    corners = (1.0, 2.0, 3.0, 5.0)
    for value, (y, x) in zip(corners, [(0, 0), (0, 1), (1, 0), (1, 1)], strict=True):
        assert reference.interpolate_bilinear(*corners, y, x) == value
    assert reference.interpolate_bilinear(*corners, 0.5, 0.25) == pytest.approx(0.5 * 1.25 + 0.5 * 3.5)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("image", [IMAGE, IMAGE.tolist(), IMAGE.astype(np.uint8), IMAGE.astype(np.float32)])
def test_the_numbers_of_the_tutorial(function, image):
    np.testing.assert_allclose(function(image, BOX, 3, 2), CROP, rtol=0, atol=1e-9)


def test_crop_and_resize_gives_the_same_numbers():
    crop = cyroi.crop_and_resize(IMAGE.astype(float), [BOX], None, (3, 2))
    np.testing.assert_allclose(crop, [CROP], rtol=0, atol=1e-9)
    np.testing.assert_allclose(cyroi.crop_and_resize(IMAGE.astype(np.float32), [BOX], None, (3, 2)), [CROP], atol=5e-4)


@pytest.mark.parametrize("function", FUNCTIONS)
@hypothesis.given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    box=st.lists(st.floats(0, 1), min_size=4, max_size=4),
    height=st.integers(2, 7),
    width=st.integers(2, 7),
)
def test_tutorial_equals_crop_and_resize_inside_the_image(function, shape, box, height, width):
    image = np.random.default_rng(0).uniform(0, 255, shape)
    # Not onto the border itself, where rounding may put the two formulas' last sample on different sides of it.
    box = [min(max(t, 1e-6), 1 - 1e-6) for t in box]
    expected = cyroi.crop_and_resize(image, [box], None, (height, width), extrapolation_value=np.nan)
    np.testing.assert_allclose(function(image, box, height, width), expected[0], rtol=0, atol=1e-9)
