"""Warnings about calls that are legal and almost certainly not what was meant.

Their results look wrong without a word: zeros for boxes in pixels where normalised ones are expected, and a photograph
read as hundreds of channels of a few columns. A warning comes once per place of call, by Python's own rule, which goes
by the text as well: so no text has a number of the call in it.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING

import numpy as np

from ..cpu import _quick
from .layout import planar_shape

if TYPE_CHECKING:
    from .._typing import Array

MOST_NORMALISED = _quick.MOST_NORMALISED  # times the image
_NOT_NORMALISED = (
    "boxes of crop_and_resize are normalised, 0 and 1 being the centres of the first and the last pixel, but reach"
    f" beyond {MOST_NORMALISED:g} times the image: divide coordinates in pixels by"
    " (height - 1, width - 1, height - 1, width - 1), or call roi_align"
)
_OTHER_LAYOUT = {
    "NCHW": "{name} has hundreds of channels and 3 or 4 columns in layout NCHW: for images of shape (H, W, C) pass"
    ' layout="NHWC" ({name}[None] makes a batch of a single one)',
    "NHWC": "{name} has hundreds of channels and 3 or 4 rows in layout NHWC: for images of shape (C, H, W) pass"
    ' layout="NCHW" ({name}[None] makes a batch of a single one)',
}


issued = 0  # warnings so far, whether they were shown or not


def not_normalised(coordinates: Array | None) -> None:
    """Warns where boxes reach so far outside the image that they are in pixels, most probably."""
    if coordinates is not None and np.abs(coordinates).max(initial=0) > MOST_NORMALISED:
        found_not_normalised()


def found_not_normalised() -> None:
    """The same warning, where somebody else has found such boxes."""
    _warn(_NOT_NORMALISED)


def other_layout(name: str, shape: tuple[int, ...], itemsize: int, layout: str) -> None:
    """Warns where maps of this shape are images of the other layout: 3 or 4 columns, and hundreds of channels."""
    _, channels, height, width = planar_shape(shape, layout)
    if _quick.looks_like_other_layout(channels, height, width, itemsize, layout == "NHWC"):
        _warn(_OTHER_LAYOUT[layout].format(name=name))


def _warn(text: str) -> None:
    """Warns in the place where an operator is called, however deep inside of it this is."""
    global issued
    issued += 1
    depth, frame = 1, sys._getframe()
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith("cyroi."):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(text, UserWarning, stacklevel=depth)
