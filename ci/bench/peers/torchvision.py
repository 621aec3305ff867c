"""torchvision, where it is installed. It has no `out=`, and no crop_and_resize."""

from __future__ import annotations

from typing import Any

import torch
import torchvision

from ..contender import Array, Contender

NOTE = "makes a new result in each call."


def roi_align(arguments: dict[str, Any], shape: tuple[int, ...], threads: int) -> Contender:
    tensors = {name: torch.from_numpy(arguments[name]) for name in ("input", "boxes")}

    def run() -> Array:
        torch.set_num_threads(threads)  # for the whole process, and the same pool may serve other contenders
        return torchvision.ops.roi_align(**{**arguments, **tensors})

    return Contender(run, lambda: run().numpy())
