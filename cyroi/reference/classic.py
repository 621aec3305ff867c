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

from ..arguments import results, threads
from ..arguments import validate as check
from ..arguments.boxes import crop_boxes, roi_boxes
from ..arguments.layout import AXES, as_batch, layout_shape, planar_shape, writable
from ..cpu import _classic
from ..operators.crop_and_resize import METHODS, image_shape
from ..operators.roi_align import MODES, maps_shape

if TYPE_CHECKING:
    from .._typing import Array, ArrayLike, DTypeLike

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
    dtype: DTypeLike | None = None,
    validate: bool = True,
    out: Array | None = None,
    num_threads: int | None = None,
) -> Array:
    """RoI Align by the classic loops.

    Parameters
    ----------
    input : array_like, shape (N, C, H, W)
        As in `cyroi.roi_align`, but float32 or float64 only.
    boxes, output_size, spatial_scale, sampling_ratio, aligned, mode, batch_indices, layout, validate, num_threads
        As in `cyroi.roi_align`.
    dtype : dtype, optional
        That of the maps, or None: the classic loops convert nothing.
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
    layout = check.choice("layout", layout, AXES)
    check.choice("mode", mode, MODES)
    array = _floating("input", check.maps("input", input, (3, 4), maps_shape(layout)))
    maps = as_batch(array, layout)
    height, width = check.output_size("output_size", output_size)
    scale = check.spatial_scale("spatial_scale", spatial_scale)
    ratio = check.sampling_ratio("sampling_ratio", sampling_ratio)
    half_pixel = check.boolean("aligned", aligned)
    check.boolean("validate", validate)
    num_threads = threads.resolve(num_threads)
    images, channels = planar_shape(maps.shape, layout)[:2]
    rois = roi_boxes(boxes, batch_indices, images, maps.dtype, single=array.ndim == 3)
    shape = layout_shape((len(rois.images), channels, height, width), layout)
    inputs = {"input": [input, maps], "boxes": rois.sources, "batch_indices": [batch_indices]}
    result, written = _result("output_size", shape, maps.dtype, dtype, out, inputs)
    planar, target = maps.transpose(AXES[layout]), written.transpose(AXES[layout])
    num_threads = num_threads if result.size > _SMALL else 1
    for rows, corners in rois.parts():
        images_of, crops = rois.images[rows], target[rows]
        _classic.roi_align(planar, corners, images_of, crops, scale, ratio, half_pixel, num_threads)
    return _finished(result, written, out)


def crop_and_resize(
    image: ArrayLike,
    boxes: ArrayLike,
    box_indices: ArrayLike | None = None,
    crop_size: int | Sequence[int] | None = None,
    method: str = "bilinear",
    extrapolation_value: float = 0.0,
    *,
    snap_edges: bool = False,
    layout: str = "NHWC",
    dtype: DTypeLike | None = None,
    validate: bool = True,
    out: Array | None = None,
    num_threads: int | None = None,
) -> Array:
    """crop_and_resize by the classic loops.

    Parameters
    ----------
    image : array_like
        As in `cyroi.crop_and_resize`, but float32 or float64 only.
    boxes, box_indices, crop_size, method, extrapolation_value, layout, validate, num_threads
        As in `cyroi.crop_and_resize`.
    snap_edges : bool
        False: the classic loops have no such option.
    dtype : dtype, optional
        That of the maps, or None: the classic loops convert nothing.
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
    layout = check.choice("layout", layout, AXES)
    check.choice("method", method, METHODS)
    if check.boolean("snap_edges", snap_edges):
        raise ValueError("snap_edges must be False: the classic loops have no such option")
    array = _floating("image", check.maps("image", image, (2, 3, 4), image_shape(layout)))
    maps = as_batch(array, layout)
    height, width = check.output_size("crop_size", crop_size)
    fill = check.real("extrapolation_value", extrapolation_value)
    check.boolean("validate", validate)
    num_threads = threads.resolve(num_threads)
    images, channels = planar_shape(maps.shape, layout)[:2]
    crops = crop_boxes(boxes, box_indices, images, maps.dtype, single=array.ndim < 4)
    shape = layout_shape((len(crops.images), channels, height, width), layout)
    if array.ndim == 2:
        shape = (len(crops.images), height, width)
    inputs = {"image": [image, maps], "boxes": crops.sources, "box_indices": [box_indices]}
    result, written = _result("crop_size", shape, maps.dtype, dtype, out, inputs)
    batch = written if array.ndim > 2 else np.expand_dims(written, layout.index("C"))
    planar, target = maps.transpose(AXES[layout]), batch.transpose(AXES[layout])
    num_threads = num_threads if result.size > _SMALL else 1
    _classic.crop_and_resize(planar, crops.coordinates, crops.images, target, method == "nearest", fill, num_threads)
    return _finished(result, written, out)


def _floating(name: str, maps: Array) -> Array:
    if maps.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name} must have dtype float32, float64; got {maps.dtype}")
    return np.require(maps, requirements="A")


def _result(
    name: str,
    shape: tuple[int, ...],
    maps_dtype: np.dtype[Any],
    dtype: Any,
    out: object,
    inputs: Mapping[str, Sequence[object]],
) -> tuple[Array, Array]:
    """The result, checked or new, and where the loops write: the same, unless its bytes are swapped or unaligned."""
    wished = results.result_dtype(maps_dtype, dtype, out)
    result = results.result(name, shape, wished, out, inputs)
    if result.dtype.newbyteorder("=") != maps_dtype:
        raise TypeError(f"{'out' if dtype is None else 'dtype'} must have dtype {maps_dtype}; got {result.dtype}")
    return result, writable(result)


def _finished(result: Array, written: Array, out: Array | None) -> Array:
    if written is not result:
        np.copyto(result, written)
    return result if out is None else out
