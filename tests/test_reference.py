"""Law: every result equals the float64 reference fed with the same geometry."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from laws import assert_matches
from operators import BY_NAME, LAYOUTS

DTYPES = [np.float32, np.float64]


def unlike(dtype):
    """A value that no result may hold by chance."""
    return 77 if np.dtype(dtype).kind in "iu" else np.nan


def strided(array):
    """The same values in memory where no stride is what it would be in a fresh array."""
    big = np.empty([2 * n + 1 for n in array.shape], array.dtype)
    big[...] = unlike(array.dtype)
    view = big[tuple(slice(1, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def flipped(array):
    return np.ascontiguousarray(array[::-1, ::-1, ::-1, ::-1])[::-1, ::-1, ::-1, ::-1]


def cropped(array):
    """An interior view: the innermost stride is one element, the others are those of a larger array."""
    return np.pad(array, 2, constant_values=unlike(array.dtype))[2:-2, 2:-2, 2:-2, 2:-2]


def unaligned(array):
    return np.frombuffer(b"\0" + array.tobytes(), np.uint8)[1:].view(array.dtype).reshape(array.shape)


CONTIGUITY = {
    "contiguous": lambda a: a,
    "strided": strided,
    "flipped": flipped,
    "cropped": cropped,
    "fortran": np.asfortranarray,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "unaligned": unaligned,
    "list": lambda a: a.astype(np.float64).tolist(),
}


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
        assert_matches(result, operator.oracle(**(call | {operator.maps: native})), native)


@pytest.mark.parametrize("boxes_dtype", ["f2", "f4", "f8", ">f4", "i1", "u2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_boxes_of_every_real_dtype_are_converted_exactly(operator, dtype, boxes_dtype):
    call = operator.call(np.random.default_rng(5), dtype=dtype)
    whole = np.abs(np.round(call["boxes"])).astype(boxes_dtype)
    result = operator.function(**(call | {"boxes": whole}))
    assert_matches(result, operator.oracle(**(call | {"boxes": whole})), call[operator.maps])
    if dtype == np.float64:
        exact = operator.function(**(call | {"boxes": whole.astype(np.float64)}))
        np.testing.assert_array_equal(result, exact)


def containers(corners, images, count):
    """The same boxes in every container of roi_align, as arguments."""
    k5 = np.concatenate([images[:, np.newaxis].astype(corners.dtype), corners], axis=1)
    per_image = [corners[images == i] for i in range(count)]
    return {
        "(K, 5)": {"boxes": k5},
        "(K, 5) list": {"boxes": k5.astype(float).tolist()},
        "(K, 5) tuple of rows": {"boxes": tuple(k5.astype(float))},
        "(K, 4) + batch_indices": {"boxes": corners, "batch_indices": images},
        "(K, 4) + list": {"boxes": corners, "batch_indices": images.tolist()},
        "list per image": {"boxes": per_image},
        "tuple per image": {"boxes": tuple(per_image)},
        "list of lists per image": {"boxes": [part.astype(float).tolist() for part in per_image]},
    }


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("output_size", [3, (2, 5), [2, 5], np.array([2, 5]), np.int64(3), np.array(4), np.uint8(2)])
def test_every_box_container_and_output_size_means_the_same(dtype, output_size):
    operator = BY_NAME["roi_align"]
    call = operator.call(np.random.default_rng(6), dtype=dtype, output_size=output_size)
    call |= {"boxes": call["boxes"].astype(np.float64), "batch_indices": np.array([0, 0, 0, 1, 1, 2, 2])}
    expected = operator.oracle(**call)
    made = containers(call.pop("boxes"), call.pop("batch_indices"), 3)
    for arguments in made.values():
        assert_matches(operator.function(**call, **arguments), expected, call["input"])


# --- random geometry, with the places where implementations go wrong ---


def edges(size: int) -> list[float]:
    """Coordinates in pixels at which a decision flips, each with its neighbours in float32."""
    exact = [-1.0, 0.0, 0.5, size - 1.0, size - 0.5, float(size), size / 2, -0.0]
    beside = [float(np.nextafter(np.float32(t), np.float32(way))) for t in exact for way in (-np.inf, np.inf)]
    return [*exact, *beside, 1e-45, -1e-45, 1e5, -1e5, 1e30, -3e38, 3e38]


def coordinate(size: int):
    return st.one_of(st.sampled_from(edges(size)), st.floats(-2.0 * size - 2, 3.0 * size + 2, width=32))


@st.composite
def roi_align_calls(draw):
    h, w = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    dtype = draw(st.sampled_from(DTYPES))
    scale = draw(st.sampled_from([1.0, 0.5, 1 / 16, 0.3]))
    count = draw(st.integers(1, 3))
    corners = [[draw(coordinate(side)) / scale for side in (w, h, w, h)] for _ in range(count)]
    with np.errstate(over="ignore"):
        boxes = np.clip(np.array(corners), -3e38, 3e38).astype(draw(st.sampled_from(DTYPES)))
    return {
        "input": np.random.default_rng(h * w).standard_normal((1, 2, h, w)).astype(dtype),
        "boxes": boxes,
        "batch_indices": np.zeros(count, int),
        "output_size": (draw(st.integers(1, 5)), draw(st.integers(1, 5))),
        "spatial_scale": scale,
        "sampling_ratio": draw(st.integers(-1, 4)),
        "aligned": draw(st.booleans()),
        "layout": "NCHW",
    }


@hypothesis.given(roi_align_calls())
def test_roi_align_equals_the_reference_on_random_geometry(call):
    assert_matches(BY_NAME["roi_align"].function(**call), BY_NAME["roi_align"].oracle(**call), call["input"])


@st.composite
def crop_and_resize_calls(draw):
    h, w = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    special = st.sampled_from([0.0, 1.0, -0.0, 0.5, *edges(1), *(i / max(h - 1, 1) for i in range(h))])
    value = st.one_of(special, st.floats(-1, 2, width=32))
    count = draw(st.integers(1, 3))
    return {
        "image": np.random.default_rng(h * w).standard_normal((1, h, w, 2)).astype(draw(st.sampled_from(DTYPES))),
        "boxes": np.array([[draw(value) for _ in range(4)] for _ in range(count)]).astype(
            draw(st.sampled_from(DTYPES))
        ),
        "box_indices": np.zeros(count, int),
        "crop_size": (draw(st.integers(1, 9)), draw(st.integers(1, 9))),
        "method": draw(st.sampled_from(["bilinear", "nearest"])),
        "extrapolation_value": draw(st.sampled_from([0.0, 7.0, float("nan")])),
        "layout": "NHWC",
    }


@hypothesis.given(crop_and_resize_calls())
def test_crop_and_resize_equals_the_reference_on_random_geometry(call):
    operator = BY_NAME["crop_and_resize"]
    assert_matches(operator.function(**call), operator.oracle(**call), call["image"])


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
            assert_matches(operator.function(**call), operator.oracle(**call), call[operator.maps])
