"""Boxes on a device, as `plan` reads them: those of the host are sent there, in one piece with all that goes with them.

What lies on the device is read where it lies, but for a list of arrays, which are put one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments.arrays import on_device
from ..arguments.coordinates import BOX_VALUES, exact_digits
from ..arguments.layout import name_of
from . import stream
from .convert import aligned, convert
from .job import NUMBERS, Source

if TYPE_CHECKING:
    from ..arguments.boxes import Boxes

_ALIGNED = 16


def padded(size: int) -> int:
    return (size + _ALIGNED - 1) // _ALIGNED * _ALIGNED


class Located:
    """The boxes of a call where kernels find them, and the word in which their checks leave what they find."""

    def __init__(self, boxes: Boxes, images: int, most: float) -> None:
        """most: times the image, beyond which a coordinate is worth a warning."""
        self.total, self.unread = boxes.total, boxes.unread
        self.checked = self.full = False  # whether all are known to be good; whether plans need all the room there is
        self.corners = boxes.coordinates  # None: on the device
        self.source = Source(most=most, image_end=math.inf)
        self.kept: list[Any] = []
        sent: dict[str, Any] = {}
        if boxes.coordinates is None:
            self._read(boxes)
        else:
            sent["box"] = boxes.coordinates
            self._describe(boxes.coordinates, range(BOX_VALUES))
        if boxes.images is not None and on_device(boxes.images):
            self._image(aligned(boxes.images))
        elif boxes.images is not None and images > 1:  # else it is the first one
            sent["image"] = boxes.images.astype(np.int32)
            self.source.image_row, self.source.image_number = 4, NUMBERS["int32"]
        narrow = boxes.narrow if len(boxes.geometry) > 1 else None
        if narrow is not None:
            sent["narrow"] = narrow.view(np.uint8)
        wide = boxes.geometry and boxes.geometry[0].itemsize == 8
        self.geometries = ("float", "double") if narrow is not None else ("double",) if wide else ("float",)
        self.flags = self._send(sent)

    def _describe(self, array: Any, columns: Sequence[int]) -> None:
        source = self.source
        source.row, source.column = array.strides
        source.number, source.side = NUMBERS[name_of(array.dtype)], tuple(columns)

    def _image(self, indices: Any) -> None:
        self.kept.append(indices)
        source = self.source
        source.image, source.image_row = indices.data.ptr, indices.strides[0]
        source.image_number = NUMBERS[name_of(indices.dtype)]
        source.image_end = 2.0 ** exact_digits(indices.dtype)

    def _read(self, boxes: Boxes) -> None:
        array = aligned(_one_after_the_other(boxes.arrays, self.total))
        self.kept.append(array)
        self.source.box = array.data.ptr
        before = array.shape[1] - BOX_VALUES
        self._describe(array, [before + column for column in boxes.order])
        if before:
            self._image(array[:, 0])

    def _send(self, sent: dict[str, Any]) -> Any:
        """Sends arrays and notes their addresses; gives the flags, which are 0."""
        if not sent:
            flags = stream.empty((1,), np.int32)
            stream.clear(flags)
            return flags
        together = np.zeros(_ALIGNED + sum(padded(array.nbytes) for array in sent.values()), np.uint8)
        places, end = {}, _ALIGNED  # the flags come first
        for name, array in sent.items():
            together[end : end + array.nbytes] = array.reshape(-1).view(np.uint8)
            places[name], end = end, end + padded(array.nbytes)
        memory = stream.upload(together)
        self.kept.append(memory)
        for name, first in places.items():
            setattr(self.source, name, memory.data.ptr + first)
        return memory[:4].view(np.int32)

    def part(self, first: int) -> Source:
        """What `plan` is told of the boxes from `first` on."""
        source = self.source
        if first == 0:
            return source
        source = Source.from_buffer_copy(source)
        source.box += first * source.row
        source.image += first * source.image_row if source.image else 0
        source.narrow += first if source.narrow else 0
        return source


def _one_after_the_other(arrays: Sequence[Any], total: int) -> Any:
    """The boxes of all arrays: that which has them all, or else a copy."""
    full = [array for array in arrays if len(array)] or [array for array in arrays if on_device(array)][:1]
    if len(full) == 1:
        return full[0]
    dtypes = {array.dtype for array in full}
    together = stream.empty((total, BOX_VALUES), dtypes.pop() if len(dtypes) == 1 else np.float64)
    last = 0
    for array in full:
        first, last = last, last + len(array)
        convert(array, together.dtype, together[first:last])
    return together
