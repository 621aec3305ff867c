"""ONNX Runtime: the standard operator RoiAlign, and the contributed CropAndResize. Inputs and result are bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from ..contender import Array, Contender, owned, to_layout

CONTRIBUTED = "com.microsoft"
CROP_TOLERANCE = 1e-4  # the rounding of its coordinates differs, which counts on large images
NOTE = (
    f"knows crops of NCHW only. They agree to {CROP_TOLERANCE:g}, because it rounds coordinates differently, and are"
    " not compared in the last row or column where that puts cyroi's sample, but not its, out of the image."
)


def roi_align(arguments: dict[str, Any], shape: tuple[int, ...], threads: int) -> Contender:
    boxes = arguments["boxes"]
    inputs = {
        "input": arguments["input"],
        "boxes": np.ascontiguousarray(boxes[:, 1:]),
        "images": boxes[:, 0].astype(np.int64),
    }
    node = helper.make_node(
        "RoiAlign",
        list(inputs),
        ["result"],
        mode="avg",
        output_height=arguments["output_size"],
        output_width=arguments["output_size"],
        sampling_ratio=arguments["sampling_ratio"],
        spatial_scale=arguments["spatial_scale"],
        coordinate_transformation_mode="half_pixel" if arguments["aligned"] else "output_half_pixel",
    )
    result = np.empty(shape, np.float32)
    return owned(bind(node, inputs, result, threads), result)


def crop_and_resize(arguments: dict[str, Any], shape: tuple[int, ...], threads: int) -> Contender:
    layout, size = arguments["layout"], arguments["crop_size"]
    inputs = {
        "image": to_layout(arguments["image"], layout, "NCHW"),
        "boxes": arguments["boxes"],
        "images": arguments["box_indices"],
        "size": np.array([size, size], np.int32),
    }
    node = helper.make_node("CropAndResize", list(inputs), ["result"], domain=CONTRIBUTED, mode="bilinear")
    result = np.full([shape[layout.index(axis)] for axis in "NCHW"], np.nan, np.float32)
    run = bind(node, inputs, result, threads)

    def expected(ours: Array) -> Array:
        return without_edge(ours, layout)

    return Contender(run, lambda: to_layout(result, "NCHW", layout), expected, CROP_TOLERANCE)


def without_edge(ours: Array, layout: str) -> Array:
    """Leaves out where cyroi extrapolates, like TensorFlow, because the last sample is out of the image by a rounding.

    This peer sets the last row and column to the edge of the box itself.
    """
    expected = ours.copy()
    planes = expected.transpose([layout.index(axis) for axis in "NCHW"])
    for edge in (planes[:, :, -1, :], planes[:, :, :, -1]):
        edge[edge == 0] = np.nan
    return expected


def bind(node: onnx.NodeProto, inputs: dict[str, Array], result: Array, threads: int) -> Callable[[], object]:
    """A call of a model of this one node."""
    described = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in [*inputs.items(), ("result", result)]
    ]
    graph = helper.make_graph([node], node.op_type, described[:-1], described[-1:])
    standard = helper.make_opsetid("", 16)
    opsets = [standard, helper.make_opsetid(CONTRIBUTED, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=helper.find_min_ir_version_for([standard]))

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    for name, value in inputs.items():
        copy = onnxruntime.OrtValue.ortvalue_from_shape_and_type(value.shape, value.dtype)
        copy.update_inplace(value)
        binding.bind_ortvalue_input(name, copy)
    binding.bind_ortvalue_output("result", onnxruntime.OrtValue.ortvalue_from_numpy(result))
    return lambda: session.run_with_iobinding(binding)
