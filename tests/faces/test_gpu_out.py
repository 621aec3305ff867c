"""Law: results on a device go into any `out` that is fit, converted as on the CPU, and into nothing else."""

from __future__ import annotations

import numpy as np
import pytest

import cyroi
from support.laws import assert_same_bits
from support.on_gpu import here, moved, once, there
from support.operators import OPERATORS

pytestmark = pytest.mark.usefixtures("gpu")


def result_of(operator):
    call = operator.call(np.random.default_rng(2))
    return moved(call, operator.maps, "boxes", operator.index), once(operator.function, **call)


def test_out_of_every_kind(operator):
    call, _ = result_of(operator)
    for dtype in ("float64", "float16", "uint8", "int32", "uint32", "int64", "uint64", "bool"):
        right = once(operator.function, **operator.call(np.random.default_rng(2)), dtype=dtype)
        for out in (
            np.full(right.shape, 7, dtype),
            np.full(right.shape[::-1], 7, dtype).T,
            np.full((*right.shape[:-1], 2 * right.shape[-1]), 7, dtype)[..., ::-2],
            np.zeros(right.nbytes + 1, np.uint8)[1:].view(dtype).reshape(right.shape),
            apart_by_a_byte(right.astype(dtype)),
        ):
            given = there(out)
            assert once(operator.function, **call, out=given) is given
            assert_same_bits(out, right)
        assert_same_bits(here(once(operator.function, **call, dtype=dtype)), right)


def apart_by_a_byte(array):
    """The same in memory where each element lies a byte behind the last one, at no multiple of its size."""
    step = array.itemsize + 1
    strides = [step * int(np.prod(array.shape[axis + 1 :])) for axis in range(array.ndim)]
    placed = np.ndarray(array.shape, array.dtype, np.zeros(array.size * step, np.uint8), strides=strides)
    placed[...] = array
    return placed


def test_arrays_that_lie_anywhere(operator):
    """What a device cannot read in one piece is copied byte by byte, and results likewise."""
    call = operator.call(np.random.default_rng(2))
    grad = once(operator.function, **call)
    asked = operator.backward_call(call, grad, operator.maps)
    for function, arguments in (
        (operator.function, call),
        (operator.backward, asked),
        (operator.backward, asked | {"wrt": "boxes"}),
    ):
        names = [name for name in (operator.maps, "boxes", operator.index, "grad_output") if name in arguments]
        right = here(once(function, **moved(arguments, *names)))
        for name in names:
            odd = moved(arguments | {name: apart_by_a_byte(arguments[name])}, *names)
            assert_same_bits(here(once(function, **odd)), right)
        out = apart_by_a_byte(np.zeros_like(right))
        once(function, **moved(arguments, *names), out=there(out))
        assert_same_bits(out, right)


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "uint64", "bool", "int8", "uint16"])
@pytest.mark.parametrize("maps", ["float64", "float32"])
def test_results_of_integers_are_rounded_as_on_the_cpu(dtype, maps):
    """Halves to even, saturated, NaN as 0; what a device converts itself is what NumPy's helpers convert elsewhere."""
    limits = [0, 2.0**31, 2.0**32, 2.0**53, 2.0**63, 2.0**64, 1e30, np.inf]
    near = [limit + off for limit in limits for off in (-1.5, -1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1, 1.5, 2.5)]
    values = np.array([*near, *np.negative(near), np.nan], maps).reshape(1, 1, -1, 1)
    boxes = np.array([[0, 0, 1, 1]])
    call = {"image": values, "boxes": boxes, "box_indices": [0], "crop_size": values.shape[2:], "layout": "NCHW"}
    call |= {"method": "nearest", "dtype": dtype}
    right = once(cyroi.crop_and_resize, **call)
    assert_same_bits(here(once(cyroi.crop_and_resize, **moved(call, "image"))), right)
    assert len(np.unique(right)) > 1


def test_out_must_lie_apart(operator):
    call, expected = result_of(operator)
    size = expected.nbytes // 8 * 8
    memory = there(np.zeros(size + 8 + here(call[operator.maps]).nbytes, np.uint8))
    out = memory[: expected.nbytes].view(np.float32).reshape(expected.shape)
    for name in (operator.maps, "boxes", operator.index):
        array = here(call[name])
        for first in (size - 8, size + 8):
            placed = memory[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
            here(placed)[...] = array
            if first > size:
                assert once(operator.function, **call | {name: placed, "out": out}) is out
                continue
            with pytest.raises(ValueError, match=f"^out must not share memory with {name}$"):
                once(operator.function, **call | {name: placed, "out": out})
    between = there(np.zeros((*expected.shape[:-1], 2, expected.shape[-1]), np.float32))
    once(operator.function, **call | {"out": between[..., 0, :]})
    with pytest.raises(ValueError, match=r"^out must not overlap itself"):
        once(operator.function, **call | {"out": np.broadcast_to(out[:1], out.shape)})
    with pytest.raises(ValueError, match=r"^out must have shape"):
        once(operator.function, **call | {"out": out[:-1]})


def test_gradients_to_a_list_of_boxes_lie_apart():
    maps = np.zeros((2, 1, 8, 8), np.float32)
    boxes = [np.ones((2, 4), np.float32), np.ones((1, 4), np.float32)]
    call = {"grad_output": np.ones((3, 1, 2, 2), np.float32), "input": maps, "boxes": boxes, "wrt": "boxes"}
    call = moved(call, "grad_output", "input", "boxes")
    one = there(np.empty((3, 4), np.float32))
    out = [one[:2], one[2:]]
    assert once(cyroi.roi_align_backward, **call, out=out) is out
    with pytest.raises(ValueError, match=r"^out must not share memory with another array of out"):
        once(cyroi.roi_align_backward, **call, out=[one[:2], one[1:2]])
    with pytest.raises(ValueError, match=r"^out must not share memory with boxes"):
        once(cyroi.roi_align_backward, **call, out=call["boxes"])
    with pytest.raises(TypeError, match=r"^out must be a cupy\.ndarray on cuda:0, where grad_output lies; got a numpy"):
        once(cyroi.roi_align_backward, **call, out=[one[:2], np.empty((1, 4), np.float32)])
    with pytest.raises(TypeError, match=r"^out must be a list of 2 arrays, like boxes"):
        once(cyroi.roi_align_backward, **call, out=one)
    with pytest.raises(TypeError, match=r"^out must have dtype float32, .*; got int32"):
        once(cyroi.roi_align_backward, **call, out=[one[:2].view(np.int32), one[2:]])


def test_results_that_no_memory_holds():
    for operator in OPERATORS:
        call, _ = result_of(operator)
        for size in ((2**31, 2**31), (2**62, 2**62)):
            with pytest.raises(MemoryError, match=f"^{operator.size} asks for a result of shape"):
                once(operator.function, **call | {operator.size: size})
