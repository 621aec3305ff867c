"""ONNX's own backend node tests of RoiAlign as cases."""

from __future__ import annotations

from typing import Any

import numpy as np

from .case import Case

# The expected values have four decimals, not always the nearest: ONNX Runtime and onnx's own reference evaluator differ
# from those of the legacy test by up to 0.84 of the last digit, exactly as cyroi does.
PRINTED_ERROR = 1e-4

ALIGNED = {"output_half_pixel": False, "half_pixel": True}


def arguments(attributes: dict[str, Any], opset: int) -> dict[str, Any]:
    """RoiAlign's attributes, with the defaults of `opset`, as arguments of cyroi.roi_align."""
    default = "half_pixel" if opset >= 16 else "output_half_pixel"  # before 16 there was no such attribute
    result = {
        "output_size": (attributes.get("output_height", 1), attributes.get("output_width", 1)),
        "spatial_scale": attributes.get("spatial_scale", 1.0),
        "sampling_ratio": attributes.get("sampling_ratio", 0),
        "aligned": ALIGNED[attributes.get("coordinate_transformation_mode", default)],
    }
    mode = attributes.get("mode", "avg")
    return result if mode == "avg" else result | {"mode": mode}


def load() -> list[Case]:
    """The node tests of the onnx package that is installed."""
    from onnx import helper

    # onnx.backend.test.loader finds the same cases, after importing the tests of every operator and what they need.
    from onnx.backend.test.case.node import _NodeTestCases, roialign  # noqa: F401

    cases = []
    for test in _NodeTestCases:
        node = test.model.graph.node[0]
        if node.op_type != "RoiAlign":
            continue
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        attributes = {name: value.decode() if isinstance(value, bytes) else value for name, value in attributes.items()}
        opset = next(entry.version for entry in test.model.opset_import if entry.domain in ("", "ai.onnx"))
        for (maps, corners, images), (expected,) in test.data_sets:
            boxes = np.column_stack([images.astype(corners.dtype), corners])
            call = arguments(attributes, opset)
            cases.append(Case(test.name, "roi_align", call, maps, boxes, "node test", 0, PRINTED_ERROR, expected))
    return cases
