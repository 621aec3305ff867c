"""The step from validated arguments to the kernels on a device: what _engine.py is for the CPU, with the same words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments.coordinates import BOX_VALUES
from ..arguments.hints import MOST_NORMALISED
from ..arguments.layout import AXES, addressable, as_batch, batch_shape, written_as
from ..arguments.results import no_memory
from ..cpu import _separable
from . import device, routes, stream
from .boxes import Located
from .convert import aligned, convert
from .plans import Plans

if TYPE_CHECKING:
    from ..arguments.boxes import Boxes
    from ..arguments.results import Gradients
    from ..arguments.sampling import Sampling
    from ..arguments.validate import Maps


def apply(sampling: Sampling, maps: Any, boxes: Boxes, result: Any, layout: str, size_name: str, fill: float) -> None:
    """Writes the values of the operator into `result`. maps and result have four axes in `layout`."""
    if result.size == 0 and boxes.unread is None:
        return
    with device.on(maps), _memory_of(size_name):
        planar = aligned(maps.transpose(AXES[layout]))
        real = _real(maps.dtype)
        written = _written(result, written_as(result.dtype))
        target = written.transpose(AXES[layout])
        located = _located(sampling, boxes, len(planar))
        plans = Plans(located, sampling, planar.shape, target.shape[2:], real, fill=fill)
        for first, last, job in plans:
            if target.size:
                routes.forward(job, planar, target[first:last], real, plans.scratch)
        _store(written, result)


def differentiate(
    sampling: Sampling, grad: Any, maps: Maps, boxes: Boxes, results: Gradients, layout: str, maps_name: str
) -> None:
    """Writes the gradients that are asked for into `results`. grad has four axes in `layout`."""
    with device.on(grad):
        shape = batch_shape(maps.shape, layout)
        with _memory_of(maps_name):
            planar = aligned(grad.transpose(AXES[layout]))
            located = _located(sampling, boxes, shape[0])
            if results.maps is not None:
                target = as_batch(results.maps, layout).transpose(AXES[layout])
                _to_maps(sampling, planar, _real(maps.dtype), located, target, layout)
        if results.boxes is not None:
            with _memory_of("boxes"):
                plans = Plans(located, sampling, shape, planar.shape[2:], _real(maps.dtype), numbers=3)
                if sampling.convention == _separable.CROP_NEAREST or 0 in planar.shape or 0 in shape:
                    _no_gradient_to_boxes(plans, boxes, results.boxes)
                else:
                    assert maps.values is not None
                    values = aligned(as_batch(maps.values, layout).transpose(AXES[layout]))
                    _to_boxes(plans, planar, values, boxes, results.boxes)


def _to_maps(sampling: Sampling, grad: Any, real: str, located: Located, result: Any, layout: str) -> None:
    """The gradient to the maps into `result`. Planar."""
    plans = Plans(located, sampling, result.shape, grad.shape[2:], real, turned=True)
    computed = np.dtype(np.float64 if real == "double" else np.float32)
    dtype = computed if plans.may_be_several else result.dtype  # later parts add to what earlier ones left
    written = _written(result.transpose(np.argsort(AXES[layout])), dtype)
    written = written.transpose(AXES[layout])
    for first, last, job in plans:
        if result.size:
            routes.to_maps(job, grad[first:last], written, real, first > 0, plans.scratch)
    _store(written, result)


def _to_boxes(plans: Plans, grad: Any, maps: Any, boxes: Boxes, results: list[Any]) -> None:
    """The gradient to the boxes into `results`, arrays of the shapes that the boxes came in."""
    all_written = [_written(result, result.dtype) for result in results]
    for first, last, job in plans:
        sums = routes.to_boxes(job, maps, grad[first:last], plans.real, plans.scratch)
        end = 0
        for result in all_written:
            begin, end = end, end + len(result)
            low, high = max(begin, first), min(end, last)
            if low < high:
                rows = sums[low - first : high - first]
                routes.store_sums(job, rows, boxes.order, result[low - begin : high - begin])
    for written, result in zip(all_written, results, strict=True):
        _store(written, result)


def _no_gradient_to_boxes(plans: Plans, boxes: Boxes, results: list[Any]) -> None:
    plans.check()
    sums = stream.empty((max(map(len, results), default=0), BOX_VALUES), np.float64)
    stream.clear(sums)
    for result in results:
        written = _written(result, result.dtype)
        routes.store_sums(plans.job, sums[: len(result)], boxes.order, written)
        _store(written, result)


def _written(result: Any, dtype: np.dtype[Any]) -> Any:
    """`result`, where kernels can write `dtype` into it, else an array to be stored into it."""
    return result if dtype == result.dtype and addressable(result) else stream.empty(result.shape, dtype)


def _store(written: Any, result: Any) -> None:
    if written.data.ptr != result.data.ptr:
        convert(written, result.dtype, result)


def _located(sampling: Sampling, boxes: Boxes, images: int) -> Located:
    seen = boxes.coordinates is not None  # and warned of
    return Located(boxes, images, np.inf if seen or sampling.convention == _separable.ROI_ALIGN else MOST_NORMALISED)


def _real(maps_dtype: np.dtype[Any]) -> str:
    return "double" if maps_dtype == np.float64 else "float"


@contextlib.contextmanager
def _memory_of(name: str) -> Iterator[None]:
    """Where memory cannot be had, the message names the argument that it grows with."""
    try:
        yield
    except MemoryError as error:
        raise no_memory(name, error) from None
