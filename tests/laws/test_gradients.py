"""Laws of the gradients, for the kernels: adjoint to the operator, equal to their oracles, the same bits every time."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import ml_dtypes
import numpy as np
import pytest

from support.arrays import CONTIGUITY
from support.gradients import (
    assert_adjoint,
    assert_central_differences,
    assert_gradients_match,
    assert_same_in_every_container,
    assert_sum_rule,
)
from support.laws import assert_same_bits
from support.operators import BY_NAME, LAYOUTS
from support.random_calls import LONG, crop_and_resize_gradients, roi_align_gradients, with_axes_swapped
from support.wrong_gradients import arguments, every_kind, result

ROI_ALIGN, CROP_AND_RESIZE = BY_NAME["roi_align"], BY_NAME["crop_and_resize"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [1, 3, 5, 40])
@pytest.mark.parametrize("sizes", [None, (9, 20), (40, 70)])
def test_gradients_equal_their_oracles(operator, dtype, layout, channels, sizes):
    rng = np.random.default_rng([channels, len(layout)])
    for shape in ((2, channels, 9, 12), (1, channels, 33, 61)):
        call = operator.call(rng, dtype=dtype, layout=layout, shape=shape, boxes=5)
        assert_gradients_match(operator, call | ({operator.size: sizes} if sizes else {}))


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_of_half_precision_are_computed_in_float32(operator, dtype, layout):
    call = operator.call(np.random.default_rng(1), layout=layout, shape=(2, 5, 21, 29))
    assert_gradients_match(operator, call | {operator.maps: call[operator.maps].astype(dtype)}, dtype=dtype)


def test_integer_maps_have_float32_gradients(operator):
    call = operator.call(np.random.default_rng(2), shape=(2, 5, 21, 29))
    for dtype in (np.uint8, np.int8, np.uint16, np.int16):
        whole = call | {operator.maps: abs(20 * call[operator.maps]).astype(dtype)}
        assert_gradients_match(operator, whole, dtype=np.float32)


@LONG
@hypothesis.given(data=st.data())
def test_roi_align_is_adjoint_and_sums_up_on_random_geometry(long, data):
    assert_gradients_obey(ROI_ALIGN, data.draw(roi_align_gradients(long)))


@LONG
@hypothesis.given(data=st.data())
def test_crop_and_resize_is_adjoint_and_sums_up_on_random_geometry(long, data):
    assert_gradients_obey(CROP_AND_RESIZE, data.draw(crop_and_resize_gradients(long)))


def assert_gradients_obey(operator, call):
    for form in (call, with_axes_swapped(operator, call)):
        doubles = form | {operator.maps: form[operator.maps].astype(np.float64)}
        assert_adjoint(operator, operator.backward, doubles)
        assert_gradients_match_in_any_container(operator, form)
    if call[operator.maps].ndim == 4:
        assert_sum_rule(operator, operator.backward, doubles)


def assert_gradients_match_in_any_container(operator, call):
    g = np.random.default_rng(6).standard_normal(operator.expected(**call).shape)
    asked = operator.backward_call(call, g.astype(call[operator.maps].dtype), "boxes")
    mine, expected = operator.backward(**asked), operator.expected_backward(**asked)
    unit = call["spatial_scale"] if operator is ROI_ALIGN else max(call[operator.maps].shape)
    bound = 2e-6 * abs(g).sum() * abs(call[operator.maps]).max(initial=0) * unit
    for a, b in zip(mine, expected, strict=True) if isinstance(mine, list) else [(mine, expected)]:
        assert a.shape == b.shape
        assert (abs(a - b) <= bound + 1e-6 * abs(b)).all()


def forward_is_the_adjoint(operator, call):
    """<A x, g> of the kernel itself, not of the oracle."""
    g = np.random.default_rng(7).standard_normal(operator.function(**call).shape)
    gradient = operator.backward(**operator.backward_call(call, g, operator.maps))
    left, right = (operator.function(**call) * g).sum(), (gradient * call[operator.maps]).sum()
    size = (operator.function(**(call | {operator.maps: abs(call[operator.maps])})) * abs(g)).sum()
    return abs(left - right) / max(size, 1e-300)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_gradient_is_adjoint_to_the_kernel_and_the_double_gradient_is_the_operator(operator, layout):
    rng = np.random.default_rng(3)
    for _ in range(20):
        call = operator.call(rng, dtype=np.float64, layout=layout, shape=(2, 6, 31, 43), boxes=9)
        call |= {"extrapolation_value": 0.0} if operator is CROP_AND_RESIZE else {}
        assert forward_is_the_adjoint(operator, call) <= 1e-12
        # The gradient is linear in g: its derivative along v is the gradient of v, so its adjoint is the operator.
        g, v = rng.standard_normal((2, *operator.function(**call).shape))
        of_g, of_v, of_sum = (
            operator.backward(**operator.backward_call(call, x, operator.maps)) for x in (g, v, g + 2 * v)
        )
        np.testing.assert_allclose(of_sum, of_g + 2 * of_v, rtol=0, atol=1e-13 * abs(of_sum).max())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_boxes_by_central_differences(operator, layout):
    rng = np.random.default_rng(21)
    compared = []
    for _ in range(15):
        call = operator.call(rng, dtype=np.float64, layout=layout, shape=(2, 2, 9, 12), boxes=5)
        compared.append(assert_central_differences(operator, operator.backward, call))
    assert np.mean(compared) > 0.9


def test_boxes_keep_their_container():
    call = every_kind(ROI_ALIGN, boxes=9) | {"batch_indices": np.array([0, 0, 1, 1, 1, 1, 1, 2, 2])}
    g = np.random.default_rng(32).standard_normal(ROI_ALIGN.expected(**call).shape)
    assert_same_in_every_container(ROI_ALIGN.backward, ROI_ALIGN.backward_call(call, g, "boxes"))


# --- bits ---

SHAPE = (3, 37, 41, 53)


def bit_call(operator, wrt, **changes):
    call = operator.call(np.random.default_rng(8), shape=SHAPE, boxes=40, **changes)
    g = np.random.default_rng(9).standard_normal(operator.function(**call).shape).astype(np.float32)
    return operator.backward_call(call, g, wrt)


def planar(array, layout):
    return array.transpose(np.argsort(LAYOUTS[layout]))


@pytest.mark.parametrize("wrt", ["maps", "boxes"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_thread_count(operator, wrt, layout):
    call = bit_call(operator, operator.maps if wrt == "maps" else wrt, layout=layout)
    expected = operator.backward(**call, num_threads=1)
    for i in range(180):
        assert_same_bits(operator.backward(**call, num_threads=(2, 3, 4, 8, 16)[i % 5]), expected)


def test_threads_on_a_call_large_enough_to_use_them(operator):
    for wrt in (operator.maps, "boxes"):
        call = operator.call(np.random.default_rng(2), shape=(2, 16, 200, 200), boxes=400)
        call[operator.size] = (14, 14)
        g = np.random.default_rng(9).standard_normal(operator.function(**call).shape).astype(np.float32)
        asked = operator.backward_call(call, g, wrt)
        expected = operator.backward(**asked, num_threads=1)
        for threads in (2, 3, 8):
            assert_same_bits(operator.backward(**asked, num_threads=threads), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 16, 33])
def test_a_channel_does_not_depend_on_layout_and_neighbours(operator, layout, channels):
    call = bit_call(operator, operator.maps)
    expected = operator.backward(**call)[:, :channels]
    g = call["grad_output"][:, :channels].transpose(LAYOUTS[layout])
    shape = expected.transpose(LAYOUTS[layout]).shape
    asked = call | {operator.maps: shape, "layout": layout}
    for memory in (np.ascontiguousarray(g), g, CONTIGUITY["flipped"](g), CONTIGUITY["strided"](g)):
        assert_same_bits(planar(operator.backward(**(asked | {"grad_output": memory})), layout), expected)
    doubles = operator.backward(**(asked | {"grad_output": g.astype(np.float64), operator.maps: np.zeros(shape, "f4")}))
    assert_same_bits(planar(doubles, layout), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [3, 37])
def test_memory_of_the_output(operator, layout, channels):
    call = bit_call(operator, operator.maps)
    expected = operator.backward(**call)[:, :channels].transpose(LAYOUTS[layout])
    g = np.ascontiguousarray(call["grad_output"][:, :channels].transpose(LAYOUTS[layout]))
    call |= {"grad_output": g, operator.maps: expected.shape, "layout": layout}
    for kind in CONTIGUITY:
        if kind in ("list", "unaligned"):
            continue
        out = CONTIGUITY[kind](np.full(expected.shape, np.nan, np.float32))
        out.setflags(write=True)
        assert operator.backward(**call, out=out) is out
        assert_same_bits(out.astype(np.float32), expected)
    frame = np.full([n + 3 for n in expected.shape], -7.5, np.float32)
    inner = frame[1:-2, 1:-2, 1:-2, 1:-2]
    operator.backward(**call, out=inner)
    assert_same_bits(inner, expected)
    inner[...] = -7.5
    assert (frame == -7.5).all()


def test_other_images_and_the_order_of_boxes_of_others_change_nothing(operator):
    call = bit_call(operator, operator.maps)
    expected = operator.backward(**call)
    for image in range(SHAPE[0]):
        mine = call[operator.index] == image
        alone = {name: call[name][mine] for name in ("grad_output", "boxes")} | {
            operator.index: np.zeros(mine.sum(), int)
        }
        shape = (1, *SHAPE[1:])
        assert_same_bits(operator.backward(**(call | alone | {operator.maps: shape}))[0], expected[image])


def test_outputs_of_many_bins_come_in_tiles(operator):
    call = operator.call(np.random.default_rng(4), shape=(1, 2, 20, 30), boxes=2)
    assert_gradients_match(operator, call | {operator.size: (3, 700)})
    assert_gradients_match(operator, call | {operator.size: (1100, 2)})


# --- NaN and infinity ---


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_not_finite_reaches_only_what_it_has_a_part_in(operator, value, layout):
    rng = np.random.default_rng(42)
    reached = []
    for channels in (2, 20) * 8:
        call = operator.call(rng, shape=(2, channels, 9, 9), dtype=np.float64, layout=layout)
        call |= {"aligned": True} if operator is ROI_ALIGN else {"method": "bilinear"}
        g = rng.standard_normal(operator.expected(**call).shape)
        marked = np.zeros_like(g)
        marked[3, ..., 0] = 1
        asked = operator.backward_call(call, marked, operator.maps)
        has_part = operator.backward(**asked) != 0
        g[3, ..., 0] = value
        np.testing.assert_array_equal(~np.isfinite(operator.backward(**(asked | {"grad_output": g}))), has_part)

        g[3, ..., 0] = 1
        pixel = np.zeros_like(call[operator.maps])
        pixel[(1, 0, 4, 5) if layout == "NCHW" else (1, 4, 5, 0)] = 1
        asked = operator.backward_call(call | {operator.maps: pixel}, g, "boxes")
        moves = operator.backward(**asked) != 0
        call[operator.maps][pixel == 1] = value
        mine = operator.backward(**(asked | {operator.maps: call[operator.maps]}))
        np.testing.assert_array_equal(~np.isfinite(mine), moves)
        reached.append((has_part.any(), moves.any()))
    assert np.any(reached, axis=0).all()


# --- wrong kernels ---

WRONG = {
    "the last box is lost": arguments(lambda call: {"grad_output": without_last(call["grad_output"])}),
    "half-pixel offset missing": arguments(lambda call: {"aligned": not call["aligned"]}),
    "grid off by one": arguments(lambda call: {"sampling_ratio": call["sampling_ratio"] + 1}),
    "one weight in a thousand": result(lambda both: (both[0] * 1.000002, both[1] * 1.001)),
    "sides swapped": result(lambda both: (both[0], both[1][:, [2, 3, 0, 1]])),
}


def without_last(g):
    return np.where(np.arange(len(g))[:, np.newaxis, np.newaxis, np.newaxis] < len(g) - 1, g, 0)


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_kernel_does_not_match(wrong):
    call = every_kind(ROI_ALIGN, dtype=np.float32)
    assert_gradients_match(ROI_ALIGN, call)
    with pytest.raises(AssertionError):
        assert_gradients_match(ROI_ALIGN, call, WRONG[wrong](ROI_ALIGN.backward))
