"""Calls that differ from an ordinary one in one argument: legal ones of an unusual kind, and illegal ones."""

from __future__ import annotations

import numpy as np
from ml_dtypes import bfloat16


class Sub(np.ndarray):
    pass


class Name(str):
    pass


def oddities(operator, call):
    """Changes of a call that the quick face takes, to one that it must leave to the general path."""
    maps, out = call[operator.maps], np.zeros_like(operator.function(**call))
    frozen = np.zeros_like(out)
    frozen.setflags(write=False)
    memory = np.zeros(maps.nbytes + 1, np.uint8)[1:]
    in_maps = [maps.view(Sub), maps.tolist(), maps.astype(">f4"), maps.astype(bfloat16), maps[0], maps[:, :, :0]]
    in_maps += [memory.view(np.float32).reshape(maps.shape), np.repeat(maps, 2, 3)[..., ::2], maps.astype(np.int32)]
    in_boxes = [call["boxes"].tolist(), call["boxes"].astype(np.float16), call["boxes"][:0], np.array(1.0)]
    in_boxes += [np.where(call["boxes"] == call["boxes"][0, 1], value, call["boxes"]) for value in (np.nan, np.inf)]
    index = np.zeros(len(call["boxes"]), int)
    in_index = [index.tolist(), index.astype(np.uint64), index.astype(np.int8), index - 1, index + 2, index[1:]]
    in_index += [np.array(0), index[:, np.newaxis], index.astype(">i8"), index.astype(float), index.view(Sub)]
    in_out = [out.view(Sub), frozen, out[..., ::-1], out.astype(">f4"), out.astype(bfloat16), out.astype(int), out[1:]]
    in_out += [out.tolist(), np.zeros((*out.shape, 2), np.float32)[..., 0], np.asfortranarray(out)]
    rows = {operator.maps: in_maps, "boxes": in_boxes, "out": in_out, operator.index: in_index}
    rows[operator.size] = [np.int64(2), [2, 3], (2, True), (2,), 0, 2.0, True, None, (2**40, 2**40), 2**70, -1]
    rows["num_threads"] = [0, -1, 1.0, True, np.int64(1), "1", 2**31, 2**70]
    rows["validate"] = [np.False_, 1, None]
    rows["layout"] = [Name("NCHW"), "nchw", "", None, b"NCHW"]
    if operator.name == "roi_align":
        rows["spatial_scale"] = [np.float32(1), 0, -1.0, np.nan, np.inf, True, "1", 10**400, None]
        rows["sampling_ratio"] = [np.int64(2), 4097, 1.0, True, None, 2**70]
        rows["aligned"] = [np.True_, 1, None]
        rows["mode"] = [Name("avg"), "max", None]
    else:
        rows["method"] = [Name("nearest"), "cubic", None]
        rows["extrapolation_value"] = [np.float32(1), True, "0", None, 10**400]
    return [{name: value} for name, values in rows.items() for value in values]
