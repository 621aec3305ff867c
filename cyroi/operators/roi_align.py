"""RoI Align, forward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import _engine
from ..arguments import hints, results, threads
from ..arguments import validate as check
from ..arguments.arrays import ANYWHERE, Place, is_cupy
from ..arguments.boxes import roi_boxes
from ..arguments.layout import AXES, as_batch, layout_shape, planar_shape
from ..cpu import _quick, _separable

if TYPE_CHECKING:
    from .._typing import Array, ArrayLike, DTypeLike

MODES = ("avg",)


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
    r"""Average of bilinear samples in each bin of each box (RoI Align).

    Each box is divided into ``output_size`` bins without any rounding. In a bin lie
    ``grid_h`` x ``grid_w`` regularly spaced samples; the result is their average.

    Parameters
    ----------
    input : array_like, shape (N, C, H, W)
        Feature maps, in the axis order of `layout`, or a single image without the axis N: float32, float64, float16,
        bfloat16 (of the package ml_dtypes), uint8, int8, uint16, int16 or bool. Read in place wherever the innermost
        stride is one element; otherwise copied. Integers of 32 and 64 bits, within +-2**53, are copied to float64.
        If it lies on a CUDA device, all is computed there, and the result is a CuPy array (``docs/gpu.md``).
    boxes : array_like or list of array_like
        Corners x1, y1, x2, y2 in units of the image, which `spatial_scale` converts to pixels of
        the map. Any real dtype of at most 64 bits, or objects that are all real numbers; finite. One of

        * shape (K, 5): the image index in [0, N), then the corners;
        * shape (K, 4), with `batch_indices`, or for a single image;
        * a list or tuple of N arrays of shape (L_i, 4), one per image. A list or tuple counts as
          this if its elements are two-dimensional or empty; any other sequence becomes one array.

        No boxes, an empty list among them, give an empty result.
    output_size : int or (int, int)
        Number of bins, height and width; an int stands for both.
    spatial_scale : float, default 1.0
        Pixels of the map per unit of the boxes, finite and > 0: 1/16 for a map of stride 16.
    sampling_ratio : int, default -1
        Samples per bin and axis, at most 4096. 0 and below: adaptive, ``ceil(box size / output size)``
        for each box and axis.
    aligned : bool, default False
        True: pixel centres lie at half-integers of the box coordinates (boxes move by -0.5 pixel), and
        boxes may be of any size. False: the legacy rule, no shift, and boxes of less than one pixel
        are enlarged to one pixel from (x1, y1).
    mode : {"avg"}
        How the samples of a bin are combined.
    batch_indices : array_like of int, shape (K,), optional
        The image of each box, where `boxes` has shape (K, 4); 0 for a single image.
    layout : {"NCHW", "NHWC"}
        Axis order of `input` and of the result.
    dtype : dtype, optional
        Of a new result, any that `input` may have. Integers are rounded half to even and saturate; NaN becomes 0, and
        bool is whether that is not 0.
    validate : bool, default True
        Whether to wait until boxes that lie on a CUDA device are known to be good. Without the wait a bad one is no
        error: its part of the result is NaN, 0 in integers. Boxes in host memory are always checked.
    out : ndarray, optional
        Receives the result: of its shape, writable, sharing no memory with the inputs, of any dtype that
        `input` may have, converted as for `dtype`, which is then None.
    num_threads : int, optional
        At most this many threads. Default: ``CYROI_NUM_THREADS``, ``OMP_NUM_THREADS``, CPU affinity
        and cgroup quota decide. The result has the same bits for every number. A process that was
        forked from one that had imported cyroi, such as a worker of multiprocessing's "fork", has
        one thread, whatever is said here; a worker of its "spawn" is a process of its own.

    Returns
    -------
    ndarray, shape (K, C, output height, output width) in the axis order of `layout`
        Dtype of `input`; float32 if that is bool or an integer of up to 16 bits, float64 if it is a longer one.
        `out` if that was given.

    Raises
    ------
    TypeError
        An argument is of the wrong kind, or an array of a dtype that is not supported.
    ValueError
        A wrong shape, an unknown name, a number out of its range, boxes that are not finite, or an
        `out` that is read-only, of the wrong shape or overlaps an input, or is given beside `dtype`.
    IndexError
        An image index outside [0, N). Negative indices do not wrap.
    MemoryError
        The result or the working memory cannot be allocated.

    Warns
    -----
    UserWarning
        `input` has the shape of photographs in the other layout: 3 or 4 columns, hundreds of rows and channels.

    Notes
    -----
    With offset o = 0.5 if aligned else 0, scale s, and P bins along y (x likewise)::

        start = y1*s - o;  height = (y2*s - o) - start;  legacy: height = max(height, 1)
        grid_h = sampling_ratio, or ceil(height / P)
        y(p, i) = start + p*height/P + (i + 0.5)*(height/P)/grid_h
        out[p, q] = sum_ij B(y(p, i), x(q, j)) / max(grid_h*grid_w, 1)

    B interpolates linearly between pixel centres; coordinates in [-1, 0) and (H-1, H] take the border
    pixel, samples beyond count as 0. A pixel of weight 0 is not read, so NaN and infinity reach exactly the bins
    that they have a part in. Boxes that are empty or reversed with ``aligned=True`` give 0 on the adaptive grid,
    and a point or flipped crop on a fixed one.

    Values are computed in float64 if `input` is float64 or an integer type of more than 16 bits, else in float32, and
    rounded once, when they are stored. Coordinates are computed in float64 if values are, or if `boxes` (in a list, the
    array that the box stands in) is float64 or an integer type of more than 16 bits, else in float32, in torchvision's
    order of operations, so that every discrete decision is torchvision's.
    The values are linear in `input`: the gradient of any function of the result is the same for every `input`.

    References
    ----------
    He, Gkioxari, Dollar, Girshick: Mask R-CNN (2017), section 3. Faithful to ``torchvision.ops.roi_align``
    but for what ``docs/differences.md`` lists.

    Examples
    --------
    >>> import numpy as np, cyroi
    >>> maps = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    >>> cyroi.roi_align(maps, [[0, 0, 0, 4, 4]], 2, sampling_ratio=2, aligned=True)[0, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]], dtype=float32)
    """
    ordinary = _quick.roi_align(
        input, boxes, output_size, spatial_scale, sampling_ratio, aligned, mode, batch_indices, layout, dtype,
        validate, out, num_threads,
    )  # fmt: skip
    if ordinary is not None:
        return ordinary
    if is_cupy(input):
        from ..gpu import again

        if not again.inside():
            return again.call(roi_align, locals())  # type: ignore[no-any-return]
    layout = check.choice("layout", layout, AXES)
    check.choice("mode", mode, MODES)
    array = check.maps("input", input, (3, 4), maps_shape(layout), ANYWHERE)
    maps = as_batch(array, layout)
    hints.other_layout("input", maps.shape, maps.itemsize, layout)
    height, width = check.output_size("output_size", output_size)
    sampling = sampling_of(spatial_scale, sampling_ratio, aligned)
    num_threads = threads.resolve(num_threads)
    wait = check.boolean("validate", validate)
    place = Place("input", array)
    images, channels = planar_shape(maps.shape, layout)[:2]
    rois = roi_boxes(boxes, batch_indices, images, maps.dtype, single=array.ndim == 3, place=place, wait=wait)
    shape = layout_shape((rois.total, channels, height, width), layout)
    inputs = {"input": [input, maps], "boxes": rois.sources, "batch_indices": [batch_indices, rois.images]}
    result_dtype = results.result_dtype(maps.dtype, dtype, out)
    result = results.result("output_size", shape, result_dtype, out, inputs, place)
    _engine.apply(sampling, maps, rois, result, layout, num_threads, "output_size")
    return result if out is None else out


def maps_shape(layout: str) -> str:
    return f"({', '.join(layout)}), or be a single image without the axis N"


def sampling_of(spatial_scale: object, sampling_ratio: object, aligned: object) -> _engine.Sampling:
    """What RoI Align and its gradients tell the kernels of where they sample."""
    return _engine.Sampling(
        _separable.ROI_ALIGN,
        check.spatial_scale("spatial_scale", spatial_scale),
        check.sampling_ratio("sampling_ratio", sampling_ratio),
        check.boolean("aligned", aligned),
    )
