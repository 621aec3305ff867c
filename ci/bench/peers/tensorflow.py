"""TensorFlow, where it is installed. It has no `out=`, and no RoI Align.

The threads of its eager calls are one pool, whose size cannot change once something has run. A session may have a pool
of its own, so each contender is a session. Its arguments are variables, because constants would be folded.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

# Read when the library makes its CPU: sessions may have pools of their own. The other says less of absent GPUs.
os.environ.setdefault("TF_OVERRIDE_GLOBAL_THREADPOOL", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import tensorflow as tf

from ..contender import Array, Contender, to_layout
from ..plan import crop_samples

# Samples nearer to a whole coordinate than this, in pixels, may be on either side of it after rounding.
NEAR = 1e-3
TO_BOXES_TOLERANCE = 1e-4  # of the largest gradient: sums over whole boxes in float32, in another order
NOTE = (
    "makes a new result in each call. Its gradient to the maps is wrong now and then on several threads, which add to"
    " one pixel at a time without waiting for each other, and is then not timed. Its gradients to the"
    f" boxes agree to {TO_BOXES_TOLERANCE:g}, and are not compared for boxes with a sample on a whole coordinate, where"
    " it takes the slope for 0."
)


def crop_and_resize(arguments: dict[str, Any], shape: tuple[int, ...], threads: int) -> Contender:
    layout, size = arguments["layout"], arguments["crop_size"]
    inputs = {**places(arguments), "image": to_layout(arguments["image"], layout, "NHWC")}
    function = partial(tf.image.crop_and_resize, crop_size=[size, size])
    run, result = session(function, inputs, threads)
    return Contender(run, lambda: to_layout(result(), "NHWC", layout))


def crop_and_resize_to_maps(arguments: dict[str, Any], shape: tuple[int, ...], threads: int) -> Contender:
    layout = arguments["layout"]
    inputs = {**places(arguments), "grads": to_layout(arguments["grad_output"], layout, "NHWC")}
    image_size = [shape[layout.index(axis)] for axis in "NHWC"]

    def function(boxes: Any, box_indices: Any, grads: Any) -> Any:
        names = {"boxes": boxes, "box_ind": box_indices, "image_size": image_size}
        return tf.raw_ops.CropAndResizeGradImage(grads=grads, **names, T=tf.float32)

    run, result = session(function, inputs, threads)
    return Contender(run, lambda: to_layout(result(), "NHWC", layout))


def crop_and_resize_to_boxes(arguments: dict[str, Any], shape: tuple[int, ...], threads: int) -> Contender:
    layout = arguments["layout"]
    maps, grads = (to_layout(arguments[name], layout, "NHWC") for name in ("image", "grad_output"))

    def function(boxes: Any, box_indices: Any, image: Any, grads: Any) -> Any:
        return tf.raw_ops.CropAndResizeGradBoxes(grads=grads, image=image, boxes=boxes, box_ind=box_indices)

    def expected(ours: Array) -> Array:
        samples = np.concatenate(crop_samples(arguments), axis=1)
        whole = (np.abs(samples - np.round(samples)) < NEAR).any(axis=1)
        return np.where(whole[:, np.newaxis], np.nan, ours)

    run, result = session(function, {**places(arguments), "image": maps, "grads": grads}, threads)
    return Contender(run, result, expected, TO_BOXES_TOLERANCE)


def places(arguments: dict[str, Any]) -> dict[str, Array]:
    return {"boxes": arguments["boxes"], "box_indices": arguments["box_indices"].astype(np.int32)}


def session(
    function: Callable[..., Any], inputs: dict[str, Array], threads: int
) -> tuple[Callable[[], object], Callable[[], Array]]:
    """A call that computes `function` of the inputs and leaves the result where it is, and one that fetches it."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), tf.device("/CPU:0"):
        fed = {name: v1.placeholder(value.dtype, value.shape) for name, value in inputs.items()}
        variables = {name: v1.Variable(value, use_resource=True) for name, value in fed.items()}
        result = function(**variables)
        options = {"intra_op_parallelism_threads": threads, "inter_op_parallelism_threads": 1}
        opened = v1.Session(config=v1.ConfigProto(**options, use_per_session_threads=True))
        initializers = [variable.initializer for variable in variables.values()]
        opened.run(initializers, {fed[name]: value for name, value in inputs.items()})
        return opened.make_callable(result.op), opened.make_callable(result)
