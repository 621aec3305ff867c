"""From validated arguments to the kernels: the step that every separable operator shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import _layout
from .cpu import _core

if TYPE_CHECKING:
    from ._typing import Array, Indices

_KERNELS = {
    (np.dtype(maps), np.dtype(geometry)): _core.execute[f"{c_maps}|{c_geometry}"]
    for maps, c_maps in ((np.float32, "float"), (np.float64, "double"))
    for geometry, c_geometry in ((np.float32, "float"), (np.float64, "double"))
}


def apply(
    convention: int,
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
    """Writes the values of the operator into `result`. maps and result have four axes in `layout`."""
    if result.size == 0:
        return
    written = _layout.writable(result)
    _KERNELS[maps.dtype, coordinates.dtype](
        _layout.readable(maps, layout),
        coordinates,
        images,
        written.transpose(_layout.AXES[layout]),
        convention,
        spatial_scale,
        sampling_ratio,
        aligned,
        fill,
        num_threads,
    )
    if written is not result:
        np.copyto(result, written)
