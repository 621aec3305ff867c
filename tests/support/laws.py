"""The comparisons that the laws use; `laws/test_laws.py` shows that each fails on a wrong kernel.

Stored results of public implementations have a comparison of their own, `support.peers.case.check`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Largest error allowed, relative to the largest finite map value that could be read.
TOLERANCE = {np.dtype(np.float32): 2e-6, np.dtype(np.float64): 1e-14}


def assert_matches(result: Any, expected: Any, maps: Any) -> None:
    """`result`, of the maps' dtype, equals the float64 `expected` to that dtype's tolerance; NaN and inf exactly."""
    result, expected, maps = np.asarray(result), np.asarray(expected), np.asarray(maps)
    assert result.dtype == maps.dtype
    assert result.shape == expected.shape
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(result[~finite], expected[~finite].astype(result.dtype))
    assert np.isfinite(result[finite]).all()
    values = maps[np.isfinite(maps)]
    largest = float(np.abs(values).max(initial=0))
    error = np.abs(result[finite].astype(float) - expected[finite]).max(initial=0)
    assert error <= TOLERANCE[result.dtype] * largest, f"error {error} for values up to {largest}"


# Digits behind the binary point and the smallest exponent of the floats that are narrower than float64.
FORMATS = {"float32": (23, -126), "float16": (10, -14), "bfloat16": (7, -126)}


def stored(values: Any, dtype: Any) -> Any:
    """What `dtype` holds of float64 `values`: rounded once, halves to even; integers saturate and take NaN as 0."""
    values, dtype = np.asarray(values, np.float64), np.dtype(dtype)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return np.clip(np.rint(np.where(np.isnan(values), 0, values)), limits.min, limits.max).astype(dtype)
    if dtype == np.float64:
        return values.copy()
    digits, lowest = FORMATS[dtype.name]
    last = np.maximum(np.frexp(values)[1] - 1, lowest) - digits  # exponent of the last digit
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ldexp(np.rint(np.ldexp(values, -last)), last).astype(dtype)


def assert_stored(result: Any, expected: Any, maps: Any, *, exact: bool = False) -> None:
    """`result` holds the float64 `expected` as its storage type can, give or take the maps' tolerance.

    That is, it lies between what it would be at the two ends of the tolerance; exact: there is none.
    """
    result, expected, maps = np.asarray(result), np.asarray(expected), np.asarray(maps)
    assert result.shape == expected.shape
    finite = np.isfinite(expected)
    beyond = stored(expected[~finite], result.dtype).astype(float)
    np.testing.assert_array_equal(result[~finite].astype(float), beyond)
    values = maps.astype(float)
    largest = np.abs(values[np.isfinite(values)]).max(initial=0)
    arithmetic = np.dtype(np.float64 if maps.dtype == np.float64 else np.float32)
    slack = 0 if exact else TOLERANCE[arithmetic] * largest
    low, high = (stored(expected[finite] + way * slack, result.dtype).astype(float) for way in (-1, 1))
    inside = (low <= result[finite].astype(float)) & (result[finite].astype(float) <= high)
    assert inside.all(), f"{result[finite][~inside][:5]} for {expected[finite][~inside][:5]} give or take {slack}"


def assert_same_bits(result: Any, expected: Any) -> None:
    """Equal shape, dtype and bits: NaN payloads and the sign of zero included."""
    result, expected = np.asarray(result), np.asarray(expected)
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    np.testing.assert_array_equal(
        np.ascontiguousarray(result).view(np.uint8), np.ascontiguousarray(expected).view(np.uint8)
    )
