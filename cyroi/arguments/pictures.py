"""What is drawn: the check of images and crops, in any order of axes that people have them in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .arrays import as_array

if TYPE_CHECKING:
    from .._typing import Array

CHANNELS = (1, 3, 4)  # one, RGB, RGBA
SHAPES = "(H, W), (H, W, C) or (C, H, W), where C is 1, 3 or 4"


def picture(name: str, value: object) -> Array:
    """One channel (H, W), or RGB or RGBA with channels last, of a dtype that matplotlib knows."""
    array = as_array(name, value)
    if array.dtype.name == "bfloat16":
        array = array.astype(np.float32)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must have a real dtype; got {array.dtype}")
    if array.ndim == 3 and array.shape[2] not in CHANNELS and array.shape[0] in CHANNELS:
        array = np.moveaxis(array, 0, 2)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in CHANNELS):
        raise ValueError(f"{name} must have shape {SHAPES}; got {array.shape}{_hint(name, array.shape)}")
    if array.size == 0:
        raise ValueError(f"{name} must have no empty axis; got shape {array.shape}")
    return array[..., 0] if array.shape[2:] == (1,) else array


def _hint(name: str, shape: tuple[int, ...]) -> str:
    if len(shape) == 4:
        return f" (one of them is {name}[0])"
    return f" (one channel is {name}[c] or {name}[..., c])" if len(shape) == 3 else ""
