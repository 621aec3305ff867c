"""crop_and_resize, forward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .. import _engine
from ..arguments import hints, results, threads
from ..arguments import validate as check
from ..arguments.arrays import ANYWHERE, Place, is_cupy
from ..arguments.boxes import crop_boxes
from ..arguments.layout import AXES, as_batch, layout_shape, planar_shape
from ..cpu import _quick, _separable

if TYPE_CHECKING:
    from .._typing import Array, ArrayLike, DTypeLike

METHODS = {"bilinear": _separable.CROP_BILINEAR, "nearest": _separable.CROP_NEAREST}


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
    r"""Crops of images, each resized to one size by bilinear or nearest sampling.

    One sample per output pixel; the corners of a box are the centres of the crop's corner pixels.

    Parameters
    ----------
    image : array_like
        A batch of shape (N, H, W, C), in the axis order of `layout`; or a single image of shape (H, W, C) or (H, W)
        (with layout "NCHW": (C, H, W) or (H, W)). Its dtype is float32, float64, float16, bfloat16 (of the package
        ml_dtypes), uint8, int8, uint16, int16 or bool. Read in place wherever the innermost stride is one element;
        otherwise copied. Integers of 32 and 64 bits, within +-2**53, are copied to float64; so the labels of a map
        come out exactly, with method "nearest" and their own dtype. If it lies on a CUDA device, all is computed there,
        and the result is a CuPy array (``docs/gpu.md``).
    boxes : array_like, shape (K, 4)
        y1, x1, y2, x2, normalised: 0 is the centre of the first pixel of the image, 1 that of the last one.
        Any real dtype of at most 64 bits, or objects that are all real numbers; finite. Values may lie outside
        [0, 1]; y1 > y2 flips the crop upside down, x1 > x2 left to right. No boxes, an empty list among them, give an
        empty result.
    box_indices : array_like of int, shape (K,), optional
        The image of each box, in [0, N). Needed for a batch; for a single image None, or zeros.
    crop_size : (int, int) or int
        Height and width of every crop, in pixels; an int stands for both. 1 takes the centre of the box. It must be
        given; it has a default only because `box_indices`, which stands before it, has one.
    method : {"bilinear", "nearest"}
        Interpolation.
    extrapolation_value : float, default 0.0
        Value of samples outside the image. Taken as it is, NaN and infinity included: rounded to the type that is
        computed with, in which a number beyond the range of float32 is infinite, then to the result's dtype.
    snap_edges : bool, default False
        Whether samples outside the image by no more than a rounding error count as on its edge: by at most 8 units in
        the last place of the larger side of the box in pixels, and half a pixel. Without it, as in TensorFlow, the box
        [0, 0, 1, 1] loses its last row or column to rounding for some sizes.
    layout : {"NHWC", "NCHW"}
        Axis order of `image` and of the result.
    dtype : dtype, optional
        Of a new result, any that `image` may have. Integers are rounded half to even and saturate; NaN becomes 0, and
        bool is whether that is not 0. Crops of a uint8 image to look at: ``dtype=np.uint8``.
    validate : bool, default True
        Whether to wait until boxes that lie on a CUDA device are known to be good. Without the wait a bad one is no
        error: its part of the result is NaN, 0 in integers. Boxes in host memory are always checked.
    out : ndarray, optional
        Receives the result: of its shape, writable, sharing no memory with the inputs, of any dtype that
        `image` may have, converted as for `dtype`, which is then None.
    num_threads : int, optional
        At most this many threads. Default: ``CYROI_NUM_THREADS``, ``OMP_NUM_THREADS``, CPU affinity
        and cgroup quota decide. The result has the same bits for every number. A process that was
        forked from one that had imported cyroi, such as a worker of multiprocessing's "fork", has
        one thread, whatever is said here; a worker of its "spawn" is a process of its own.

    Returns
    -------
    ndarray, shape (K, crop height, crop width, C) in the axis order of `layout`
        Dtype of `image`; float32 if that is bool or an integer of up to 16 bits, float64 if it is a longer one. No
        channel axis where a single `image` had none. `out` if that was given.

    Raises
    ------
    TypeError
        An argument is of the wrong kind, or an array of a dtype that is not supported.
    ValueError
        A wrong shape, an unknown name, a size below 1, boxes that are not finite, or an `out` that is read-only,
        of the wrong shape or overlaps an input, or is given beside `dtype`.
    IndexError
        An image index outside [0, N). Negative indices do not wrap.
    MemoryError
        The result or the working memory cannot be allocated.

    Warns
    -----
    UserWarning
        A box reaches beyond 10 times the image, as boxes in pixels do (on a CUDA device: where the call waits for their
        check), or `image` has the shape of photographs in the other layout.

    Notes
    -----
    For P output rows (columns likewise)::

        y(p) = y1*(H-1) + p*((y2 - y1)*(H-1)/(P-1)),   P == 1: 0.5*(y1 + y2)*(H-1)
        outside if not 0 <= y(p) <= H-1
        bilinear: linear interpolation between the pixels around (y, x)
        nearest: the pixel at (y, x), halves rounded up

    A pixel of weight 0 is not read, so NaN and infinity reach exactly the crops that they have a part in. Values are
    computed in float64 if `image` is float64 or an integer type of more than 16 bits, else in float32, and rounded
    once, when they are stored. Coordinates are computed in float64 if values are, or if `boxes` is float64 or an
    integer type of more than 16 bits, else in float32, in TensorFlow's order of operations.

    References
    ----------
    Faithful to ``tf.image.crop_and_resize`` but for what ``docs/differences.md`` lists: the types in which coordinates
    and values are computed, and subnormal coordinates, which are not flushed to 0.

    Examples
    --------
    >>> import numpy as np, cyroi
    >>> image = np.arange(9, dtype=np.float32).reshape(3, 3)
    >>> cyroi.crop_and_resize(image, [[0, 0, 0.5, 1]], crop_size=(2, 3))
    array([[[0., 1., 2.],
            [3., 4., 5.]]], dtype=float32)
    """
    ordinary = _quick.crop_and_resize(
        image, boxes, box_indices, crop_size, method, extrapolation_value, snap_edges, layout, dtype, validate, out,
        num_threads,
    )  # fmt: skip
    if ordinary is not None:
        return ordinary
    if is_cupy(image):
        from ..gpu import again

        if not again.inside():
            return again.call(crop_and_resize, locals())  # type: ignore[no-any-return]
    layout = check.choice("layout", layout, AXES)
    sampling = sampling_of(method, snap_edges)
    array = check.maps("image", image, (2, 3, 4), image_shape(layout), ANYWHERE)
    maps = as_batch(array, layout)
    hints.other_layout("image", maps.shape, maps.itemsize, layout)
    height, width = check.output_size("crop_size", crop_size)
    fill = check.real("extrapolation_value", extrapolation_value)
    num_threads = threads.resolve(num_threads)
    wait = check.boolean("validate", validate)
    place = Place("image", array)
    images, channels = planar_shape(maps.shape, layout)[:2]
    crops = crop_boxes(boxes, box_indices, images, maps.dtype, single=array.ndim < 4, place=place, wait=wait)
    hints.not_normalised(crops.coordinates)
    shape = layout_shape((crops.total, channels, height, width), layout)
    has_channels = array.ndim > 2
    shape = shape if has_channels else (crops.total, height, width)
    inputs = {"image": [image, maps], "boxes": crops.sources, "box_indices": [box_indices, crops.images]}
    result_dtype = results.result_dtype(maps.dtype, dtype, out)
    result = results.result("crop_size", shape, result_dtype, out, inputs, place)
    target = result if has_channels else np.expand_dims(result, layout.index("C"))
    _engine.apply(sampling, maps, crops, target, layout, num_threads, "crop_size", fill)
    return result if out is None else out


def image_shape(layout: str) -> str:
    return f"({', '.join(layout)}), or be a single image"


def sampling_of(method: object, snap_edges: object) -> _engine.Sampling:
    """What crop_and_resize and its gradients tell the kernels of where they sample."""
    convention = METHODS[check.choice("method", method, METHODS)]
    return _engine.Sampling(convention, snap_edges=check.boolean("snap_edges", snap_edges))
