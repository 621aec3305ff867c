"""Boxes on a device, as `plan` reads them: those of the host are sent there, in one piece with all that goes with them.

What lies on the device is read where it lies, but for a list of arrays, which are put one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments.arrays import on_device
from ..arguments.coordinates import BOX_VALUES, exact_digits
from ..arguments.layout import name_of
from . import stream
from .convert import aligned, convert
from .job import NUMBERS, SOURCE, copied, new

if TYPE_CHECKING:
    from ..arguments.boxes import Boxes

_ALIGNED = 16


def padded(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED


class Source:
    """The boxes of a call, and the word in which their checks leave what they find."""

    def __init__(self, boxes: Boxes, images: int, most: float) -> None:
        """most: times the image, beyond which a coordinate is worth a warning."""
        self.total = boxes.total
        self.unread = boxes.unread
        self.checked = self.full = (
            False  # whether all are known to be good; whether a plan needs all the room there may be
        )
        self.corners = boxes.coordinates  # None: on the device
        self.fields = new(SOURCE)
        self.fields["most"], self.fields["image_end"] = most, np.inf
        self.kept: list[Any] = []
        sent = {"flags": np.zeros(1, np.int32)}
        if boxes.coordinates is None:
            self._read(boxes)
        else:
            sent["box"] = boxes.coordinates
            self._describe(boxes.coordinates, range(BOX_VALUES))
        if boxes.images is not None and on_device(boxes.images):
            self._image(aligned(boxes.images))
        elif boxes.images is not None and images > 1:  # else it is the first one
            sent["image"] = boxes.images.astype(np.int32)
            self.fields["image_row"], self.fields["image_number"] = 4, NUMBERS["int32"]
        narrow = boxes.narrow
        if narrow is not None:
            sent["narrow"] = narrow.view(np.uint8)
        wide = ["double" if dtype == np.float64 else "float" for dtype in boxes.geometry] or ["float"]
        self.geometries = sorted(set(wide)) if narrow is not None else wide[:1]
        self.flags = self._send(sent)

    def _describe(self, array: Any, columns: Sequence[int]) -> None:
        self.fields["row"], self.fields["column"] = array.strides
        self.fields["number"], self.fields["side"] = NUMBERS[name_of(array.dtype)], tuple(columns)

    def _image(self, indices: Any) -> None:
        self.kept.append(indices)
        self.fields["image"], self.fields["image_row"] = indices.data.ptr, indices.strides[0]
        self.fields["image_number"] = NUMBERS[name_of(indices.dtype)]
        self.fields["image_end"] = 2.0 ** exact_digits(indices.dtype)

    def _read(self, boxes: Boxes) -> None:
        array = aligned(_one_after_the_other(boxes.arrays, self.total))
        self.kept.append(array)
        self.fields["box"] = array.data.ptr
        before = array.shape[1] - BOX_VALUES
        self._describe(array, [before + column for column in boxes.order])
        if before:
            self._image(array[:, 0])

    def _send(self, sent: dict[str, Any]) -> Any:
        """Sends arrays and notes their addresses; gives the flags, which are 0."""
        if len(sent) == 1:
            flags = stream.empty((1,), np.int32)
            stream.clear(flags)
            return flags
        ends = np.cumsum([padded(array.nbytes) for array in sent.values()])
        together = np.zeros(int(ends[-1]), np.uint8)
        places = dict(zip(sent, [0, *ends[:-1].tolist()], strict=True))
        for name, array in sent.items():
            together[places[name] :][: array.nbytes] = array.reshape(-1).view(np.uint8)
        memory = stream.upload(together)
        self.kept.append(memory)
        for name in sent.keys() - {"flags"}:
            self.fields[name] = memory.data.ptr + places[name]
        return memory[:4].view(np.int32)

    def part(self, first: int) -> Any:
        """What `plan` is told of the boxes from `first` on."""
        fields = copied(self.fields)
        for name, step in (("box", fields["row"]), ("image", fields["image_row"]), ("narrow", 1)):
            if fields[name]:
                fields[name] = int(fields[name]) + first * int(step)
        return fields


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
