"""The tables of cases: for each peer, every setting that it has, on ordinary boxes and on edges.

The stored table is `TABLES[peer](seed=0, boxes=1)`; other seeds and more boxes give fresh cases for a peer that is
installed. Left out, because the peer crashes there or computes nothing defined (numbers to compare do not exist):

* boxes of about 3e38, whose arithmetic overflows to NaN: torchvision and TensorFlow cast NaN to an integer;
* NaN and infinite boxes: the same, and an error in ONNX Runtime and cyroi;
* torchvision and ONNX Runtime, half-pixel, adaptive grid, one axis reversed: an error, because the negative number of
  samples is a table's size (with both axes reversed it is positive, and the result 0: those are in);
* huge boxes on the adaptive grid: all three RoI Align peers allocate a table of every sample;
* OpenVINO and Paddle, half-pixel, adaptive grid, an empty box: 0 * (1 / 0) is NaN; a reversed one: a negative count;
* TensorFlow, subnormal coordinates: flushed to zero, so that -1e-45 lies inside.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from . import geometry
from .case import Array, Case

SIZES = [2, (3, 2), (1, 4), (2, 1), 1]
SCALES = [1.0, 1 / 4, 1 / 16, 0.3]
FLOAT32_SCALES = [float(np.float32(scale)) for scale in SCALES]  # where the peer keeps the scale in float32
MAP = (2, 3, 12, 17)
EDGE_MAP = (1, 2, 6, 67)  # wide enough that coordinates round
EDGE_SIZES = [((1, 1), 1.0), ((2, 3), 1.0), ((2, 3), 1 / 4), ((1, 7), FLOAT32_SCALES[3])]  # output size, scale
DEGENERATE_MAPS = [(1, 2, 1, 1), (1, 2, 1, 7), (1, 2, 7, 1)]


class Table:
    """Cases of one peer under construction."""

    def __init__(self, seed: int, boxes: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.boxes = boxes
        self.cases: list[Case] = []
        self._maps: dict[Any, Array] = {}

    def maps(self, shape: tuple[int, int, int, int], dtype: Any) -> Array:
        """One map per shape and dtype, so that it is stored once."""
        if (shape, dtype) not in self._maps:
            self._maps[shape, dtype] = geometry.random_maps(self.rng, shape, dtype)
        return self._maps[shape, dtype]

    def add(
        self, name: str, maps: Array, boxes: Array, arguments: dict[str, Any], operator: str = "roi_align", **kw: Any
    ) -> None:
        label = ",".join(f"{value}" for value in arguments.values())
        shape = "x".join(map(str, maps.shape))
        name = "-".join(filter(None, [name, kw.get("variant"), f"{maps.dtype}", shape, label])).replace(" ", "")
        self.cases.append(Case(name, operator, arguments, maps, boxes, **kw))

    # Every method below adds a family of cases; `kw` goes to Case.

    def random_rois(self, dtype: Any, ratios: Any, scales: Any, modes: Any = (False, True), **kw: Any) -> None:
        for i, (aligned, ratio, scale) in enumerate(itertools.product(modes, ratios, scales)):
            boxes = geometry.random_rois(self.rng, 5 * self.boxes, MAP, scale, dtype)
            self.add("random", self.maps(MAP, dtype), boxes, roi_align(SIZES[i % 5], ratio, aligned, scale), **kw)

    def edge_rois(self, dtype: Any, ratios: Any, sizes: Any, count: int, modes: Any = (False, True), **kw: Any) -> None:
        for aligned, ratio, (size, scale) in itertools.product(modes, ratios, sizes):
            setting = geometry.Setting(size, ratio, aligned, scale)
            boxes = geometry.edge_rois(self.rng, count * self.boxes, EDGE_MAP, setting, dtype)
            self.add("edge", self.maps(EDGE_MAP, dtype), boxes, roi_align(size, ratio, aligned, scale), **kw)

    def dyadic_rois(self, dtype: Any, ratios: Any) -> None:
        for aligned, ratio, size in itertools.product((False, True), ratios, [(1, 2), (4, 2)]):
            setting = geometry.Setting(size, ratio, aligned)
            boxes = geometry.edge_rois(self.rng, 16 * self.boxes, EDGE_MAP, setting, dtype, geometry.dyadic_axis)
            self.add("dyadic", self.maps(EDGE_MAP, dtype), boxes, roi_align(size, ratio, aligned))

    def degenerate_maps(self, dtype: Any, ratios: Any, modes: Any = (False, True), **kw: Any) -> None:
        for shape, aligned, ratio in itertools.product(DEGENERATE_MAPS, modes, ratios):
            setting = geometry.Setting((2, 2), ratio, aligned)
            boxes = geometry.edge_rois(self.rng, 8 * self.boxes, shape, setting, dtype)
            self.add("degenerate", self.maps(shape, dtype), boxes, roi_align((2, 2), ratio, aligned), **kw)

    def whole_bins(self, dtype: Any, modes: Any = (False, True), **kw: Any) -> None:
        for aligned in modes:
            self.add("whole", self.maps(EDGE_MAP, dtype), geometry.whole_bins(7, dtype), roi_align(7, 0, aligned), **kw)

    def far_rois(self, dtype: Any, modes: Any = (False, True), **kw: Any) -> None:
        """Boxes beyond the map by any distance that does not overflow; around it, the middle sample is pixel 0."""
        far = np.array([[0, -1e30, -1e30, 1e30, 1e30], [0, 1e30, 1e30, 2e30, 2e30], [0, -1e4, 2, 1e4, 3]], dtype)
        for aligned, (size, ratio) in itertools.product(modes, [(1, 1), ((1, 3), 1), (2, 3)]):
            self.add("far", self.maps(EDGE_MAP, dtype), far, roi_align(size, ratio, aligned), **kw)

    def reversed_rois(self, ratio: int, **kw: Any) -> None:
        boxes = np.array([[0, 9, 5, 2, 1], [0, 2.2, 2.2, 2, 2], [0, 80, 20, -9, -3]], np.float32)
        self.add("reversed", self.maps(EDGE_MAP, np.float32), boxes, roi_align((2, 3), ratio, aligned=True), **kw)

    def crops(self, maps: Array, shape: tuple[int, int, int], layout: str, **kw: Any) -> None:
        for method, size in itertools.product(["bilinear", "nearest"], [1, (1, 3), (4, 1), (3, 4), (5, 2)]):
            arguments = {"crop_size": size, "method": method, "extrapolation_value": 0.0, "layout": layout}
            for name, value in (("random", 0.0), ("edge", -7.5)):
                boxes = geometry.random_crops(self.rng, 8 * self.boxes, shape[0], maps.dtype.type)
                if name == "edge":
                    boxes = geometry.edge_crops(self.rng, 40 * self.boxes, shape, maps.dtype.type)
                changed = arguments | {"extrapolation_value": value}
                self.add(name, maps, boxes, changed, "crop_and_resize", **kw)


def roi_align(size: Any, ratio: int, aligned: bool, scale: float = 1.0) -> dict[str, Any]:
    return {"output_size": size, "sampling_ratio": ratio, "aligned": aligned, "spatial_scale": scale}


def torchvision(seed: int, boxes: int) -> list[Case]:
    table = Table(seed, boxes)
    table.random_rois(np.float32, (-1, 0, 1, 2, 3), SCALES)
    table.random_rois(np.float64, (-1, 0, 1, 2, 3), SCALES[2:])
    table.random_rois(np.float32, (-1, 2), SCALES[1:2], variant="list")
    table.edge_rois(np.float32, (-1, 1, 2, 3), EDGE_SIZES, 20)
    table.edge_rois(np.float64, (-1, 2), EDGE_SIZES[1:3], 12)
    table.whole_bins(np.float32)
    table.degenerate_maps(np.float32, (-1, 2))
    table.far_rois(np.float32)
    table.far_rois(np.float64)
    table.reversed_rois(-1)
    return table.cases


def tensorflow(seed: int, boxes: int) -> list[Case]:
    table = Table(seed, boxes)
    for shape in [(2, 2, 8, 11), (1, 2, 9, 4), (1, 2, 1, 1)]:
        maps = np.ascontiguousarray(table.maps(shape, np.float32).transpose(0, 2, 3, 1))
        table.crops(maps, maps.shape[:3], "NHWC")
    return table.cases


def onnx(seed: int, boxes: int) -> list[Case]:
    """ONNX Runtime: opset 10 and 16 ``output_half_pixel`` are legacy, 16 ``half_pixel`` is aligned."""
    table = Table(seed, boxes)
    for variant, modes, ratios in (("opset 10", [False], (0, 2)), ("opset 16", [False, True], (0, 1, 2, 3))):
        table.random_rois(np.float32, ratios, FLOAT32_SCALES, modes, variant=variant)
        table.random_rois(np.float64, (0, 2), FLOAT32_SCALES[2:], modes, variant=variant)
        table.whole_bins(np.float32, modes, variant=variant)
    table.edge_rois(np.float32, (0, 1, 2), EDGE_SIZES[1:], 12, variant="opset 16")
    table.edge_rois(np.float64, (0, 2), EDGE_SIZES[1:2], 12, variant="opset 16")
    table.degenerate_maps(np.float32, (0, 2), variant="opset 16")
    table.far_rois(np.float32, variant="opset 16")
    table.reversed_rois(0, variant="opset 16")
    maps = table.maps((2, 2, 8, 11), np.float32)
    table.crops(maps, (2, 8, 11), "NCHW", variant="CropAndResize")
    return table.cases


def openvino(seed: int, boxes: int) -> list[Case]:
    """OpenVINO divides the bin by the grid first: two sequences of three roundings apart, unless nothing is rounded."""
    table = Table(seed, boxes)
    table.random_rois(np.float32, (0, 1, 2, 3), FLOAT32_SCALES, coordinate_roundings=6)
    table.dyadic_rois(np.float32, (0, 1, 2, 4))
    return table.cases


def paddle(seed: int, boxes: int) -> list[Case]:
    """Paddle counts in bins and multiplies by their size: another sequence of roundings, unless nothing is rounded."""
    table = Table(seed, boxes)
    table.random_rois(np.float32, (-1, 1, 2, 3), FLOAT32_SCALES, coordinate_roundings=6, variant="list")
    table.random_rois(np.float64, (-1, 2), FLOAT32_SCALES[2:], coordinate_roundings=6)
    table.dyadic_rois(np.float32, (-1, 1, 2, 4))
    return table.cases


TABLES = {
    "torchvision": torchvision,
    "tensorflow": tensorflow,
    "onnx": onnx,
    "openvino": openvino,
    "paddle": paddle,
}
