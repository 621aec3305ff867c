"""Law: every face has the same limits. What is at a limit is taken and has the same bits, what is beyond is refused.

The general path words the error, the quick face leaves the call to it, the C face gives a code.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from cyroi.arguments import validate
from cyroi.cpu import _quick
from support.c_face import (
    BAD_ARGUMENT,
    BAD_BOX,
    BAD_INDEX,
    BAD_SIZE,
    NO_MEMORY,
    OK,
    arguments,
    invoke_once,
    name_of,
    sizes,
)
from support.laws import assert_same_bits
from support.operators import BY_NAME

SIDE, RATIO, COUNT = 2**31 - 1, 4096, 2**56
ROI_ALIGN = BY_NAME["roi_align"]


def small(operator, layout="NCHW", dtype=np.float32):
    """A call of three boxes in two images."""
    call = operator.call(np.random.default_rng(3), shape=(2, 2, 6, 7), boxes=3, layout=layout, dtype=dtype)
    index = np.array([1, 0, 1], np.int64)
    return call | {operator.index: index, operator.size: (2, 3)}


def general(monkeypatch, operator, call):
    with monkeypatch.context() as patch:
        patch.setattr(_quick, operator.name, lambda *arguments: None)
        return operator.function(**call)


def quick(operator, call):
    bound = inspect.signature(operator.function).bind(**call)
    bound.apply_defaults()
    return getattr(_quick, operator.name)(**bound.arguments)


def in_c(operator, call, out):
    """The code of the C face."""
    return invoke_once(name_of(operator, call[operator.maps].dtype.type), arguments(operator, call, out))


def assert_taken(monkeypatch, operator, call):
    expected = general(monkeypatch, operator, call)
    assert_same_bits(quick(operator, call), expected)
    out = np.full_like(expected, np.nan)
    assert in_c(operator, call, out) == OK
    assert_same_bits(out, expected)


def assert_refused(monkeypatch, operator, call, shape, error, message, code):
    with pytest.raises(error, match=message):
        general(monkeypatch, operator, call)
    assert quick(operator, call) is None
    out = np.full(shape, np.nan, call[operator.maps].dtype)
    assert in_c(operator, call, out) == code
    assert np.isnan(out).all()


def test_the_limits_are_those_of_the_documentation():
    assert (validate.MAX_SIDE, validate.MAX_SAMPLING_RATIO) == (SIDE, RATIO)
    assert f"at most {RATIO}" in ROI_ALIGN.function.__doc__


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sampling_ratio(monkeypatch, dtype):
    call = small(ROI_ALIGN, dtype=dtype)
    for ratio in (RATIO - 1, RATIO):
        assert_taken(monkeypatch, ROI_ALIGN, call | {"sampling_ratio": ratio, "output_size": (1, 1)})
    for ratio in (RATIO + 1, 2**31 - 1, 2**31, 2**32 + 1, 2**63 - 1):
        changed = call | {"sampling_ratio": ratio}
        assert_refused(
            monkeypatch, ROI_ALIGN, changed, (3, 2, 2, 3), ValueError, "sampling_ratio must be at most", BAD_ARGUMENT
        )
    with pytest.raises(ValueError, match=f"at most {RATIO}"):
        general(monkeypatch, ROI_ALIGN, call | {"sampling_ratio": 2**64})
    assert quick(ROI_ALIGN, call | {"sampling_ratio": 2**64}) is None


# Axes along which a map can be as long as that without memory: its elements are the same ones again and again.
@pytest.mark.parametrize(("layout", "axis"), [("NCHW", 0), ("NCHW", 2), ("NHWC", 0), ("NHWC", 1), ("NHWC", 2)])
def test_sides_of_the_maps(monkeypatch, operator, layout, axis):
    call = small(operator, layout)
    maps = call[operator.maps]
    first = np.take(maps, [0], axis)
    channels = maps.shape[layout.index("C")]
    shape = (3, channels, 2, 3) if layout == "NCHW" else (3, 2, 3, channels)
    if operator.name == "crop_and_resize":
        call["boxes"] = call["boxes"] * np.float32(1e-9)  # of the long side
    if axis == 0:
        call[operator.index] = np.array([0, SIDE - 2, SIDE - 3], np.int64)
    for length in (SIDE - 1, SIDE, SIDE + 1):
        long = list(maps.shape)
        long[axis] = length
        changed = call | {operator.maps: np.broadcast_to(first, long)}
        if length <= SIDE:
            assert_taken(monkeypatch, operator, changed)
        else:
            assert_refused(monkeypatch, operator, changed, shape, ValueError, f"no axis longer than {SIDE}", BAD_SIZE)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_image_indices(monkeypatch, operator, dtype):
    call = small(operator, dtype=dtype)
    for position in range(3):
        for image in (-(2**63), -(2**31) - 1, -1, 0, 1, 2, 2**31, 2**32, 2**32 + 1, 2**63 - 1):
            index = call[operator.index].copy()
            index[position] = image
            changed = call | {operator.index: index}
            if image in (0, 1):
                assert_taken(monkeypatch, operator, changed)
            else:
                assert_refused(monkeypatch, operator, changed, (3, 2, 2, 3), IndexError, operator.index, BAD_INDEX)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_image_indices_beside_the_boxes(monkeypatch, dtype):
    """As floats, which need to be whole and to tell each image from the next."""
    call = small(ROI_ALIGN)
    call["input"] = np.broadcast_to(call["input"][:1], (2**24 + 2, 2, 6, 7))
    del call["batch_indices"]
    boxes = np.concatenate([np.zeros((3, 1)), call["boxes"]], axis=1).astype(dtype)
    for image, taken in (
        (0, True), (-0.0, True), (1, True), (2**24 - 1, True), (2**24, False), (2**24 + 2, False), (0.5, False),
        (np.nextafter(dtype(1), dtype(2)), False), (-1, False), (np.nan, False), (np.inf, False), (1e30, False),
    ):  # fmt: skip
        boxes[1, 0] = image
        result = quick(ROI_ALIGN, call | {"boxes": boxes})
        assert (result is not None) == taken, image
        if taken:
            assert_same_bits(result, general(monkeypatch, ROI_ALIGN, call | {"boxes": boxes}))


def test_number_of_boxes_in_c(operator):
    """No address space holds them; neither boxes nor indices are followed."""
    call = small(operator)
    c = arguments(operator, call, np.full((3, 2, 2, 3), np.nan, np.float32))
    nothing = {"shape": sizes([2, 0, 6, 7]), "strides": None, "out_strides": None, "height": 1, "width": 1}
    for count, code in ((COUNT - 1, NO_MEMORY), (COUNT, NO_MEMORY), (COUNT + 1, BAD_SIZE)):
        assert invoke_once(name_of(operator), c | nothing | {"count": count}) == code
    assert np.isnan(c["out"]).all()


def test_size_of_the_result(monkeypatch, operator):
    call = small(operator)
    for height, width in ((1, 1), (1, 3), (3, 1)):
        assert_taken(monkeypatch, operator, call | {operator.size: (height, width)})
    for height, width in ((0, 1), (1, 0), (-1, 1), (1, -(2**31))):
        changed = call | {operator.size: (height, width)}
        message = f"{operator.size} must be at least 1"
        assert_refused(monkeypatch, operator, changed, (3, 2, 1, 1), ValueError, message, BAD_SIZE)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_coordinates(monkeypatch, operator, dtype):
    """The largest finite numbers are taken, normalised ones with a warning, for which the quick face gives way; both
    errors at once are the one of the boxes.
    """
    call = small(operator, dtype=dtype)
    largest = np.finfo(dtype).max
    ordinary = largest if operator is ROI_ALIGN else dtype(_quick.MOST_NORMALISED)
    beyond = largest if operator is ROI_ALIGN else np.nextafter(ordinary, largest)
    for position in np.ndindex(3, 4):
        for value in (-ordinary, ordinary, beyond, -beyond, -largest, largest, np.inf, -np.inf, np.nan):
            boxes = call["boxes"].copy()
            boxes[position] = value
            changed = call | {"boxes": boxes}
            if abs(value) <= ordinary:
                assert_taken(monkeypatch, operator, changed)
            elif np.isfinite(value):
                out = np.full_like(expected := general(monkeypatch, operator, changed), np.nan)
                assert quick(operator, changed) is None
                assert in_c(operator, changed, out) == OK
                assert_same_bits(out, expected)
            else:
                assert_refused(monkeypatch, operator, changed, (3, 2, 2, 3), ValueError, "boxes", BAD_BOX)
    out = np.full((3, 2, 2, 3), np.nan, dtype)
    boxes[...] = np.nan
    assert in_c(operator, call | {"boxes": boxes, operator.index: np.full(3, 9)}, out) == BAD_BOX


@pytest.mark.parametrize("step", [1, 2, -1, -3])
@pytest.mark.parametrize("index_dtype", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_boxes_and_indices_of_any_stride(monkeypatch, operator, dtype, index_dtype, step):
    call = small(operator, dtype=dtype)
    boxes = np.full((3 * abs(step), 4 * abs(step)), np.nan, dtype)[::step, ::step]
    index = np.full(3 * abs(step), -1, index_dtype)[::step]
    boxes[...], index[...] = call["boxes"], call[operator.index]
    expected = general(monkeypatch, operator, call)
    assert_same_bits(quick(operator, call | {"boxes": boxes, operator.index: index}), expected)
    if operator.name == "roi_align":
        joined = np.full((3 * abs(step), 5 * abs(step)), np.nan, dtype)[::step, ::step]
        joined[:, 0], joined[:, 1:] = index, boxes
        del call["batch_indices"]
        assert_same_bits(quick(operator, call | {"boxes": joined}), expected)
