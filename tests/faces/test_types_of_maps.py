"""Law: maps and results of the types that people have: labels, masks, photographs.

Each is compared with the same numbers in an array of float64.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import cyroi
from support.laws import assert_same_bits

INTEGERS = [np.int32, np.uint32, np.int64, np.uint64]


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", [*INTEGERS, bool], ids=lambda dtype: np.dtype(dtype).name)
def test_label_maps_come_out_exactly(dtype, layout):
    """By dtype, and by out of any strides; 2**53 is the largest integer that all float64 up to it count to."""
    limit = 1 if dtype is bool else min(2**53, np.iinfo(dtype).max)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, limit, (2, 9, 9, 4) if layout == "NHWC" else (2, 4, 9, 9), endpoint=True).astype(dtype)
    labels.reshape(-1)[:2] = limit, 0
    if np.dtype(dtype).kind == "i":
        labels.reshape(-1)[2:4] = -limit, -1
    call = {"method": "nearest", "layout": layout, "crop_size": 9, "box_indices": [1, 0], "boxes": [[0, 0, 1, 1]] * 2}
    result = cyroi.crop_and_resize(labels, dtype=dtype, **call)
    assert_same_bits(result, labels[::-1])
    out = np.zeros((*result.shape, 2), dtype)[..., 0]
    assert cyroi.crop_and_resize(labels, out=out, **call) is out
    assert_same_bits(out, labels[::-1])
    big = np.zeros(result.shape, np.dtype(dtype).newbyteorder(">"))
    assert_same_bits(cyroi.crop_and_resize(labels, out=big, **call).astype(dtype), labels[::-1])


@pytest.mark.parametrize("dtype", [*INTEGERS, bool], ids=lambda dtype: np.dtype(dtype).name)
def test_bilinear_of_long_integers_is_computed_in_float64(operator, dtype):
    """All of it, as for float64 maps of the same values; of bool, as for uint8."""
    call = operator.call(np.random.default_rng(0), boxes=5)
    maps = np.random.default_rng(1).integers(0, 2 if dtype is bool else 2**31, call[operator.maps].shape).astype(dtype)
    same = call | {operator.maps: maps.astype(np.uint8 if dtype is bool else np.float64)}
    call[operator.maps] = maps
    result = operator.function(**call)
    assert result.dtype == (np.float32 if dtype is bool else np.float64)
    assert_same_bits(result, operator.function(**same))
    np.testing.assert_allclose(result, operator.oracle(**call), rtol=1e-6 if dtype is bool else 1e-13, atol=1e-6)
    grad = np.ones(result.shape, np.float32)
    for wrt in (operator.maps, "boxes"):
        found = operator.backward(**operator.backward_call(call, grad, wrt))
        assert_same_bits(found, operator.backward(**operator.backward_call(same, grad, wrt)))


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)])
def test_integers_beyond_float64_are_refused(operator, value):
    call = operator.call(np.random.default_rng(0))
    maps = np.zeros(call[operator.maps].shape, np.int64)
    maps[-1, -1, -1, -1] = value
    with pytest.raises(ValueError, match=rf"{operator.maps} must hold integers that float64 represents"):
        operator.function(**(call | {operator.maps: maps}))
    if value > 0:
        with pytest.raises(ValueError, match=operator.maps):
            operator.function(**(call | {operator.maps: maps.astype(np.uint64)}))


@pytest.mark.parametrize("dtype", [*INTEGERS, bool], ids=lambda dtype: np.dtype(dtype).name)
@pytest.mark.parametrize("maps", [np.float32, np.float64, np.uint8])
def test_integers_out_of_any_maps_are_rounded_and_saturate(maps, dtype):
    """Halves to even; NaN and what lies beyond at the ends; no floating-point exception on the way."""
    values = [0, 0.5, 1.5, 2.5, 200, 1e5]
    if maps is not np.uint8:
        values += [-0.5, -1.5, np.nan, np.inf, -np.inf, 3e9, -3e9, 1e19, 3e19, -1e19]
    row = np.array(values).astype(maps).reshape(1, 1, -1, 1)
    boxes, size = [[0, 0, 0, 1]], (1, row.shape[2])
    with np.errstate(all="raise"):
        result = cyroi.crop_and_resize(row, boxes, [0], size, "nearest", snap_edges=True, dtype=dtype)
    for found, value in zip(result.ravel().tolist(), row.ravel().tolist(), strict=True):
        if dtype is bool:
            assert found is (not np.isnan(value) and round(min(max(value, -9), 9)) != 0)
            continue
        limits = np.iinfo(dtype)
        if np.isnan(value):
            assert found == 0
        elif np.isinf(value):
            assert found == (limits.max if value > 0 else limits.min)
        else:
            assert found == min(max(round(value), limits.min), limits.max)


# --- the dtype of a result ---

STORED = [
    np.float32,
    np.float64,
    np.float16,
    ml_dtypes.bfloat16,
    np.uint8,
    np.int8,
    np.uint16,
    np.int16,
    *INTEGERS,
    bool,
]


@pytest.mark.parametrize("dtype", STORED, ids=lambda dtype: np.dtype(dtype).name)
@pytest.mark.parametrize("maps", [np.float32, np.uint8, np.int64])
def test_dtype_says_what_out_says(operator, maps, dtype):
    call = operator.call(np.random.default_rng(0))
    call[operator.maps] = (call[operator.maps] * 50 + 100).clip(0, 255).astype(maps)
    result = operator.function(**call, dtype=dtype)
    out = np.zeros(result.shape, dtype)
    assert result.dtype == dtype
    assert_same_bits(result, operator.function(**call, out=out))
    assert_same_bits(result, operator.function(**call, dtype=np.dtype(dtype)))


def test_dtype_and_its_errors(operator):
    call = operator.call(np.random.default_rng(0))
    expected = operator.function(**call)
    assert operator.function(**call, dtype=None).dtype == np.float32
    assert operator.function(**call, dtype="f8").dtype == operator.function(**call, dtype=float).dtype == np.float64
    assert_same_bits(operator.function(**call, dtype=">f4").astype(np.float32), expected)
    for wrong in ("F", "(2,", "S1000000000", object, "U3", "M8[s]", np.longdouble, "no such type", 7, ml_dtypes.int4):
        with pytest.raises(TypeError, match="dtype must"):
            operator.function(**call, dtype=wrong)
    out = np.full(expected.shape, 7, np.float32)
    with pytest.raises(ValueError, match="dtype must be None where out is given"):
        operator.function(**call, dtype=np.float32, out=out)
    assert (out == 7).all()
