"""The classic kernel of each operator, forward: what everybody writes in Cython, sample by sample, with prange.

The file to read after the tutorial's NumPy loop is `cyroi/cpu/_classic.pyx`, of which these are the faces. They have
the operators' signatures, box containers and errors, compute the same values to rounding, and share nothing of the
geometry with them. So they are a second oracle beside the float64 one of NumPy, quick enough for whole workloads, and
show what the engine wins. Maps are float32 or float64. Ctrl-C is heeded when a call returns, not before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _engine, _layout, _rois, _threads, _validate
from ..cpu import _classic

if TYPE_CHECKING:
    from .._typing import Array, ArrayLike

__all__ = ["crop_and_resize", "roi_align"]

_SMALL = 16_384  # values of a result, up to which a team of threads costs more than it wins


def roi_align(
    input: ArrayLike,
    boxes: ArrayLike | Sequence[ArrayLike],
    output_size: int | Sequence[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
    *,
    mode: str = "avg",
    batch_indices: ArrayLike | None = None,
    layout: str = "NCHW",
    out: Array | None = None,
    num_threads: int | None = None,
) -> Array:
    """RoI Align by the classic loops.

    Parameters
    ----------
    input : array_like, shape (N, C, H, W)
        As in `cyroi.roi_align`, but float32 or float64 only.
    boxes, output_size, spatial_scale, sampling_ratio, aligned, mode, batch_indices, layout, num_threads
        As in `cyroi.roi_align`.
    out : ndarray, optional
        Receives the result: of its shape and dtype, writable, sharing no memory with the inputs.

    Returns
    -------
    ndarray
        Shape as in `cyroi.roi_align`, dtype of `input`; `out` if that was given. Sums are formed in float64 and
        rounded once.

    Examples
    --------
    >>> import numpy as np
    >>> roi_align(np.arange(16.0).reshape(1, 1, 4, 4), [[0, 0, 0, 4, 4]], 1, sampling_ratio=2, aligned=True)
    array([[[[7.5]]]])
    """
    layout = _validate.choice("layout", layout, _layout.AXES)
    _validate.choice("mode", mode, _engine.MODES)
    maps = _floating("input", _validate.maps("input", input, (4,), f"({', '.join(layout)})"))
    height, width = _validate.output_size("output_size", output_size)
    scale = _validate.spatial_scale("spatial_scale", spatial_scale)
    ratio = _validate.sampling_ratio("sampling_ratio", sampling_ratio)
    half_pixel = _validate.boolean("aligned", aligned)
    threads = _threads.resolve(num_threads)
    images, channels = _layout.planar_shape(maps.shape, layout)[:2]
    coordinates, indices = _rois.normalise(boxes, batch_indices, images, maps.dtype)
    shape = _layout.layout_shape((len(indices), channels, height, width), layout)
    several = boxes if isinstance(boxes, (list, tuple)) else [boxes]
    inputs = {"input": [input, maps], "boxes": several, "batch_indices": [batch_indices]}
    result, written = _result("output_size", shape, maps.dtype, out, inputs)
    planar, target = maps.transpose(_layout.AXES[layout]), written.transpose(_layout.AXES[layout])
    threads = threads if result.size > _SMALL else 1
    _classic.roi_align(planar, coordinates, indices, target, scale, ratio, half_pixel, threads)
    return _finished(result, written, out)


def crop_and_resize(
    image: ArrayLike,
    boxes: ArrayLike,
    box_indices: ArrayLike | None,
    crop_size: int | Sequence[int],
    method: str = "bilinear",
    extrapolation_value: float = 0.0,
    *,
    layout: str = "NHWC",
    out: Array | None = None,
    num_threads: int | None = None,
) -> Array:
    """crop_and_resize by the classic loops.

    Parameters
    ----------
    image : array_like
        As in `cyroi.crop_and_resize`, but float32 or float64 only.
    boxes, box_indices, crop_size, method, extrapolation_value, layout, num_threads
        As in `cyroi.crop_and_resize`.
    out : ndarray, optional
        Receives the result: of its shape and dtype, writable, sharing no memory with the inputs.

    Returns
    -------
    ndarray
        Shape as in `cyroi.crop_and_resize`, dtype of `image`; `out` if that was given. Values are formed in float64
        and rounded once.

    Examples
    --------
    >>> import numpy as np
    >>> crop_and_resize(np.array([[0.0, 1.0], [2.0, 3.0]]), [[0, 0, 1, 1]], None, 3)[0]
    array([[0. , 0.5, 1. ],
           [1. , 1.5, 2. ],
           [2. , 2.5, 3. ]])
    """
    layout = _validate.choice("layout", layout, _layout.AXES)
    _validate.choice("method", method, _engine.METHODS)
    array = _floating("image", _validate.maps("image", image, (2, 3, 4), f"({', '.join(layout)}), or a single image"))
    maps = _layout.as_batch(array, layout)
    height, width = _validate.output_size("crop_size", crop_size)
    fill = _validate.real("extrapolation_value", extrapolation_value)
    threads = _threads.resolve(num_threads)
    images, channels = _layout.planar_shape(maps.shape, layout)[:2]
    coordinates = _rois.corners(boxes, maps.dtype)
    indices = _rois.crop_indices(box_indices, len(coordinates), images, single=array.ndim < 4)
    shape = _layout.layout_shape((len(coordinates), channels, height, width), layout)
    if array.ndim == 2:
        shape = (len(coordinates), height, width)
    inputs: dict[str, list[object]] = {"image": [image, maps], "boxes": [boxes], "box_indices": [box_indices]}
    result, written = _result("crop_size", shape, maps.dtype, out, inputs)
    batch = written if array.ndim > 2 else np.expand_dims(written, layout.index("C"))
    planar, target = maps.transpose(_layout.AXES[layout]), batch.transpose(_layout.AXES[layout])
    threads = threads if result.size > _SMALL else 1
    _classic.crop_and_resize(planar, coordinates, indices, target, method == "nearest", fill, threads)
    return _finished(result, written, out)


def _floating(name: str, maps: Array) -> Array:
    if maps.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name} must have dtype float32, float64; got {maps.dtype}")
    return np.require(maps, requirements="A")


def _result(
    name: str, shape: tuple[int, ...], dtype: np.dtype[Any], out: object, inputs: Mapping[str, Sequence[object]]
) -> tuple[Array, Array]:
    """The result, checked or new, and where the loops write: the same, unless its bytes are swapped or unaligned."""
    result = _layout.result(name, shape, dtype, out, inputs)
    if result.dtype.newbyteorder("=") != dtype:
        raise TypeError(f"out must have dtype {dtype}; got {result.dtype}")
    return result, _layout.writable(result)


def _finished(result: Array, written: Array, out: Array | None) -> Array:
    if written is not result:
        np.copyto(result, written)
    return result if out is None else out
