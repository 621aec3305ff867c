"""torchvision, where it is installed. It has no `out=`, no crop_and_resize, and no gradient to the boxes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torchvision

from ..contender import Array, Contender

NOTE = "makes a new result in each call. Its operator and gradient work on one thread, however many it is given."


def roi_align(arguments: dict[str, Any], shape: tuple[int, ...], threads: int) -> Contender:
    tensors = {name: torch.from_numpy(arguments[name]) for name in ("input", "boxes")}
    return contender(lambda: torchvision.ops.roi_align(**{**arguments, **tensors}), threads)


def roi_align_to_maps(arguments: dict[str, Any], shape: tuple[int, ...], threads: int) -> Contender:
    """The operator that autograd calls, without autograd's own time."""
    grad_output, boxes = (torch.from_numpy(arguments[name]) for name in ("grad_output", "boxes"))
    scale, ratio, aligned = (arguments[name] for name in ("spatial_scale", "sampling_ratio", "aligned"))
    backward = torch.ops.torchvision._roi_align_backward
    return contender(
        lambda: backward(grad_output, boxes, scale, *grad_output.shape[2:], *shape, ratio, aligned), threads
    )


def contender(call: Callable[[], Any], threads: int) -> Contender:
    def run() -> Any:
        torch.set_num_threads(threads)  # for the whole process, and the same pool may serve other contenders
        return call()

    def result() -> Array:
        return run().numpy()

    return Contender(run, result)
