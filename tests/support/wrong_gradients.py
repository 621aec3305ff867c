"""Gradients that are wrong in ways that gradients have been wrong, for showing that the laws fail on each.

A wrong gradient is made from a right one: by a change of its arguments or its result, or of one function of the
reference while it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np

from cyroi.reference import _bilinear, _gradients, _roi_align_backward

from .gradients import Backward
from .operators import Call, Operator

Wrong = Callable[[Backward], Backward]


def arguments(change: Callable[[Call], Call]) -> Wrong:
    return lambda backward: lambda **call: backward(**(call | change(call)))


def result(change: Callable[[Any], Any]) -> Wrong:
    return lambda backward: lambda **call: change(backward(**call))


def replaced(module: Any, name: str, make: Callable[[Any], Any]) -> Wrong:
    """`make` turns the right function into the wrong one."""

    def wrong(backward: Backward) -> Backward:
        def gradient(**call: Any) -> Any:
            with mock.patch.object(module, name, make(getattr(module, name))):
                return backward(**call)

        return gradient

    return wrong


def resampled(change: Callable[..., Any]) -> Wrong:
    """Another answer of roi_align's axis_samples: change(made, again); again(...) samples with other arguments."""

    def make(right):
        def axis_samples(lo, hi, bins, size, spatial_scale, sampling_ratio, aligned):
            given = {"spatial_scale": spatial_scale, "sampling_ratio": sampling_ratio, "aligned": aligned}
            made = right(lo, hi, bins, size, **given)
            return change(made, lambda **other: right(lo, hi, bins, size, **(given | other)))

        return axis_samples

    return replaced(_roi_align_backward, "axis_samples", make)


def without_last(axis: int) -> Wrong:
    """The last box, row or column of the gradient is lost, as in a race or a loop that ends too early."""

    def change(call: Call) -> Call:
        g = call["grad_output"].copy()
        g[(slice(None),) * axis + (-1,)] = 0
        return {"grad_output": g}

    return arguments(change)


def mirrored(right):
    def pixel_pair(t, size):
        (low, weight_low), (high, weight_high) = right(t, size)
        return (low, weight_high), (high, weight_low)

    return pixel_pair


def next_image(call: Call) -> Call:
    name = "batch_indices" if "batch_indices" in call else "box_indices"
    return {name: np.roll(call[name], 1)}


def of_bin_starts(made, again):
    half_a_sample = made.by_hi[0, 0]
    return made._replace(by_lo=made.by_lo + half_a_sample, by_hi=made.by_hi - half_a_sample)


def as_if_not_enlarged(made, again):
    other = again(aligned=True)
    return made._replace(by_lo=other.by_lo, by_hi=other.by_hi)


BOTH = ("roi_align", "crop_and_resize")
ROI, CROP = BOTH[:1], BOTH[1:]

OF_BOTH_GRADIENTS = {
    "last box lost": (without_last(0), BOTH),
    "last row lost": (without_last(2), BOTH),
    "last column lost": (without_last(3), BOTH),
    "sums in float32": (result(np.float32), BOTH),
    "average forgotten": (resampled(lambda made, again: made._replace(grid=1)), ROI),
    "outside is pixel 0": (
        replaced(_gradients, "inside", lambda right: lambda t, *by: right(np.nan_to_num(t), *by)),
        BOTH,
    ),
}
# name: (wrong gradient, operators that it can be wrong for)
SEEN_BY_THE_SUM_RULE = OF_BOTH_GRADIENTS | {
    "another image": (arguments(next_image), BOTH),
    "another channel": (result(lambda gradient: np.roll(gradient, 1, axis=1)), BOTH),
}
SEEN_BY_ADJOINTNESS = SEEN_BY_THE_SUM_RULE | {
    "axes swapped": (arguments(lambda call: {"boxes": call["boxes"][:, [1, 0, 3, 2]]}), BOTH),
    "weights mirrored": (replaced(_bilinear, "pixel_pair", mirrored), BOTH),
    "one sample more": (resampled(lambda made, again: again(sampling_ratio=made.grid + 1)), ROI),
    "other alignment": (arguments(lambda call: {"aligned": not call["aligned"]}), ROI),
    "other method": (arguments(lambda call: {"method": "nearest"}), CROP),
}
SEEN_BY_CENTRAL_DIFFERENCES = OF_BOTH_GRADIENTS | {
    "sides swapped": (result(lambda gradient: gradient[:, [2, 3, 0, 1]]), BOTH),
    "axes swapped": (result(lambda gradient: gradient[:, [1, 0, 3, 2]]), BOTH),
    "weights mirrored": (replaced(_bilinear, "pixel_pair", mirrored), BOTH),
    "unit of the map": (resampled(lambda made, again: again(spatial_scale=1.0)._replace(t=made.t)), ROI),
    "clamped borders move": (replaced(_gradients, "interior", lambda right: lambda t, size: t < size - 1), ROI),
    "enlarged boxes move with both sides": (resampled(as_if_not_enlarged), ROI),
    "of the bins' starts": (resampled(of_bin_starts), ROI),
    "other method": (arguments(lambda call: {"method": "nearest"}), CROP),
}
SEEN_IN_THE_CONTAINERS = {
    "a gradient to the index": lambda gradient: (
        gradient + (np.arange(5) == 0) if np.shape(gradient)[-1:] == (5,) else gradient
    ),
    "no column for the index": lambda gradient: gradient[:, 1:] if np.shape(gradient)[-1:] == (5,) else gradient,
    "an array for a list": lambda gradient: np.concatenate(gradient) if isinstance(gradient, list) else gradient,
    "images in reverse": lambda gradient: gradient[::-1] if isinstance(gradient, list) else gradient,
}


def cases(table: dict[str, tuple[Wrong, tuple[str, ...]]]) -> list[tuple[str, str]]:
    """(operator, name) of each wrong gradient of a table."""
    return [(operator, name) for name, (_, operators) in table.items() for operator in operators]


def every_kind(operator: Operator, **changes: Any) -> Call:
    """A call on which every wrong gradient has to be seen.

    Its boxes lie in, on and over each border of the map, far away, reversed, small; none of them at a kink.
    """
    changes = {"layout": "NCHW", "shape": (3, 3, 9, 12), "boxes": 9, "dtype": np.float64} | changes
    call = operator.call(np.random.default_rng(31), **changes)
    pixels = np.array(
        [
            [1.3, 2.1, 9.7, 7.2],  # x1 y1 x2 y2, in [0, 11] and [0, 8]
            [-2.9, -1.7, 6.6, 5.1],
            [4.3, 3.3, 14.8, 11.4],
            [-4.1, -5.2, 16.3, 13.9],
            [20.4, 3.1, 25.7, 6.2],
            [9.7, 7.2, 1.4, 2.3],
            [5.23, 4.11, 5.62, 4.37],
            [7.1, 6.9, 12.4, 7.3],
            [2.2, 0.6, 8.9, 7.7],
        ]
    )
    pixels += np.random.default_rng(33).uniform(-0.05, 0.05, pixels.shape)
    call[operator.index] = np.arange(9) % 3
    if operator.name == "roi_align":
        return call | {
            "boxes": pixels * 2,
            "spatial_scale": 0.5,
            "sampling_ratio": 2,
            "aligned": False,
            "output_size": 3,
        }
    boxes = pixels[:, [1, 0, 3, 2]] / np.array([8, 11, 8, 11])
    return call | {"boxes": boxes, "crop_size": (3, 4), "method": "bilinear", "extrapolation_value": 7.0}
