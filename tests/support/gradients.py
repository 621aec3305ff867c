"""The laws of gradients, as comparisons; `laws/test_gradients_reference.py` shows that each fails on a wrong gradient.

`backward` is always a function with the signature of the operator's own gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from .operators import Call, Operator, containers

Backward = Callable[..., Any]
SEED = 11


def made_up(operator: Operator, call: Call) -> tuple[np.ndarray, Call]:
    """A random gradient of the call's result, and the call without what the gradient must not depend on."""
    linear = call | ({"extrapolation_value": 0.0} if "extrapolation_value" in call else {})
    shape = operator.expected(**linear).shape
    return np.random.default_rng(SEED).standard_normal(shape).astype(np.asarray(call[operator.maps]).dtype), linear


def per_channel(products: np.ndarray, layout: str | None) -> np.ndarray:
    """Sums over all axes but that of the channels; without a layout, over all."""
    channels = layout.index("C") if layout else None
    return products.sum(axis=tuple(axis for axis in range(products.ndim) if axis != channels), dtype=float)


def assert_adjoint(operator: Operator, backward: Backward, call: Call, tolerance: float = 1e-12) -> None:
    """<A x, g> = <x, A' g> for every channel, relative to the same sum of absolute values."""
    g, linear = made_up(operator, call)
    maps = linear[operator.maps]
    gradient = backward(**operator.backward_call(call, g, operator.maps))
    assert gradient.shape == maps.shape
    layout = call["layout"] if maps.ndim == 4 else None
    left = per_channel(operator.expected(**linear) * g, layout)
    right = per_channel(maps * gradient.astype(float), layout)
    largest = per_channel(operator.expected(**(linear | {operator.maps: abs(maps)})) * abs(g), layout)
    assert (abs(left - right) <= tolerance * largest).all(), f"{left} and {right}"


def assert_sum_rule(operator: Operator, backward: Backward, call: Call, tolerance: float = 1e-12) -> None:
    """The gradient of an image sums to the weights of its boxes' bins times g; a batch of images."""
    g, linear = made_up(operator, call)
    gradient = backward(**operator.backward_call(call, g, operator.maps))
    for image, of_image in enumerate(gradient):
        one = np.zeros_like(linear[operator.maps])
        one[image] = 1  # the weights of this image's bins, 0 in the others'
        weighted = operator.expected(**(linear | {operator.maps: one})) * g
        left = per_channel(of_image[np.newaxis], call["layout"])
        right = per_channel(weighted, call["layout"])
        largest = per_channel(abs(weighted), call["layout"])
        assert (abs(left - right) <= tolerance * largest).all(), f"image {image}: {left} and {right}"


def assert_central_differences(operator: Operator, backward: Backward, call: Call) -> float:
    """The gradient to (K, 4) boxes equals central differences; gives the share of coordinates that were compared.

    Between kinks the result is linear in each coordinate of a box, so a difference is exact but for rounding, and
    where the differences to both sides disagree a kink is near: such a coordinate is left out.
    """
    g, linear = made_up(operator, call)
    boxes, index = linear["boxes"], linear[operator.index]
    assert boxes.dtype == linear[operator.maps].dtype == np.float64
    gradient = backward(**operator.backward_call(call, g, "boxes"))
    assert gradient.shape == boxes.shape
    step = 2.0**-16 * abs(boxes).max()
    compared = 0
    for k, column in np.ndindex(boxes.shape):
        values = []
        for way in (-1, 0, 1):
            moved = boxes[k : k + 1].copy()
            moved[0, column] += way * step
            one = operator.expected(**(linear | {"boxes": moved, operator.index: index[k : k + 1]}))
            values.append(float((one[0] * g[k]).sum()))
        before, after = (values[1] - values[0]) / step, (values[2] - values[1]) / step
        noise = 1e-13 * float(abs(g[k]).sum() * abs(linear[operator.maps]).max()) / step
        if abs(before - after) <= noise:
            compared += 1
            error = abs(gradient[k, column] - (before + after) / 2)
            assert error <= noise, f"box {k}, column {column}: {gradient[k, column]}, and {before} to {after}"
    return compared / boxes.size


def assert_same_in_every_container(backward: Backward, call: Call) -> None:
    """The gradient to boxes of roi_align comes in their own container; boxes of `call`: (K, 4), sorted by image."""
    k4 = backward(**call)
    boxes, images = call["boxes"], call["batch_indices"]
    plain = {name: value for name, value in call.items() if name not in ("boxes", "batch_indices")}
    for name, arguments in containers(boxes, images, len(call["input"])).items():
        result = backward(**plain, **arguments)
        if name.endswith("per image"):
            assert isinstance(result, list), name
            assert [len(part) for part in result] == [len(part) for part in arguments["boxes"]], name
            assert all(np.shape(part)[1:] == (4,) for part in result), name
            result = np.concatenate(result)
        elif name.startswith("(K, 5)"):
            np.testing.assert_array_equal(result[:, 0], 0, err_msg=name)
            result = result[:, 1:]
        np.testing.assert_array_equal(result, k4, err_msg=name)


# Largest error, of the sum of absolute values of what is added up.
TOLERANCE = {np.float32: 5e-7, np.float64: 2e-15, np.float16: 5e-4, ml_dtypes.bfloat16: 4e-3}


def assert_gradients_match(operator: Operator, call: Call, backward: Backward | None = None, dtype: Any = None) -> None:
    """Both gradients equal the oracle's, in every dtype relative to the sums of absolute values."""
    backward = backward or operator.backward
    dtype = dtype or call[operator.maps].dtype.type
    g = np.random.default_rng(5).standard_normal(operator.expected(**call).shape).astype(dtype)
    asked = operator.backward_call(call, g, (operator.maps, "boxes"))
    maps, boxes = backward(**asked)
    expected_maps, expected_boxes = operator.expected_backward(**(asked | {"grad_output": g.astype(float)}))
    sums = operator.expected_backward(**(asked | {"grad_output": abs(g.astype(float)), "wrt": operator.maps}))
    assert maps.dtype == dtype
    assert maps.shape == expected_maps.shape
    assert (abs(maps.astype(float) - expected_maps) <= TOLERANCE[dtype] * max(sums.max(initial=0), 1e-30)).all()
    largest = abs(call[operator.maps].astype(float)).max(initial=0)
    unit = call["spatial_scale"] if operator.name == "roi_align" else max(call[operator.maps].shape)
    bound = abs(g.astype(float)).reshape(len(g), -1).sum(1) * 2 * largest * unit
    tolerance = max(TOLERANCE[np.float32] if dtype != np.float64 else 0, TOLERANCE[np.float64])
    stored = np.finfo(boxes.dtype).eps * abs(expected_boxes)
    assert (abs(boxes - expected_boxes) <= tolerance * bound[:, np.newaxis] + stored).all()
