"""OpenVINO: ROIAlign of operator set 9. It has no crop_and_resize."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino
from openvino import opset9

from ..contender import Contender, owned


def roi_align(arguments: dict[str, Any], shape: tuple[int, ...], threads: int) -> Contender:
    boxes = arguments["boxes"]
    inputs = [arguments["input"], np.ascontiguousarray(boxes[:, 1:]), boxes[:, 0].astype(np.int32)]
    parameters = [opset9.parameter(value.shape, value.dtype) for value in inputs]
    node = opset9.roi_align(
        *parameters,
        pooled_h=arguments["output_size"],
        pooled_w=arguments["output_size"],
        sampling_ratio=arguments["sampling_ratio"],
        spatial_scale=arguments["spatial_scale"],
        mode="avg",
        aligned_mode="half_pixel_for_nn" if arguments["aligned"] else "asymmetric",
    )
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",  # its default is bfloat16 where the CPU has it
    }
    model = openvino.Core().compile_model(openvino.Model([node], parameters), "CPU", settings)
    request = model.create_infer_request()
    # The tensors only point to the arrays; the lambda below holds `inputs`, which keeps them alive.
    for index, value in enumerate(inputs):
        request.set_input_tensor(index, openvino.Tensor(value, shared_memory=True))
    result = np.empty(shape, np.float32)
    request.set_output_tensor(openvino.Tensor(result, shared_memory=True))
    return owned(lambda inputs=inputs: request.infer(), result)
