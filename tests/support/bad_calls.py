"""Wrong calls of the operators, and the error of each.

Each row is one call: what is changed in a good call of the operator, and what that must give. The numbers are those of
the project's list of calls that crash, hang or return foreign memory elsewhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ml_dtypes import float8_e4m3fn, float8_e5m2, int4, uint4

VE, TE, IE, ME = ValueError, TypeError, IndexError, MemoryError
NAN, INF = float("nan"), float("inf")


class Liar:
    """An object whose __array__ fails in its own way."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("my own trouble")


def good(name: str, dtype: Any = np.float32) -> dict[str, Any]:
    ramp = np.arange(2 * 4 * 8 * 8, dtype=dtype).reshape(2, 4, 8, 8)
    if name == "roi_align":
        return {"input": ramp, "boxes": np.array([[0, 1, 1, 5, 5]], dtype), "output_size": 2}
    boxes = np.array([[0.1, 0.1, 0.8, 0.9]], dtype)
    return {"image": ramp.transpose(0, 2, 3, 1), "boxes": boxes, "box_indices": [0], "crop_size": (2, 2)}


# operator, number in the list, error, name in the message, changes
ROI_ALIGN = [
    (1, IE, "boxes", {"boxes": [[2, 1, 1, 5, 5]]}),
    (2, IE, "boxes", {"boxes": [[-1, 1, 1, 5, 5]]}),
    (4, VE, "boxes", {"boxes": [[NAN, 1, 1, 5, 5]]}),
    (4, VE, "boxes", {"boxes": [[INF, 1, 1, 5, 5]]}),
    (6, VE, "boxes", {"boxes": [[0.5, 1, 1, 5, 5]]}),
    (8, VE, "boxes", {"input": np.zeros((3000, 1, 2, 2)), "boxes": np.array([[2049, 1, 1, 2, 2]], np.float16)}),
    (8, VE, "boxes", {"input": np.zeros((3000, 1, 2, 2)), "boxes": np.array([[2048, 1, 1, 2, 2]], np.float16)}),
    (10, IE, "batch_indices", {"boxes": [[1, 1, 5, 5]], "batch_indices": [2**40]}),
    (11, IE, "batch_indices", {"boxes": [[1, 1, 5, 5]], "batch_indices": np.array([2**64 - 1], np.uint64)}),
    (11, IE, "batch_indices", {"boxes": [[1, 1, 5, 5]], "batch_indices": np.array([-1], np.int8)}),
    (11, TE, "batch_indices", {"boxes": [[1, 1, 5, 5]], "batch_indices": [True]}),
    (11, TE, "batch_indices", {"boxes": [[1, 1, 5, 5]], "batch_indices": [1.0]}),
    (11, VE, "batch_indices", {"boxes": [[1, 1, 5, 5]], "batch_indices": 0}),
    (11, VE, "batch_indices", {"boxes": np.ones((1, 4), np.float32), "batch_indices": np.array(0)}),
    (11, VE, "batch_indices", {"boxes": np.ones((1, 4), np.float32), "batch_indices": np.zeros((1, 1), int)}),
    (11, VE, "batch_indices", {"batch_indices": [0], "boxes": [np.zeros((1, 4)), np.zeros((0, 4))]}),
    (13, IE, "boxes", {"input": np.zeros((0, 4, 8, 8))}),
    (16, VE, "boxes", {"boxes": [[0, NAN, 1, 5, 5]], "aligned": True, "sampling_ratio": 1}),
    (17, VE, "boxes", {"input": np.zeros((1, 1, 4, 4)), "boxes": np.full((1, 5), NAN), "output_size": (1, 1)}),
    (18, VE, "boxes", {"boxes": [np.array([[NAN, 0, NAN, 1]]), np.zeros((0, 4))]}),
    (19, VE, "boxes", {"boxes": [[0, 0, 0, INF, 5]]}),
    (20, VE, "boxes", {"boxes": [[0, -INF, 0, INF, 5]]}),
    (21, VE, "boxes", {"boxes": [[0, INF, 0, INF, 5]]}),
    (41, VE, "boxes", {"boxes": np.zeros((3, 4))}),
    (41, VE, "boxes", {"boxes": np.zeros((3, 6))}),
    (41, VE, "boxes", {"boxes": np.zeros((3, 3))}),
    (41, VE, "boxes", {"boxes": np.zeros((1, 5)), "batch_indices": [0]}),
    (42, VE, "boxes", {"boxes": np.zeros(5)}),
    (42, VE, "boxes", {"boxes": np.zeros((1, 1, 5))}),
    (42, VE, "boxes", {"boxes": np.float64(3)}),
    (42, VE, "boxes", {"boxes": [[1, 2], [3]]}),
    (42, VE, "boxes[1]", {"boxes": [np.zeros((1, 4)), np.zeros((1, 5))]}),
    (54, VE, "batch_indices", {"boxes": [[1, 1, 5, 5]], "batch_indices": [0, 1]}),
    (55, VE, "boxes", {"boxes": [np.zeros((1, 4))]}),
    (55, VE, "boxes", {"boxes": [np.zeros((1, 4))] * 3}),
    (68, TE, "sampling_ratio", {"sampling_ratio": 1.5}),
    (68, TE, "sampling_ratio", {"sampling_ratio": "2"}),
    (68, TE, "sampling_ratio", {"sampling_ratio": None}),
    (68, TE, "sampling_ratio", {"sampling_ratio": True}),
    (69, VE, "sampling_ratio", {"sampling_ratio": 100000}),
    (69, VE, "sampling_ratio", {"sampling_ratio": 4097}),
    (71, VE, "sampling_ratio", {"sampling_ratio": 2**31}),
    (71, VE, "sampling_ratio", {"sampling_ratio": 2**32 + 1}),
    (71, VE, "sampling_ratio", {"sampling_ratio": 2**70}),
    (72, VE, "spatial_scale", {"spatial_scale": NAN}),
    (72, VE, "spatial_scale", {"spatial_scale": INF}),
    (72, VE, "spatial_scale", {"spatial_scale": -INF}),
    (74, VE, "spatial_scale", {"spatial_scale": 0}),
    (74, VE, "spatial_scale", {"spatial_scale": -1}),
    (74, VE, "spatial_scale", {"spatial_scale": 10**400}),
    (75, TE, "spatial_scale", {"spatial_scale": "1"}),
    (75, TE, "spatial_scale", {"spatial_scale": 1j}),
    (75, TE, "spatial_scale", {"spatial_scale": np.ones(2)}),
    (75, TE, "spatial_scale", {"spatial_scale": True}),
    (75, TE, "spatial_scale", {"spatial_scale": np.array("1")}),
    (75, TE, "spatial_scale", {"spatial_scale": np.array(True)}),
    (75, TE, "spatial_scale", {"spatial_scale": np.array(1j)}),
    (75, TE, "spatial_scale", {"spatial_scale": np.datetime64(1, "s")}),
    (75, TE, "spatial_scale", {"spatial_scale": np.ma.masked}),
    (75, TE, "spatial_scale", {"spatial_scale": np.array("1", object)}),
    (76, TE, "aligned", {"aligned": None}),
    (76, TE, "aligned", {"aligned": 2}),
    (76, TE, "aligned", {"aligned": "no"}),
    (77, VE, "mode", {"mode": "cubic"}),
    (77, VE, "mode", {"mode": ""}),
    (77, TE, "mode", {"mode": b"avg"}),
    (77, TE, "mode", {"mode": None}),
    (102, IE, "boxes", {"boxes": [[5000, 1, 1, 5, 5]]}),
    (102, IE, "boxes", {"boxes": [[1e8, 1, 1, 5, 5]]}),
]

CROP_AND_RESIZE = [
    (77, VE, "method", {"method": "cubic"}),
    (77, TE, "method", {"method": b"bilinear"}),
    (77, TE, "method", {"method": None}),
    (78, TE, "extrapolation_value", {"extrapolation_value": "0"}),
    (78, TE, "extrapolation_value", {"extrapolation_value": None}),
    (78, TE, "extrapolation_value", {"extrapolation_value": np.str_("0")}),
    (78, TE, "extrapolation_value", {"extrapolation_value": 1j}),
    (96, VE, "boxes", {"image": np.zeros((2, 1, 1, 1), np.float32), "boxes": [[1e400, 0, 0, 0]], "box_indices": [1]}),
    (104, IE, "box_indices", {"box_indices": [2**31 - 1]}),
    (104, IE, "box_indices", {"box_indices": [-1]}),
    (104, IE, "box_indices", {"box_indices": [2]}),
    (104, VE, "box_indices", {"box_indices": [0, 0]}),
    (104, TE, "box_indices", {"box_indices": [0.0]}),
    (104, VE, "box_indices", {"box_indices": np.array(0)}),
    (104, VE, "box_indices", {"box_indices": None}),
    (104, IE, "box_indices", {"image": np.zeros((8, 8, 3), np.float32), "box_indices": [1]}),
    (76, TE, "snap_edges", {"snap_edges": 1}),
    (105, TE, "crop_size", {"crop_size": None}),
    (105, VE, "crop_size", {"crop_size": [0, 2]}),
    (105, VE, "crop_size", {"crop_size": [-1, 2]}),
    (105, VE, "crop_size", {"crop_size": [2]}),
    (105, VE, "crop_size", {"crop_size": [2, 2, 2]}),
    (105, TE, "crop_size", {"crop_size": [2.0, 2.0]}),
    (41, VE, "boxes", {"boxes": np.zeros((1, 5))}),
    (42, VE, "boxes", {"boxes": np.zeros(4)}),
]


def both(maps: str, size: str) -> list[tuple[int, type[Exception], str, dict[str, Any]]]:
    """Rows that every operator shares, with its own argument names."""
    x = np.zeros((2, 4, 8, 8), np.float32)
    rows: list[tuple[int, type[Exception], str, dict[str, Any]]] = [
        (45, VE, maps, {maps: np.zeros((1, 2, 3, 4, 5), np.float32)}),
        (45, VE, maps, {maps: np.float32(3)}),
        (45, VE, maps, {maps: np.zeros(3, np.float32)}),
        (56, VE, size, {size: 0}),
        (56, VE, size, {size: (0, 3)}),
        (56, VE, size, {size: ()}),
        (57, VE, size, {size: -1}),
        (59, TE, size, {size: 2.5}),
        (59, TE, size, {size: "2"}),
        (59, TE, size, {size: "22"}),
        (59, TE, size, {size: None}),
        (59, TE, size, {size: NAN}),
        (59, TE, size, {size: True}),
        (59, TE, size, {size: (2, None)}),
        (61, ME, size, {size: 2**20}),
        (66, ME, size, {size: [2065374891, 1145309325]}),
        (66, ME, size, {size: 2**62}),
        (66, ME, size, {size: 2**70}),
        (91, RuntimeError, "my own trouble", {maps: Liar()}),
        (91, RuntimeError, "my own trouble", {"boxes": Liar()}),
        (59, VE, size, {size: range(10**9)}),
        (59, TE, size, {size: b"\2\3"}),
        (59, TE, size, {size: bytearray(b"\2\3")}),
        (89, TE, "out", {"out": np.ma.masked_array(np.zeros((1, 2, 2, 2), np.float32), hard_mask=True)}),
        (117, VE, "num_threads", {"num_threads": 0}),
        (117, VE, "num_threads", {"num_threads": -1}),
        (117, TE, "num_threads", {"num_threads": 1.5}),
        (117, TE, "num_threads", {"num_threads": True}),
        (117, TE, "num_threads", {"num_threads": "2"}),
        (76, TE, "validate", {"validate": None}),
        (76, TE, "validate", {"validate": 1}),
        (90, TE, "out", {"out": [1, 2]}),
        (90, VE, "layout", {"layout": "HWC"}),
        (90, TE, "layout", {"layout": None}),
        (82, TE, maps, {maps: np.ma.masked_array(x)}),
        (40, TE, "boxes", {"boxes": np.ma.masked_array(np.zeros((1, 5)))}),
        (45, VE, maps, {maps: [[[[1.0, 2.0], [3.0]]]]}),
    ]
    unsupported = ["g", "F", "D", "O", "S3", "U3", "V2", "M8[s]", "m8[s]"]
    for dtype in [*unsupported, float8_e4m3fn, float8_e5m2, int4, uint4]:
        rows.append((80, TE, maps, {maps: np.zeros((2, 4, 8, 8), dtype)}))
        rows.append((89, TE, "out", {"out": np.zeros((1, 4, 2, 2) if maps == "input" else (1, 2, 2, 4), dtype)}))
    rows.append((82, TE, maps, {maps: np.zeros((2, 4, 8, 8), [("a", "f4")])}))
    for dtype in ["g", "F", "S3", "U3", "M8[s]", "?", float8_e5m2]:
        rows.append((40, TE, "boxes", {"boxes": np.zeros((1, 5 if maps == "input" else 4), dtype)}))
    rows.append((38, VE, "boxes", {"boxes": np.full((1, 5 if maps == "input" else 4), 2**53 + 1)}))
    return rows


ROWS = [("roi_align", *row) for row in ROI_ALIGN + both("input", "output_size")]
ROWS += [("crop_and_resize", *row) for row in CROP_AND_RESIZE + both("image", "crop_size")]
