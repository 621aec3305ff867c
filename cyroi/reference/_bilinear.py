"""The sampler that the oracles share: four corner pixels and their weights, in float64; its adjoint and its slope."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def bilinear(
    planes: NDArray[Any], y: NDArray[np.float64], x: NDArray[np.float64], outside: float = 0.0
) -> NDArray[np.float64]:
    """Values of `planes` (C, H, W) at the grid of all y with all x, shape (C, y.size, x.size).

    A coordinate of NaN means outside the map, whatever the other coordinate: the sample is `outside`. All other
    coordinates lie in [0, size - 1]. A pixel of weight 0 is not read.
    """
    y, x = y.reshape(-1, 1), x.reshape(1, -1)
    inside = ~(np.isnan(y) | np.isnan(x))
    values = np.full((len(planes), *inside.shape), float(outside))
    if not inside.any():
        return values
    total = np.zeros_like(values)
    for row, weight_y in pixel_pair(np.nan_to_num(y), planes.shape[1]):
        for column, weight_x in pixel_pair(np.nan_to_num(x), planes.shape[2]):
            with np.errstate(invalid="ignore", over="ignore"):
                total += weighted(weight_y * weight_x, planes[:, row, column].astype(float))
    return np.where(inside, total, values)


def spread(
    gradient: NDArray[np.float64], y: NDArray[np.float64], x: NDArray[np.float64], planes: NDArray[np.float64]
) -> None:
    """The adjoint of `bilinear`: adds `gradient` (C, y.size, x.size) to the pixels that each sample reads.

    y and x are one-dimensional and inside the map. A pixel of weight 0 gets nothing, not even 0 times infinity.
    """
    pixels = planes.transpose(1, 2, 0)
    for row, weight_y in pixel_pair(y[:, np.newaxis], planes.shape[1]):
        for column, weight_x in pixel_pair(x[np.newaxis, :], planes.shape[2]):
            with np.errstate(invalid="ignore", over="ignore"):
                shares = weighted(weight_y * weight_x, gradient).transpose(1, 2, 0)
                np.add.at(pixels, (row, column), shares)  # a pixel that several samples read gets every share


def slope_y(planes: NDArray[Any], y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The derivative of `bilinear` with respect to y: the next row minus this one, interpolated along x.

    y and x are one-dimensional, with 0 <= y < H - 1. At a whole y it is the slope towards larger y.
    """
    row = np.floor(y).astype(int)[:, np.newaxis]
    total = np.zeros((len(planes), y.size, x.size))
    for column, weight_x in pixel_pair(x[np.newaxis, :], planes.shape[2]):
        with np.errstate(invalid="ignore", over="ignore"):
            difference = planes[:, row + 1, column].astype(float) - planes[:, row, column].astype(float)
            total += weighted(weight_x, difference)
    return total


def pixel_pair(
    t: NDArray[np.float64], size: int
) -> tuple[tuple[NDArray[np.intp], NDArray[np.float64]], tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """The two pixels around each coordinate of one axis, each with its weight."""
    low = np.floor(t).astype(np.intp)
    return (low, 1 - (t - low)), (np.minimum(low + 1, size - 1), t - low)


def weighted(weight: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Their product, 0 where the weight is 0, whatever the value."""
    return np.where(weight != 0, weight * values, 0.0)
