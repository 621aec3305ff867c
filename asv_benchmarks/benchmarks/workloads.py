"""The workloads that every performance figure uses: fixed seeds, so the same bits on every machine.

`WORKLOADS[name].arguments()` are the keyword arguments of the operator `WORKLOADS[name].operator`. Maps are random
normal float32; boxes are like a detector's proposals.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RoiAlign:
    """One call of `cyroi.roi_align`."""

    shape: tuple[int, int, int, int]  # N, C, H, W of the maps
    boxes_per_image: int
    output_size: int
    sampling_ratio: int  # 0: adaptive
    stride: int  # image pixels per pixel of the map
    image: tuple[int, int]  # width and height, in image pixels
    sides: tuple[int, int] | None  # shortest and longest box, in image pixels; None: each box is nearly the whole image
    seed: int

    operator: ClassVar[str] = "roi_align"
    maps: ClassVar[str] = "input"

    @property
    def result_shape(self) -> tuple[int, ...]:
        return (self.shape[0] * self.boxes_per_image, self.shape[1], self.output_size, self.output_size)

    def arguments(self) -> dict[str, Any]:
        rng = np.random.default_rng(self.seed)
        boxes = [np.insert(self._corners(rng), 0, image, axis=1) for image in range(self.shape[0])]
        return {
            "input": np.random.default_rng(1000).standard_normal(self.shape, np.float32),
            "boxes": np.concatenate(boxes).astype(np.float32),
            "output_size": self.output_size,
            "spatial_scale": 1 / self.stride,
            "sampling_ratio": self.sampling_ratio,
            "aligned": True,
        }

    def _corners(self, rng: np.random.Generator) -> NDArray[np.float64]:
        if self.sides is not None:
            return proposals(rng, self.boxes_per_image, self.image, self.sides)
        margins = rng.uniform(0, 8, (self.boxes_per_image, 4))
        return np.array([0, 0, *self.image]) + margins * [1, 1, -1, -1]


@dataclass(frozen=True)
class CropAndResize:
    """One call of `cyroi.crop_and_resize`."""

    shape: tuple[int, int, int, int]  # N, H, W, C of the images, whatever the layout
    boxes: int  # in all images together
    crop_size: int
    sides: tuple[int, int]  # shortest and longest box, in pixels
    seed: int
    layout: str = "NHWC"
    view: str = "whole"  # "reversed": columns from right to left; "few": the first channels of four times as many

    operator: ClassVar[str] = "crop_and_resize"
    maps: ClassVar[str] = "image"

    @property
    def result_shape(self) -> tuple[int, ...]:
        pixels, channels = (self.crop_size, self.crop_size), self.shape[3]
        return (self.boxes, channels, *pixels) if self.layout == "NCHW" else (self.boxes, *pixels, channels)

    def arguments(self) -> dict[str, Any]:
        rng = np.random.default_rng(self.seed)
        images, height, width, _ = self.shape
        x1, y1, x2, y2 = proposals(rng, self.boxes, (width - 1, height - 1), self.sides).T
        corners = [y1 / (height - 1), x1 / (width - 1), y2 / (height - 1), x2 / (width - 1)]
        pixels = np.random.default_rng(1001).standard_normal(self.shape, np.float32)
        return {
            "image": self._placed(pixels),
            "boxes": np.stack(corners, axis=1).clip(0, 1).astype(np.float32),
            "box_indices": np.sort(rng.integers(0, images, self.boxes)).astype(np.int32),
            "crop_size": self.crop_size,
            "layout": self.layout,
        }

    def _placed(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """The pixels as the workload has them in memory."""
        if self.layout == "NCHW":
            return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        if self.view == "reversed":
            return np.ascontiguousarray(pixels[:, :, ::-1])[:, :, ::-1]
        if self.view == "few":
            return np.tile(pixels, 4)[..., : self.shape[3]]
        return pixels


def proposals(
    rng: np.random.Generator, count: int, extent: tuple[int, int], sides: tuple[int, int]
) -> NDArray[np.float64]:
    """Boxes x1, y1, x2, y2 in [0, width] x [0, height]: log-uniform sides, aspect 1:2 to 2:1, clipped, at least 1 wide.

    The draws and the order of the arithmetic are part of the workloads: a change here changes every figure.
    """
    side = np.exp(rng.uniform(*np.log(sides), count))
    aspect = np.exp(rng.uniform(np.log(0.5), np.log(2.0), count))
    sizes = side * np.sqrt(aspect), side / np.sqrt(aspect)
    centres = [rng.uniform(0, limit, count) for limit in extent]
    starts, ends = [], []
    for size, centre, limit in zip(sizes, centres, extent, strict=True):
        starts.append((centre - size / 2).clip(0, limit - 1))
        ends.append(np.maximum((centre + size / 2).clip(1, limit), starts[-1] + 1))
    return np.stack([*starts, *ends], axis=1)


def subset(arguments: dict[str, Any], chosen: NDArray[np.intp]) -> dict[str, Any]:
    """`arguments` of a call with only the `chosen` boxes."""
    return {**arguments, **{name: arguments[name][chosen] for name in ("boxes", "box_indices") if name in arguments}}


_BOX_HEAD = RoiAlign((1, 256, 200, 272), 1000, 7, 2, stride=4, image=(1088, 800), sides=(16, 512), seed=1)
_ONE_BOX = RoiAlign((1, 64, 32, 32), 1, 7, 2, stride=8, image=(256, 256), sides=(32, 160), seed=5)
_IMAGES = CropAndResize((8, 512, 512, 3), 256, 224, sides=(32, 512), seed=6)
_CHANNELS = CropAndResize((1, 360, 640, 8), 16, 224, sides=(72, 288), seed=9)

WORKLOADS: dict[str, RoiAlign | CropAndResize] = {
    "W1": _BOX_HEAD,  # the box head of Mask R-CNN
    "W1a": replace(_BOX_HEAD, sampling_ratio=0),
    "W2": replace(_BOX_HEAD, boxes_per_image=100, output_size=14, seed=2),  # its mask head
    "W3": RoiAlign((1, 1024, 50, 68), 300, 14, 0, stride=16, image=(1088, 800), sides=(32, 800), seed=3),  # C4
    "W4": RoiAlign((8, 256, 100, 136), 512, 7, 2, stride=8, image=(1088, 800), sides=(16, 512), seed=4),  # training
    "W5_1": _ONE_BOX,  # W5: the overhead of a call
    "W5_10": replace(_ONE_BOX, boxes_per_image=10),
    "W6": _IMAGES,  # crops of images
    "W6_nchw": replace(_IMAGES, layout="NCHW"),
    "W7": CropAndResize((4, 64, 64, 256), 512, 14, sides=(4, 64), seed=7),  # crops of feature maps
    # Crops of an image of several channels, and of images that do not follow each other in memory.
    "W9_5": replace(_CHANNELS, shape=(1, 360, 640, 5)),
    "W9_8": _CHANNELS,
    "W9_16": replace(_CHANNELS, shape=(1, 360, 640, 16)),
    "W9_32": replace(_CHANNELS, shape=(1, 360, 640, 32)),
    "W9_reversed": replace(_CHANNELS, shape=(1, 360, 640, 3), view="reversed"),  # image[:, :, ::-1]
    "W9_few": replace(_CHANNELS, shape=(1, 360, 640, 3), view="few"),  # image[..., :3] of 12 channels
    "W8": replace(_BOX_HEAD, sampling_ratio=0, sides=None, seed=8),  # the largest adaptive grids
    # The least work that a call can have: nothing but overhead.
    "smallest_roi": RoiAlign((1, 1, 8, 8), 1, 1, 1, stride=1, image=(8, 8), sides=(2, 4), seed=0),
    "smallest_crop": CropAndResize((1, 8, 8, 1), 1, 1, sides=(2, 4), seed=0),
}
