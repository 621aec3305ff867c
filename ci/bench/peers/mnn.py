"""MNN: ROIAlign and CropAndResize as models of one node. Maps and result stay in the session's memory and order."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import MNN
import numpy as np
from MNN import expr

from ..contender import Array, Contender, to_layout

NOTE = "keeps maps and result in the memory and order of its session; only the run of the session is timed."


def roi_align(arguments: dict[str, Any], shape: tuple[int, ...], threads: int) -> Contender:
    inputs = {"maps": arguments["input"], "boxes": arguments["boxes"]}
    maps = named("maps", expr.placeholder(list(inputs["maps"].shape), expr.NC4HW4, expr.float))
    boxes = named("boxes", expr.placeholder(list(inputs["boxes"].shape), expr.NCHW, expr.float))
    size, scale, ratio = arguments["output_size"], arguments["spatial_scale"], arguments["sampling_ratio"]
    node = expr.roi_align(maps, boxes, size, size, scale, ratio, arguments["aligned"], expr.Pooling_Mode.AVEPOOL)
    return session(node, inputs, MNN.Tensor_DimensionType_Caffe, threads)


def crop_and_resize(arguments: dict[str, Any], shape: tuple[int, ...], threads: int) -> Contender:
    layout, size = arguments["layout"], arguments["crop_size"]
    inputs = {
        "maps": to_layout(arguments["image"], layout, "NHWC"),
        "boxes": arguments["boxes"],
        "images": arguments["box_indices"],
    }
    kinds = {"maps": expr.float, "boxes": expr.float, "images": expr.int}
    variables = [
        named(name, expr.placeholder(list(value.shape), expr.NHWC, kinds[name])) for name, value in inputs.items()
    ]
    node = expr.crop_and_resize(*variables, [size, size])
    contender = session(node, inputs, MNN.Tensor_DimensionType_Tensorflow, threads)
    return Contender(contender.run, lambda: to_layout(contender.result(), "NHWC", layout))


def named(name: str, variable: expr.Var) -> expr.Var:
    variable.name = name
    return variable


def session(node: expr.Var, inputs: dict[str, Array], order: int, threads: int) -> Contender:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "node.mnn"))
        expr.save([node], path)
        network = MNN.Interpreter(path)
    # Its usual precision may be less than float32.
    session = network.createSession({"numThread": threads, "backend": "CPU", "precision": "high"})
    tensors = network.getSessionInputAll(session)
    for name, value in inputs.items():
        kind = MNN.Halide_Type_Float if value.dtype == np.float32 else MNN.Halide_Type_Int
        if not tensors[name].copyFrom(MNN.Tensor(value.shape, kind, np.ascontiguousarray(value), order)):
            raise RuntimeError(f"could not set {name}")

    def result() -> Array:
        output = network.getSessionOutput(session)
        host = MNN.Tensor(output.getShape(), MNN.Halide_Type_Float, np.empty(output.getShape(), np.float32), order)
        output.copyToHostTensor(host)
        return np.array(host.getNumpyData())

    return Contender(lambda: network.runSession(session), result)
