"""The structs of kernels/job.h, a test compares the two; and what their fields hold.

Decision: ctypes, because NumPy takes 14 us to copy a struct of structs, and as long as a small kernel to fill one in.
"""

from __future__ import annotations

import ctypes
from ctypes import c_bool, c_double, c_int
from typing import Any

from ..cpu import _separable

_index, _pointer = ctypes.c_int64, ctypes.c_uint64


class Tile(ctypes.Structure):
    _fields_ = (("first_y", _index), ("first_x", _index), ("bins_y", _index), ("bins_x", _index))


class Operator(ctypes.Structure):
    _fields_ = (
        ("convention", c_int), ("aligned", c_bool), ("sampling_ratio", _index), ("spatial_scale", c_double),
        ("snap_edges", c_bool), ("height", _index), ("width", _index), ("bins_y", _index), ("bins_x", _index),
        ("tile", Tile),
    )  # fmt: skip


class Strides(ctypes.Structure):
    _fields_ = (("n", _index), ("c", _index), ("y", _index), ("x", _index))


class Source(ctypes.Structure):
    _fields_ = (
        ("box", _pointer), ("row", _index), ("column", _index), ("image", _pointer), ("image_row", _index),
        ("narrow", _pointer), ("number", c_int), ("image_number", c_int), ("side", c_int * 4),
        ("image_end", c_double), ("most", c_double),
    )  # fmt: skip


class AxisPlan(ctypes.Structure):
    _fields_ = (
        ("ends", _pointer), ("pixel", _pointer), ("number", _pointer * 3), ("share", _pointer), ("line", _pointer),
        ("range", _pointer), ("room", _index),
    )  # fmt: skip


class Job(ctypes.Structure):
    _fields_ = (
        ("op", Operator), ("source", Source), ("boxes", _index), ("images", _index), ("channels", _index),
        ("y", AxisPlan), ("x", AxisPlan), ("extent", _pointer), ("order", _pointer), ("first", _pointer),
        ("flags", _pointer), ("maps", _pointer), ("map_step", Strides), ("bins", _pointer), ("bin_step", Strides),
        ("sums", _pointer), ("totals", _pointer), ("pieces", _index), ("piece", _index), ("fill", c_double),
        ("image0", _index), ("map_images", _index), ("columns", c_int), ("number", c_int), ("stop", c_bool),
        ("more", c_bool), ("channels_first", c_bool), ("narrow_offsets", c_bool), ("store_vectors", c_bool),
    )  # fmt: skip

    def copy(self) -> Job:
        return Job.from_buffer_copy(self)


# Bytes of what kernels leave for each other, of a box, or of each tap or pixel of it.
EXTENT, RANGE, LINE = 5 * 4, 2 * 4, 3 * 4
SHARE = {"float": 2 * 4 + 4, "double": 2 * 4 + 8}

BAD, FAR, FULL = 1, 2, 4  # Flag

# Number: what boxes and image indices are stored as.
NUMBERS = _separable.ELEMENTS | {
    name: len(_separable.ELEMENTS) + i for i, name in enumerate(("int32", "uint32", "int64", "uint64"))
}

# C++'s types of elements, by the name of the dtype; after those that maps and results have in kernels, others.
TYPES = {
    "float32": "float", "float64": "double", "float16": "cyroi::Float16", "bfloat16": "cyroi::BFloat16",
    "uint8": "cyroi::UInt8", "int8": "cyroi::Int8", "uint16": "cyroi::UInt16", "int16": "cyroi::Int16",
    "int32": "int", "uint32": "unsigned", "int64": "long long", "uint64": "unsigned long long", "bool": "bool",
}  # fmt: skip


def place(job: Any, address: str, step: str, array: Any) -> None:
    """Says where a planar array (n, c, y, x) lies, in fields `address` and `step`."""
    size = array.itemsize
    n, c, y, x = array.strides
    setattr(job, address, array.data.ptr)
    setattr(job, step, Strides(n // size, c // size, y // size, x // size))
