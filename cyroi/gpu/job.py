"""The structs of kernels/job.h as NumPy sees them; a test compares the two."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..cpu import _separable

_INDEX, _INT, _BOOL, _DOUBLE, _POINTER = "<i8", "<i4", "?", "<f8", "<u8"


def _struct(**fields: Any) -> np.dtype[Any]:
    return np.dtype(
        [(name, *kind) if isinstance(kind, tuple) else (name, kind) for name, kind in fields.items()], align=True
    )


TILE = _struct(first_y=_INDEX, first_x=_INDEX, bins_y=_INDEX, bins_x=_INDEX)
OPERATOR = _struct(
    convention=_INT, aligned=_BOOL, sampling_ratio=_INDEX, spatial_scale=_DOUBLE, snap_edges=_BOOL,
    height=_INDEX, width=_INDEX, bins_y=_INDEX, bins_x=_INDEX, tile=TILE,
)  # fmt: skip
STRIDES = _struct(n=_INDEX, c=_INDEX, y=_INDEX, x=_INDEX)
SOURCE = _struct(
    box=_POINTER, row=_INDEX, column=_INDEX, image=_POINTER, image_row=_INDEX, narrow=_POINTER,
    number=_INT, image_number=_INT, side=(_INT, 4), image_end=_DOUBLE, most=_DOUBLE,
)  # fmt: skip
AXIS_PLAN = _struct(
    ends=_POINTER, pixel=_POINTER, number=(_POINTER, 3), share=_POINTER, line=_POINTER, range=_POINTER, room=_INDEX
)
RANGE = _struct(begin=_INT, end=_INT)
EXTENT = _struct(image=_INT, first_y=_INT, last_y=_INT, first_x=_INT, last_x=_INT)
LINE = _struct(pixel=_INT, batch=_INT, end=_INT)
SHARE = {real: _struct(pixel=_INT, bin=_INT, weight=(kind, 1)) for real, kind in (("float", "<f4"), ("double", "<f8"))}
JOB = _struct(
    op=OPERATOR, source=SOURCE, boxes=_INDEX, images=_INDEX, channels=_INDEX, y=AXIS_PLAN, x=AXIS_PLAN,
    extent=_POINTER, order=_POINTER, first=_POINTER, flags=_POINTER, maps=_POINTER, map_step=STRIDES, bins=_POINTER,
    bin_step=STRIDES, sums=_POINTER, totals=_POINTER, pieces=_INDEX, piece=_INDEX, fill=_DOUBLE, image0=_INDEX,
    map_images=_INDEX, columns=_INT, number=_INT, stop=_BOOL, more=_BOOL, channels_first=_BOOL, narrow_offsets=_BOOL,
    store_vectors=_BOOL,
)  # fmt: skip

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


def new(dtype: np.dtype[Any] = JOB) -> Any:
    """A struct of zeros, an array without axes."""
    return np.ndarray((), dtype, bytearray(dtype.itemsize))


def copied(struct: Any) -> Any:
    """Not by NumPy's own `copy`, which goes through the fields of a struct one by one: 17 us instead of 0.3."""
    return np.ndarray((), struct.dtype, bytearray(struct.tobytes()))


def place(job: Any, address: str, step: str, array: Any) -> None:
    """Says where a planar array (n, c, y, x) lies, in fields `address` and `step`."""
    job[address] = array.data.ptr
    job[step] = tuple(stride // array.itemsize for stride in array.strides)
