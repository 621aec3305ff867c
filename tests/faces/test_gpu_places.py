"""Law: all arrays of a call lie in one place, boxes and indices apart; else the error names both arguments."""

from __future__ import annotations

import re

import numpy as np
import pytest

import cyroi
from cyroi.arguments.pictures import picture
from cyroi.reference import classic
from support.laws import assert_same_bits
from support.on_gpu import counted, here, moved, once, there
from support.operators import containers

pytestmark = pytest.mark.usefixtures("gpu")

HOST = "the memory of the CPU"


def calls(operator):
    """A forward call and its gradients, all on the host; the name of each argument with an array."""
    call = operator.call(np.random.default_rng(0))
    out = operator.function(**call)
    yield operator.function, call | {"out": np.empty_like(out)}, (operator.maps, "boxes", operator.index, "out")
    for wrt in (operator.maps, "boxes"):
        backward = operator.backward_call(call, out, wrt) | {"out": np.empty_like(call[wrt])}
        yield operator.backward, backward, ("grad_output", operator.maps, "boxes", operator.index, "out")


def test_one_array_on_the_host_and_all_others_on_a_device(operator):
    """Boxes and indices may lie on either side; nothing else may lie apart."""
    for function, call, names in calls(operator):
        expected = once(function, **call).copy()
        for name in names:
            mixed = moved(call, *names) | {name: call[name]}
            if name in ("boxes", operator.index):
                np.testing.assert_allclose(here(once(function, **mixed)), expected, rtol=2e-5, atol=2e-5)
                continue
            first = names[0] if name != names[0] else names[1]  # what the other one is named beside
            with pytest.raises(TypeError) as caught:
                once(function, **mixed)
            text = str(caught.value)
            if name == names[0]:  # then what comes next lies where it must not
                assert re.match(rf"{first} must lie in {HOST}, where {name} lies: .* got a .*ndarray on a device", text)
            elif name == "out":
                assert text == f"out must be a cupy.ndarray on cuda:0, where {first} lies; got a numpy.ndarray"
            else:
                assert text.startswith(f"{name} must lie on cuda:0, where {first} lies: copy it there")


def test_one_array_on_a_device_and_all_others_on_the_host(operator):
    for function, call, names in calls(operator):
        for name in names:
            with pytest.raises(TypeError) as caught:
                once(function, **moved(call, name))
            text = str(caught.value)
            if name == names[0]:
                wrong = names[1] if function is operator.backward else "out"  # boxes and indices are taken along
                assert re.match(rf"{wrong} must .*cuda:0, where {name} lies", text)
            elif name == "out":
                assert text == f"out must lie in {HOST}, where {names[0]} lies; got a cupy.ndarray"
            else:
                assert re.match(rf"{name} must lie in {HOST}, where {names[0]} lies: copy it there", text)


def test_two_devices(operator):
    for function, call, names in calls(operator):
        for name in names[1:]:
            call = moved(call, *names)
            with pytest.raises(TypeError, match=rf"^{name} must lie on cuda:0, where {names[0]} lies; got .* cuda:1$"):
                once(function, **call | {name: there(here(call[name]), 1)})


def test_a_list_of_boxes_lies_in_one_place():
    maps, boxes = np.zeros((3, 1, 8, 8), np.float32), [np.ones((2, 4), np.float32) for _ in range(3)]
    for at, other in ((1, 0), (0, 1)):
        mixed = [there(part) if i != at else part for i, part in enumerate(boxes)]
        with pytest.raises(TypeError, match=rf"^boxes\[{at}\] must lie on cuda:0, where boxes\[{other}\] lies"):
            once(cyroi.roi_align, there(maps), mixed, 2)
    for nothing in ([], np.empty((0, 4))):  # no boxes lie nowhere
        mixed = [there(boxes[0]), nothing, there(boxes[2])]
        assert_same_bits(here(once(cyroi.roi_align, there(maps), mixed, 2)), np.zeros((4, 1, 2, 2), np.float32))
    with pytest.raises(TypeError, match=r"^boxes\[1\] must lie on cuda:0, where input lies; got .* on cuda:1"):
        once(cyroi.roi_align, there(maps), [there(boxes[0]), there(boxes[1], 1), boxes[2]], 2)
    with pytest.raises(TypeError, match=r"^boxes on a device must be an array or a list of arrays: .* cupy\.stack"):
        once(cyroi.roi_align, there(maps), tuple(there(np.ones(5)) for _ in range(2)), 2)


def test_nothing_of_the_host_alone_takes_a_device():
    maps, boxes = np.zeros((1, 1, 8, 8), np.float32), np.ones((1, 5), np.float32)
    with pytest.raises(TypeError, match=rf"^input must lie in {HOST}: copy it there, by .*array\.get\(\)"):
        classic.roi_align(there(maps), boxes, 2)
    with pytest.raises(TypeError, match=rf"^image must lie in {HOST}: copy it there"):
        picture("image", there(maps))


class Tensor:
    """What lies on a device and is no CuPy array."""

    def __init__(self, array):
        self.array = array

    @property
    def __cuda_array_interface__(self):
        return self.array.__array_interface__


class WithGradients(Tensor):
    requires_grad = True


def test_tensors_that_are_no_cupy_arrays(operator):
    for function, call, names in calls(operator):
        call.pop("out")
        tensors = call | {name: Tensor(call[name]) for name in names if name != "out"}
        assert_same_bits(here(once(function, **tensors)), here(once(function, **moved(call, *names))))
        with pytest.raises(TypeError, match=r"^out must be a cupy\.ndarray on cuda:0, .*; got a .*Tensor"):
            once(function, **tensors | {"out": Tensor(np.zeros(3))})
        for name in names[:-1]:
            with pytest.raises(TypeError, match=f"^{name} must be detached from its graph"):
                once(function, **moved(call, *names) | {name: WithGradients(call[name])})


def test_results_lie_on_the_device_and_nothing_is_copied_from_it(operator):
    """A CuPy array of the same shape and type; what a device holds of maps, gradients and good boxes stays there."""
    for dtype in ("float32", "float64", "float16", "bfloat16", "uint8", "int64", "bool"):
        call = operator.call(np.random.default_rng(1))
        call[operator.maps] = (call[operator.maps] * 9).astype(np.dtype(dtype) if dtype != "bfloat16" else bfloat16())
        expected = once(operator.function, **call)
        grad = expected.astype(np.float32)
        asked = operator.backward_call(call, grad, (operator.maps, "boxes"))
        gradients = once(operator.backward, **asked)
        with counted("download") as downloads:
            result = once(operator.function, **moved(call, operator.maps, "boxes", operator.index))
            results = once(operator.backward, **moved(asked, "grad_output", operator.maps, "boxes", operator.index))
        assert not downloads
        for found, right in zip((result, *results), (expected, *gradients), strict=True):
            assert (here(found).shape, here(found).dtype) == (right.shape, right.dtype)
            np.testing.assert_allclose(here(found).astype(float), right.astype(float), rtol=2e-3, atol=2e-3)


def bfloat16():
    from ml_dtypes import bfloat16

    return np.dtype(bfloat16)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int16, np.int64])
@pytest.mark.parametrize("name", containers(np.zeros((1, 4)), np.zeros(1, int), 3))
def test_containers_of_boxes(name, dtype):
    """The same results, and gradients in the same containers, wherever boxes lie."""
    rng = np.random.default_rng(5)
    maps = rng.standard_normal((3, 2, 9, 8)).astype(np.float32)
    corners = np.sort(rng.uniform(0, 8, (7, 2, 2)), 1).reshape(7, 4).astype(dtype)
    images = np.sort(rng.integers(0, 3, 7))
    call = {"input": maps, "output_size": (2, 3), "aligned": True} | containers(corners, images, 3)[name]
    there_too = moved(call, "input", "batch_indices", *([] if name == "(K, 5) tuple of rows" else ["boxes"]))
    expected = once(cyroi.roi_align, **call)
    assert_same_bits(here(once(cyroi.roi_align, **there_too)), expected)
    for where in (there_too, there_too | {"boxes": call["boxes"]}):
        asked = {name: value for name, value in where.items() if name != "output_size"}
        asked |= {"grad_output": there(expected), "wrt": ("input", "boxes")}
        on_host = {name: value for name, value in call.items() if name != "output_size"}
        right = once(cyroi.roi_align_backward, **on_host | {"grad_output": expected, "wrt": ("input", "boxes")})
        found = once(cyroi.roi_align_backward, **asked)
        assert_same_bits(here(found[0]), right[0])
        assert isinstance(found[1], list) == isinstance(right[1], list)
        parts = [(here(a), b) for a, b in zip(found[1], right[1], strict=True)] if isinstance(right[1], list) else None
        for a, b in parts or [(here(found[1]), right[1])]:
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            np.testing.assert_allclose(a.astype(float), b.astype(float), rtol=2e-3, atol=1e-5)
            assert b.shape[1] == 4 or not a[:, 0].any()


def test_indices_that_are_no_integers():
    maps, boxes = np.zeros((2, 1, 8, 8), np.float32), np.ones((3, 4), np.float32)
    for indices in (np.zeros(3, np.float32), np.zeros(3, bool), np.zeros((3, 1), int), np.zeros(2, int)):
        call = {"input": maps, "boxes": boxes, "output_size": 2, "batch_indices": indices}
        with pytest.raises((TypeError, ValueError), match=r"^batch_indices must have") as right:
            once(cyroi.roi_align, **call)
        for names in (["input", "batch_indices"], ["input", "boxes", "batch_indices"]):
            with pytest.raises(right.type, match=f"^{re.escape(str(right.value))}$"):
                once(cyroi.roi_align, **moved(call, *names))


def test_out_must_lie_apart_from_tensors_too():
    memory = np.zeros(4096, np.uint8)
    call = {"input": there(np.zeros((1, 1, 8, 8), np.float32)), "output_size": 2}
    boxes, out = memory[:40].view(np.float32).reshape(2, 5), memory[32:64].view(np.float32).reshape(2, 1, 2, 2)
    with pytest.raises(ValueError, match=r"^out must not share memory with boxes$"):
        once(cyroi.roi_align, **call, boxes=Tensor(boxes), out=there(out))
    indices = memory[56:72].view(np.int64)
    with pytest.raises(ValueError, match=r"^out must not share memory with batch_indices$"):
        once(cyroi.roi_align, **call, boxes=np.ones((2, 4)), batch_indices=Tensor(indices), out=there(out))
