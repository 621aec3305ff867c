"""What the gradients of the oracles share: the samples of a box in a list, and the sums over them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arguments import validate
from ..arguments.boxes import Boxes
from ..arguments.coordinates import BOX_VALUES
from ..arguments.layout import AXES
from ._bilinear import slope_y, spread


class Samples(NamedTuple):
    """The samples of one axis of one box that lie inside the map: one-dimensional arrays of one length."""

    t: NDArray[np.float64]  # coordinates in pixels, in [0, size - 1]
    bin: NDArray[np.intp]  # the bin that each belongs to
    by_lo: NDArray[np.float64]  # derivative of the coordinate with respect to the low side of the box
    by_hi: NDArray[np.float64]  # ... to the high side


def inside(t: NDArray[np.float64], by_lo: NDArray[np.float64], by_hi: NDArray[np.float64]) -> Samples:
    """From arrays whose first axis is the bin; a coordinate of NaN is outside the map."""
    counts = ~np.isnan(t)
    return Samples(t[counts], np.nonzero(counts)[0], by_lo[counts], by_hi[counts])


def add_to_planes(gradient: NDArray[np.float64], y: Samples, x: Samples, planes: NDArray[np.float64]) -> None:
    """Adds one box's share, from `gradient` (C, P, Q) of its samples, to the gradient `planes` (C, H, W)."""
    spread(gradient[:, y.bin[:, np.newaxis], x.bin], y.t, x.t, planes)


def to_box(
    gradient: NDArray[np.float64], planes: NDArray[Any], y: Samples, x: Samples
) -> tuple[float, float, float, float]:
    """Gradient to y1, x1, y2, x2 of one box, from `gradient` (C, P, Q) of its samples on `planes` (C, H, W)."""
    y1, y2 = _to_sides(gradient, planes, y, x)
    x1, x2 = _to_sides(gradient.swapaxes(1, 2), planes.swapaxes(1, 2), x, y)
    return y1, x1, y2, x2


def _to_sides(gradient: NDArray[np.float64], planes: NDArray[Any], y: Samples, x: Samples) -> tuple[float, float]:
    """Gradient to the two sides of a box on the first axis of the planes, here called y."""
    low, high = (_to_side(gradient, planes, y, by, x) for by in (y.by_lo, y.by_hi))
    return low, high


def _to_side(
    gradient: NDArray[np.float64], planes: NDArray[Any], y: Samples, by: NDArray[np.float64], x: Samples
) -> float:
    # A sample that does not move, or moves where the map is constant (at or beyond the centre of a border pixel),
    # is left out: it would be 0 times its values, and these may be infinite.
    moves = interior(y.t, planes.shape[1]) & (by != 0)
    of_bins = gradient[:, y.bin[moves, np.newaxis], x.bin]
    with np.errstate(invalid="ignore", over="ignore"):
        return float((of_bins * slope_y(planes, y.t[moves], x.t) * by[moves, np.newaxis]).sum())


def interior(t: NDArray[np.float64], size: int) -> NDArray[np.bool_]:
    """Where a clamped coordinate follows the sample: strictly between the centres of the two border pixels."""
    return (t > 0) & (t < size - 1)


# --- arguments and results ---


def maps_or_stand_in(name: str, value: Any, dtype: np.dtype[Any], names: tuple[str, ...]) -> NDArray[Any]:
    """The maps; or, where only their shape was given, zeros of that shape, and of `dtype`, that take no memory."""
    if not validate.is_shape(value):
        return np.asarray(value)
    if "boxes" in names:
        raise TypeError(f"{name} must be the maps where wrt has 'boxes'; got the shape {value}")
    return np.broadcast_to(np.zeros((), dtype), tuple(value))


def as_crops(
    grad_output: NDArray[Any], layout: str, boxes: int, channels: int, channel_axis: bool = True
) -> NDArray[np.float64]:
    """`grad_output` in float64 as (K, C, P, Q), once its shape is seen to be that of a result."""
    if grad_output.ndim == (4 if channel_axis else 3):
        crops = grad_output.transpose(AXES[layout]) if channel_axis else grad_output[:, np.newaxis]
        if crops.shape[:2] == (boxes, channels) and min(crops.shape[2:]) > 0:
            return crops.astype(float)
    result = f"the result for {boxes} boxes and {channels} channels in layout {layout}"
    raise ValueError(f"grad_output must have the shape of {result}; got {grad_output.shape}")


def as_given(boxes: Boxes, gradient: NDArray[np.float64]) -> NDArray[np.float64] | list[NDArray[np.float64]]:
    """The gradient (K, 4) to y1 x1 y2 x2 in the container that the boxes came in."""
    gradient = gradient[:, boxes.order]
    if boxes.is_list:
        counts = [len(array) for array in boxes.arrays]
        return [gradient[end - count : end] for count, end in zip(counts, np.cumsum(counts), strict=True)]
    columns = boxes.arrays[0].shape[1] - BOX_VALUES  # of an image index
    return np.concatenate([np.zeros((len(gradient), columns)), gradient], axis=1)


def hand_over(results: dict[str, Any], wrt: str | tuple[str, ...], names: tuple[str, ...], out: Any) -> Any:
    """The result asked for, or the tuple of them in their order; through `out` where that is given."""
    if out is not None:
        if len(names) > 1:
            raise ValueError("out must be None where wrt asks for more than one gradient")
        result = results[names[0]]
        for target, part in zip(out, result, strict=True) if isinstance(result, list) else [(out, result)]:
            target[...] = part
        results = {names[0]: out}
    return tuple(results[name] for name in names) if isinstance(wrt, tuple) else results[names[0]]
