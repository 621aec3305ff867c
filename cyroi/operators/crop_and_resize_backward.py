"""crop_and_resize, gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import _engine
from ..arguments import hints, results, threads
from ..arguments import validate as check
from ..arguments.arrays import Place, is_cupy
from ..arguments.boxes import crop_boxes
from ..arguments.layout import AXES, batch_shape
from .crop_and_resize import image_shape, sampling_of

if TYPE_CHECKING:
    from .._typing import Array, ArrayLike


def crop_and_resize_backward(
    grad_output: ArrayLike,
    image: ArrayLike | Sequence[int],
    boxes: ArrayLike,
    box_indices: ArrayLike | None = None,
    method: str = "bilinear",
    extrapolation_value: float = 0.0,
    *,
    snap_edges: bool = False,
    wrt: str | tuple[str, ...] = "image",
    layout: str = "NHWC",
    validate: bool = True,
    out: Array | None = None,
    num_threads: int | None = None,
) -> Any:
    r"""Gradients of crop_and_resize: to the images, to the boxes, or to both.

    They are those of ``sum(grad_output * crop_and_resize(image, boxes, ...))``.

    Parameters
    ----------
    grad_output : array_like, shape (K, crop height, crop width, C) in the axis order of `layout`
        Gradient of the result of `crop_and_resize`, without a channel axis where a single `image` has none: float32,
        float64, float16 or bfloat16, in memory of any strides. The crop size is read from it.
        If it lies on a CUDA device, all is computed there, and gradients are CuPy arrays (``docs/gpu.md``).
    image : array_like, or its shape as ints
        The images that the result came from: a batch or a single image, as in `cyroi.crop_and_resize`. Their shape
        is enough where `wrt` is "image", because the result is linear in them; the dtype of `grad_output` then stands
        for theirs.
    boxes, box_indices, method, snap_edges, layout
        As in `cyroi.crop_and_resize`.
    extrapolation_value : float, default 0.0
        Of no effect: samples outside the image contribute nothing, whatever their value.
    wrt : {"image", "boxes"} or a tuple of them
        What to differentiate with respect to.
    validate : bool, default True
        As in `cyroi.crop_and_resize`. Without the wait the gradient to a bad box is NaN, and it gives nothing to the
        gradient to the images.
    out : ndarray, optional
        Receives the one gradient that `wrt` asks for: of its shape, float32, float64, float16 or bfloat16, writable,
        sharing no memory with the inputs. Overwritten, not added to. The gradient to the images takes memory of its
        own on the way to anything but float32 (float64 for float64 images) with an innermost stride of one element, and
        where pixels of up to 32 bytes do not follow each other.
    num_threads : int, optional
        As in `cyroi.crop_and_resize`: the result has the same bits for every number, and a forked process
        has one thread.

    Returns
    -------
    ndarray, or `out`
        For a tuple `wrt`: a tuple of gradients, in that order.

        * "image": shape and dtype of `image`, that of the result if it is bool or an integer type; per unit of its
          values.
        * "boxes": shape (K, 4), to y1, x1, y2, x2, per unit of the boxes, which is the side of the image; floating
          dtype of `boxes` (for integers, that of the coordinates). Zeros for method "nearest", whose result is
          constant in the boxes wherever it is continuous.

    Raises
    ------
    TypeError
        An argument is of the wrong kind, or an array of a dtype that is not supported; or `image` is a shape, but the
        gradient to the boxes needs its values.
    ValueError
        `grad_output` has another number of boxes or channels than the result, `wrt` is not a choice of the names
        above, each at most once, or `out` is given for more than one gradient; and as in `cyroi.crop_and_resize`.
    IndexError
        An image index outside [0, N). Negative indices do not wrap.
    MemoryError
        The result or the working memory cannot be allocated.

    Warns
    -----
    UserWarning
        A box reaches beyond 10 times the image, as boxes in pixels do.

    Notes
    -----
    With the symbols of `cyroi.crop_and_resize`, (y, x) for the sample of bin (p, q), and
    ``g = grad_output[k, p, q, c]``, each sum over all samples inside the image (and, for a box, over all channels)::

        d/d image[n, r, s, c] = sum g * weight of pixel (r, s) at (y, x)
        d/d y1 = sum g * dB/dy * dy/dy1,  d/d y2 = sum g * dB/dy * dy/dy2       (x likewise)
        dB/dy = (1 - lx)*(v[y0+1, x0] - v[y0, x0]) + lx*(v[y0+1, x0+1] - v[y0, x0+1])   0 < y < H-1, else 0
        dy/dy2 = (H-1)*t,  dy/dy1 = (H-1)*(1 - t),  t = p/(P-1),   P == 1: t = 1/2

    ``y0 = floor(y)``, ``lx = x - floor(x)``. So the gradient to the boxes is the exact derivative almost everywhere:
    not where a sample crosses a pixel centre (there it is the slope towards larger coordinates; 0 at y = 0 and
    y = H-1) or leaves the image.

    The gradient to the boxes that TensorFlow registers takes no notice of the method: for "nearest" it gives what it
    gives for "bilinear". Who wants that asks for it by name: ``method="bilinear", wrt="boxes"``, also after a forward
    pass with "nearest".

    Values are computed in float64 if `image` is float64 or an integer type of more than 16 bits, else in float32, and
    rounded once more where they are stored in another dtype. Each pixel sums up boxes in their order, so its bits do
    not depend on threads, layout or other channels. A pixel of weight 0 gets and gives nothing, and neither does a
    sample that does not move, so NaN and infinity in `grad_output` or `image` reach exactly the gradients that they
    have a part in.

    The operator is linear in `image`, so a gradient of the gradient needs nothing new: that of
    ``crop_and_resize_backward(g, ...)`` to g, for the direction v, is ``crop_and_resize(v, ...)`` with
    ``extrapolation_value=0``.

    References
    ----------
    The gradients of ``tf.image.crop_and_resize`` but for what ``docs/differences.md`` lists, above all: its gradient to
    the boxes is 0 for every sample whose coordinate is a whole number, also where the image is a ramp and the
    derivative therefore exists.

    Examples
    --------
    A crop of one pixel takes the centre of the box, here the middle of four pixels; moving one side by 1, the
    distance of the two pixels, moves it by 1/2.

    >>> import cyroi
    >>> image = [[0.0, 1.0], [10.0, 11.0]]
    >>> gradients = cyroi.crop_and_resize_backward([[[1.0]]], image, [[0, 0, 1, 1]], None, wrt=("image", "boxes"))
    >>> gradients[0]
    array([[0.25, 0.25],
           [0.25, 0.25]])
    >>> gradients[1]
    array([[5. , 0.5, 5. , 0.5]])
    """
    if is_cupy(grad_output):
        from ..gpu import again

        if not again.inside():
            return again.call(crop_and_resize_backward, locals())
    layout = check.choice("layout", layout, AXES)
    sampling = sampling_of(method, snap_edges)
    names = check.wrt_names(wrt, ("image", "boxes"))
    grad = check.grad_output(grad_output)
    maps = check.maps_or_shape("image", image, (2, 3, 4), image_shape(layout), names, grad)
    check.real("extrapolation_value", extrapolation_value)
    num_threads = threads.resolve(num_threads)
    wait = check.boolean("validate", validate)
    place = Place("grad_output", grad)
    images, channels = batch_shape(maps.shape, layout)[:2]
    crops = crop_boxes(boxes, box_indices, images, maps.dtype, single=len(maps.shape) < 4, place=place, wait=wait)
    hints.not_normalised(crops.coordinates)
    pixels = check.grad_shape(grad, crops.total, channels, layout, channel_axis=len(maps.shape) > 2)
    inputs: results.Inputs = {
        "grad_output": [grad_output, grad],
        "image": [image, maps.values],
        "boxes": crops.sources,
        "box_indices": [box_indices, crops.images],
    }
    gradients = results.gradients(names, "image", maps, crops, wrt, out, inputs, place)
    _engine.differentiate(sampling, pixels, maps, crops, gradients, layout, num_threads, "image")
    return gradients.returned
