"""Law: `cyroi.roi_align[float]` and its kin of `cimport cyroi` give, for typed memoryviews, Python's bits or a code.

They are compiled into the user's module, which checks bounds unless it says otherwise.
"""

from __future__ import annotations

import numpy as np
import pytest

import cyroi
from support.c_face import (
    BAD_ARGUMENT,
    BAD_BOX,
    BAD_INDEX,
    BAD_SIZE,
    BAD_STRIDES,
    DTYPES,
    LAYOUTS,
    NULL_POINTER,
    OK,
    OVERLAP,
    case,
)  # fmt: skip
from support.operators import BY_NAME

# What the functions with pointers take and those with views do not, because views say it.
SAID_BY_VIEWS = {"shape", "strides", "count", "height", "width", "out_strides"}


def of_views(pooling, operator, dtype, arguments):
    """The code of a call with views, from the arguments of the one with pointers."""
    function = getattr(pooling, f"{operator.name}_of_views")[DTYPES[dtype]]
    return function(*(value for name, value in arguments.items() if name not in SAID_BY_VIEWS))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_views_give_the_bits_of_python(pooling, operator, dtype, layout):
    for seed in range(5):
        call, expected, c = case(operator, dtype, seed, layout=layout)
        assert of_views(pooling, operator, dtype, c) == OK
        np.testing.assert_array_equal(c["out"], expected)
        maps = np.full([2 * size for size in call[operator.maps].shape], np.nan, dtype)
        view = maps[::-2, 1::2][:, ::-1, ::2, : call[operator.maps].shape[3]]
        view[...] = call[operator.maps]
        spread = np.full(2 * np.array(expected.shape), np.nan, dtype)
        out = spread[1::2, ::-2, ::2, 1::2]
        assert of_views(pooling, operator, dtype, c | {"maps": view, "out": out}) == OK
        np.testing.assert_array_equal(out, expected)
        assert np.isnan(spread).sum() == spread.size - expected.size


@pytest.mark.parametrize("dtype", DTYPES)
def test_views_of_nothing_and_no_views(pooling, operator, dtype):
    _, expected, c = case(operator, dtype, shape=(1, 3, 9, 9))
    assert of_views(pooling, operator, dtype, c | {"indices": None}) == OK
    np.testing.assert_array_equal(c["out"], expected)
    for nothing in ({"boxes": c["boxes"][:0], "indices": c["indices"][:0], "out": c["out"][:0]},
                    {"maps": c["maps"][:, :0], "out": c["out"][:, :0]}):  # fmt: skip
        assert of_views(pooling, operator, dtype, c | nothing) == OK
    c["out"][...] = np.nan
    for name in ("maps", "boxes", "out"):
        assert of_views(pooling, operator, dtype, c | {name: None}) == NULL_POINTER
    assert of_views(pooling, operator, dtype, c | dict.fromkeys(("maps", "boxes", "indices", "out"))) == NULL_POINTER
    assert of_views(pooling, operator, dtype, case(operator, dtype)[2] | {"indices": None}) == NULL_POINTER
    assert np.isnan(c["out"]).all()


# In a call with NCHW maps of three images and five channels, and seven boxes.
WRONG_VIEWS = [
    (BAD_SIZE, "out", lambda out: out[1:]),
    (BAD_SIZE, "out", lambda out: out[:, 1:]),
    (BAD_SIZE, "out", lambda out: out[:, :, :0]),
    (BAD_SIZE, "out", lambda out: out[:, :, :, :0]),
    (BAD_STRIDES, "out", lambda out: np.broadcast_to(out[:1], out.shape)),
    (BAD_SIZE, "maps", lambda maps: maps[:, 1:]),
    (BAD_STRIDES, "maps", lambda maps: np.repeat(np.repeat(maps, 2, axis=1), 2, axis=3)[:, ::2, :, ::2]),
    (BAD_SIZE, "boxes", lambda boxes: boxes[1:]),
    (BAD_SIZE, "boxes", lambda boxes: np.ones((7, 3), boxes.dtype)),
    (BAD_SIZE, "boxes", lambda boxes: np.ones((7, 5), boxes.dtype)),
    (BAD_BOX, "boxes", lambda boxes: boxes * [1, 1, 1, np.nan]),
    (BAD_SIZE, "indices", lambda indices: indices[1:]),
    (BAD_SIZE, "indices", lambda indices: indices[:0]),
    (BAD_INDEX, "indices", lambda indices: indices + 3),
    (BAD_ARGUMENT, "layout", lambda layout: 2),
    (BAD_ARGUMENT, "layout", lambda layout: -1),
]


@pytest.mark.parametrize(("code", "name", "change"), WRONG_VIEWS)
def test_views_that_do_not_fit_give_a_code_and_nothing_is_written(pooling, operator, code, name, change):
    _, _, c = case(operator)
    wrong = change(c[name])
    if isinstance(wrong, np.ndarray):
        wrong = wrong.astype(c[name].dtype, copy=False)
        wrong.flags.writeable = True  # of a view that was broadcast
    assert of_views(pooling, operator, np.float32, c | {name: wrong}) == code
    assert np.isnan(c["out"]).all()


def test_views_with_the_channels_last_are_compared_there(pooling, operator):
    _, _, c = case(operator, layout="NHWC")
    assert of_views(pooling, operator, np.float32, c | {"out": c["out"][..., 1:]}) == BAD_SIZE
    assert of_views(pooling, operator, np.float32, c | {"out": c["out"][:, :0]}) == BAD_SIZE
    assert np.isnan(c["out"]).all()


def test_views_that_share_memory_give_a_code(pooling, operator):
    _, _, c = case(operator, shape=(1, 5, 17, 23), **{operator.size: (2, 2)})
    c["out"] = c["maps"].reshape(-1)[: c["out"].size].reshape(c["out"].shape)
    assert of_views(pooling, operator, np.float32, c) == OVERLAP


def test_boxes_with_gaps_between_them_are_not_read(pooling):
    call, _, c = case(BY_NAME["crop_and_resize"], layout="NHWC", crop_size=(4, 5), method="bilinear")
    numbered = np.insert(call["boxes"], 0, 9, axis=1)
    assert pooling.crop_behind_a_column(c["maps"], numbered, c["indices"], c["out"]) == BAD_STRIDES
    assert np.isnan(c["out"]).all()
    assert pooling.crop_behind_a_column(c["maps"], numbered[3:4], c["indices"][3:4], c["out"][3:4]) == OK
    np.testing.assert_array_equal(c["out"][3], cyroi.crop_and_resize(**call | {"extrapolation_value": 0})[3])
