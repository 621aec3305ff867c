"""Warnings about calls that are legal and almost certainly not what was meant.

Their results look wrong without a word: zeros for boxes in pixels where normalised ones are expected, and a photograph
read as hundreds of channels of a few columns. A warning comes once per place of call, by Python's own rule.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from ..cpu import _quick
from .layout import planar_shape

if TYPE_CHECKING:
    from .._typing import Array

_CALLER = 3  # of the operator that calls a function of this file


def not_normalised(name: str, coordinates: Array) -> None:
    """Warns where boxes reach so far outside the image that they are in pixels, most probably."""
    reach = np.abs(coordinates).max(initial=0)
    if reach > _quick.MOST_NORMALISED:
        message = (
            f"{name} of crop_and_resize are normalised, 0 and 1 being the centres of the first and the last pixel, but"
            f" reach to {reach:g}: divide coordinates in pixels by (height - 1, width - 1, height - 1, width - 1), or"
            " call roi_align"
        )
        warnings.warn(message, UserWarning, stacklevel=_CALLER)


def other_layout(name: str, shape: tuple[int, ...], itemsize: int, layout: str) -> None:
    """Warns where maps of this shape are images of the other layout: 3 or 4 columns, and hundreds of channels."""
    _, channels, height, width = planar_shape(shape, layout)
    if _quick.looks_like_other_layout(channels, height, width, itemsize, layout == "NHWC"):
        other, batch = ("NHWC", "(H, W, C)") if layout == "NCHW" else ("NCHW", "(C, H, W)")
        message = (
            f"{name} has {channels} channels of {height} x {width} pixels in layout {layout}: for images of shape"
            f' {batch} pass layout="{other}" ({name}[None] makes a batch of a single one)'
        )
        warnings.warn(message, UserWarning, stacklevel=_CALLER)
