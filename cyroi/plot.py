"""Pictures of boxes, bins, sampling points and crops, for matplotlib (``pip install "cyroi[plot]"``).

Each function draws into the Axes that it is given, or into the current one, and returns it. Pixel i of a map is drawn
centred at coordinate i, as `matplotlib.axes.Axes.imshow` does. That is the coordinate system in which the operators
sample, so a RoI Align box is drawn at ``spatial_scale * coordinate - (0.5 if aligned else 0)``.

An image or a crop may have its channels first or last: one channel, RGB or RGBA, of any real dtype. Channels are last
where the last axis has 1, 3 or 4 elements, as `matplotlib.axes.Axes.imshow` takes it, else first where the first axis
has; only pictures that are 1, 3 or 4 pixels wide can be meant otherwise, and want ``np.moveaxis(crop, 0, -1)``. Colours
are integers in [0, 255], or floating in [0, 1], in [0, 255] if a value exceeds 1, and in [0, 65535] if one exceeds 255.
So what the operators make of a photograph is drawn as it comes: ``show_aligned(crop_and_resize(photo, ...)[0])``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import _artists, _grids
from .arguments import validate
from .arguments.pictures import picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ._typing import ArrayLike

__all__ = ["show_aligned", "show_rois", "show_sampling_points"]

MAX_SAMPLES = 250_000
MAX_ANNOTATED_SIDE = 8


def show_rois(
    image: ArrayLike,
    boxes: ArrayLike,
    output_size: int | Sequence[int] | None = None,
    *,
    operator: str = "roi_align",
    spatial_scale: float = 1.0,
    aligned: bool = False,
    color: Any = _artists.BOX_COLOR,
    ax: Axes | None = None,
    **imshow_kwargs: Any,
) -> Axes:
    """Draw a map, boxes on it and, given `output_size`, the bins of each box.

    Parameters
    ----------
    image : array_like, shape (H, W), (H, W, C) or (C, H, W)
        A map, or an image of C = 1, 3 or 4 channels: one, RGB or RGBA. Which axis is C, and how colours are scaled: see
        the module's text.
    boxes : array_like, shape (K, 4) or (K, 5)
        As `operator` takes them. "roi_align": x1, y1, x2, y2, in units that `spatial_scale` converts to pixels of the
        map, or an image index before them, the same for all, since one image is drawn. "crop_and_resize": y1, x1, y2,
        x2, normalised.
    output_size : int or (int, int), optional
        Bins of a box, height and width; an int stands for both. None: no grid.
    operator : {"roi_align", "crop_and_resize"}
        Whose boxes they are.
    spatial_scale, aligned
        As in `cyroi.roi_align`, and for that operator only. ``aligned=False`` enlarges boxes of less than one pixel.
    color : color or sequence of colors
        Of the outlines of the boxes.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: the current Axes of `matplotlib.pyplot`.
    **imshow_kwargs
        Passed on to `matplotlib.axes.Axes.imshow`: ``cmap``, ``vmin``, ``vmax`` ...

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, with artists labelled "boxes" and "bin grid".

    Raises
    ------
    ImportError
        matplotlib is not installed.
    TypeError
        An argument is of the wrong kind, or an array of a dtype that cannot be drawn.
    ValueError
        A wrong shape, an unknown name, a number out of its range, boxes that are not finite, or of several images.
    IndexError
        A negative image index.

    Examples
    --------
    >>> import numpy as np
    >>> from cyroi.plot import show_rois
    >>> from matplotlib.figure import Figure
    >>> feature_map = np.random.default_rng(0).normal(size=(50, 68))
    >>> boxes = [[32, 48, 400, 300], [500, 500, 800, 700]]  # pixels of an image that is 16 times as large
    >>> ax = show_rois(feature_map, boxes, 7, spatial_scale=1 / 16, aligned=True, ax=Figure().subplots())
    """
    pixels = picture("image", image)
    bins = (1, 1) if output_size is None else validate.output_size("output_size", output_size)
    convention = _grids.convention(operator, spatial_scale, -1, aligned)
    grids = [_grids.grid(box, bins, pixels, convention) for box in _grids.corners("boxes", boxes, operator, pixels)]
    ax = _artists.axes(ax)
    _artists.draw_pixels(ax, pixels, imshow_kwargs)
    _artists.draw_grids(ax, grids, "boxes", color, with_lines=output_size is not None)
    return ax


def show_sampling_points(
    image: ArrayLike,
    box: ArrayLike,
    output_size: int | Sequence[int],
    *,
    operator: str = "roi_align",
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
    color: Any = _artists.BOX_COLOR,
    ax: Axes | None = None,
    **imshow_kwargs: Any,
) -> Axes:
    """Draw a map, a box on it, its bins, and the points at which an operator samples the map.

    Parameters
    ----------
    image, output_size, ax, **imshow_kwargs
        As in `show_rois`.
    box : array_like, shape (4,) or (5,)
        As `operator` takes it: one row of the boxes of `show_rois`.
    operator : {"roi_align", "crop_and_resize"}
        Whose samples to draw.
    spatial_scale, sampling_ratio, aligned
        As in `cyroi.roi_align`, and for that operator only.
    color : color
        Of the outline of the box.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`, with artists labelled "box", "bin grid", "sampling points" and, where RoI Align has samples so far outside
        the map that they count as 0, "samples outside". crop_and_resize's samples outside the image are not drawn.

    Raises
    ------
    ImportError, TypeError, IndexError
        As in `show_rois`.
    ValueError
        As in `show_rois`, or more than 250 000 samples.

    Notes
    -----
    RoI Align's value of a bin is the average of the samples in it. crop_and_resize has no bins but one sample per pixel
    of the crop, the outermost ones on the edges of the box; the lines of its grid run through them.

    Examples
    --------
    >>> import numpy as np
    >>> from cyroi.plot import show_sampling_points
    >>> from matplotlib.figure import Figure
    >>> image = np.arange(30.0).reshape(5, 6)
    >>> left, right = Figure().subplots(1, 2)
    >>> ax = show_sampling_points(image, [0.5, 1.0, 5.0, 4.0], (3, 2), sampling_ratio=2, aligned=True, ax=left)
    >>> ax = show_sampling_points(image, [0.1, 0.0, 0.9, 0.9], (3, 2), operator="crop_and_resize", ax=right)
    """
    pixels = picture("image", image)
    bins = validate.output_size("output_size", output_size)
    convention = _grids.convention(operator, spatial_scale, sampling_ratio, aligned)
    y, x = _grids.grid(_grids.corners_of_one("box", box, operator, pixels), bins, pixels, convention)
    if y.samples.size * x.samples.size > MAX_SAMPLES:
        raise ValueError(f"box must have at most {MAX_SAMPLES} samples; got {y.samples.size} x {x.samples.size}")
    ax = _artists.axes(ax)
    _artists.draw_pixels(ax, pixels, imshow_kwargs)
    _artists.draw_grids(ax, [(y, x)], "box", color, with_lines=True)
    _artists.draw_samples(ax, y, x)
    return ax


def show_aligned(
    crop: ArrayLike, *, annot: bool | None = None, fmt: str = ".4g", ax: Axes | None = None, **imshow_kwargs: Any
) -> Axes:
    """Draw an aligned crop, with its numbers in the cells where it is small.

    Parameters
    ----------
    crop : array_like, shape (h, w), (h, w, C) or (C, h, w)
        One channel of a crop; or a crop of C = 1, 3 or 4 channels, as in `show_rois`.
    annot : bool, optional
        Whether to write the numbers. Default: for one channel of at most 8 x 8.
    fmt : str, default ".4g"
        Format of the numbers.
    ax, **imshow_kwargs
        As in `show_rois`.

    Returns
    -------
    matplotlib.axes.Axes
        `ax`.

    Raises
    ------
    ImportError, TypeError
        As in `show_rois`.
    ValueError
        A wrong shape, a bad `fmt`, or ``annot=True`` for RGB or RGBA.

    Examples
    --------
    >>> import numpy as np, cyroi
    >>> from cyroi.plot import show_aligned
    >>> from matplotlib.figure import Figure
    >>> crops = cyroi.crop_and_resize(np.arange(30.0).reshape(5, 6), [[0.1, 0.0, 0.9, 0.9]], None, (3, 2))
    >>> ax = show_aligned(crops[0], cmap="gray", ax=Figure().subplots())
    """
    pixels = picture("crop", crop)
    small = pixels.ndim == 2 and max(pixels.shape) <= MAX_ANNOTATED_SIDE
    write = small if annot is None else validate.boolean("annot", annot)
    if write and pixels.ndim != 2:
        raise ValueError(f"annot must be False for RGB and RGBA; got a crop of shape {pixels.shape}")
    format(0.0, fmt)  # raises where the format is bad, before anything is drawn
    ax = _artists.axes(ax)
    shown = _artists.draw_pixels(ax, pixels, imshow_kwargs)
    if write:
        _artists.write_numbers(ax, shown, pixels, fmt)
    return ax
