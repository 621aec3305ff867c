"""The float64 oracle of crop_and_resize's gradients: the formula, sample by sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments.boxes import BOX_VALUES, crop_boxes
from ..arguments.validate import wrt_names
from . import _gradients
from ._crop_and_resize import as_planes, axis_samples


def crop_and_resize_backward(
    grad_output: ArrayLike,
    image: ArrayLike | tuple[int, ...],
    boxes: ArrayLike,
    box_indices: ArrayLike | None,
    method: str = "bilinear",
    extrapolation_value: float = 0.0,
    *,
    wrt: str | tuple[str, ...] = "image",
    layout: str = "NHWC",
    out: NDArray[Any] | None = None,
    num_threads: int | None = None,
) -> Any:
    """Gradients of crop_and_resize in float64: to the images, to the boxes, or to both.

    They are those of ``sum(grad_output * crop_and_resize(image, boxes, ...))``.

    Parameters
    ----------
    grad_output : array_like, shape (K, crop height, crop width, C) in the axis order of `layout`
        Gradient of the result of `crop_and_resize`, without a channel axis where a single `image` has none. The crop
        size is read from it.
    image : array_like, or its shape as a tuple of ints
        The images that the result came from: a batch or a single image, as in `cyroi.crop_and_resize`. Their shape
        is enough where `wrt` is "image"; the dtype of `grad_output` then stands for theirs.
    boxes, box_indices, method, layout
        As in `cyroi.crop_and_resize`.
    extrapolation_value : float, default 0.0
        Ignored: samples outside the image contribute nothing, whatever their value.
    wrt : {"image", "boxes"} or a tuple of them
        What to differentiate with respect to.
    out : ndarray, optional
        Receives the one gradient that `wrt` asks for, cast to its dtype. Overwritten, not added to.
    num_threads : int, optional
        Ignored; here so that the signatures agree.

    Returns
    -------
    ndarray, float64, or `out`
        For a tuple `wrt`: a tuple of gradients, in that order.

        * "image": shape and axis order of `image`, per unit of its values.
        * "boxes": shape (K, 4), to y1, x1, y2, x2, per unit of the boxes, which is the side of the image. Zeros for
          method "nearest", whose result is constant in the boxes wherever it is continuous.

    Raises
    ------
    TypeError
        `image` is a shape, but the gradient to the boxes needs its values.
    ValueError
        `grad_output` has another number of boxes or channels than the result, `wrt` is not a choice of the names
        above, each at most once, or `out` is given for more than one gradient; and as in `cyroi.crop_and_resize`.
    IndexError
        An image index outside [0, N).

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

    A pixel of weight 0 gets and gives nothing, and neither does a sample that does not move, so NaN and infinity in
    `grad_output` or `image` reach exactly the gradients that they have a part in. Coordinates are computed in the
    dtype that `cyroi.crop_and_resize` would choose, so that both agree in every discrete decision.

    References
    ----------
    The gradients of ``tf.image.crop_and_resize``, except that its gradient to the boxes is 0 for every sample whose
    coordinate is a whole number, also where the image is a ramp and the derivative therefore exists.

    Examples
    --------
    A crop of one pixel takes the centre of the box, here the middle of four pixels; moving one side by 1, the
    distance of the two pixels, moves it by 1/2.

    >>> image = [[0.0, 1.0], [10.0, 11.0]]
    >>> gradients = crop_and_resize_backward([[[1.0]]], image, [[0, 0, 1, 1]], None, wrt=("image", "boxes"))
    >>> gradients[0]
    array([[0.25, 0.25],
           [0.25, 0.25]])
    >>> gradients[1]
    array([[5. , 0.5, 5. , 0.5]])
    """
    names = wrt_names(wrt, ("image", "boxes"))
    given = np.asarray(grad_output)
    pixels = _gradients.maps_or_stand_in("image", image, given.dtype, names)
    maps = as_planes(pixels, layout)
    corners, images, *_ = crop_boxes(boxes, box_indices, len(maps), maps.dtype, single=pixels.ndim < 4)
    gradient = _gradients.as_crops(given, layout, len(corners), maps.shape[1], channel_axis=pixels.ndim > 2)
    to_image, to_boxes = np.zeros(pixels.shape), np.zeros((len(corners), BOX_VALUES))
    to_planes = as_planes(to_image, layout)  # a view
    for k, (i, (y1, x1, y2, x2)) in enumerate(zip(images, corners, strict=True)):
        y = samples(y1, y2, gradient.shape[2], maps.shape[2], method)
        x = samples(x1, x2, gradient.shape[3], maps.shape[3], method)
        if "image" in names:
            _gradients.add_to_planes(gradient[k], y, x, to_planes[i])
        if "boxes" in names and method != "nearest":
            to_boxes[k] = _gradients.to_box(gradient[k], maps[i], y, x)
    return _gradients.hand_over({"image": to_image, "boxes": to_boxes}, wrt, names, out)


def samples(lo: Any, hi: Any, bins: int, size: int, method: str) -> _gradients.Samples:
    """The samples of one axis inside the image."""
    along = np.arange(bins) / (bins - 1) if bins > 1 else np.array([0.5])
    by_hi = (size - 1) * along
    return _gradients.inside(axis_samples(lo, hi, bins, size, method), (size - 1) - by_hi, by_hi)
