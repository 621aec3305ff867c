"""Law: warnings on a device are those of the CPU, and so are single images and arrays without elements."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import cyroi
from cyroi.reference import oracle
from support import on_gpu
from support.laws import assert_same_bits
from support.on_gpu import here, moved, once, there
from support.operators import BY_NAME

pytestmark = pytest.mark.usefixtures("gpu")


def far():
    image = np.random.default_rng(0).random((1, 8, 8, 3)).astype(np.float32)
    return {"image": image, "boxes": np.array([[0, 0, 1, 1], [2, 3, 400, 500]]), "box_indices": [0, 0], "crop_size": 2}


@pytest.mark.parametrize("names", [["image"], ["image", "boxes"]], ids=["boxes here", "boxes there"])
def test_boxes_in_pixels_are_told_of_where_the_call_stands(names):
    call, operator = far(), BY_NAME["crop_and_resize"]
    asked = operator.backward_call(call, np.ones((2, 2, 2, 3), np.float32), "image")
    for function, arguments in ((operator.function, call), (operator.backward, asked)):
        with pytest.warns(UserWarning, match=r"boxes of crop_and_resize are normalised") as told:
            once(function, **moved(arguments, *names, "grad_output"))
        assert [one.filename for one in told] == [on_gpu.__file__]
    out = np.full((2, 2, 2, 3), -7, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="normalised"):
            once(operator.function, **moved(call, *names), out=there(out))
        assert (out == -7).all()
        once(operator.function, **moved(call | {"boxes": call["boxes"][:1], "box_indices": [0]}, *names))
        if "boxes" in names:
            once(operator.function, **moved(call, *names), validate=False)  # nobody asks


def test_roi_align_has_no_such_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call = {
            "input": np.zeros((1, 1, 8, 8), np.float32),
            "boxes": np.array([[0, 1e6, 1e7, 1e8, 1e9]]),
            "output_size": 2,
        }
        once(cyroi.roi_align, **moved(call, "input", "boxes"))


# --- single images, and what has no elements ---


def test_single_images(operator):
    call = operator.call(np.random.default_rng(4), shape=(1, 3, 9, 8))
    call.pop(operator.index)
    call[operator.maps] = call[operator.maps][0]
    for names in ([operator.maps], [operator.maps, "boxes"]):
        right = once(operator.function, **call)
        assert_same_bits(here(once(operator.function, **moved(call, *names))), right)
        asked = operator.backward_call(call, right, (operator.maps, "boxes"))
        found = once(operator.backward, **moved(asked, *names, "grad_output"))
        for a, b in zip(found, once(operator.backward, **asked), strict=True):
            np.testing.assert_allclose(here(a), b, rtol=2e-5, atol=2e-5)
    gray = np.random.default_rng(0).random((9, 8), np.float32)
    call = {"image": gray, "boxes": np.array([[0, 0.1, 0.9, 1]]), "crop_size": 3}
    assert_same_bits(
        here(once(cyroi.crop_and_resize, **moved(call, "image", "boxes"))), once(cyroi.crop_and_resize, **call)
    )


@pytest.mark.parametrize("shape", [(0, 3, 8, 8), (2, 0, 8, 8), (2, 3, 0, 8), (2, 3, 8, 0), (2, 3, 0, 0)])
@pytest.mark.parametrize("where", ["here", "there"])
def test_empty_maps(shape, where):
    boxes = np.array([[0, 1, 1, 5, 5], [1, 1, 1, 5, 5]])[: min(shape[0], 2)]
    call = {"input": np.zeros(shape, np.float32), "boxes": boxes, "output_size": (2, 3)}
    names = ["input", "grad_output", *(["boxes"] if where == "there" else [])]
    right = oracle.roi_align(**call).astype(np.float32)
    assert_same_bits(here(once(cyroi.roi_align, **moved(call, *names))), right)
    asked = BY_NAME["roi_align"].backward_call(call, np.ones_like(right), ("input", "boxes"))
    found = here(once(cyroi.roi_align_backward, **moved(asked, *names)))
    for a, b in zip(found, once(cyroi.roi_align_backward, **asked), strict=True):
        assert_same_bits(a, b)
    if where == "there" and len(boxes):  # they are checked all the same
        boxes = boxes.copy()
        boxes[1, 0] = 7
        for function, arguments in ((cyroi.roi_align, call), (cyroi.roi_align_backward, asked)):
            with pytest.raises(IndexError, match="got 7 in row 1"):
                once(function, **moved(arguments | {"boxes": boxes}, *names))
