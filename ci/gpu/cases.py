"""The workloads of ci/bench on a device: in a type and a layout, with the CPU's results, and the bytes to be moved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
from bench.plan import PLANNERS
from benchmarks.workloads import WORKLOADS, CropAndResize, RoiAlign

import cyroi

NAMES = ("W1", "W1a", "W3", "W4", "W6", "W7")
DTYPES = ("float32", "float16")
LAYOUTS = ("NCHW", "NHWC")
FORWARD, TO_MAPS, TO_BOXES = DIRECTIONS = ("forward", "to the maps", "to the boxes")

# The same kinds of calls as small as an emulator needs them.
TINY: dict[str, RoiAlign | CropAndResize] = {
    "W1": replace(WORKLOADS["W1"], shape=(1, 40, 20, 27), boxes_per_image=5, image=(108, 80), sides=(8, 64)),
    "W1a": replace(WORKLOADS["W1a"], shape=(1, 8, 20, 27), boxes_per_image=5, image=(108, 80), sides=(8, 64)),
    "W3": replace(WORKLOADS["W3"], shape=(1, 36, 10, 13), boxes_per_image=4, image=(208, 160), sides=(32, 160)),
    "W4": replace(WORKLOADS["W4"], shape=(2, 36, 10, 13), boxes_per_image=4, image=(104, 80), sides=(16, 64)),
    "W6": replace(WORKLOADS["W6"], shape=(2, 40, 41, 3), boxes=4, crop_size=24, sides=(4, 40)),
    "W7": replace(WORKLOADS["W7"], shape=(2, 16, 16, 40), boxes=4, sides=(2, 16)),
}
SIZES = ("output_size", "crop_size")


@dataclass(frozen=True)
class Case:
    """A workload in one type and one layout, with everything that is not the device's."""

    name: str
    dtype: str
    layout: str
    tiny: bool = False

    @property
    def workload(self) -> RoiAlign | CropAndResize:
        return (TINY if self.tiny else WORKLOADS)[self.name]

    @property
    def operator(self) -> str:
        return self.workload.operator

    @property
    def maps_name(self) -> str:
        return self.workload.maps

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the forward call."""
        arguments = self.workload.arguments()
        before = arguments.get("layout", "NCHW")
        maps = arguments[self.maps_name].transpose([before.index(axis) for axis in self.layout])
        return arguments | {self.maps_name: np.ascontiguousarray(maps, self.dtype), "layout": self.layout}

    @property
    def maps(self) -> np.ndarray:
        return self.arguments[self.maps_name]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the result."""
        channels = self.maps.shape[self.layout.index("C")]
        bins = self.arguments.get("output_size", self.arguments.get("crop_size"))
        sizes = {"N": len(self.arguments["boxes"]), "C": channels, "H": bins, "W": bins}
        return tuple(sizes[axis] for axis in self.layout)

    @cached_property
    def grad_output(self) -> np.ndarray:
        return np.random.default_rng(2000).standard_normal(self.shape, np.float32).astype(self.dtype)

    def expected(self, direction: str) -> np.ndarray:
        """The CPU's result."""
        if direction == FORWARD:
            return getattr(cyroi, self.operator)(**self.arguments)
        wrt = self.maps_name if direction == TO_MAPS else "boxes"
        return getattr(cyroi, f"{self.operator}_backward")(self.grad_output, **self.backward_arguments(), wrt=wrt)

    def backward_arguments(self) -> dict[str, Any]:
        return {name: value for name, value in self.arguments.items() if name not in SIZES}

    @property
    def touched(self) -> int:
        """How many pixels of all maps any box reads, the channels of a pixel being one."""
        return read_pixels(self.name, self.tiny)

    def moved(self, direction: str) -> int:
        """Bytes that must be moved at least: each pixel that any box reads once, each value of the result once."""
        pixel = self.maps.shape[self.layout.index("C")] * self.maps.itemsize
        if direction == FORWARD:
            return self.touched * pixel + self.grad_bytes
        if direction == TO_MAPS:
            return self.maps.nbytes + self.grad_bytes
        return self.touched * pixel + self.grad_bytes + self.arguments["boxes"].nbytes

    @property
    def grad_bytes(self) -> int:
        return int(np.prod(self.shape)) * self.maps.itemsize


@cache
def read_pixels(name: str, tiny: bool) -> int:
    workload = (TINY if tiny else WORKLOADS)[name]
    plan = PLANNERS[workload.operator](workload.arguments())
    images, _, height, width = plan.shape
    read = np.zeros((images, height, width), bool)
    for image, rows, columns in zip(plan.images, plan.rows, plan.columns, strict=True):
        read[image, rows[:, np.newaxis], columns] = True
    return int(read.sum())
