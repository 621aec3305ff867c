"""Plans of the boxes of a call: where their memory lies, how much of it there is, and whether all boxes are good.

Decisions
a) Memory for plans is bounded: boxes are planned and used in parts, of which each takes the memory of the one before.
b) A bad box leaves results as they were. Where all boxes are one part, what uses the plan is launched before its check
   is waited for, because kernels themselves look whether something was found; so the device need not wait for the host.
   Several parts are all planned and checked before the first is used, and then planned again.
c) Room for taps is a bound that is proven, where boxes were seen by the host. Else it is what boxes never exceeded that
   are no larger than a thousand times the map, and planning says where one does: then, and where nobody waits for an
   answer, it is what no box can exceed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import hints
from ..cpu import _separable
from . import device, stream
from .boxes import Located, padded
from .job import BAD, EXTENT, FAR, FULL, LINE, RANGE, SHARE, Job, Operator, Tile

if TYPE_CHECKING:
    from ..arguments.sampling import Sampling

MOST_BYTES = 256 << 20  # of plans at a time; of a single box, as many as it needs
MOST_ARRAYS = 16  # of a plan
_WARP, _THREADS = 32, 64
_NUMBER = {"float": 4, "double": 8}  # bytes


class Plans:
    """Iterates over parts of the boxes, planned: the first box, the one after the last, and a job for the kernels.

    turned: with what the gradient to the maps needs. numbers: of a tap; 3 with those of the gradient to the boxes.
    """

    def __init__(
        self,
        boxes: Located,
        sampling: Sampling,
        maps: Sequence[int],
        bins: Sequence[int],
        real: str,
        *,
        numbers: int = 1,
        turned: bool = False,
        fill: float = 0.0,
    ) -> None:
        self.boxes, self.sampling, self.real, self.numbers, self.turned = boxes, sampling, real, numbers, turned
        self.images, channels, *self.sizes = maps
        self.bins = tuple(bins)
        unread = boxes.unread is not None and boxes.total > 0
        self.waits = unread and boxes.unread is not None and boxes.unread.wait and not stream.capturing()
        self.scratch = stream.Scratch()
        kind, scale, ratio, aligned, snap = sampling
        op = Operator(kind, aligned, ratio, scale, snap, *self.sizes, *self.bins, Tile(0, 0, *self.bins))
        self.job = Job(
            op, images=self.images, channels=channels, fill=fill, flags=boxes.flags.data.ptr, stop=self.waits
        )
        self._make_room(boxes.full or (unread and not self.waits))

    def __iter__(self) -> Iterator[tuple[int, int, Job]]:
        if self._unheard() and self.boxes.total <= self.at_once:
            job = self._plan(0, self.boxes.total)
            asked = stream.ask_flags(self.boxes.flags)
            yield 0, self.boxes.total, job
            if self._hear(asked):
                return
        self.check()
        for first, last in self._parts():
            yield first, last, self._plan(first, last)

    def check(self) -> None:
        """Waits for the check of all boxes, if that is due. It may be that there are more parts then than before."""
        while self._unheard():
            for first, last in self._parts():
                self._plan(first, last)
            self._hear(stream.ask_flags(self.boxes.flags))
        self.job.stop = False  # a box that changes from now on costs nobody else anything

    @property
    def may_be_several(self) -> bool:
        """Whether there are several parts, or will be if boxes turn out to need all the room there is."""
        full = MOST_BYTES // self._of_box(self._rooms(True)) if self._unheard() else self.at_once
        return min(self.at_once, full) < self.boxes.total

    def _unheard(self) -> bool:
        return self.waits and not self.boxes.checked

    def _hear(self, asked: Any) -> bool:
        """Waits for what planning has found, and says it. Whether that was nothing, so that kernels went on."""
        found = stream.read_flags(asked)
        if found & BAD:
            assert self.boxes.unread is not None
            self.boxes.unread.again(stream.download)
            raise ValueError("boxes must not be changed while a call reads them; a bad one was found, and is good now")
        if found & FULL:
            stream.clear(self.boxes.flags)
            self.boxes.full = True
            self._make_room(True)
            return False
        self.boxes.checked = True
        if found & FAR:
            hints.found_not_normalised()  # which is an error where warnings are, so nothing was written until now
        return found == 0

    # --- memory ---

    def _make_room(self, full: bool) -> None:
        self.rooms = self._rooms(full)
        self.of_box = self._of_box(self.rooms)
        self.at_once = max(1, MOST_BYTES // self.of_box)

    def _rooms(self, full: bool) -> list[int]:
        """Taps on each axis of a box."""
        corners, axes = self.boxes.corners, enumerate(zip(self.bins, self.sizes, strict=True))
        return [
            room(self.sampling, None if corners is None else corners[:, axis::2], bins, size, full)
            for axis, (bins, size) in axes
        ]

    def _of_box(self, rooms: list[int]) -> int:
        """Bytes of the plan of a box."""
        tap = 4 + self.numbers * _NUMBER[self.real] + (SHARE[self.real] + LINE if self.turned else 0)
        turned = RANGE * sum(self.sizes) if self.turned else 0
        return EXTENT + 4 + 4 * sum(self.bins) + tap * sum(rooms) + turned

    def _parts(self) -> list[tuple[int, int]]:
        total = self.boxes.total
        parts = [(first, min(first + self.at_once, total)) for first in range(0, total, self.at_once)]
        return parts or [(0, 0)] * self.turned  # without boxes, maps still have a gradient

    # --- planning ---

    def _plan(self, first: int, last: int) -> Job:
        """A job for these boxes, in the memory of the one before."""
        job, boxes = self.job.copy(), last - first
        job.source, job.boxes = self.boxes.part(first), boxes
        size = boxes * self.of_box + 4 * (self.images + 1) + MOST_ARRAYS * padded(1)
        end: int = self.scratch.take("plan", (size,), np.uint8).data.ptr

        def take(size: int) -> int:
            nonlocal end
            begin, end = end, end + padded(size)
            return begin

        job.extent = take(EXTENT * boxes)
        if self.turned:
            job.order, job.first = take(4 * boxes), take(4 * (self.images + 1))
        for plan, bins, size, taps in zip((job.y, job.x), self.bins, self.sizes, self.rooms, strict=True):
            plan.room = taps
            plan.ends, plan.pixel = take(4 * bins * boxes), take(4 * taps * boxes)
            for n in range(self.numbers):
                plan.number[n] = take(_NUMBER[self.real] * taps * boxes)
            if self.turned:
                plan.share, plan.line = take(SHARE[self.real] * taps * boxes), take(LINE * taps * boxes)
                plan.range = take(RANGE * size * boxes)
        for geometry in self.boxes.geometries:
            macros = {"CYROI_GEOMETRY": geometry, "CYROI_REAL": self.real, "CYROI_NUMBERS": str(self.numbers)}
            kernel = device.kernel("plan", macros)
            if boxes:
                stream.launch(kernel, "plan", boxes, _THREADS, 0, job)
        if self.turned and self.images:
            stream.launch(kernel, "list_boxes", self.images, _WARP, 0, job)
        return job


def room(sampling: Sampling, corners: Any, bins: int, size: int, full: bool) -> int:
    """Taps that any box has on one axis, at most; corners: (boxes, 2), low and high, None: on the device.

    As sampled_capacity (sampled_axis.h) has it for one box, of the largest box and the farthest corner.
    """
    fixed = sampling.sampling_ratio if sampling.convention == _separable.ROI_ALIGN else 1
    most = bins * (min(2 * fixed, size) if fixed else size)
    few = size + 4 * bins  # of boxes no farther away than where a coordinate is rounded to whole pixels
    if most <= few or (corners is None and full):
        return most
    if corners is None:
        return few
    with np.errstate(over="ignore"):
        low, high = corners.astype(np.float64, copy=False).T * sampling.spatial_scale
        far = max(float(np.abs(low).max(initial=1)), float(np.abs(high).max(initial=1)))
        extent = float((high - low).max(initial=1))
    epsilon = 1.2e-7 if corners.dtype == np.float32 else 2.3e-16
    rounding = 16 * epsilon * (4 * far + size)
    if not fixed:
        samples = math.ceil(min((extent + rounding) / bins, size)) + 1
        most = bins * min(2 * samples, size)
    return min(most, size + bins * (4 + math.ceil(min(rounding, size))))
