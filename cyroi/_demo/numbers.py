"""What the demo prints: the tutorial's crop, the worked example, and times beside the NumPy reference."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

import cyroi

from ..reference import oracle
from . import worked

if TYPE_CHECKING:
    from .._typing import Array

TUTORIAL_BOX, TUTORIAL_SIZE = (0.32, 0.05, 0.43, 0.54), (3, 2)
CROP_SIZE, RATIO = (14, 14), 2  # of the crops that are timed
MAX_BOXES, REFERENCE_SECONDS = 4096, 0.7


def print_tutorial() -> None:
    height, width = worked.MAP.shape
    print(f"Tutorial's map, {height} x {width}; box {list(TUTORIAL_BOX)}: y_min, x_min, y_max, x_max, normalised\n")
    ours = cyroi.crop_and_resize(worked.MAP, [TUTORIAL_BOX], None, TUTORIAL_SIZE)[0]
    theirs = cyroi.reference.roi_align(worked.MAP, TUTORIAL_BOX, *TUTORIAL_SIZE)
    boxes = _as_roi_align(np.array([TUTORIAL_BOX]), worked.MAP.shape)
    pooled = cyroi.roi_align(worked.MAP[None, None], boxes, TUTORIAL_SIZE, aligned=True, batch_indices=[0])[0, 0]
    print(f"crop_and_resize\n{ours}")
    print(f"reference.roi_align, the tutorial's loop in NumPy\n{theirs}")
    print(f"largest difference {np.abs(ours - theirs).max():.1g}")
    print(f"roi_align of the same region, adaptive samples\n{pooled}\n")


def print_example() -> None:
    """What the picture derives and compares."""
    print(f"The same map in {worked.BINS} x {worked.BINS} bins; box {list(worked.BOX)}: x1, y1, x2, y2, in pixels\n")
    for aligned in (True, False):
        print(f"roi_align, sampling_ratio={worked.RATIO}, aligned={aligned}\n{worked.roi_align(aligned)}")
    means, maxima = worked.roi_pool()
    print(f"RoI Pool's whole pixels, their means\n{means}\nand maxima\n{maxima}\n")


def print_times(image: Array) -> None:
    print(f"Photograph {image.shape}, crops {CROP_SIZE}, beside the NumPy reference")
    for operator in ("roi_align", "crop_and_resize"):
        few = _random_boxes(8)
        per_box = _best(2, oracle, operator, image, few)[0] / len(few)
        boxes = _random_boxes(int(np.clip(REFERENCE_SECONDS / per_box, 1, MAX_BOXES)))
        slow, expected = _best(1, oracle, operator, image, boxes)
        fast, result = _best(5, cyroi, operator, image, boxes)
        print(
            f"{operator:<16} {len(boxes):>5} boxes   cyroi {fast * 1e3:8.2f} ms   reference {slow * 1e3:8.2f} ms"
            f"   {slow / fast:6.1f} x   largest difference {np.abs(result - expected).max():.1e} of 255"
        )
    print()


def _best(repeats: int, module: Any, operator: str, image: Array, boxes: Array) -> tuple[float, Array]:
    """The shortest time of some calls, in seconds, and their result."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        crops = _align(module, operator, image, boxes)
        seconds.append(time.perf_counter() - start)
    return min(seconds), crops


def _align(module: Any, operator: str, image: Array, boxes: Array) -> Array:
    """Crops (K, h, w, C) by `operator` of `module`, of the same normalised boxes whatever the operator."""
    crops: Array
    indices = np.zeros(len(boxes), np.intp)
    if operator == "crop_and_resize":
        crops = module.crop_and_resize(image[np.newaxis], boxes, indices, CROP_SIZE)
    else:
        options = {"sampling_ratio": RATIO, "aligned": True, "layout": "NHWC"}
        boxes = _as_roi_align(boxes, image.shape)
        crops = module.roi_align(image[np.newaxis], boxes, CROP_SIZE, batch_indices=indices, **options)
    return crops


def _as_roi_align(boxes: Array, shape: tuple[int, ...]) -> Array:
    """Normalised boxes as x1 y1 x2 y2 for ``aligned=True``, where pixel centres lie at half-integers."""
    height, width = shape[:2]
    scale = np.array([width - 1, height - 1, width - 1, height - 1], boxes.dtype)
    pixels: Array = boxes[:, [1, 0, 3, 2]] * scale + boxes.dtype.type(0.5)
    return pixels


def _random_boxes(count: int) -> Array:
    """Boxes within the image, with sides of 1/10 to 1/2 of its own."""
    generator = np.random.default_rng(0)
    sides = generator.uniform(0.1, 0.5, (count, 2))
    corners = generator.uniform(0, 1 - sides)
    return np.hstack([corners, corners + sides]).astype(np.float32)
