"""From validated arguments to the kernels: the step that every separable operator shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import _layout
from .cpu import _separable, _targets

if TYPE_CHECKING:
    from ._typing import Array, Indices

assert _targets.target  # importing it gave _separable its kernels

MODES = ("avg",)  # of roi_align
METHODS = {"bilinear": _separable.CROP_BILINEAR, "nearest": _separable.CROP_NEAREST}  # of crop_and_resize


def apply(
    convention: int,
    size_name: str,
    maps: Array,
    coordinates: Array,
    images: Indices,
    result: Array,
    layout: str,
    num_threads: int,
    *,
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = False,
    fill: float = 0.0,
) -> None:
    """Writes the values of the operator into `result`. maps and result have four axes in `layout`.

    size_name: the argument that working memory grows with, for the message where it cannot be allocated.
    """
    if result.size == 0:
        return
    try:
        written = _layout.writable(result)
        planar = _layout.readable(maps, layout)
        target = written.transpose(_layout.AXES[layout])
        _separable.execute(
            bits(planar), coordinates, images, bits(target), _separable.ELEMENTS[planar.dtype.name],
            _separable.ELEMENTS[target.dtype.name], convention, spatial_scale, sampling_ratio, aligned, fill, num_threads,
        )  # fmt: skip
    except MemoryError as error:
        raise MemoryError(f"{size_name} and the arrays need memory to work in that cannot be had: {error}") from None
    if written is not result:
        np.copyto(result, written)


def bits(array: Array) -> Array:
    """A view of the elements' bits, to be handed over as a buffer: bfloat16 has no buffer format of its own."""
    return array.view(f"u{array.itemsize}")
