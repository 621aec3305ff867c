"""Law: unusual but legal calls have defined results, the reference's. The numbers are those of the project's list."""

from __future__ import annotations

import copy
import functools
import pickle
import warnings

import numpy as np
import pytest

from support.bad_calls import good
from support.laws import assert_matches, assert_same_bits
from support.operators import BY_NAME

ROI_ALIGN, CROP_AND_RESIZE = BY_NAME["roi_align"], BY_NAME["crop_and_resize"]
DTYPES = [np.float32, np.float64]


def check(name, dtype, **changes):
    """The result of a good call with changes, once it was found equal to the reference's."""
    operator = BY_NAME[name]
    call = good(name, dtype) | changes
    result = operator.function(**call)
    assert_matches(result, operator.oracle(**call), np.asarray(call[operator.maps]))
    return result


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("sampling_ratio", [-5, 0, 1, 2])
@pytest.mark.parametrize(
    "box",
    [
        pytest.param([-3e38, 0, 3e38, 5], id="22 finite, overflows in float32"),
        pytest.param([-1e308, -1e308, 1e308, 1e308], id="22 finite, overflows in float64"),
        pytest.param([1e30, 1e30, 2e30, 2e30], id="25 far away"),
        pytest.param([1e-45, -1e-45, 2e-45, 5e-324], id="26 subnormal"),
        pytest.param([-0.0, -0.0, 3, 3], id="26 negative zero"),
        pytest.param([0, 0, 1e5, 1e5], id="28 huge adaptive grid"),
        pytest.param([-1e9, -1e9, 1e9, 1e9], id="28 huger"),
        pytest.param([6, 6, 1, 1], id="30 reversed"),
        pytest.param([0, 6, 1, 1], id="32 reversed along y"),
        pytest.param([3, 3, 3, 3], id="35 zero size"),
        pytest.param([20, 20, 30, 30], id="37 outside"),
    ],
)
def test_extreme_boxes_of_roi_align(dtype, box, aligned, sampling_ratio):
    with np.errstate(over="ignore"):
        boxes = np.clip(np.array([[0, *box]]), -np.finfo(dtype).max, np.finfo(dtype).max).astype(dtype)
    result = check("roi_align", dtype, boxes=boxes, aligned=aligned, sampling_ratio=sampling_ratio)
    assert np.isfinite(result).all()
    x1, y1, x2, y2 = box
    if min(x1, y1) > 10 or (aligned and sampling_ratio <= 0 and not (x2 > x1 and y2 > y1)):
        assert (result == 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_flipped_point_like_and_outside_crops(dtype):
    image = good("crop_and_resize", dtype)["image"]
    flipped = check("crop_and_resize", dtype, boxes=[[1, 1, 0, 0]], crop_size=8, method="nearest")
    np.testing.assert_array_equal(flipped[0], image[0, ::-1, ::-1])
    check("crop_and_resize", dtype, boxes=[[0.5, 0.5, 0.5, 0.5]], crop_size=3)
    assert (check("crop_and_resize", dtype, boxes=[[2, 2, 3, 3]], extrapolation_value=-4) == -4).all()
    check("crop_and_resize", dtype, image=image[:1, :1, :1], boxes=[[0, 0, 1, 1], [1, 1, 0, 0]], box_indices=[0, 0])
    check("crop_and_resize", dtype, boxes=[[-3e38, 0, 3e38, 1]])
    check("crop_and_resize", dtype, boxes=[[0, -1e-45, 1, 1]])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39, 7, np.float32(2.5), np.array(3)])
def test_extrapolation_value_is_written_as_it_is(value):
    """78: beyond float32's range it becomes infinite."""
    call = good("crop_and_resize") | {"boxes": [[2, 2, 3, 3]], "extrapolation_value": value}
    with np.errstate(over="ignore"):
        expected = np.full((1, 2, 2, 4), value).astype(np.float32)
    assert_same_bits(CROP_AND_RESIZE.function(**call), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_empty_arrays(dtype):
    """44, 46, 48: no boxes, no channels, no images."""
    x = good("roi_align", dtype)["input"]
    for boxes in (np.zeros((0, 5)), np.zeros((0, 4)), [np.zeros((0, 4))] * 2):
        assert ROI_ALIGN.function(x, boxes, 3).shape == (0, 4, 3, 3)
    assert ROI_ALIGN.function(x, np.zeros((0, 4)), 3, batch_indices=[]).shape == (0, 4, 3, 3)
    assert ROI_ALIGN.function(x[:0], [], 3).shape == (0, 4, 3, 3)
    assert ROI_ALIGN.function(x[:, :0], [[0, 1, 1, 2, 2]], 3).shape == (1, 0, 3, 3)
    assert ROI_ALIGN.function(x[:0, :, :0], np.zeros((0, 5)), 3).dtype == dtype
    assert CROP_AND_RESIZE.function(x, np.zeros((0, 4)), [], 3).shape == (0, 3, 3, 8)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 2, 1, 9), (1, 2, 9, 1), (1, 2, 0, 3), (1, 2, 3, 0)])
def test_degenerate_maps(dtype, shape):
    """49: one pixel, one row, one column; without pixels every sample is outside."""
    maps = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    for aligned in (False, True):
        boxes = [[0, -1, -1, 3, 3], [0, 0, 0, 0.5, 0.5], [0, 0, 0, 1, 1]]
        result = check("roi_align", dtype, input=maps, boxes=boxes, aligned=aligned)
        assert maps.size or (result == 0).all()
    crops = check("crop_and_resize", dtype, image=maps, layout="NCHW", boxes=[[0, 0, 1, 1]], extrapolation_value=5)
    assert maps.size or (crops == 5).all()


@pytest.mark.parametrize("size", [np.int64(2), np.uint8(2), np.array(2), (2, 2), [np.int8(2), 2], np.array([2, 2])])
def test_every_integer_is_an_integer(size):
    """60."""
    assert_same_bits(check("roi_align", np.float32, output_size=size), check("roi_align", np.float32))
    assert_same_bits(check("crop_and_resize", np.float32, crop_size=size), check("crop_and_resize", np.float32))


def test_numpy_scalars_are_accepted_for_python_ones():
    result = check(
        "roi_align", np.float32, sampling_ratio=np.int32(2), aligned=np.bool_(True), spatial_scale=np.float32(0.5)
    )
    assert_same_bits(result, check("roi_align", np.float32, sampling_ratio=2, aligned=True, spatial_scale=0.5))
    assert_same_bits(check("roi_align", np.float32, spatial_scale=2), check("roi_align", np.float32, spatial_scale=2.0))


def test_tiny_spatial_scale_is_that_of_the_geometry():
    """74: finite and > 0, but 0 in float32."""
    for scale in (1e-320, 1e-45, 1e39):
        with np.errstate(over="ignore"):
            check("roi_align", np.float32, spatial_scale=scale)


@pytest.mark.parametrize("ratio", [0, -1, -5, -(2**70)])
def test_sampling_ratio_below_one_is_adaptive(ratio):
    """67."""
    assert_same_bits(check("roi_align", np.float32, sampling_ratio=ratio), check("roi_align", np.float32))


def test_the_largest_sampling_ratio():
    maps = good("roi_align")["input"][:, :1]
    check("roi_align", np.float32, input=maps, boxes=[[0, 1, 2, 2, 4]], output_size=1, sampling_ratio=4096)


@pytest.mark.parametrize(("maps", "boxes"), [(np.float64, np.float32), (np.float32, np.float64)])
def test_mixed_precision_loses_nothing(maps, boxes):
    """83: the result has the maps' dtype, coordinates the wider of the two."""
    corners = np.array([[0, 1 / 3, 1.0000001, 5.1, 5.3]], boxes)
    result = check("roi_align", maps, boxes=corners, sampling_ratio=2)
    if boxes == np.float64:
        assert (result != check("roi_align", maps, boxes=corners.astype(np.float32), sampling_ratio=2)).any()


def test_out_must_fit(operator):
    """89, 90."""
    call = good(operator.name)
    expected = operator.function(**call)
    read_only = np.empty_like(expected)
    read_only.setflags(write=False)
    cases = [
        (ValueError, read_only),
        (ValueError, np.empty(expected.shape[:-1], np.float32)),
        (ValueError, np.empty((*expected.shape[:-1], 3), np.float32)),
        (TypeError, np.zeros(expected.shape, np.longdouble)),
        (TypeError, np.zeros(expected.shape, np.complex64)),
        (ValueError, np.lib.stride_tricks.as_strided(np.empty(50, np.float32), expected.shape, (0, 4, 4, 4))),
        (ValueError, np.ravel(call[operator.maps], order="K")[: expected.size].reshape(expected.shape)),
    ]
    for error, out in cases:
        before = np.array(out)
        with pytest.raises(error, match="out"):
            operator.function(**call, out=out)
        assert_same_bits(np.array(out), before)


@pytest.mark.parametrize("argument", ["boxes", "index"])
def test_out_must_not_overlap_boxes(argument):
    memory = np.zeros(40, np.float32)
    boxes = memory[:4].reshape(1, 4)
    out = memory[:16].reshape(1, 4, 2, 2)
    indices = memory[4:6].view(np.int64)
    if argument == "index":
        boxes = boxes.copy()
    with pytest.raises(ValueError, match="share memory with " + ("boxes" if argument == "boxes" else "batch_indices")):
        ROI_ALIGN.function(good("roi_align")["input"], boxes, 2, batch_indices=indices, out=out)


def test_out_must_not_overlap_the_arrays_of_a_list():
    memory = np.zeros(16, np.float32)
    boxes = [memory[:4].reshape(1, 4), np.zeros((0, 4), np.float32)]
    with pytest.raises(ValueError, match="share memory with boxes"):
        ROI_ALIGN.function(good("roi_align")["input"], boxes, 2, out=memory.reshape(1, 4, 2, 2))


def test_a_subclass_cannot_redirect_what_is_written(operator):
    class Sub(np.ndarray):
        def transpose(self, *axes):
            return np.zeros((1, 1, 2, 2), np.float32)

    call = good(operator.name)
    expected = operator.function(**call)
    out = np.zeros_like(expected).view(Sub)
    assert operator.function(**call, out=out) is out
    assert_same_bits(np.asarray(out), expected)
    assert_same_bits(operator.function(**(call | {operator.maps: call[operator.maps].view(Sub)})), expected)


def test_big_endian_maps_have_the_geometry_of_their_precision():
    """84: float64 whatever its byte order, in the operator and in the reference."""
    call = good("roi_align", np.float64) | {"boxes": np.float32([[0, 1.1, 1.2, 5.3, 5.4]]), "spatial_scale": 0.3}
    big = call | {"input": call["input"].astype(">f8")}
    assert_same_bits(ROI_ALIGN.function(**big), ROI_ALIGN.function(**call))
    assert_same_bits(ROI_ALIGN.oracle(**big), ROI_ALIGN.oracle(**call))


def test_huge_but_finite_normalised_boxes_are_defined():
    """96 in float64, where 1e40 is finite. In float32 it is infinite, and a ValueError."""
    image = np.zeros((2, 1, 1, 1))
    assert CROP_AND_RESIZE.function(image, [[1e40, 0, 0, 0]], [1], [1, 1]).shape == (1, 1, 1, 1)
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="boxes"):
        CROP_AND_RESIZE.function(image, np.array([[1e40, 0, 0, 0]]).astype(np.float32), [1], [1, 1])


def test_memory_follows_the_result_and_not_the_box():
    """28: many bins, each with a huge adaptive grid, most of them outside."""
    maps = np.ones((1, 1, 4096, 1), np.float32)
    result = ROI_ALIGN.function(maps, [[0, 0, 0, 1, 1e12]], (2**20, 1))
    assert 0 < result[0, 0, 0, 0] < 1
    assert (result[0, 0, 1:] == 0).all()


def test_results_larger_than_one_tile_equal_the_reference(operator):
    """Outputs are planned in tiles of 2048 bins; 2049 need two of them."""
    for size in ((2049, 2), (2, 2049), (3, 4097)):
        call = operator.call(np.random.default_rng(3), shape=(1, 2, 9, 9), boxes=2)
        call[operator.size] = size
        assert_matches(operator.function(**call), operator.oracle(**call), call[operator.maps])


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("channels", [1, 6])
@pytest.mark.parametrize("size", [(1, 2100), (2100, 2), (1, 4097)])
def test_many_boxes_with_results_larger_than_one_tile(operator, size, channels, layout):
    """The last tile is smaller, so that more boxes would fit the chunks of the first one than it has memory for."""
    call = operator.call(np.random.default_rng(4), shape=(1, channels, 9, 9), layout=layout, boxes=400)
    call[operator.size] = size
    result = operator.function(**call)
    for k in (0, 8, 9, 70, 399):
        index = call[operator.index][k : k + 1]
        alone = operator.function(**(call | {"boxes": call["boxes"][k : k + 1], operator.index: index}))
        assert_same_bits(result[k], alone[0])


def test_interleaved_views_of_one_buffer_do_not_overlap(operator):
    call = good(operator.name)
    expected = operator.function(**call)
    both = np.empty((*expected.shape, 2), np.float32)
    operator.function(**call, out=both[..., 0])
    assert_same_bits(np.ascontiguousarray(both[..., 0]), expected)


def test_subclasses_memmaps_and_array_protocols_are_read(operator, tmp_path):
    """91."""
    call = good(operator.name)
    maps = call[operator.maps]
    expected = operator.function(**call)

    class Wrapped:
        def __array__(self, dtype=None, copy=None):
            return maps

    class Sub(np.ndarray):
        pass

    mapped = np.memmap(tmp_path / "maps", np.float32, "w+", shape=maps.shape)
    mapped[...] = maps
    for value in (Wrapped(), maps.view(Sub), mapped):
        result = operator.function(**(call | {operator.maps: value}))
        assert type(result) is np.ndarray
        assert_same_bits(result, expected)


def test_overflow_gives_infinity_and_no_warning(operator):
    """94: and whatever is computed, NumPy sees no stray floating-point exception."""
    call = good(operator.name)
    call[operator.maps] = np.full_like(call[operator.maps], 3.4e38)
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        result = operator.function(**call)
        assert (result > 3.3e38).all()
        np.ones(3) + 1


def test_the_caller_may_change_its_arrays_while_we_read(operator):
    """114, R2: boxes and indices are private copies once they are checked."""
    call = operator.call(np.random.default_rng(0), boxes=5)
    captured = []

    class Boxes:
        def __array__(self, dtype=None, copy=None):
            captured.append(call["boxes"].copy())
            return captured[-1]

    expected = operator.function(**call)
    result = operator.function(**(call | {"boxes": Boxes()}))
    captured[0][...] = np.nan
    assert_same_bits(result, expected)


def test_operators_can_be_pickled_and_copied(operator):
    """125. A function is pickled by its public name, so that a pickle outlives a move of the file it stands in."""
    pickled = pickle.dumps(functools.partial(operator.function, num_threads=1))
    assert b"cyroi." not in pickled  # the module is cyroi itself
    function = pickle.loads(pickled)
    assert_same_bits(function(**good(operator.name)), operator.function(**good(operator.name)))
    assert copy.deepcopy(operator.function) is operator.function
    assert pickle.loads(pickle.dumps(operator.backward)) is operator.backward


def test_huge_adaptive_grids_take_no_more_work_than_the_map():
    """28: 10**10 samples, of which the map sees few. A loop over all would not end within the test run."""
    maps = good("roi_align")["input"]
    boxes = np.tile(np.float32([[0, -1e9, -1e9, 1e9, 1e9]]), (1000, 1))
    assert np.isfinite(ROI_ALIGN.function(maps, boxes, 7)).all()
