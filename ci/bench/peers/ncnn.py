"""ncnn: a network of one ROIAlign layer, which takes one box per call. It has no crop_and_resize."""

from __future__ import annotations

from typing import Any

import ncnn
import numpy as np

from ..contender import Array, Contender

TOLERANCE = 1e-4  # the rounding of its coordinates differs, which counts on large maps
NOTE = f"takes one box per call and makes a new result; it agrees to {TOLERANCE:g}: it rounds coordinates differently."

# The file format, its version, counts of layers and blobs, then the layers. 5=1: the version that everybody computes.
NETWORK = """7767517
3 3
Input maps 0 1 maps
Input box 0 1 box
ROIAlign roi_align 2 1 maps box result 0={size} 1={size} 2={scale:.9e} 3={ratio} 4={aligned:d} 5=1
"""


def roi_align(arguments: dict[str, Any], shape: tuple[int, ...], threads: int) -> Contender:
    network = ncnn.Net()
    network.opt.num_threads = threads
    for storage in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage"):
        setattr(network.opt, f"use_{storage}", False)
    text = NETWORK.format(
        size=arguments["output_size"],
        scale=arguments["spatial_scale"],
        ratio=arguments["sampling_ratio"],
        aligned=arguments["aligned"],
    )
    if network.load_param_mem(text) != 0:
        raise RuntimeError("the network does not load")
    # A Mat only points to the memory of its array.
    arrays = [*arguments["input"], *map(np.ascontiguousarray, arguments["boxes"][:, 1:])]
    images = [ncnn.Mat(array) for array in arrays[: len(arguments["input"])]]
    boxes = [ncnn.Mat(array) for array in arrays[len(arguments["input"]) :]]
    pairs = [(images[int(index)], box) for index, box in zip(arguments["boxes"][:, 0], boxes, strict=True)]
    results: list[ncnn.Mat] = [None] * len(pairs)

    def run(arrays: list[Array] = arrays) -> None:
        for index, (image, box) in enumerate(pairs):
            extractor = network.create_extractor()
            extractor.input("maps", image)
            extractor.input("box", box)
            _, results[index] = extractor.extract("result")

    def result() -> Array:
        return np.stack([np.array(box) for box in results]).reshape(shape)

    return Contender(run, result, tolerance=TOLERANCE)
