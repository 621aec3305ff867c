"""Law: the bits of one box's result depend on that box and its image alone.

Not on the other boxes, their order, the batch, the channel count, the layout, the memory the arrays lie in, the number
of threads or the way the work was cut.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from support.arrays import CONTIGUITY, make_out, to_planar
from support.laws import assert_same_bits
from support.operators import BY_NAME, LAYOUTS

# Shape of the maps, with more channels than the kernels hold at once; number of boxes; size of the result.
KINDS = {
    "": ((3, 37, 21, 29), 60, None),
    " wide": ((3, 37, 1, 1000), 8, (1, 5)),
    " many bins": ((3, 37, 1, 500), 4, (1, 300)),
}


@pytest.fixture(params=itertools.product(["float32", "float64"], KINDS), ids="".join)
def call(request, operator):
    dtype, kind = request.param
    shape, boxes, size = KINDS[kind]
    made = operator.call(np.random.default_rng(1), dtype=dtype, shape=shape, boxes=boxes)
    return made | ({operator.size: size} if size else {})


@pytest.mark.parametrize("num_threads", [2, 3, 4, 8, 16, 10**9])
def test_thread_count(operator, call, num_threads):
    expected = operator.function(**call, num_threads=1)
    for _ in range(5):
        assert_same_bits(operator.function(**call, num_threads=num_threads), expected)


def test_threads_on_a_call_large_enough_to_use_them(operator):
    call = operator.call(np.random.default_rng(2), shape=(2, 16, 200, 200), boxes=400)
    call[operator.size] = (14, 14)
    assert_same_bits(operator.function(**call, num_threads=2), operator.function(**call, num_threads=1))


def test_other_boxes_and_their_order(operator, call):
    expected = operator.function(**call)
    index = call[operator.index]
    order = np.random.default_rng(3).permutation(len(index))
    shuffled = operator.function(**(call | {"boxes": call["boxes"][order], operator.index: index[order]}))
    assert_same_bits(shuffled, expected[order])
    for k in range(0, len(index), 7):
        alone = operator.function(**(call | {"boxes": call["boxes"][k : k + 1], operator.index: index[k : k + 1]}))
        assert_same_bits(alone[0], expected[k])


def test_batch(operator, call):
    expected = operator.function(**call)
    for i in range(len(call[operator.maps])):
        mine = call[operator.index] == i
        single = call | {operator.maps: call[operator.maps][i : i + 1], "boxes": call["boxes"][mine]}
        single[operator.index] = np.zeros(mine.sum(), int)
        assert_same_bits(operator.function(**single), expected[mine])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [1, 2, 3, 8, 9, 31, 32, 33])
def test_layout_and_channel_count(operator, call, layout, channels):
    expected = operator.function(**call)[:, :channels]
    maps = np.ascontiguousarray(call[operator.maps][:, :channels].transpose(LAYOUTS[layout]))
    result = operator.function(**(call | {operator.maps: maps, "layout": layout}))
    assert_same_bits(to_planar(result, layout), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("memory", [name for name in CONTIGUITY if name != "list"])
@pytest.mark.parametrize("channels", [1, 3, 37])
def test_memory_of_the_input(operator, call, layout, memory, channels):
    planar = call[operator.maps][:, :channels]
    expected = operator.function(**(call | {operator.maps: planar}))
    maps = CONTIGUITY[memory](np.ascontiguousarray(planar.transpose(LAYOUTS[layout])))
    result = operator.function(**(call | {operator.maps: maps, "layout": layout}))
    assert_same_bits(to_planar(result, layout), expected)


def test_channels_last_strides_and_gaps_between_pixels(operator, call):
    maps = call[operator.maps]
    expected = operator.function(**call)
    channels_last = np.ascontiguousarray(maps.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert_same_bits(operator.function(**(call | {operator.maps: channels_last})), expected)
    rgba = np.ascontiguousarray(maps[:, :4].transpose(0, 2, 3, 1))
    rgba[..., 3] = np.nan
    result = operator.function(**(call | {operator.maps: rgba[..., :3], "layout": "NHWC"}))
    assert_same_bits(to_planar(result, "NHWC"), expected[:, :3])


def test_broadcast_and_read_only_input(operator, call):
    one = call[operator.maps][:1, :1]
    full = np.broadcast_to(one, call[operator.maps].shape)
    assert 0 in full.strides
    expected = operator.function(**(call | {operator.maps: np.ascontiguousarray(full)}))
    boxes = call["boxes"].copy()
    boxes.setflags(write=False)
    assert not full.flags.writeable
    assert_same_bits(operator.function(**(call | {operator.maps: full, "boxes": boxes})), expected)


def test_inputs_are_left_alone(operator, call):
    before = {name: value.copy() for name, value in call.items() if isinstance(value, np.ndarray)}
    operator.function(**call)
    for name, value in before.items():
        assert_same_bits(call[name], value)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["contiguous", "strided", "transposed", "big-endian", "unaligned"])
def test_memory_of_the_output(operator, call, layout, kind):
    maps = np.ascontiguousarray(call[operator.maps].transpose(LAYOUTS[layout]))
    call = call | {operator.maps: maps, "layout": layout}
    expected = operator.function(**call)
    out = make_out(kind, expected.shape, expected.dtype)
    assert operator.function(**call, out=out) is out
    assert_same_bits(out.astype(expected.dtype), expected)


def test_nothing_outside_out_is_written(operator, call):
    expected = operator.function(**call)
    frame = np.full([n + 2 for n in expected.shape], -7.5, expected.dtype)
    inner = frame[1:-1, 1:-1, 1:-1, 1:-1]
    operator.function(**call, out=inner)
    assert_same_bits(inner, expected)
    inner[...] = -7.5
    assert (frame == -7.5).all()


def test_single_images_equal_a_batch_of_one():
    operator = BY_NAME["crop_and_resize"]
    call = operator.call(np.random.default_rng(4), layout="NHWC", shape=(1, 3, 9, 11))
    expected = operator.function(**call)
    single = call | {"box_indices": None}
    assert_same_bits(operator.function(**(single | {"image": call["image"][0]})), expected)
    planar = call["image"][0].transpose(2, 0, 1)
    result = operator.function(**(single | {"image": planar, "layout": "NCHW"}))
    assert_same_bits(result.transpose(0, 2, 3, 1), expected)
    for layout in LAYOUTS:
        out = np.empty(expected.shape[:3], np.float32)
        result = operator.function(**(single | {"image": call["image"][0, :, :, 1], "layout": layout}), out=out)
        assert result is out
        assert_same_bits(out, expected[..., 1])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_axes_of_length_one_in_any_memory_order(operator, layout):
    """NumPy exports other strides for axes of length 1 than it shows."""
    rng = np.random.default_rng(9)
    for _ in range(60):
        shape = tuple(int(n) for n in rng.choice([1, 1, 2, 3], 4))
        order = rng.permutation(4)
        call = operator.call(rng, layout=layout, shape=shape, boxes=3)
        expected = operator.function(**call)
        maps = np.ascontiguousarray(call[operator.maps].transpose(order)).transpose(np.argsort(order))
        assert_same_bits(operator.function(**(call | {operator.maps: maps})), expected)


@pytest.mark.parametrize("kind", ["reversed", "apart"])
def test_a_gradient_to_the_boxes_of_scattered_maps_does_not_depend_on_the_other_boxes(operator, kind):
    rng = np.random.default_rng(4)
    call = operator.call(rng, shape=(2, 3, 20, 30), boxes=40, layout="NHWC")
    wide = rng.random((2, 20, 30, 24), np.float32)
    call[operator.maps] = wide[..., :3] if kind == "apart" else np.ascontiguousarray(wide[..., :3])[:, :, ::-1]
    result = operator.function(**call)
    grad = rng.random(result.shape, np.float32)
    every = operator.backward(**operator.backward_call(call, grad, "boxes"))
    for k in (0, 17, 39):
        one = call | {"boxes": call["boxes"][k : k + 1], operator.index: call[operator.index][k : k + 1]}
        alone = operator.backward(**operator.backward_call(one, grad[k : k + 1], "boxes"))
        np.testing.assert_array_equal(alone[0], every[k])
