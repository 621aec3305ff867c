"""The comparisons themselves: each must fail on a result that is wrong in a way that kernels are wrong."""

from __future__ import annotations

import numpy as np
import pytest
from laws import assert_matches, assert_same_bits
from operators import BY_NAME, OPERATORS

ROI_ALIGN = BY_NAME["roi_align"]


def roi_align_call(**changes):
    rng = np.random.default_rng(0)
    boxes = np.array([[1.3, 2.1, 9.7, 11.2], [-3, -2, 30, 25], [5, 5, 5.5, 5.25]])
    call = ROI_ALIGN.call(rng, boxes=3, output_size=3, spatial_scale=1.0, sampling_ratio=0, aligned=True)
    return call | {"boxes": boxes.astype(np.float32)} | changes


WRONG = {
    "grid off by one": {"sampling_ratio": 2},
    "half-pixel offset missing": {"aligned": False},
    "scale off by 1e-4": {"spatial_scale": 1.0001},
    "x and y swapped": {"boxes": np.array([[2.1, 1.3, 11.2, 9.7], [-2, -3, 25, 30], [5, 5, 5.25, 5.5]], np.float32)},
    "another image": {"batch_indices": np.array([2, 2, 0])},
    "outputs transposed": {"input": roi_align_call()["input"][..., ::-1]},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_kernel_does_not_match(wrong):
    call = roi_align_call(batch_indices=np.array([0, 1, 2]))
    expected = ROI_ALIGN.oracle(**call)
    assert_matches(ROI_ALIGN.function(**call), expected, call["input"])
    with pytest.raises(AssertionError):
        assert_matches(ROI_ALIGN.function(**(call | WRONG[wrong])), expected, call["input"])


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_an_error_above_the_tolerance_does_not_match(operator):
    call = operator.call(np.random.default_rng(0))
    expected = operator.oracle(**call)
    result = operator.function(**call)
    largest = np.abs(call[operator.maps]).max()
    for error in (3e-6 * largest, np.nan, np.inf):
        wrong = result.copy()
        wrong.flat[0] += error
        with pytest.raises(AssertionError):
            assert_matches(wrong, expected, call[operator.maps])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.float32([1]), np.nextafter(np.float32([1]), np.float32(2))),
        (np.float32([0.0]), np.float32([-0.0])),
        (np.float32([1]), np.float64([1])),
        (np.float32([1]), np.float32([[1]])),
    ],
)
def test_different_bits_are_told_apart(a, b):
    assert_same_bits(a, a.copy())
    with pytest.raises(AssertionError):
        assert_same_bits(a, b)
