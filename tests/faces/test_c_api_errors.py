"""Law: a wrong argument of a C function gives the code of its cause, and nothing is written."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from support.c_face import (
    BAD_ARGUMENT,
    BAD_BOX,
    BAD_INDEX,
    BAD_SIZE,
    BAD_STRIDES,
    DTYPES,
    NO_MEMORY,
    NULL_POINTER,
    OK,
    OVERLAP,
    case,
    invoke,
    name_of,
    sizes,
)  # fmt: skip
from support.operators import BY_NAME
from support.processes import run

NAN, INF, FAR = float("nan"), float("inf"), 2**62
# What is changed in a good call (N C H W = 3 5 17 23, 7 boxes), and the code it gets.
WRONG = [
    (NULL_POINTER, {"maps": None}),
    (NULL_POINTER, {"shape": None}),
    (NULL_POINTER, {"boxes": None}),
    (NULL_POINTER, {"indices": None}),  # of three images
    (NULL_POINTER, {"out": None}),
    (BAD_SIZE, {"count": -1}),
    (BAD_SIZE, {"height": 0}),
    (BAD_SIZE, {"width": -1}),
    (BAD_SIZE, {"width": -(2**63)}),
    (BAD_SIZE, {"height": 2**31, "width": 2**31, "out_strides": None}),
    (BAD_SIZE, {"count": 2**63 - 1, "out_strides": None}),
    (BAD_SIZE, {"shape": sizes([3, 5, -17, 23])}),
    (BAD_SIZE, {"shape": sizes([3, 5, 2**31, 23])}),
    (BAD_SIZE, {"shape": sizes([3, 5, 17, 2**31])}),
    (BAD_SIZE, {"shape": sizes([2**31 - 1] * 4), "strides": None}),
    (BAD_SIZE, {"shape": sizes([-(2**63)] * 4), "strides": None}),
    (BAD_SIZE, {"strides": sizes([FAR, 1564, 92, 4])}),
    (BAD_SIZE, {"strides": sizes([-(2**63), 1564, 92, 4])}),
    (BAD_SIZE, {"out_strides": sizes([2**63 - 4, 64, 8, 4])}),
    (BAD_STRIDES, {"strides": sizes([7820, 1564, 92, 2])}),
    (BAD_STRIDES, {"strides": sizes([7820, 1564, 90, 4])}),
    (BAD_STRIDES, {"strides": sizes([7820, 1564, 4, 68])}),  # neither x nor c
    (BAD_STRIDES, {"out_strides": sizes([0, 64, 8, 4])}),
    (BAD_STRIDES, {"out_strides": sizes([1, 1, 1, 1])}),
    (BAD_ARGUMENT, {"layout": 2}),
    (BAD_ARGUMENT, {"layout": -1}),
    (BAD_INDEX, {"indices": np.array([0, 1, 2, 3, 0, 0, 0])}),
    (BAD_INDEX, {"indices": np.array([0, 1, 2, 0, 0, 0, -1])}),
    (BAD_INDEX, {"indices": np.full(7, 2**31 - 1)}),
    (BAD_INDEX, {"indices": np.full(7, 2**40)}),
    (BAD_INDEX, {"indices": np.full(7, -(2**63))}),
    (BAD_INDEX, {"shape": sizes([0, 5, 17, 23])}),
]
WRONG_ROI_ALIGN = [
    *((BAD_ARGUMENT, {"spatial_scale": scale}) for scale in (0.0, -1.0, NAN, INF, -INF)),
    *((BAD_ARGUMENT, {"sampling_ratio": ratio}) for ratio in (4097, 2**31, 2**32 + 1, 2**63 - 1)),
]
WRONG_CROP_AND_RESIZE = [(BAD_ARGUMENT, {"method": method}) for method in (-1, 2)]
ROWS = [(name, *row) for row in WRONG for name in BY_NAME]
ROWS += [("roi_align", *row) for row in WRONG_ROI_ALIGN] + [("crop_and_resize", *row) for row in WRONG_CROP_AND_RESIZE]


def describe(value):
    return ",".join(value) if isinstance(value, dict) else str(value)


@pytest.mark.parametrize(("name", "code", "changes"), ROWS, ids=describe)
def test_a_wrong_argument_gives_its_code_and_nothing_is_written(name, code, changes):
    operator = BY_NAME[name]
    _, _, c = case(operator)
    out = c["out"]
    assert invoke(name_of(operator), c | changes) == code
    assert np.isnan(out).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_a_box_that_is_not_finite_gives_its_code(operator, dtype, value):
    _, _, c = case(operator, dtype)
    for position in np.ndindex(c["boxes"].shape):
        boxes = c["boxes"].copy()
        boxes[position] = value
        assert invoke(name_of(operator, dtype), c | {"boxes": boxes}) == BAD_BOX
    assert np.isnan(c["out"]).all()


@pytest.mark.parametrize("array", ["maps", "out"])
def test_arrays_that_are_not_aligned_give_a_code(operator, array):
    _, _, c = case(operator)
    shifted = np.empty(c[array].nbytes + 4, np.uint8)[1 : 1 + c[array].nbytes].view(np.uint8)
    assert invoke(name_of(operator), c | {array: shifted}) == BAD_STRIDES
    assert np.isnan(c["out"]).all()


def test_out_may_not_reach_into_the_maps(operator):
    _, _, c = case(operator)
    buffer = np.zeros(c["maps"].size + 2 * c["out"].size, np.float32)
    maps = buffer[c["out"].size :][: c["maps"].size]
    maps[...] = c["maps"].ravel()
    c["maps"] = maps
    touching = [buffer[: c["out"].size], buffer[-c["out"].size :]]
    for out in touching:
        assert invoke(name_of(operator), c | {"out": out}) == OK
    before = buffer.copy()
    for offset in (1, c["out"].size, len(buffer) - c["out"].size - 1):
        assert invoke(name_of(operator), c | {"out": buffer[offset:]}) == OVERLAP
    backwards = sizes([-c["out_strides"][0], *c["out_strides"][1:]])
    assert invoke(name_of(operator), c | {"out": touching[1], "out_strides": backwards}) == OVERLAP
    np.testing.assert_array_equal(buffer, before)


def test_memory_that_cannot_be_had_gives_its_code(operator):
    """More boxes than any address space holds; the pointer to them is not followed."""
    _, _, c = case(operator)
    huge = {"count": 2**55, "shape": sizes([3, 0, 17, 23]), "strides": None, "out_strides": None}
    assert invoke(name_of(operator), c | huge) == NO_MEMORY


TAPS = """
import resource, numpy as np, cyroi
from support import c_face
f = c_face.function("roi_align_double")
maps, boxes = np.ones((1, 1, 4, 4)), np.array([[0, 0, 4, 4.0]] * 2000)
out, shape = np.full((2000, 1, 1, 1500), np.nan), c_face.sizes(maps.shape)
def call():
    return f(maps.ctypes.data, shape.ctypes.data, None, boxes.ctypes.data, None, len(boxes), 1, 1500, 1.0, 0, 1, 0,
             out.ctypes.data, None, 1)
infinite = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
limit = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + 2**21
resource.setrlimit(resource.RLIMIT_AS, (limit, infinite[1]))
code = call()
resource.setrlimit(resource.RLIMIT_AS, infinite)
print(code, bool(np.isnan(out).all()))
print(call(), bool((out == 1).all()))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bounds the address space by /proc")
def test_no_memory_for_the_taps_gives_its_code_and_the_next_call_works():
    assert run(TAPS).split() == [str(NO_MEMORY), "True", str(OK), "True"]
