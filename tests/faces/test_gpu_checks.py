"""Law: what a call on a device waits for, and what becomes of boxes, good or bad, that it plans part by part."""

from __future__ import annotations

import numpy as np
import pytest

import cyroi
from support.laws import assert_same_bits
from support.on_gpu import counted, here, moved, once, there

pytestmark = pytest.mark.usefixtures("gpu")

RNG = np.random.default_rng(3)
MAPS = RNG.standard_normal((2, 4, 8, 9)).astype(np.float32)
CORNERS = np.sort(RNG.uniform(0, 8, (40, 2, 2)), 1).reshape(40, 4).astype(np.float32)
IMAGES = RNG.integers(0, 2, 40)
GRAD = RNG.standard_normal((40, 4, 2, 3)).astype(np.float32)
CALL = {"input": MAPS, "boxes": CORNERS, "batch_indices": IMAGES, "output_size": (2, 3)}
NAMES = ("input", "boxes", "batch_indices", "grad_output")


def backward(call, wrt):
    return {name: value for name, value in call.items() if name != "output_size"} | {"grad_output": GRAD, "wrt": wrt}


# --- what a call waits for ---


def waits(function, call):
    with counted("read_flags") as read, counted("download") as copied:
        once(function, **call)
    assert not copied
    return len(read)


def test_a_call_waits_once_for_boxes_on_a_device_and_never_else():
    for boxes, indices in ((0, 0), (1, 0), (0, 1), (1, 1)):
        names = ["input", "grad_output", *["boxes"] * boxes, *["batch_indices"] * indices]
        call = moved(CALL, *names)
        expected = int(boxes or indices)
        assert waits(cyroi.roi_align, call) == expected
        assert waits(cyroi.roi_align, call | {"validate": False}) == 0
        for wrt in ("input", "boxes", ("input", "boxes"), ("boxes", "input")):
            asked = moved(backward(call, wrt), "grad_output")
            assert waits(cyroi.roi_align_backward, asked) == expected
            assert waits(cyroi.roi_align_backward, asked | {"validate": np.False_}) == 0
    lists = moved(CALL | {"boxes": [CORNERS[:9], CORNERS[9:].astype(float)], "batch_indices": None}, *NAMES)
    assert waits(cyroi.roi_align, lists) == 1
    assert waits(cyroi.roi_align, moved(CALL | {"input": MAPS.astype(np.int64)}, "input")) == 1  # for the integers


@pytest.mark.parametrize("remembered", [False, True])
def test_what_uses_a_plan_is_launched_before_its_check_is_waited_for(remembered, monkeypatch):
    from cyroi.gpu import device

    asked: list[str] = []

    def noted(name, text):
        function = getattr(device, name)

        def called(*arguments):
            asked.append(text(*arguments))
            return function(*arguments)

        monkeypatch.setattr(device, name, called)

    for _ in range(2 * remembered):
        once(cyroi.roi_align, **moved(CALL, *NAMES))
    noted("launch", lambda kernel, name, *more: name)
    noted("ask_flags", lambda array: "ask")
    noted("read_flags", lambda asked: "wait")
    once(cyroi.roi_align, **moved(CALL, *NAMES))
    assert asked == ["plan", "ask", "gather", "wait"]


def test_no_boxes_are_not_waited_for():
    assert waits(cyroi.roi_align, moved(CALL | {"boxes": CORNERS[:0], "batch_indices": IMAGES[:0]}, *NAMES)) == 0


@pytest.mark.parametrize("names", [(), ("boxes",), ("box_indices",), ("boxes", "box_indices")])
def test_boxes_in_pixels_are_warned_of_once_wherever_they_lie(names):
    call = {"image": MAPS, "boxes": CORNERS * 9, "box_indices": IMAGES, "crop_size": 2, "layout": "NCHW"}
    with pytest.warns(UserWarning, match="are normalised") as issued:
        found = once(cyroi.crop_and_resize, **moved(call, "image", *names))
    assert len(issued) == 1
    with pytest.warns(UserWarning, match="are normalised"):
        np.testing.assert_allclose(here(found), once(cyroi.crop_and_resize, **call), atol=1e-6)


def test_a_captured_stream_is_not_waited_for(monkeypatch):
    from cyroi.gpu import device

    kept = []
    monkeypatch.setattr(device, "capturing", lambda: True)
    monkeypatch.setattr(device, "keep", kept.append)
    call = moved(CALL, *NAMES)
    with counted("read_flags") as read:
        assert_same_bits(here(once(cyroi.roi_align, **call)), once(cyroi.roi_align, **CALL))
    assert not read
    assert kept  # what the kernels of a graph work on, until it is gone
    call["boxes"] = there(np.where(np.arange(40)[:, np.newaxis] == 3, np.nan, CORNERS))
    assert np.isnan(here(once(cyroi.roi_align, **call))[3]).all()


@pytest.mark.parametrize("bad", ["nan", "inf", "image -1", "image 2", "image 2**40"])
def test_a_bad_box_that_nobody_waits_for(bad):
    """Its part of results is NaN, its own gradient too; no other box, and no map, knows of it."""
    good = np.delete(np.arange(40), 7)
    corners, images = CORNERS.copy(), IMAGES.copy()
    if bad.startswith("image"):
        images[7] = {"image -1": -1, "image 2": 2, "image 2**40": 2**40}[bad]
    else:
        corners[7, 2] = float(bad)
    call = CALL | {"boxes": corners, "batch_indices": images, "validate": False}
    right = once(cyroi.roi_align, **CALL)
    for dtype in (None, np.float16, np.uint8, np.int64, bool):
        found = here(once(cyroi.roi_align, **moved(call, *NAMES), dtype=dtype))
        assert_same_bits(found[good], once(cyroi.roi_align, **CALL, dtype=dtype)[good])
        assert np.isnan(found[7]).all() if found.dtype.kind == "f" else not found[7].any()
    to_maps, to_boxes = once(cyroi.roi_align_backward, **moved(backward(call, ("input", "boxes")), *NAMES))
    without = {"boxes": CORNERS[good], "batch_indices": IMAGES[good], "grad_output": GRAD[good]}
    right = once(cyroi.roi_align_backward, **backward(CALL, "input") | without)
    assert_same_bits(here(to_maps), right)
    assert np.isnan(here(to_boxes)[7]).all()
    assert np.isfinite(here(to_boxes)[good]).all()


# --- part by part ---


@pytest.fixture(params=[1, 2000])
def parts(request, monkeypatch, gpu):
    """Few bytes for plans: so many parts, of one or of some boxes."""
    from cyroi.gpu import plans

    monkeypatch.setattr(plans, "MOST_BYTES", request.param)


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize("where", ["here", "there"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_parts_have_the_bits_of_the_whole(operator, where, dtype, monkeypatch):
    call = operator.call(np.random.default_rng(8), dtype=dtype, boxes=30)
    grad = operator.function(**call)
    names = [operator.maps, "grad_output", *(["boxes", operator.index] if where == "there" else [])]
    with counted("launch") as launches:
        assert_same_bits(here(once(operator.function, **moved(call, *names))), grad)
    planned = sum(arguments[1] == "plan" for arguments in launches)
    asked = moved(operator.backward_call(call, grad, (operator.maps, "boxes")), *names)
    to_maps, to_boxes = map(here, once(operator.backward, **asked))
    monkeypatch.undo()
    with counted("launch") as launches:
        once(operator.function, **moved(call, *names))
        assert planned > sum(arguments[1] == "plan" for arguments in launches)
    whole = list(map(here, once(operator.backward, **asked)))
    assert_same_bits(to_boxes, whole[1])
    assert_same_bits(to_maps, once(operator.backward, **operator.backward_call(call, grad, operator.maps)))
    assert_same_bits(whole[0], to_maps)


@pytest.mark.usefixtures("parts")
def test_a_bad_box_in_the_last_part_leaves_results_as_they_were():
    boxes = CORNERS.copy()
    boxes[39, 0] = np.nan
    call = CALL | {"boxes": boxes}
    for function, asked, shape in (
        (cyroi.roi_align, call, GRAD.shape),
        (cyroi.roi_align_backward, backward(call, "input"), MAPS.shape),
        (cyroi.roi_align_backward, backward(call, "boxes"), CORNERS.shape),
    ):
        out = np.full(shape, -7, np.float32)
        with pytest.raises(ValueError, match=r"row 39$"):
            once(function, **moved(asked, *NAMES), out=there(out))
        assert (out == -7).all()


@pytest.mark.usefixtures("parts")
def test_parts_and_containers():
    """A list whose arrays end anywhere in a part, of two types; gradients in what they came in."""
    corners = CORNERS.astype(float)
    boxes = [corners[:0], corners[:11].astype(np.float32), corners[11:12], corners[12:]]
    maps = np.concatenate([MAPS, MAPS[::-1]])
    call = {"input": maps, "boxes": boxes, "grad_output": GRAD, "wrt": ("boxes", "input")}
    right = once(cyroi.roi_align_backward, **call)
    for names in (NAMES, ("input", "grad_output")):
        found = once(cyroi.roi_align_backward, **moved(call, *names))
        assert_same_bits(here(found[1]), right[1])
        for a, b in zip(here(found[0]), right[0], strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


# --- room for taps ---


def test_boxes_that_need_more_room_than_expected(monkeypatch):
    """Planned again with all the room that there may be: seen by a room that is too small from the start."""
    from cyroi.gpu import plans

    room, asked = plans.room, []

    def small(sampling, corners, bins, size, full):
        asked.append(full)
        return room(sampling, corners, bins, size, full) if full else 3

    monkeypatch.setattr(plans, "room", small)
    call = CALL | {"aligned": True, "sampling_ratio": -1}
    both = once(cyroi.roi_align_backward, **moved(backward(call, ("input", "boxes")), *NAMES))
    assert asked[:2] == [False, False]
    assert asked.count(False) == 2  # both axes of the first gradient; from then on it is known
    right = once(cyroi.roi_align_backward, **backward(call, ("input", "boxes")))
    for a, b in zip(both, right, strict=True):
        np.testing.assert_allclose(here(a), b, rtol=2e-5, atol=2e-5)
    for function, arguments in (
        (cyroi.roi_align, call),
        (cyroi.roi_align_backward, backward(call, "input")),
    ):
        asked.clear()
        assert_same_bits(here(once(function, **moved(arguments, *NAMES))), once(function, **arguments))
        assert asked[:2] == [False, False]  # both axes, twice
        assert asked[2:] in ([True] * 2, [True] * 4)  # a gradient asks how many parts there may be
        asked.clear()
        found = here(once(function, **moved(arguments, *NAMES), validate=False))  # who does not ask has it at once
        assert_same_bits(found, once(function, **arguments))
        assert set(asked) == {True}


@pytest.mark.parametrize("wide", [False, True])
def test_boxes_of_the_host_that_are_long_on_one_axis(wide):
    """Each axis has its own room: hundreds of taps on one, and a few on the other."""
    maps = np.random.default_rng(1).standard_normal((1, 2, 4, 400)).astype(np.float32)
    boxes = np.array([[0, 20, 1, 320, 3], [0, 390, 2, 401, 4]], np.float32)
    call = {"input": maps, "boxes": boxes, "output_size": (2, 7), "aligned": True}
    if not wide:
        call |= {"input": maps.transpose(0, 1, 3, 2), "boxes": boxes[:, [0, 2, 1, 4, 3]], "output_size": (7, 2)}
    for names in (["input"], ["input", "boxes"]):
        found = here(once(cyroi.roi_align, **moved(call, *names)))
        np.testing.assert_allclose(found, once(cyroi.roi_align, **call), rtol=1e-5, atol=1e-6)


def capacity(sampling, corners, bins, size):
    """sampled_capacity (sampled_axis.h) of each box, by the words of roi_align.h."""
    t = corners.dtype.type
    low, high = corners.T
    offset = t(0.5 if sampling.aligned else 0)
    with np.errstate(over="ignore", invalid="ignore"):
        start = low * t(sampling.spatial_scale) - offset
        extent = (high * t(sampling.spatial_scale) - offset) - start
        extent = extent if sampling.aligned else np.maximum(extent, t(1))
        step = extent / t(bins)
        inside = (step > 0) & (step <= 2**31)
        grid = np.ceil(np.where(inside, step, 0)).astype(float)
        grid = np.where(sampling.sampling_ratio > 0, sampling.sampling_ratio, grid)
        reach = np.abs(start).astype(float) + np.abs(step).astype(float) + size
        epsilon = 1.2e-7 if t is np.float32 else 2.3e-16
        overlap = 4 + np.floor(np.fmin(size, 16 * epsilon * reach))
    return np.minimum(bins * np.minimum(2 * grid, size), size + bins * overlap)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_room_for_boxes_of_the_host_is_at_least_what_the_cpu_proves(dtype):
    from cyroi.arguments.sampling import Sampling
    from cyroi.cpu import _separable
    from cyroi.gpu import plans

    rng = np.random.default_rng(6)
    for _ in range(2000):
        sampling = Sampling(
            _separable.ROI_ALIGN, float(rng.choice([1, 0.25, 1e-3, 30, 1e30])), int(rng.choice([0, 0, 1, 2, 7, 900])),
            bool(rng.integers(2)),
        )  # fmt: skip
        bins, size = int(rng.choice([1, 2, 7, 300])), int(rng.choice([0, 1, 2, 17, 500, 10**6]))
        scale = 10.0 ** rng.integers(-3, 30 if rng.random() < 0.2 else 8)
        corners = (rng.standard_normal((rng.integers(1, 6), 2)) * scale).astype(dtype)
        room = plans.room(sampling, corners, bins, size, False)
        assert room >= capacity(sampling, corners, bins, size).max()
        assert room <= plans.room(sampling, None, bins, size, True)
        assert plans.room(sampling, None, bins, size, False) <= size + 4 * bins
