"""Law: the classic kernels give what the float64 oracle gives, rounded once, and agree with the engine on workloads.

They are a second oracle, so they are held to the first one more tightly than the engine is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import hypothesis
import numpy as np
import pytest

import cyroi
from cyroi.reference import classic, oracle
from support.laws import assert_matches, assert_same_bits
from support.operators import BY_NAME, LAYOUTS, containers
from support.random_calls import DTYPES, crop_and_resize_calls, roi_align_calls, variants
from support.written import twice

sys.path.append(str(Path(__file__).parents[2] / "asv_benchmarks"))
from benchmarks.workloads import WORKLOADS, subset

CLASSIC = {name: twice(getattr(classic, name)) for name in classic.__all__}


def assert_rounded(result, expected, maps):
    """`result` is the float64 `expected`, rounded once to the dtype of the maps; NaN and infinity exactly."""
    assert_matches(result, expected, maps)
    finite = np.isfinite(expected)
    largest = np.abs(maps[np.isfinite(maps)]).max(initial=0).astype(float)
    error = np.abs(result[finite].astype(float) - expected[finite])
    assert (error <= 0.51 * np.finfo(result.dtype).eps * np.abs(expected[finite]) + 1e-14 * largest).all()


def assert_is_the_oracle(name, call):
    operator = BY_NAME[name]
    for variant in variants(operator, call):
        assert_rounded(CLASSIC[name](**variant), operator.expected(**variant), variant[operator.maps])


# Each draw serves eight times, and the engine is held to the same calls.
FEW = hypothesis.settings(max_examples=hypothesis.settings.default.max_examples // 5)
FEWER = hypothesis.settings(max_examples=hypothesis.settings.default.max_examples // 10)


@FEW
@hypothesis.given(roi_align_calls(long=False))
def test_roi_align_is_the_oracle_rounded_on_random_geometry(call):
    assert_is_the_oracle("roi_align", call)


@FEW
@hypothesis.given(crop_and_resize_calls(long=False))
def test_crop_and_resize_is_the_oracle_rounded_on_random_geometry(call):
    assert_is_the_oracle("crop_and_resize", call | {"snap_edges": False})


@FEWER
@hypothesis.given(roi_align_calls(long=True))
def test_roi_align_is_the_oracle_rounded_on_long_maps(call):
    assert_is_the_oracle("roi_align", call)


@FEWER
@hypothesis.given(crop_and_resize_calls(long=True))
def test_crop_and_resize_is_the_oracle_rounded_on_long_maps(call):
    assert_is_the_oracle("crop_and_resize", call | {"snap_edges": False})


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_images_layouts_and_memory_of_any_order(operator, dtype, layout):
    rng = np.random.default_rng(3)
    for _ in range(3):
        call = operator.call(rng, dtype=dtype, layout=layout)
        maps, expected = call[operator.maps], operator.expected(**call)
        unaligned = np.frombuffer(b"\0" + maps.tobytes(), np.uint8)[1:].view(dtype).reshape(maps.shape)
        other_order = [np.asfortranarray(maps), maps[::-1].copy()[::-1], maps.astype(maps.dtype.newbyteorder())]
        for same in (maps, unaligned, *other_order):
            result = CLASSIC[operator.name](**(call | {operator.maps: same}))
            assert_rounded(result, expected, maps)
        swapped = np.full_like(expected, np.nan, dtype=np.dtype(dtype).newbyteorder())
        assert CLASSIC[operator.name](**call, out=swapped) is swapped
        assert_rounded(swapped.astype(dtype), expected, maps)


def test_every_box_container_and_a_single_image_mean_the_same():
    call = BY_NAME["roi_align"].call(np.random.default_rng(6), dtype=np.float64)
    call["batch_indices"] = np.array([0, 0, 0, 1, 1, 2, 2])
    expected = CLASSIC["roi_align"](**call)
    for arguments in containers(call.pop("boxes"), call.pop("batch_indices"), 3).values():
        assert_same_bits(CLASSIC["roi_align"](**call, **arguments), expected)
    image = np.random.default_rng(7).random((9, 8, 3))
    for layout in LAYOUTS:
        for single in (image, image[..., 0]) if layout == "NHWC" else (image.transpose(2, 0, 1), image[..., 0]):
            arguments = (single, [[0, 0.1, 1, 0.7]], None, (4, 5))
            result = CLASSIC["crop_and_resize"](*arguments, layout=layout)
            assert_rounded(result, oracle.crop_and_resize(*arguments, layout=layout), single)


def test_every_thread_count_gives_the_same_bits(operator):
    call = operator.call(np.random.default_rng(0), shape=(2, 16, 40, 40), boxes=50, **{operator.size: (7, 7)})
    assert_same_bits(CLASSIC[operator.name](**call, num_threads=2), CLASSIC[operator.name](**call, num_threads=1))


def test_nan_and_infinity_reach_exactly_the_bins_that_read_them(operator):
    rng = np.random.default_rng(8)
    for value in (np.nan, np.inf, -np.inf):
        for _ in range(10):
            call = operator.call(rng, layout="NHWC", shape=(1, 3, 9, 9))
            call[operator.maps][0, 4, 5, 1] = value
            assert_rounded(CLASSIC[operator.name](**call), operator.expected(**call), call[operator.maps])


def test_a_whole_coordinate_does_not_read_the_next_pixel():
    maps = np.full((1, 1, 3, 3), np.nan)
    maps[0, 0, 1, 1] = 5
    middle = [[0, 1, 1, 2, 2]]  # its one sample lies in the middle of the middle pixel
    assert CLASSIC["roi_align"](maps, middle, 1, sampling_ratio=1, aligned=True).item() == 5
    assert CLASSIC["crop_and_resize"](maps, [[0.5, 0.5, 0.5, 0.5]], [0], 1, layout="NCHW").item() == 5


@pytest.mark.parametrize("boxes_dtype", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_grid_of_ten_billion_samples_costs_no_more_than_the_map(dtype, boxes_dtype):
    maps = np.random.default_rng(0).random((1, 1, 9, 8)).astype(dtype)
    boxes = [[0, 0, 0, 1e5, 1e5], [0, -5e4, -5e4, 5e4, 5e4], [0, -1e9, 2, 1e9, 5], [0, -3e38, -3e38, 3e38, 3e38],
             [0, 1e30, 1e30, 2e30, 2e30], [0, -1.5e9, -1.5e9, 1.5e9, 1.5e9]]  # fmt: skip
    call = {"input": maps, "boxes": np.array(boxes, boxes_dtype), "output_size": 1}
    start = time.perf_counter()
    result = CLASSIC["roi_align"](**call)
    assert time.perf_counter() - start < 2  # visiting each sample would take a minute
    assert_rounded(result, oracle.roi_align(**call), maps)


def test_a_cut_grid_keeps_the_samples_at_both_ends_of_the_band():
    pixel, ends = np.ones((1, 1, 1, 1)), [[0, -1, -1, 2, 2]]  # samples at -1, 0 and 1, of which the band holds all
    assert CLASSIC["roi_align"](pixel, ends, 1, aligned=True).item() == 1


def test_maps_without_pixels_boxes_or_channels(operator):
    for shape, boxes in (((3, 5, 0, 4), 7), ((3, 5, 4, 0), 7), ((3, 0, 4, 4), 7), ((3, 5, 4, 4), 0)):
        call = operator.call(np.random.default_rng(0), shape=shape, boxes=boxes)
        result, expected = CLASSIC[operator.name](**call), operator.expected(**call)
        assert result.shape == expected.shape
        np.testing.assert_array_equal(result, expected)


def test_what_the_operators_take_and_the_classic_kernels_do_not(operator):
    call = operator.call(np.random.default_rng(0))
    with pytest.raises(TypeError, match=f"{operator.maps} must have dtype float32, float64"):
        CLASSIC[operator.name](**(call | {operator.maps: call[operator.maps].astype(np.uint8)}))
    out = np.full(CLASSIC[operator.name](**call).shape, -7.0)
    with pytest.raises(TypeError, match="out must have dtype float32"):
        CLASSIC[operator.name](**call, out=out)
    assert (out == -7).all()


def test_the_comparison_fails_on_what_is_not_rounded_once(operator):
    call = operator.call(np.random.default_rng(0))
    maps, expected = call[operator.maps], operator.expected(**call)
    result = CLASSIC[operator.name](**call)
    assert_rounded(result, expected, maps)
    largest = np.unravel_index(np.abs(result).argmax(), result.shape)
    for wrong in (np.nextafter(result[largest], np.float32(9e9)) + np.float32(3e-7), np.nan, np.inf):
        off = result.copy()
        off[largest] = wrong
        with pytest.raises(AssertionError):
            assert_rounded(off, expected, maps)


# --- whole workloads --------------------------------------------------------------------------------------------------

# Every n-th box, so that the loops take some tenths of a second: of adaptive grids they visit every sample.
EVERY = {"W1": 5, "W1a": 20, "W2": 1, "W3": 10, "W4": 20, "W5_10": 1, "W6": 5, "W6_nchw": 5, "W7": 2, "W8": 1000}


@pytest.mark.parametrize("workload", EVERY)
def test_the_engine_gives_the_same_on_a_workload(workload):
    chosen = WORKLOADS[workload]
    arguments = chosen.arguments()
    arguments = subset(arguments, np.arange(0, len(arguments["boxes"]), EVERY[workload]))
    expected = getattr(classic, chosen.operator)(**arguments).astype(float)
    assert_matches(getattr(cyroi, chosen.operator)(**arguments), expected, arguments[chosen.maps])


# --- the face ---------------------------------------------------------------------------------------------------------


def test_importing_cyroi_does_not_import_the_classic_kernels():
    code = "import sys, cyroi; a = 'cyroi.cpu._classic' in sys.modules; cyroi.reference.classic.roi_align; "
    code += "print(a, 'cyroi.cpu._classic' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_works():
    code = """
import os, signal, warnings, numpy as np
from cyroi.reference import classic
maps, boxes = np.ones((1, 64, 64, 64), np.float32), np.tile(np.float32([[0, 1, 2, 40, 50]]), (50, 1))
expected = classic.roi_align(maps, boxes, 7, num_threads=2)
if (pid := os.fork()) == 0:
    signal.alarm(20)  # a hang ends the child
    os._exit(0 if np.array_equal(classic.roi_align(maps, boxes, 7), expected) else 1)
print(os.waitpid(pid, 0)[1])
"""
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["0"]


def test_the_file_to_read_is_short():
    source = Path(__file__).parents[2] / "cyroi" / "cpu" / "_classic.pyx"
    assert len(source.read_text().splitlines()) <= 150
