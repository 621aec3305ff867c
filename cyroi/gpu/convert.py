"""Arrays on a device into other types and places, for what kernels do not read or write themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arguments.layout import addressable, name_of
from . import device, stream
from .job import BAD, TYPES, Job, place

_THREADS, _MOST_BLOCKS = 256, 1 << 16


def convert(array: Any, dtype: Any, out: Any = None) -> Any:
    """`array` as a new array of `dtype`, or in `out`, which has that type; rounded as results are."""
    if out is not None and not addressable(out):
        _copy(convert(array, dtype), out)
        return out
    out = stream.empty(array.shape, dtype) if out is None else out
    _launch(aligned(array), out, 0)
    return out


def exactly(array: Any, dtype: Any) -> Any:
    """`array` as a new array of a floating `dtype`; None where that does not hold it. Waits if these are integers."""
    out = stream.empty(array.shape, dtype)
    flags = stream.empty((1,), np.int32)
    stream.clear(flags)
    _launch(aligned(array), out, flags.data.ptr)
    return None if array.itemsize == 8 and stream.read_flags(stream.ask_flags(flags)) & BAD else out


def aligned(array: Any) -> Any:
    """`array`, or a copy of its bytes where kernels cannot read its elements as they lie."""
    if addressable(array):
        return array
    copy = stream.empty(array.shape, array.dtype)
    _copy(array, copy)
    return copy


def _copy(array: Any, out: Any) -> None:
    """Byte by byte, which may lie anywhere."""
    for byte in range(array.itemsize):
        source, target = (type(array)(some.shape, np.uint8, some.data + byte, some.strides) for some in (array, out))
        _launch(source, target, 0)


def _launch(source: Any, target: Any, flags: int) -> None:
    """Converts arrays of one shape, of at most four axes; flags: an address."""
    if source.size == 0:
        return
    along = sorted(range(source.ndim), key=lambda axis: -abs(target.strides[axis]))  # written in the order of memory
    fill = (None,) * (4 - source.ndim)
    source, target = source.transpose(along)[fill], target.transpose(along)[fill]
    job = Job()
    place(job, "maps", "map_step", source)
    place(job, "bins", "bin_step", target)
    job.images, job.channels, job.op.height, job.op.width = source.shape
    job.flags = flags
    macros = {"CYROI_MAP": TYPES[name_of(source.dtype)], "CYROI_BIN": TYPES[name_of(target.dtype)]}
    blocks = min(-(-source.size // _THREADS), _MOST_BLOCKS)
    stream.launch(device.kernel("convert", macros), "convert", blocks, _THREADS, 0, job)
