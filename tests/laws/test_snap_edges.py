"""Law: snap_edges makes edge samples of those that rounding alone puts outside, and of no others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cyroi
from cyroi.reference import oracle
from cyroi.reference._crop_and_resize import axis_samples
from support.laws import assert_matches, assert_same_bits

WHOLE = np.float32([[0, 0, 1, 1]])


def crops(module, image, boxes, size, **options):
    return module.crop_and_resize(image, boxes, crop_size=size, extrapolation_value=np.nan, **options)


def test_the_whole_image_at_half_its_size_keeps_its_last_row():
    """Without it 13 % of even heights lose their last row, as they do in TensorFlow."""
    lost = []
    for height in range(4, 1000, 2):
        image = np.ones((height, 2), np.float32)
        lost.append(np.isnan(crops(cyroi, image, WHOLE, (height // 2, 2))).any())
        assert (crops(cyroi, image, WHOLE, (height // 2, 2), snap_edges=True) == 1).all()
    assert 0.11 < np.mean(lost) < 0.15


sides = st.floats(-0.5, 1.5, width=32) | st.sampled_from([0, 1, 1 / 3, 2 / 3, 0.1, 0.9])


@given(
    st.tuples(sides, sides, sides, sides),
    st.integers(1, 40),
    st.integers(1, 60),
    st.sampled_from([np.float32, np.float64]),
    st.sampled_from(["bilinear", "nearest"]),
)
def test_it_equals_the_reference(box, size, side, dtype, method):
    image = np.random.default_rng(size).standard_normal((side, side + 1, 2)).astype(dtype)
    options = {"method": method, "snap_edges": True}
    result = crops(cyroi, image, np.array([box], dtype), size, **options)
    expected = crops(oracle, image, np.array([box], dtype), size, **options)
    np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
    assert_matches(np.nan_to_num(result), np.nan_to_num(expected), image)
    grad = np.ones_like(result)
    for wrt in ("image", "boxes"):
        call = (grad, image, np.array([box], dtype))
        found = cyroi.crop_and_resize_backward(*call, **options, wrt=wrt)
        right = oracle.crop_and_resize_backward(*call, **options, wrt=wrt)
        np.testing.assert_allclose(found, right, rtol=1e-3, atol=1e-3 * max(1, np.abs(right).max(initial=0)))


@given(sides, sides, st.integers(1, 300), st.integers(1, 300), st.sampled_from([np.float32, np.float64]))
def test_what_is_snapped_lies_outside_by_rounding_and_nothing_else_moves(low, high, bins, size, dtype):
    low, high = dtype(low), dtype(high)
    plain = axis_samples(low, high, bins, size, "bilinear")
    snapped = axis_samples(low, high, bins, size, "bilinear", True)
    exact = np.linspace(float(low), float(high), bins) if bins > 1 else np.array([(float(low) + float(high)) / 2])
    exact *= size - 1
    slack = 32 * np.finfo(dtype).eps * max(abs(low), abs(high), 1) * size
    inside = ~np.isnan(plain)
    np.testing.assert_array_equal(snapped[inside], plain[inside])
    new = ~inside & ~np.isnan(snapped)
    assert np.isin(snapped[new], [0, size - 1]).all()
    assert (np.abs(exact[new] - snapped[new]) <= slack).all()
    on_edge = (exact >= 0) & (exact <= size - 1)
    assert not np.isnan(snapped[on_edge]).any()  # what is inside is never lost


def test_boxes_far_outside_gain_no_more_than_half_a_pixel():
    """Where coordinates are so large that rounding is whole pixels."""
    image = np.ones((5, 5), np.float32)
    far = np.float32([[2e6, 0, 1e6, 1], [0, -1e30, 1, 1e30], [1.2, 0, 1.3, 1]])
    with pytest.warns(UserWarning, match="normalised"):
        result = cyroi.crop_and_resize(image, far, crop_size=3, extrapolation_value=7, snap_edges=True)
    assert (result[0] == 7).all()
    assert (result[1] == [7, 1, 7]).all()
    assert (result[2] == 7).all()


def test_it_is_off_by_default_and_of_no_effect_inside():
    image = np.random.default_rng(0).random((9, 9, 3), np.float32)
    boxes = np.float32([[0.1, 0.2, 0.8, 0.9]])
    assert_same_bits(
        cyroi.crop_and_resize(image, boxes, crop_size=4),
        cyroi.crop_and_resize(image, boxes, crop_size=4, snap_edges=True),
    )
    for wrong in (1, "yes", None):
        with pytest.raises(TypeError, match="snap_edges"):
            cyroi.crop_and_resize(image, boxes, crop_size=4, snap_edges=wrong)
