"""The comparisons that the laws use; `test_laws.py` shows that each fails on a wrong kernel.

Stored results of public implementations have a comparison of their own, `peers.case.check`.
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


def assert_same_bits(result: Any, expected: Any) -> None:
    """Equal shape, dtype and bits: NaN payloads and the sign of zero included."""
    result, expected = np.asarray(result), np.asarray(expected)
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    np.testing.assert_array_equal(
        np.ascontiguousarray(result).view(np.uint8), np.ascontiguousarray(expected).view(np.uint8)
    )
