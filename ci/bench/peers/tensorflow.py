"""TensorFlow, where it is installed. It has no `out=`, and no RoI Align.

Its number of threads cannot change once it has run: with several --threads only the first is timed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from ..contender import Array, Contender, to_layout

NOTE = "makes a new result in each call."


def crop_and_resize(arguments: dict[str, Any], shape: tuple[int, ...], threads: int) -> Contender:
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    layout, size = arguments["layout"], arguments["crop_size"]
    with tf.device("/CPU:0"):
        image = tf.constant(to_layout(arguments["image"], layout, "NHWC"))
        boxes, indices = tf.constant(arguments["boxes"]), tf.constant(arguments["box_indices"], np.int32)

    def run() -> Any:
        with tf.device("/CPU:0"):
            return tf.image.crop_and_resize(image, boxes, indices, [size, size])

    def result() -> Array:
        return to_layout(run().numpy(), "NHWC", layout)

    return Contender(run, result)
