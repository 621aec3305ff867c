"""The comparisons themselves: each must fail on a result that is wrong in a way that kernels are wrong."""

from __future__ import annotations

import numpy as np
import pytest
from ml_dtypes import bfloat16

from support.laws import assert_matches, assert_same_bits, assert_stored, stored
from support.operators import BY_NAME, OPERATORS

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


# --- storage types ---

HALVES = np.array([0.5, 1.5, 2.5, 3.25, 200.75])
ONE_AND_A_BIT = 1 + np.array([2.0**-8, 3 * 2.0**-8, 2.0**-11, 3 * 2.0**-11])  # halves of bfloat16 and of float16
MISREAD = np.full(4, 1.0)
WRONG_STORES = {
    "truncation": (HALVES, np.trunc(HALVES).astype(np.uint8)),
    "halves upwards": (HALVES, np.floor(HALVES + 0.5).astype(np.uint8)),
    "halves away from zero": (-HALVES, np.array([-1, -2, -3, -3, -201], np.int16)),
    "wrapped around": (HALVES + 100, np.rint(HALVES + 100).astype(int).astype(np.uint8)),
    "a range of its own": (-HALVES, np.clip(np.rint(-HALVES), -127, 127).astype(np.int8)),
    "NaN as the smallest number": (np.array([np.nan]), np.array([-128], np.int8)),
    "infinity as 0": (np.array([np.inf]), np.array([0], np.uint16)),
    "bfloat16 truncated": (ONE_AND_A_BIT, np.ones(4, bfloat16)),
    "float16 truncated": (ONE_AND_A_BIT, (np.floor(ONE_AND_A_BIT * 1024) / 1024).astype(np.float16)),
    "float16 clipped": (np.array([70000.0]), np.array([65504], np.float16)),
    "bfloat16 as float16": (MISREAD, MISREAD.astype(bfloat16).view(np.float16)),
    "float16 as bfloat16": (MISREAD, MISREAD.astype(np.float16).view(bfloat16)),
    "float16 by way of float32": (np.array([1 + 2.0**-11 + 2.0**-40]), np.array([1], np.float16)),
}


@pytest.mark.parametrize("wrong", WRONG_STORES)
def test_a_wrong_store_does_not_match(wrong):
    expected, result = WRONG_STORES[wrong]
    assert_stored(stored(expected, result.dtype), expected, np.ones(1, np.float32), exact=True)
    with pytest.raises(AssertionError):
        assert_stored(result, expected, np.ones(1, np.float32), exact=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, bfloat16, np.uint8, np.int16])
def test_a_store_beyond_tolerance_and_rounding_does_not_match(dtype):
    expected = np.array([1.25, 2.75, 100.125])
    maps = np.full(1, 100, np.float32)
    near, step = stored(expected, dtype), 1 if np.dtype(dtype).kind in "iu" else 2.0**-6
    assert_stored(near, expected, maps)
    for wrong in (near + np.array(step).astype(dtype), near - np.array(step).astype(dtype), near[::-1]):
        with pytest.raises(AssertionError):
            assert_stored(wrong.astype(dtype), expected, maps)


def test_the_rounding_of_the_laws_is_that_of_numpy():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.integers(0, 2**63, 20_000, np.int64).view(float), rng.standard_normal(20_000) * 1e3])
    values = np.concatenate([values, -values, [0.0, -0.0, np.inf, 65520.0, 65519.99, 2.0**-25, 3e-8, 1e-45]])
    values = values[~np.isnan(values)]
    with np.errstate(over="ignore", under="ignore"):
        for dtype in (np.float32, np.float16):
            assert_same_bits(stored(values, dtype), values.astype(dtype))
    small = values[np.abs(values) < 1e4]
    assert_same_bits(stored(small, np.int16), np.rint(small).astype(np.int16))
