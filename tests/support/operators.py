"""The table of operators that the tests iterate: one row per operator, and how to make a call of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import cyroi
from cyroi.reference import oracle

from .remembered import remembered

Call = dict[str, Any]  # keyword arguments

LAYOUTS = {"NCHW": (0, 1, 2, 3), "NHWC": (0, 2, 3, 1)}  # planar -> layout


@dataclass(frozen=True)
class Operator:
    """An operator and its gradients, their oracles, and a maker of random calls with planar maps of a given shape."""

    name: str
    function: Callable[..., Any]
    oracle: Callable[..., Any]
    backward: Callable[..., Any]
    oracle_backward: Callable[..., Any]
    expected: Callable[..., Any]  # the oracles, which remember what they were asked
    expected_backward: Callable[..., Any]
    maps: str  # name of the argument that holds the maps
    index: str  # ... of the argument that holds the image of each box
    size: str  # ... of the argument that holds the size of the result
    make: Callable[[np.random.Generator, tuple[int, int, int, int], int], Call]

    def call(
        self,
        rng: np.random.Generator,
        *,
        dtype: Any = np.float32,
        layout: str = "NCHW",
        shape: tuple[int, int, int, int] = (3, 5, 17, 23),
        boxes: int = 7,
        **changes: Any,
    ) -> Call:
        """A random call: arguments by name."""
        maps = rng.standard_normal(shape).astype(dtype)
        call = self.make(rng, shape, boxes)
        call["boxes"] = call["boxes"].astype(dtype)
        call[self.maps] = np.ascontiguousarray(maps.transpose(LAYOUTS[layout]))
        call["layout"] = layout
        return call | changes

    def backward_call(self, call: Call, grad_output: Any, wrt: Any) -> Call:
        """The call of the gradient that belongs to a forward call."""
        kept = {name: value for name, value in call.items() if name != self.size}
        return kept | {"grad_output": grad_output, "wrt": wrt}


def _roi_align_call(rng: np.random.Generator, shape: tuple[int, int, int, int], boxes: int) -> Call:
    n, _, h, w = shape
    scale = float(rng.choice([1.0, 0.25, 0.3]))
    corners = rng.uniform(-0.2, 1.2, (boxes, 4)) * np.array([w, h, w, h]) / scale
    ordered = rng.random(boxes) < 0.8
    corners[ordered] = np.concatenate([np.sort(corners[ordered][:, [i, i + 2]], 1) for i in (0, 1)], 1)[:, [0, 2, 1, 3]]
    return {
        "boxes": corners,
        "batch_indices": rng.integers(0, n, boxes),
        "output_size": tuple(rng.integers(1, 8, 2)),
        "spatial_scale": scale,
        "sampling_ratio": int(rng.choice([-1, 0, 1, 2, 3])),
        "aligned": bool(rng.integers(2)),
    }


def _crop_and_resize_call(rng: np.random.Generator, shape: tuple[int, int, int, int], boxes: int) -> Call:
    return {
        "boxes": rng.uniform(-0.2, 1.2, (boxes, 4)),
        "box_indices": rng.integers(0, shape[0], boxes),
        "crop_size": tuple(rng.integers(1, 8, 2)),
        "method": str(rng.choice(["bilinear", "nearest"])),
        "extrapolation_value": float(rng.choice([0.0, -1.5])),
    }


OPERATORS = [
    Operator(
        "roi_align",
        cyroi.roi_align,
        oracle.roi_align,
        cyroi.roi_align_backward,
        oracle.roi_align_backward,
        remembered(oracle.roi_align),
        remembered(oracle.roi_align_backward),
        maps="input",
        index="batch_indices",
        size="output_size",
        make=_roi_align_call,
    ),
    Operator(
        "crop_and_resize",
        cyroi.crop_and_resize,
        oracle.crop_and_resize,
        cyroi.crop_and_resize_backward,
        oracle.crop_and_resize_backward,
        remembered(oracle.crop_and_resize),
        remembered(oracle.crop_and_resize_backward),
        maps="image",
        index="box_indices",
        size="crop_size",
        make=_crop_and_resize_call,
    ),
]
BY_NAME = {operator.name: operator for operator in OPERATORS}


def containers(corners: np.ndarray, images: np.ndarray, count: int) -> dict[str, Call]:
    """The same boxes in every container of roi_align, as arguments."""
    k5 = np.concatenate([images[:, np.newaxis].astype(corners.dtype), corners], axis=1)
    per_image = [corners[images == i] for i in range(count)]
    return {
        "(K, 5)": {"boxes": k5},
        "(K, 5) list": {"boxes": k5.astype(float).tolist()},
        "(K, 5) tuple of rows": {"boxes": tuple(k5.astype(float))},
        "(K, 4) + batch_indices": {"boxes": corners, "batch_indices": images},
        "(K, 4) + list": {"boxes": corners, "batch_indices": images.tolist()},
        "list per image": {"boxes": per_image},
        "tuple per image": {"boxes": tuple(per_image)},
        "list of lists per image": {"boxes": [part.astype(float).tolist() for part in per_image]},
    }
