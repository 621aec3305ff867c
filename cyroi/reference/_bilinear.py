"""The sampler that the oracles share: four corner pixels and their weights, in float64."""

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
    y, x = np.nan_to_num(y), np.nan_to_num(x)
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    total = np.zeros_like(values)
    for row, weight_y in ((top, 1 - (y - top)), (np.minimum(top + 1, planes.shape[1] - 1), y - top)):
        for column, weight_x in ((left, 1 - (x - left)), (np.minimum(left + 1, planes.shape[2] - 1), x - left)):
            weight = weight_y * weight_x
            with np.errstate(invalid="ignore", over="ignore"):
                total += np.where(weight > 0, weight * planes[:, row, column].astype(float), 0.0)
    return np.where(inside, total, values)
