"""The tutorial: from a straight line to RoI Align in four steps.

`box` is [y_min, x_min, y_max, x_max], normalised so that 0 is the centre of the first pixel and 1 that of the last one.
The crop's samples lie at ``linspace(min, max, n) * (size - 1)`` pixels, so its corners are the corners of the box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Box = Sequence[float] | NDArray[Any]


def interpolate_linear(left: Any, right: Any, fraction: Any) -> Any:
    """The value at `fraction` of the way from `left` to `right`.

    Parameters
    ----------
    left, right : float or ndarray
        Values at the two ends.
    fraction : float or ndarray
        Position between them, 0 at `left`, 1 at `right`.

    Returns
    -------
    float or ndarray
        ``left * (1 - fraction) + right * fraction``.

    Examples
    --------
    >>> interpolate_linear(10.0, 20.0, 0.25)
    12.5
    """
    return left * (1 - fraction) + right * fraction


def interpolate_bilinear(
    top_left: Any, top_right: Any, bottom_left: Any, bottom_right: Any, y_fraction: Any, x_fraction: Any
) -> Any:
    """The value inside a square of four pixels: linear along x on both edges, then linear along y.

    Parameters
    ----------
    top_left, top_right, bottom_left, bottom_right : float or ndarray
        Values of the four pixels.
    y_fraction, x_fraction : float or ndarray
        Position from the top left pixel, as fractions of a pixel.

    Returns
    -------
    float or ndarray
        The interpolated value.

    Examples
    --------
    >>> interpolate_bilinear(0.0, 10.0, 20.0, 30.0, y_fraction=0.5, x_fraction=0.5)
    15.0
    """
    top = interpolate_linear(top_left, top_right, x_fraction)
    bottom = interpolate_linear(bottom_left, bottom_right, x_fraction)
    return interpolate_linear(top, bottom, y_fraction)


def roi_align(image: ArrayLike, box: Box, height: int, width: int) -> NDArray[np.float64]:
    """RoI Align of one box on one map: a loop over the bins of the crop.

    Parameters
    ----------
    image : array_like, shape (H, W)
        The map.
    box : sequence of 4 floats
        [y_min, x_min, y_max, x_max] in [0, 1], see the module's text.
    height, width : int
        Size of the crop, in pixels.

    Returns
    -------
    ndarray, shape (height, width), float64
        One bilinear sample per pixel of the crop. Source: ``tf.image.crop_and_resize``, for boxes inside the image.

    Examples
    --------
    >>> roi_align([[0, 1], [2, 3]], [0, 0, 1, 1], 3, 3)
    array([[0. , 0.5, 1. ],
           [1. , 1.5, 2. ],
           [2. , 2.5, 3. ]])
    """
    pixels = np.asarray(image, np.float64)
    y_min, x_min, y_max, x_max = box
    crop = np.empty((height, width))
    for i, y in enumerate(np.linspace(y_min, y_max, height) * (pixels.shape[0] - 1)):
        for j, x in enumerate(np.linspace(x_min, x_max, width) * (pixels.shape[1] - 1)):
            top, bottom = math.floor(y), math.ceil(y)
            left, right = math.floor(x), math.ceil(x)
            crop[i, j] = interpolate_bilinear(
                pixels[top, left],
                pixels[top, right],
                pixels[bottom, left],
                pixels[bottom, right],
                y - top,
                x - left,
            )
    return crop


def roi_align_vectorized(image: ArrayLike, box: Box, height: int, width: int) -> NDArray[np.float64]:
    """RoI Align of one box on one map, all bins at once with `numpy.meshgrid`.

    Parameters and result are those of `roi_align`.

    Parameters
    ----------
    image : array_like, shape (H, W)
        The map.
    box : sequence of 4 floats
        [y_min, x_min, y_max, x_max] in [0, 1].
    height, width : int
        Size of the crop, in pixels.

    Returns
    -------
    ndarray, shape (height, width), float64
        One bilinear sample per pixel of the crop.

    Examples
    --------
    >>> roi_align_vectorized([[0, 1], [2, 3]], [0, 0, 1, 1], 2, 3)
    array([[0. , 0.5, 1. ],
           [2. , 2.5, 3. ]])
    """
    pixels = np.asarray(image, np.float64)
    y_min, x_min, y_max, x_max = box
    y, x = np.meshgrid(
        np.linspace(y_min, y_max, height) * (pixels.shape[0] - 1),
        np.linspace(x_min, x_max, width) * (pixels.shape[1] - 1),
        indexing="ij",
    )
    top, bottom = np.floor(y).astype(int), np.ceil(y).astype(int)
    left, right = np.floor(x).astype(int), np.ceil(x).astype(int)
    return np.asarray(
        interpolate_bilinear(
            pixels[top, left], pixels[top, right], pixels[bottom, left], pixels[bottom, right], y - top, x - left
        )
    )
