"""The step from validated arguments to the kernels, for every separable operator and its gradients.

Working memory is had and released here, so a MemoryError names the argument that it grows with. Where the kernels
cannot write into a result as it is, they write into an array of the layer's own, which is then stored into it.
What lies on a device goes to gpu/engine.py, the sister of this file.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from .arguments.arrays import on_device
from .arguments.coordinates import BOX_VALUES
from .arguments.layout import (
    AXES,
    as_batch,
    is_readable,
    is_scattered,
    layout_shape,
    name_of,
    readable,
    rounded,
    traversable,
    writable,
)
from .arguments.results import no_memory
from .arguments.sampling import Sampling as Sampling
from .cpu import _separable, _targets

if TYPE_CHECKING:
    from ._typing import Array
    from .arguments.boxes import Boxes
    from .arguments.results import Gradients
    from .arguments.validate import Maps

assert _targets.target  # importing it gave _separable its kernels


def apply(
    sampling: Sampling,
    maps: Array,
    boxes: Boxes,
    result: Array,
    layout: str,
    num_threads: int,
    size_name: str,
    fill: float = 0.0,
) -> None:
    """Writes the values of the operator into `result`. maps and result have four axes in `layout`.

    size_name: the argument that working memory grows with, for the message where it cannot be allocated.
    """
    if on_device(maps):
        from .gpu import engine

        engine.apply(sampling, maps, boxes, result, layout, size_name, fill)
        return
    if result.size == 0:
        return
    try:
        written = writable(result)
        planar = readable(maps, layout)
        target = written.transpose(AXES[layout])
        _separable.execute(
            bits(planar), boxes.coordinates, boxes.images, bits(target), _separable.ELEMENTS[name_of(planar.dtype)],
            _separable.ELEMENTS[name_of(target.dtype)], *sampling, fill, num_threads, _narrow(boxes),
        )  # fmt: skip
        if written.dtype == np.float64 and result.dtype.kind in "iu":
            written = rounded(written, result.dtype)
    except MemoryError as error:
        raise no_memory(size_name, error) from None
    if written is not result:
        np.copyto(result, written, casting="unsafe")  # exact but for int8 to bool, where all but 0 is true


def differentiate(
    sampling: Sampling,
    grad: Array,
    maps: Maps,
    boxes: Boxes,
    results: Gradients,
    layout: str,
    num_threads: int,
    maps_name: str,
) -> None:
    """Writes the gradients that are asked for into `results`. grad has four axes in `layout`."""
    if on_device(grad):
        from .gpu import engine

        engine.differentiate(sampling, grad, maps, boxes, results, layout, maps_name)
        return
    planar = grad.transpose(AXES[layout])
    if results.maps is not None:
        try:
            _to_maps(sampling, planar, maps, boxes, results.maps, layout, num_threads)
        except MemoryError as error:
            raise no_memory(maps_name, error) from None
    if results.boxes is not None:
        try:
            _to_boxes(sampling, planar, maps, boxes, results.boxes, layout, num_threads)
        except MemoryError as error:
            raise no_memory("boxes", error) from None


def _to_maps(
    sampling: Sampling, grad: Array, maps: Maps, boxes: Boxes, result: Array, layout: str, num_threads: int
) -> None:
    """The gradient to the maps into `result`, which has their shape."""
    planar = as_batch(result, layout).transpose(AXES[layout])
    if grad.size == 0 or planar.size == 0:
        planar[...] = 0
        return
    computed = np.dtype(np.float64 if maps.dtype == np.float64 else np.float32)
    in_place = planar.dtype == computed and is_readable(planar) and not is_scattered(planar)
    written = planar if in_place else np.empty(layout_shape(planar.shape, layout), computed).transpose(AXES[layout])
    _differentiate(sampling, grad, written, boxes, None, num_threads)
    if not in_place:
        along = sorted(range(4), key=lambda axis: -abs(planar.strides[axis]))  # written in the order of memory
        _store([written.transpose(along)], [planar.transpose(along)])


def _to_boxes(
    sampling: Sampling, grad: Array, maps: Maps, boxes: Boxes, results: list[Array], layout: str, num_threads: int
) -> None:
    """The gradient to the boxes into `results`, arrays of the shapes that the boxes came in."""
    values = maps.values
    sums = np.zeros((len(boxes.images), BOX_VALUES))  # to y1 x1 y2 x2 of each box
    if grad.size and values is not None and values.size and sampling.convention != _separable.CROP_NEAREST:
        _differentiate(sampling, grad, readable(as_batch(values, layout), layout), boxes, sums, num_threads)
    sums = sums[:, boxes.order]
    if boxes.arrays and boxes.arrays[0].shape[1] > BOX_VALUES:
        sums = np.hstack([np.zeros((len(sums), 1)), sums])  # an image index is no quantity to differentiate by
    ends = list(itertools.accumulate(map(len, results), initial=0))
    _store([sums[first:last] for first, last in itertools.pairwise(ends)], results)


def _differentiate(
    sampling: Sampling, grad: Array, maps: Array, boxes: Boxes, to_boxes: Array | None, num_threads: int
) -> None:
    """Into `to_boxes`, which reads planar maps; without it, into the maps."""
    grad = traversable(grad)
    _separable.differentiate(
        bits(maps), bits(grad), boxes.coordinates, boxes.images, to_boxes, _separable.ELEMENTS[name_of(maps.dtype)],
        _separable.ELEMENTS[name_of(grad.dtype)], *sampling, num_threads, _narrow(boxes),
    )  # fmt: skip


def _narrow(boxes: Boxes) -> Array | None:
    narrow = boxes.narrow
    return None if narrow is None else narrow.view(np.uint8)


def _store(sources: list[Array], targets: list[Array]) -> None:
    """Rounds each of `sources`, float32 or float64, into the array of `targets` beside it.

    Not as NumPy converts: that takes memory between one array and the next, and heeds the user's np.errstate.
    """
    elements = [_separable.ELEMENTS[name_of(target.dtype)] for target in targets]
    swapped = [not target.dtype.isnative for target in targets]
    _separable.store([bits(source) for source in sources], [bits(target) for target in targets], elements, swapped)


def bits(array: Array) -> Array:
    """A view of the elements' bits, to be handed over as a buffer: bfloat16 has no buffer format of its own."""
    return array.view(f"u{array.itemsize}")
