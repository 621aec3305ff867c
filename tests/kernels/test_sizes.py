"""Law: values are right one below, at and one above every size at which kernels or driver change their way.

Each call goes into fresh memory and into memory full of NaN (`support/written.py`), equals the oracle, and has the bits
that smaller calls have.
"""

from __future__ import annotations

import numpy as np
import pytest
from ml_dtypes import bfloat16

import cyroi
from cyroi.cpu import _separable
from support import sizes
from support.gradients import assert_gradients_match
from support.laws import assert_matches, assert_same_bits, assert_stored, stored
from support.operators import BY_NAME, LAYOUTS

DTYPES = [np.float32, np.float64]


def test_every_bound_of_a_size_has_calls():
    bounds = {bound for _, bound in _separable.SIZES.values()}
    assert bounds <= {*sizes.CALLS, "boxes", "none"}
    assert all(numbers() for numbers, _ in sizes.CALLS.values())
    assert len(_separable.SIZES) > 30


def calls(bound, dtype, layout):
    """(operator, call) at all sizes of a bound."""
    numbers, make = sizes.CALLS[bound]
    for n in numbers():
        for call in make(n):
            operator = BY_NAME["roi_align" if "input" in call else "crop_and_resize"]
            yield operator, sizes.filled(call, dtype, layout)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("bound", sizes.CALLS)
def test_results(bound, layout, dtype):
    for operator, call in calls(bound, dtype, layout):
        assert_matches(operator.function(**call), operator.expected(**call), call[operator.maps])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("bound", sizes.CALLS)
def test_gradients(bound, layout, dtype):
    for operator, call in calls(bound, dtype, layout):
        assert_gradients_match(operator, call)


# Results of another type take the ways of stages and of rows that are converted.
@pytest.mark.parametrize("out_dtype", [np.float16, np.uint8, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("bound", ["bins_x", "bins", "channels", "elements_of_rows", "bytes_of_rows"])
def test_results_of_another_type(bound, layout, out_dtype):
    for operator, call in calls(bound, np.float32, layout):
        call[operator.maps] = call[operator.maps] * 50 + 100
        expected = operator.expected(**call)
        out = np.empty(expected.shape, out_dtype)
        assert_stored(operator.function(**call, out=out), expected, call[operator.maps])


@pytest.mark.parametrize("dtype", [np.float16, bfloat16, np.uint8, np.int8, np.uint16, np.int16])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("bound", sizes.CALLS)
def test_maps_of_another_type_have_the_bits_of_the_same_values_in_float32(bound, layout, dtype):
    for operator, call in calls(bound, np.float32, layout):
        maps = stored(call[operator.maps] * 50 + 60, dtype)
        expected = operator.function(**(call | {operator.maps: maps.astype(np.float32)}))
        out = np.empty(expected.shape, np.float32)
        assert_same_bits(operator.function(**(call | {operator.maps: maps}), out=out), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("bound", ["bins", "bins_y", "elements_of_rows", "channels"])
def test_gradients_of_another_type_have_the_same_bits(bound, layout):
    for operator, call in calls(bound, np.float32, layout):
        g = np.random.default_rng(3).standard_normal(operator.expected(**call).shape).astype(np.float32)
        for wrt in (operator.maps, "boxes"):
            expected = operator.backward(**operator.backward_call(call, g, wrt))
            assert_same_bits(operator.backward(**operator.backward_call(call, g.astype(np.float64), wrt)), expected)


# --- boxes of a chunk ---


def boxes_of_chunks():
    """Numbers of boxes of one bin and two samples: a chunk full of each of what all of them need."""
    size = {name: value for name, (value, bound) in _separable.SIZES.items() if bound == "boxes"}
    slots, taps, samples = 3 * _separable.SIZES["kSlots"][0], 8, 4
    full = [size["kChunkSlots"] // slots, size["kChunkTaps"] // taps, size["kChunkSamples"] // samples]
    full += [size["kGradientTaps"] // taps, size["kChunkSums"], size["kTables"] // 64]
    return [n for n in sizes.around(*full) if n < 40_000]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_boxes_of_several_chunks_have_the_bits_of_few(operator, layout, dtype):
    rng = np.random.default_rng(4)
    for count in boxes_of_chunks():
        call = operator.call(rng, dtype=dtype, layout=layout, shape=(2, 2, 3, 5), boxes=count)
        call[operator.size] = (1, 1)
        result = operator.function(**call)
        g = rng.standard_normal(result.shape).astype(dtype)
        whole = operator.backward(**operator.backward_call(call, g, "boxes"))
        for part in (slice(0, count // 2), slice(count // 2, None)):
            few = call | {"boxes": call["boxes"][part], operator.index: call[operator.index][part]}
            assert_same_bits(operator.function(**few), result[part])
            assert_same_bits(operator.backward(**operator.backward_call(few, g[part], "boxes")), whole[part])


# --- where rows begin in memory ---


def placed(array, offset, dtype):
    """A copy of planar maps whose rows lie whole vectors apart and begin `offset` elements behind a cache line."""
    item, (n, c, h, w) = np.dtype(dtype).itemsize, array.shape
    row = (w + offset + 15) // 16 * 16
    memory = np.full(n * c * h * row + 64, 7, dtype)
    start = -memory.ctypes.data % 64 // item
    view = memory[start : start + n * c * h * row].reshape(n, c, h, row)[..., offset : offset + w]
    view[...] = array
    return view


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("offset", range(16))
def test_rows_that_begin_anywhere_in_a_cache_line(operator, offset, dtype):
    """... are read and written in vectors that begin where lines do."""
    for width in sizes.around(*sizes.vectors()):
        rng = np.random.default_rng(width)
        call = operator.call(rng, dtype=dtype, shape=(2, 2, 5, width), boxes=4)
        for size in ((2, 3), (2, 2 * width + 1)):
            call[operator.size] = size
            expected = operator.function(**call)
            there = call | {operator.maps: placed(call[operator.maps], offset, dtype)}
            assert_same_bits(operator.function(**there), expected)
            g = rng.standard_normal(expected.shape).astype(dtype)
            assert_gradients_there(operator, call, placed(g, 0, dtype), there[operator.maps], offset)


def assert_gradients_there(operator, call, g, maps, offset):
    """The gradient to the maps has the same bits wherever it is written; that to the boxes is as good."""
    shape = maps.shape
    expected = operator.backward(**operator.backward_call(call, g, operator.maps))
    out = placed(np.zeros(shape), offset, maps.dtype)
    operator.backward(**operator.backward_call(call | {operator.maps: shape}, g, operator.maps), out=out)
    assert_same_bits(np.array(out), expected)
    expected = operator.backward(**operator.backward_call(call, g, "boxes"))
    result = operator.backward(**operator.backward_call(call | {operator.maps: maps}, g, "boxes"))
    bound = 1e-5 * abs(g).sum() * abs(maps).max() * call.get("spatial_scale", max(shape))
    np.testing.assert_allclose(result, expected, rtol=0, atol=bound)


# --- what was found by looking ---


def test_boxes_of_doubles_between_768_and_1024_columns_are_written():
    """Several bins of one block, which no buffer held, were taken for a single long one."""
    out = np.full((1, 1, 1, 4), 7.0)
    cyroi.roi_align(np.ones((1, 1, 1, 1000)), [[0, 0, 0, 1000, 1]], (1, 4), out=out)
    np.testing.assert_allclose(out, 1, rtol=1e-14)
    for layout, shape in (("NCHW", (1, 3, 64, 1000)), ("NHWC", (1, 64, 1000, 1))):
        result = cyroi.roi_align(np.ones(shape), [[0, 0, 0, 1000, 64]], (64, 4), layout=layout)
        np.testing.assert_allclose(result, 1, rtol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [1, 3, 40])
@pytest.mark.parametrize("weight", [5e-324, 1e-310, 1e-60, 1e-45, 1e-39])
def test_a_weight_that_is_not_zero_is_read(weight, channels, layout, dtype):
    """... also where the type that is computed with rounds it to zero."""
    operator = BY_NAME["crop_and_resize"]
    image = np.ones((1, channels, 3, 6), dtype)
    image[..., 1] = np.nan
    call = {"image": np.ascontiguousarray(image.transpose(LAYOUTS[layout])), "layout": layout, "crop_size": (1, 1)}
    call |= {"boxes": np.array([[0, weight / 5, 0.5, weight / 5]]), "box_indices": [0]}
    np.testing.assert_array_equal(operator.function(**call), operator.expected(**call))
    g = np.full((1, channels, 1, 1), np.nan, dtype).transpose(LAYOUTS[layout])
    for wrt in ("image", "boxes"):
        asked = operator.backward_call(call, g if wrt == "image" else np.ones_like(g), wrt)
        result, expected = operator.backward(**asked), operator.expected_backward(**asked)
        np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
