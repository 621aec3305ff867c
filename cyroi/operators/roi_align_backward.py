"""RoI Align, gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import _engine
from ..arguments import results, threads
from ..arguments import validate as check
from ..arguments.arrays import Place, is_cupy
from ..arguments.boxes import roi_boxes
from ..arguments.layout import AXES, batch_shape
from .roi_align import MODES, maps_shape, sampling_of

if TYPE_CHECKING:
    from .._typing import Array, ArrayLike


def roi_align_backward(
    grad_output: ArrayLike,
    input: ArrayLike | Sequence[int],
    boxes: ArrayLike | Sequence[ArrayLike],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
    *,
    mode: str = "avg",
    wrt: str | tuple[str, ...] = "input",
    batch_indices: ArrayLike | None = None,
    layout: str = "NCHW",
    validate: bool = True,
    out: Array | list[Array] | None = None,
    num_threads: int | None = None,
) -> Any:
    r"""Gradients of RoI Align: to the maps, to the boxes, or to both.

    They are those of ``sum(grad_output * roi_align(input, boxes, ...))``.

    Parameters
    ----------
    grad_output : array_like, shape (K, C, output height, output width) in the axis order of `layout`
        Gradient of the result of `roi_align`: float32, float64, float16 or bfloat16, in memory of any strides. The
        output size is read from it.
        If it lies on a CUDA device, all is computed there, and gradients are CuPy arrays (``docs/gpu.md``).
    input : array_like, shape (N, C, H, W) in the axis order of `layout`, or this shape as ints
        The maps that the result came from, or the single image without the axis N, of any dtype that `roi_align` takes.
        Their shape is enough where `wrt` is "input", because the result is linear in them; the dtype of `grad_output`
        then stands for theirs.
    boxes, spatial_scale, sampling_ratio, aligned, mode, batch_indices, layout
        As in `cyroi.roi_align`.
    wrt : {"input", "boxes"} or a tuple of them
        What to differentiate with respect to.
    validate : bool, default True
        As in `cyroi.roi_align`. Without the wait the gradient to a bad box is NaN, and it gives nothing to the
        gradient to the maps.
    out : ndarray, or list of ndarray for the gradient to a list of boxes, optional
        Receives the one gradient that `wrt` asks for: of its shape, float32, float64, float16 or bfloat16, writable,
        sharing no memory with the inputs. Overwritten, not added to. The gradient to the maps takes memory of its
        own on the way to anything but float32 (float64 for float64 maps) with an innermost stride of one element, and
        where pixels of up to 32 bytes do not follow each other.
    num_threads : int, optional
        As in `cyroi.roi_align`: the result has the same bits for every number, and a forked process
        has one thread.

    Returns
    -------
    ndarray, or list of ndarray, or `out`
        For a tuple `wrt`: a tuple of gradients, in that order.

        * "input": shape and dtype of `input`, that of the result if it is bool or an integer type; per unit of the
          maps.
        * "boxes": shape, columns and floating dtype of `boxes` (for integers, that of the coordinates); per unit of
          the boxes. For shape (K, 5), column 0 is zero, because the image index is no quantity to differentiate by.
          For a list of arrays, a list of arrays.

    Raises
    ------
    TypeError
        An argument is of the wrong kind, or an array of a dtype that is not supported; or `input` is a shape, but the
        gradient to the boxes needs its values.
    ValueError
        `grad_output` has another number of boxes or channels than the result, `wrt` is not a choice of the names
        above, each at most once, or `out` is given for more than one gradient; and as in `cyroi.roi_align`.
    IndexError
        An image index outside [0, N). Negative indices do not wrap.
    MemoryError
        The result or the working memory cannot be allocated.

    Notes
    -----
    With the symbols of `cyroi.roi_align`, y and x for the coordinates of sample (i, j) of bin (p, q), and
    ``g = grad_output[k, c, p, q] / max(grid_h*grid_w, 1)``, each sum over all samples inside the band (and, for a
    box, over all channels)::

        d/d input[n, c, r, s] = sum g * weight of pixel (r, s) in B(y, x)
        d/d y1 = sum g * dB/dy * dy/dy1,  d/d y2 = sum g * dB/dy * dy/dy2       (x likewise)
        dB/dy = (1 - lx)*(v[y0+1, x0] - v[y0, x0]) + lx*(v[y0+1, x0+1] - v[y0, x0+1])   0 < y < H-1
        dB/dy = 0                                                                       else: a clamped border
        dy/dy2 = s*t,  dy/dy1 = s*(1 - t),  t = (p + (i + 0.5)/grid_h)/P
        dy/dy2 = 0,    dy/dy1 = s             where the legacy rule enlarges the height (height < 1)

    ``y0 = floor(y)``, ``lx = x - floor(x)``. The grid size is a constant. So the gradient to the boxes is the exact
    derivative almost everywhere: not where a sample crosses a pixel centre (there it is the slope towards larger
    coordinates; 0 at y = 0 and y = H-1), leaves the band, or the adaptive grid changes its size.

    Values are computed in float64 if `input` is float64 or an integer type of more than 16 bits, else in float32, and
    rounded once more where they are stored in another dtype. Each pixel sums up boxes in their order, so its bits do
    not depend on threads, layout or other channels. A pixel of weight 0 gets and gives nothing, and neither does a
    sample that does not move, so NaN and infinity in `grad_output` or `input` reach exactly the gradients that they
    have a part in.

    The operator is linear in `input`, so a gradient of the gradient needs nothing new: that of
    ``roi_align_backward(g, ...)`` to g, for the direction v, is ``roi_align(v, ...)``.

    References
    ----------
    To the maps: the gradient of ``torchvision.ops.roi_align``, which has none to the boxes. To the boxes: the
    derivative of the formula above.

    Examples
    --------
    A sample in the middle of four pixels; moving one side by 1 moves it by 1/2.

    >>> import cyroi
    >>> maps = [[[[0.0, 1.0], [10.0, 11.0]]]]
    >>> gradients = cyroi.roi_align_backward([[[[1.0]]]], maps, [[0, 0, 0, 1, 1]], 1.0, 1, wrt=("input", "boxes"))
    >>> gradients[0]
    array([[[[0.25, 0.25],
             [0.25, 0.25]]]])
    >>> gradients[1]
    array([[0. , 0.5, 5. , 0.5, 5. ]])

    The shape of the maps is enough for their gradient.

    >>> float(cyroi.roi_align_backward([[[[1.0]]]], (1, 1, 2, 2), [[0, 0, 0, 1, 1]]).sum())
    1.0
    """
    if is_cupy(grad_output):
        from ..gpu import again

        if not again.inside():
            return again.call(roi_align_backward, locals())
    layout = check.choice("layout", layout, AXES)
    check.choice("mode", mode, MODES)
    names = check.wrt_names(wrt, ("input", "boxes"))
    grad = check.grad_output(grad_output)
    maps = check.maps_or_shape("input", input, (3, 4), maps_shape(layout), names, grad)
    sampling = sampling_of(spatial_scale, sampling_ratio, aligned)
    num_threads = threads.resolve(num_threads)
    wait = check.boolean("validate", validate)
    place = Place("grad_output", grad)
    images, channels = batch_shape(maps.shape, layout)[:2]
    rois = roi_boxes(boxes, batch_indices, images, maps.dtype, single=len(maps.shape) == 3, place=place, wait=wait)
    bins = check.grad_shape(grad, rois.total, channels, layout)
    inputs: results.Inputs = {
        "grad_output": [grad_output, grad],
        "input": [input, maps.values],
        "boxes": rois.sources,
        "batch_indices": [batch_indices, rois.images],
    }
    gradients = results.gradients(names, "input", maps, rois, wrt, out, inputs, place)
    _engine.differentiate(sampling, bins, maps, rois, gradients, layout, num_threads, "input")
    return gradients.returned
