"""Calls that together go through every kernel, and what comes of them: bits, or an error.

They are made on the emulator twice or more, in other orders of threads and with boxes on either side (backend.py).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cyroi.gpu.plans

from ..operators import BY_NAME, Call, Operator

ROI_ALIGN, CROP_AND_RESIZE = BY_NAME["roi_align"], BY_NAME["crop_and_resize"]
MANY: Call = {"boxes": 40, "sampling_ratio": 0, "shape": (3, 5, 21, 45)}
DEEP: Call = {"boxes": 40, "shape": (2, 70, 14, 15)}


def call_of(operator: Operator, *, channels_last: bool = False, **changes: Any) -> Call:
    """A random call; `boxes`: how many, or which.

    channels_last: maps in whose memory channels lie together, while the result is planar.
    """
    given = {"boxes": changes.pop("boxes")} if not isinstance(changes.get("boxes", 0), int) else {}
    made = operator.call(np.random.default_rng(len(changes)), **changes) | given
    if channels_last:
        made[operator.maps] = np.ascontiguousarray(made[operator.maps].transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    return made


def align(**changes: Any) -> Any:
    return ROI_ALIGN.function(**call_of(ROI_ALIGN, **changes))


def crop(**changes: Any) -> Any:
    return CROP_AND_RESIZE.function(**call_of(CROP_AND_RESIZE, **changes))


def gradient(wrt: str, operator: Operator = ROI_ALIGN, **changes: Any) -> Any:
    call = call_of(operator, **changes)
    boxes = call["boxes"]
    count = sum(map(len, boxes)) if isinstance(boxes, list) else len(boxes)
    planar = call["layout"] == "NCHW"
    size, channels = call[operator.size], call[operator.maps].shape[1 if planar else 3]
    shape = (count, channels, *size) if planar else (count, *size, channels)
    g = np.random.default_rng(3).standard_normal(shape).astype(np.float32)
    return operator.backward(**operator.backward_call(call, g, wrt))


def boxes_in_a_list() -> Call:
    """Of three types, one an integer's."""
    call = call_of(ROI_ALIGN, boxes=12)
    boxes = [call["boxes"][call["batch_indices"] == i].astype(("f4", "f8", "i2")[i]) for i in range(3)]
    return {"boxes": boxes, "batch_indices": None}


def boxes_with_images(wrong: int | None = None) -> Call:
    call = call_of(ROI_ALIGN, boxes=6)
    boxes = np.column_stack([call["batch_indices"], call["boxes"]]).astype(np.float32)
    if wrong is not None:
        boxes[4, wrong] = np.nan if wrong else 3
    return {"boxes": boxes, "batch_indices": None, "output_size": (3, 4)}


def little(name: str, value: Any, call: Callable[[], Any]) -> Any:
    """The call where plans have little memory, or little room at first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cyroi.gpu.plans, name, value)
        return call()


def no_room(*arguments: Any, room: Any = cyroi.gpu.plans.room) -> int:
    """For one tap, until planning says that this is not enough."""
    return room(*arguments) if arguments[-1] else 1  # type: ignore[no-any-return]


def far() -> Any:
    """A box that is a warning's due."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return crop(boxes=np.float32([[0, 0, 1, 1], [-3e7, 0, 3e7, 1]]), box_indices=[0, 1])


WHOLE = [[0.0, 0.0, 1.0, 1.0]]
CASES: dict[str, Callable[[], Any]] = {
    "bins": lambda: align(**MANY, output_size=(5, 40)),
    "few bins": lambda: align(**MANY, output_size=(2, 1), aligned=True),
    "crops": lambda: crop(boxes=9, crop_size=(7, 9), extrapolation_value=7.5, method="bilinear"),
    "negative zeros": lambda: align(input=np.full((3, 5, 17, 23), -0.0, np.float32), sampling_ratio=1),
    "boxes in a list": lambda: align(**boxes_in_a_list(), output_size=(3, 4)),
    "boxes with images": lambda: align(**boxes_with_images()),
    "a bad box": lambda: align(**boxes_with_images(wrong=2)),
    "a bad image": lambda: align(**boxes_with_images(wrong=0)),
    "far": far,
    "no room": lambda: little("room", no_room, lambda: align(**MANY, output_size=(5, 4))),
    "together": lambda: align(**DEEP, layout="NHWC", output_size=(10, 9), sampling_ratio=0),
    "planar": lambda: align(**DEEP, channels_last=True, output_size=(10, 9), sampling_ratio=2),
    "transposed": lambda: align(**DEEP, output_size=(7, 7), sampling_ratio=2),
    "to maps": lambda: gradient("input", boxes=600, shape=(2, 3, 14, 45), output_size=(3, 4)),
    "to maps, in parts": lambda: little(
        "MOST_BYTES", 1 << 16, lambda: gradient("input", boxes=90, shape=(3, 3, 14, 45), output_size=(3, 4))
    ),
    "to pixels": lambda: gradient("input", **DEEP, layout="NHWC", output_size=(4, 5)),
    "to pixels, transposed": lambda: gradient("input", **DEEP, output_size=(4, 5)),
    "to boxes": lambda: gradient("boxes", boxes=5, shape=(2, 50, 14, 15), output_size=(7, 7)),
    "to boxes with images": lambda: gradient("boxes", **boxes_with_images()),
    "to whole numbers": lambda: align(dtype=np.int64, input=call_of(ROI_ALIGN)["input"]),
    "of whole numbers": lambda: crop(image=np.full((1, 1, 2, 2), 2**53 + 1), boxes=WHOLE, box_indices=[0]),
}


def outcome(case: str) -> Any:
    """Bits of what the call gives, or its error."""
    try:
        result = CASES[case]()
    except Exception as error:
        return type(error).__name__, str(error)
    arrays = result if isinstance(result, (list, tuple)) else [result]
    return [(array.dtype.name, array.shape, array.tobytes()) for array in arrays]
