"""Law: a gradient gives the documented result or one of four errors that names the argument; no error writes to out.

What is wrong with maps, boxes, indices and options in the forward pass is wrong here too: those rows are shared.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import cyroi
from support.bad_calls import IE, ME, NAN, ROWS, TE, VE, Liar, good
from support.laws import assert_same_bits
from support.operators import BY_NAME

SIZES = ("output_size", "crop_size")
# What a gradient does not take, or takes and a forward pass does not: dtypes of maps have rows of their own below.
SHARED = [row for row in ROWS if row[1] != 80 and row[2] is not ME and not set(row[4]) & {*SIZES, "out"}]


def good_gradient(name: str, dtype: Any = np.float32) -> dict[str, Any]:
    call = {key: value for key, value in good(name, dtype).items() if key not in SIZES}
    shape = (1, 4, 2, 2) if name == "roi_align" else (1, 2, 2, 4)
    return call | {"grad_output": np.ones(shape, dtype)}


@pytest.mark.parametrize("wrt", ["maps", "boxes"])
@pytest.mark.parametrize(("name", "number", "error", "argument", "changes"), SHARED)
def test_what_the_forward_pass_refuses_its_gradients_refuse(name, number, error, argument, changes, wrt):
    call = good_gradient(name)
    maps = BY_NAME[name].maps
    shape = np.shape(call[maps if wrt == "maps" else "boxes"])
    out = np.full(shape, -7.0, np.float32)
    with pytest.raises(error, match=argument.replace("[", r"\[")):
        BY_NAME[name].backward(**(call | {"wrt": maps if wrt == "maps" else wrt, "out": out} | changes))
    assert (out == -7.0).all()


def rows(maps: str) -> list[tuple[int, type[Exception], str, dict[str, Any]]]:
    nchw = maps == "input"
    shape = (2, 4, 8, 8) if nchw else (2, 8, 8, 4)
    g = (1, 4, 2, 2) if nchw else (1, 2, 2, 4)
    read_only = np.zeros(shape, np.float32)
    read_only.setflags(write=False)
    shared = np.zeros(shape, np.float32)
    made: list[tuple[int, type[Exception], str, dict[str, Any]]] = [
        (101, VE, "grad_output", {"grad_output": np.ones((1, 1, 1, 1), np.float32)}),
        (101, VE, "grad_output", {"grad_output": np.ones((2, *g[1:]), np.float32)}),
        (101, VE, "grad_output", {"grad_output": np.ones((0, *g[1:]), np.float32)}),
        (101, VE, "grad_output", {"grad_output": np.ones((1, 4, 0, 2) if nchw else (1, 0, 2, 4), np.float32)}),
        (101, VE, "grad_output", {"grad_output": np.ones(g[1:], np.float32)}),
        (101, VE, "grad_output", {"grad_output": np.float32(1)}),
        (101, VE, "grad_output", {"grad_output": [[1.0], [1.0, 2.0]]}),
        (91, RuntimeError, "my own trouble", {"grad_output": Liar()}),
        (82, TE, "grad_output", {"grad_output": np.ma.masked_array(np.ones(g))}),
        (77, VE, "wrt", {"wrt": "both"}),
        (77, VE, "wrt", {"wrt": ()}),
        (77, VE, "wrt", {"wrt": ("boxes", "boxes")}),
        (77, TE, "wrt", {"wrt": None}),
        (77, TE, "wrt", {"wrt": ["boxes"]}),
        (77, TE, "wrt", {"wrt": b"boxes"}),
        (45, TE, maps, {maps: shape, "wrt": "boxes"}),
        (45, TE, maps, {maps: shape, "wrt": (maps, "boxes")}),
        (45, VE, maps, {maps: shape[:1]}),
        (45, VE, maps, {maps: (*shape, 1)}),
        (45, VE, maps, {maps: ()}),
        (45, VE, maps, {maps: (2, -4, 8, 8)}),
        (45, VE, maps, {maps: (2, 4, 8, 2**31)}),
        (45, VE, maps, {maps: list(shape[:1])}),
        (45, TE, maps, {maps: (True, 4, 8, 8)}),
        (61, ME, maps, {maps: (2, 4, 2**30, 2**30) if nchw else (2, 2**30, 2**30, 4)}),
        (89, VE, "out", {"out": read_only}),
        (89, VE, "out", {"out": np.zeros((*shape[:3], 9), np.float32)}),
        (89, TE, "out", {"out": np.zeros(shape, np.int32)}),
        (89, TE, "out", {"out": np.zeros(shape, np.uint8)}),
        (89, TE, "out", {"out": np.zeros(shape).tolist()}),
        (89, TE, "out", {"out": np.ma.masked_array(np.zeros(shape, np.float32))}),
        (89, VE, "out", {"out": np.zeros(shape, np.float32), "wrt": (maps, "boxes")}),
        (89, VE, "out", {"out": np.broadcast_to(np.float32(0), shape)}),
        (90, VE, "out", {"out": shared, maps: shared}),
        (90, VE, "out", {"out": shared, "grad_output": shared[:1, :, 2:4, 2:4] if nchw else shared[:1, 2:4, 2:4]}),
    ]
    made += [
        (80, TE, "grad_output", {"grad_output": np.ones(g).astype(d)}) for d in ("i4", "u1", "?", "F", "g", "O", "U3")
    ]
    made += [(80, TE, maps, {maps: np.zeros(shape).astype(d)}) for d in ("F", "g", "O", "U3")]
    return made


GRADIENT_ROWS = [("roi_align", *row) for row in rows("input")] + [("crop_and_resize", *row) for row in rows("image")]


@pytest.mark.parametrize(("name", "number", "error", "argument", "changes"), GRADIENT_ROWS)
def test_the_error_is_of_its_class_and_names_the_argument(name, number, error, argument, changes):
    for dtype in (np.float32, np.float64):
        call = good_gradient(name, dtype)
        with pytest.raises(error, match=argument):
            BY_NAME[name].backward(**(call | changes))


@pytest.mark.parametrize("column", range(4))
@pytest.mark.parametrize("value", [NAN, np.inf, 3e38, -3e38])
def test_boxes_that_are_not_finite_are_errors_and_huge_ones_are_defined(operator, column, value):
    call = good_gradient(operator.name)
    call["boxes"][0, column - 4] = value
    for wrt in (operator.maps, "boxes"):
        if np.isfinite(value):
            gradient = operator.backward(**call, wrt=wrt)
            expected = operator.oracle_backward(**call, wrt=wrt)
            np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6 * (1 + abs(expected).max()))
        else:
            with pytest.raises(VE, match="boxes must be finite"):
                operator.backward(**call, wrt=wrt)


def test_nothing_to_do_is_zeros(operator):
    rng = np.random.default_rng(0)
    empty = (
        operator.call(rng, boxes=0, output_size=2) if operator.size == "output_size" else operator.call(rng, boxes=0)
    )
    g = np.zeros((0, 5, 2, 2), np.float32)
    maps, boxes = operator.backward(**operator.backward_call(empty, g, (operator.maps, "boxes")))
    assert_same_bits(maps, np.zeros((3, 5, 17, 23), np.float32))
    assert boxes.shape == (0, 4)
    for shape in ((3, 0, 17, 23), (3, 5, 0, 23), (3, 5, 17, 0)):
        call = operator.call(rng, shape=shape)
        g = np.ones((7, shape[1], 2, 2), np.float32)
        maps, boxes = operator.backward(**operator.backward_call(call, g, (operator.maps, "boxes")))
        assert_same_bits(maps, np.zeros(shape, np.float32))
        assert not boxes.any()
    out = np.full((3, 5, 17, 23), 9, np.float32)
    far = operator.call(rng) | {"boxes": np.full((7, 4), 1e6, np.float32)}
    operator.backward(**operator.backward_call(far, np.ones((7, 5, 2, 2), np.float32), operator.maps), out=out)
    assert not out.any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
def test_out_may_have_any_floating_dtype(operator, dtype):
    call = operator.call(np.random.default_rng(3))
    g = np.random.default_rng(4).standard_normal(operator.oracle(**call).shape).astype(np.float32)
    for wrt in (operator.maps, "boxes"):
        asked = operator.backward_call(call, g, wrt)
        expected = operator.backward(**asked)
        out = np.full(expected.shape, np.nan, dtype)
        assert operator.backward(**asked, out=out) is out
        assert operator.backward(**(asked | {"wrt": (wrt,)}), out=out)[0] is out
        if wrt != "boxes" or dtype == np.float32:
            assert_same_bits(out, expected.astype(dtype))


def test_out_for_a_list_of_boxes_is_a_list():
    boxes = [np.array([[1.0, 1, 4, 4], [2, 2, 5, 3]]), np.empty((0, 4))]
    maps, g = np.random.default_rng(53).random((2, 1, 6, 6)), np.ones((2, 1, 2, 2))
    expected = cyroi.roi_align_backward(g, maps, boxes, wrt="boxes")
    out = [np.full((2, 4), np.nan), np.empty((0, 4))]
    assert cyroi.roi_align_backward(g, maps, boxes, wrt="boxes", out=out) is out
    for mine, part in zip(out, expected, strict=True):
        assert_same_bits(mine, part)
    assert expected[0].any()
    one = np.zeros((2, 4))
    for wrong in ([one], [one, one], one, [one, np.zeros((0, 5))], [one, None]):
        with pytest.raises((TE, VE), match="out must"):
            cyroi.roi_align_backward(g, maps, boxes, wrt="boxes", out=wrong)
    with pytest.raises(VE, match="out must not share memory"):
        cyroi.roi_align_backward(np.tile(g, (2, 1, 1, 1)), maps, [boxes[0]] * 2, wrt="boxes", out=[one, one])
    assert not one.any()


def test_dtypes_of_the_results():
    maps, g = np.zeros((1, 1, 6, 6), np.float32), np.ones((1, 1, 2, 2), np.float32)
    box = [1, 1, 4, 4]
    for dtype, expected in (("f2", "f2"), ("f4", "f4"), ("f8", "f8"), (">f4", "f4"), ("i2", "f4"), ("i8", "f8")):
        result = cyroi.roi_align_backward(g, maps, np.array([box], dtype), batch_indices=[0], wrt="boxes")
        assert result.dtype == np.dtype(expected)
    for dtype in ("f2", "f4", "f8"):
        assert cyroi.roi_align_backward(g.astype(dtype), (1, 1, 6, 6), [[0, *box]]).dtype == dtype
        assert cyroi.roi_align_backward(g, maps.astype(dtype), [[0, *box]]).dtype == dtype


def test_index_errors_of_section_f():
    for boxes in ([[5000, 1, 1, 5, 5]], [[-1, 1, 1, 5, 5]], [[1e8, 1, 1, 5, 5]]):
        with pytest.raises(IE, match="boxes must have image indices"):
            cyroi.roi_align_backward(np.ones((1, 4, 2, 2), np.float32), (2, 4, 8, 8), boxes)
