"""How to ask each peer for the result of a case. A peer is imported where it is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .case import Array, Case


def torchvision(case: Case) -> Array:
    import torch
    from torchvision.ops import roi_align

    boxes: Any = torch.from_numpy(case.boxes)
    if case.variant == "list":
        boxes = [boxes[boxes[:, 0] == image, 1:] for image in range(len(case.maps))]
    size = case.arguments["output_size"]
    arguments = case.arguments | {"output_size": size if isinstance(size, int) else tuple(size)}
    return roi_align(torch.from_numpy(case.maps), boxes, **arguments).numpy()


def tensorflow(case: Case) -> Array:
    import tensorflow as tf

    arguments = {name: value for name, value in case.arguments.items() if name != "layout"}
    arguments["crop_size"] = case.bins.tolist()
    return tf.image.crop_and_resize(
        case.maps, case.boxes[:, 1:], case.boxes[:, 0].astype(np.int32), **arguments
    ).numpy()


def onnx(case: Case) -> Array:
    if case.variant == "CropAndResize":
        inputs = {"batch_indices": case.boxes[:, 0].astype(np.int32), "crop_size": case.bins.astype(np.int32)}
        attributes = {
            "mode": case.arguments["method"],
            "extrapolation_value": case.arguments["extrapolation_value"],
            "domain": "com.microsoft",
        }
        return _onnx_node(case, "CropAndResize", 16, inputs, attributes)
    attributes = {
        "output_height": int(case.bins[0]),
        "output_width": int(case.bins[1]),
        "sampling_ratio": case.arguments["sampling_ratio"],
        "spatial_scale": case.arguments["spatial_scale"],
    }
    opset = int(case.variant.removeprefix("opset "))
    if opset >= 16:
        attributes["coordinate_transformation_mode"] = (
            "half_pixel" if case.arguments["aligned"] else "output_half_pixel"
        )
    return _onnx_node(case, "RoiAlign", opset, {"batch_indices": case.boxes[:, 0].astype(np.int64)}, attributes)


def _onnx_node(case: Case, operator: str, opset: int, inputs: dict[str, Array], attributes: dict[str, Any]) -> Array:
    """Run a model of one node, whose inputs are the maps, the corners, then `inputs`."""
    import onnxruntime
    from onnx import helper

    feeds = {"maps": case.maps, "corners": np.ascontiguousarray(case.boxes[:, 1:]), **inputs}
    declared = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in feeds.items()
    ]
    result = helper.make_tensor_value_info("result", helper.np_dtype_to_tensor_dtype(case.maps.dtype), [None] * 4)
    node = helper.make_node(operator, list(feeds), ["result"], **attributes)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(
        helper.make_graph([node], operator, declared, [result]), opset_imports=opsets, ir_version=8
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, feeds)[0])


def openvino(case: Case) -> Array:
    import openvino
    from openvino import opset9

    maps = opset9.parameter(case.maps.shape, np.float32)
    corners = opset9.parameter(case.boxes[:, 1:].shape, np.float32)
    images = opset9.parameter(case.boxes[:, 0].shape, np.int32)
    ratio, scale = case.arguments["sampling_ratio"], case.arguments["spatial_scale"]
    mode = "half_pixel_for_nn" if case.arguments["aligned"] else "asymmetric"
    node = opset9.roi_align(maps, corners, images, *case.bins.tolist(), ratio, scale, "avg", mode)
    # Left to itself it computes in bfloat16 where the processor can.
    model = openvino.compile_model(
        openvino.Model([node], [maps, corners, images]), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    feeds = [case.maps, np.ascontiguousarray(case.boxes[:, 1:]), case.boxes[:, 0].astype(np.int32)]
    return np.array(model(feeds)[0])


def paddle(case: Case) -> Array:
    import paddle
    from paddle.vision.ops import roi_align

    counts = np.bincount(case.boxes[:, 0].astype(int), minlength=len(case.maps)).astype(np.int32)
    corners = np.ascontiguousarray(case.boxes[:, 1:])  # the boxes of each image follow those of the one before
    with paddle.base.dygraph.guard(paddle.CPUPlace()):
        tensors = [paddle.to_tensor(array) for array in (case.maps, corners, counts)]
        return roi_align(*tensors, **case.arguments | {"output_size": tuple(case.bins.tolist())}).numpy()


RUNNERS: dict[str, Callable[[Case], Array]] = {
    "torchvision": torchvision,
    "tensorflow": tensorflow,
    "onnx": onnx,
    "openvino": openvino,
    "paddle": paddle,
}
