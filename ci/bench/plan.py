"""Which rows and columns of its map each box of a workload touches: what the floor program reads.

In float64 and from the formulas alone, so that the floor does not depend on the code that it judges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int32]


@dataclass(frozen=True)
class Plan:
    """The geometry of one call. Boxes are ordered by image."""

    shape: tuple[int, int, int, int]  # N, C, H, W, whatever the layout
    layout: str
    bins: int  # of one box and channel
    images: Indices
    rows: list[Indices]
    columns: list[Indices]


def touched(samples: NDArray[np.float64], size: int) -> Indices:
    """The pixels on either side of each sample; a sample out of the map is read at its border."""
    before = np.floor(samples.clip(0, size - 1)).astype(np.int32)
    return np.unique(np.concatenate([before, np.minimum(before + 1, size - 1)]))


def plan_roi_align(arguments: dict[str, Any]) -> Plan:
    boxes = arguments["boxes"].astype(np.float64)
    offset, smallest = (0.5, -np.inf) if arguments["aligned"] else (0.0, 1.0)
    corners = boxes[:, 1:] * arguments["spatial_scale"] - offset
    bins = arguments["output_size"]

    def axis(start: float, end: float, size: int) -> Indices:
        length = max(end - start, smallest)
        samples = bins * (arguments["sampling_ratio"] or int(np.ceil(length / bins)))
        return touched(start + length * (np.arange(samples) + 0.5) / samples, size)

    shape = arguments["input"].shape
    rows = [axis(y1, y2, shape[2]) for _, y1, _, y2 in corners]
    columns = [axis(x1, x2, shape[3]) for x1, _, x2, _ in corners]
    return Plan(shape, "NCHW", bins**2, boxes[:, 0].astype(np.int32), rows, columns)


def plan_crop_and_resize(arguments: dict[str, Any]) -> Plan:
    layout = arguments["layout"]
    shape = tuple(arguments["image"].shape[layout.index(axis)] for axis in "NCHW")
    y, x = crop_samples(arguments)
    rows, columns = [touched(samples, shape[2]) for samples in y], [touched(samples, shape[3]) for samples in x]
    return Plan(shape, layout, arguments["crop_size"] ** 2, arguments["box_indices"].astype(np.int32), rows, columns)


def crop_samples(arguments: dict[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Row and column coordinates of the samples of each box, in pixels: each of shape (boxes, crop_size)."""
    layout, bins = arguments["layout"], arguments["crop_size"]
    steps = np.linspace(0, 1, bins) if bins > 1 else np.array([0.5])
    y1, x1, y2, x2 = arguments["boxes"].astype(np.float64).T[:, :, np.newaxis]
    height, width = (arguments["image"].shape[layout.index(axis)] for axis in "HW")
    return (y1 + (y2 - y1) * steps) * (height - 1), (x1 + (x2 - x1) * steps) * (width - 1)


PLANNERS = {"roi_align": plan_roi_align, "crop_and_resize": plan_crop_and_resize}
