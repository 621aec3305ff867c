"""Law: every result equals the float64 reference fed with the same geometry."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest

from support.arrays import CONTIGUITY, to_planar
from support.laws import assert_matches
from support.operators import BY_NAME, LAYOUTS, containers
from support.random_calls import DTYPES, crop_and_resize_calls, roi_align_calls, variants


@pytest.mark.parametrize("contiguity", CONTIGUITY)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3, 40])
def test_result_equals_the_reference(operator, dtype, layout, contiguity, channels):
    rng = np.random.default_rng([channels, len(layout)])
    for _ in range(5):
        call = operator.call(rng, dtype=dtype, layout=layout, shape=(2, channels, 9, 12), boxes=5)
        native = call[operator.maps] if contiguity != "list" else call[operator.maps].astype(np.float64)
        result = operator.function(**(call | {operator.maps: CONTIGUITY[contiguity](native)}))
        assert_matches(result, operator.expected(**(call | {operator.maps: native})), native)


def test_the_layout_of_an_oracle_is_an_order_of_axes(operator):
    """... which is what the oracles that remember rely on."""
    call = operator.call(np.random.default_rng(4), shape=(2, 3, 9, 12))
    expected = operator.oracle(**call)
    maps = np.ascontiguousarray(call[operator.maps].transpose(LAYOUTS["NHWC"]))
    for oracle in (operator.oracle, operator.expected, operator.expected):
        result = oracle(**(call | {operator.maps: maps, "layout": "NHWC"}))
        np.testing.assert_array_equal(to_planar(result, "NHWC"), expected)
    other = call | {operator.maps: maps.transpose(0, 2, 1, 3), "layout": "NHWC"}
    np.testing.assert_array_equal(operator.expected(**other), operator.oracle(**other))


@pytest.mark.parametrize("boxes_dtype", ["f2", "f4", "f8", ">f4", "i1", "u2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_boxes_of_every_real_dtype_are_converted_exactly(operator, dtype, boxes_dtype):
    call = operator.call(np.random.default_rng(5), dtype=dtype)
    whole = np.abs(np.round(call["boxes"])).astype(boxes_dtype)
    result = operator.function(**(call | {"boxes": whole}))
    assert_matches(result, operator.expected(**(call | {"boxes": whole})), call[operator.maps])
    if dtype == np.float64:
        exact = operator.function(**(call | {"boxes": whole.astype(np.float64)}))
        np.testing.assert_array_equal(result, exact)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("output_size", [3, (2, 5), [2, 5], np.array([2, 5]), np.int64(3), np.array(4), np.uint8(2)])
def test_every_box_container_and_output_size_means_the_same(dtype, output_size):
    operator = BY_NAME["roi_align"]
    call = operator.call(np.random.default_rng(6), dtype=dtype, output_size=output_size)
    call |= {"boxes": call["boxes"].astype(np.float64), "batch_indices": np.array([0, 0, 0, 1, 1, 2, 2])}
    expected = operator.expected(**call)
    made = containers(call.pop("boxes"), call.pop("batch_indices"), 3)
    for arguments in made.values():
        assert_matches(operator.function(**call, **arguments), expected, call["input"])


# --- random geometry ---

MORE = hypothesis.settings(max_examples=2 * hypothesis.settings.default.max_examples)  # quick, and worth it


@hypothesis.given(roi_align_calls(long=False))
def test_roi_align_equals_the_reference_on_random_geometry(call):
    assert_all_match(BY_NAME["roi_align"], call)


@hypothesis.given(crop_and_resize_calls(long=False))
def test_crop_and_resize_equals_the_reference_on_random_geometry(call):
    assert_all_match(BY_NAME["crop_and_resize"], call)


@MORE
@hypothesis.given(roi_align_calls(long=True))
def test_roi_align_equals_the_reference_on_long_maps(call):
    assert_all_match(BY_NAME["roi_align"], call)


@MORE
@hypothesis.given(crop_and_resize_calls(long=True))
def test_crop_and_resize_equals_the_reference_on_long_maps(call):
    assert_all_match(BY_NAME["crop_and_resize"], call)


def assert_all_match(operator, call):
    for variant in variants(operator, call):
        assert_matches(operator.function(**variant), operator.expected(**variant), variant[operator.maps])


# --- accuracy where many taps are summed ---


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [1, 40])
@pytest.mark.parametrize("side", [50, 1500])
def test_averages_of_many_pixels_stay_within_the_tolerance(layout, channels, side):
    maps = np.full((1, channels, side, 40), 1 / 3, np.float32).transpose(LAYOUTS[layout])
    result = BY_NAME["roi_align"].function(maps, [[0, 0, 0, 40, side]], 1, layout=layout)
    expected = BY_NAME["roi_align"].oracle(
        maps[:, :1] if layout == "NCHW" else maps[..., :1], [[0, 0, 0, 40, side]], 1, layout=layout
    )
    assert_matches(result, np.broadcast_to(expected, result.shape), maps)


def test_nan_and_infinity_reach_exactly_the_bins_that_read_them(operator):
    rng = np.random.default_rng(8)
    for value in (np.nan, np.inf, -np.inf):
        for _ in range(10):
            call = operator.call(rng, layout="NHWC", shape=(1, 3, 9, 9))
            call[operator.maps][0, 4, 5, 1] = value
            assert_matches(operator.function(**call), operator.expected(**call), call[operator.maps])
