"""Pictures of boxes, bins, sampling points and crops, for matplotlib (``pip install "cyroi[plot]"``).

Each function draws into the Axes that it is given, or into the current one, and returns it. Pixel i of a map is drawn
centred at coordinate i, as `matplotlib.axes.Axes.imshow` does. That is the coordinate system in which the operators
sample, so a RoI Align box is drawn at ``spatial_scale * coordinate - (0.5 if aligned else 0)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _grids
from .arguments import validate
from .arguments.arrays import as_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

    from ._typing import Array, ArrayLike

__all__ = ["show_aligned", "show_rois", "show_sampling_points"]

MAX_SAMPLES = 250_000
MAX_ANNOTATED_SIDE = 8
BOX_COLOR, POINT_COLOR, DARK, LIGHT = "#ff9f1c", "#ff2d6f", "#1a1a1a", "white"


def show_rois(
    image: ArrayLike,
    boxes: ArrayLike,
    output_size: int | Sequence[int] | None = None,
    *,
    operator: str = "roi_align",
    spatial_scale: float = 1.0,
    aligned: bool = False,
    color: Any = BOX_COLOR,
    ax: Axes | None = None,
    **imshow_kwargs: Any,
) -> Axes:
    """Draw a map, boxes on it and, given `output_size`, the bins of each box.

    Parameters
    ----------
    image : array_like, shape (H, W) or (H, W, 3)
        A map; or an RGB image, of integers in [0, 255], or floating in [0, 1], or in [0, 255] if a value exceeds 1.
    boxes : array_like, shape (K, 4)
        As `operator` takes them. "roi_align": x1, y1, x2, y2, in units that `spatial_scale` converts to pixels of the
        map. "crop_and_resize": y1, x1, y2, x2, normalised.
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
        A wrong shape, an unknown name, a number out of its range, or boxes that are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from cyroi.plot import show_rois
    >>> from matplotlib.figure import Figure
    >>> feature_map = np.random.default_rng(0).normal(size=(50, 68))
    >>> boxes = [[32, 48, 400, 300], [500, 500, 800, 700]]  # pixels of an image that is 16 times as large
    >>> ax = show_rois(feature_map, boxes, 7, spatial_scale=1 / 16, aligned=True, ax=Figure().subplots())
    """
    pixels = validate.picture("image", image)
    bins = (1, 1) if output_size is None else validate.output_size("output_size", output_size)
    convention = _grids.convention(operator, spatial_scale, -1, aligned)
    grids = [_grids.grid(box, bins, pixels, convention) for box in _grids.corners("boxes", boxes, operator, pixels)]
    ax = _axes(ax)
    _draw_pixels(ax, pixels, imshow_kwargs)
    _draw_grids(ax, grids, "boxes", color, with_lines=output_size is not None)
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
    color: Any = BOX_COLOR,
    ax: Axes | None = None,
    **imshow_kwargs: Any,
) -> Axes:
    """Draw a map, a box on it, its bins, and the points at which an operator samples the map.

    Parameters
    ----------
    image, output_size, ax, **imshow_kwargs
        As in `show_rois`.
    box : array_like, shape (4,)
        As `operator` takes it, like one row of the boxes of `show_rois`.
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
    ImportError, TypeError
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
    pixels = validate.picture("image", image)
    bins = validate.output_size("output_size", output_size)
    convention = _grids.convention(operator, spatial_scale, sampling_ratio, aligned)
    corners = as_array("box", box)
    if corners.shape != (4,):
        raise ValueError(f"box must have shape (4,); got {corners.shape}")
    y, x = _grids.grid(_grids.corners("box", corners[np.newaxis], operator, pixels)[0], bins, pixels, convention)
    if y.samples.size * x.samples.size > MAX_SAMPLES:
        raise ValueError(f"box must have at most {MAX_SAMPLES} samples; got {y.samples.size} x {x.samples.size}")
    ax = _axes(ax)
    _draw_pixels(ax, pixels, imshow_kwargs)
    _draw_grids(ax, [(y, x)], "box", color, with_lines=True)
    _draw_samples(ax, y, x)
    return ax


def show_aligned(
    crop: ArrayLike, *, annot: bool | None = None, fmt: str = ".4g", ax: Axes | None = None, **imshow_kwargs: Any
) -> Axes:
    """Draw an aligned crop, with its numbers in the cells where it is small.

    Parameters
    ----------
    crop : array_like, shape (h, w) or (h, w, 3)
        One channel of a crop; or a crop in RGB, with values as in `show_rois`.
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
        A wrong shape, a bad `fmt`, or ``annot=True`` for RGB.

    Examples
    --------
    >>> import numpy as np, cyroi
    >>> from cyroi.plot import show_aligned
    >>> from matplotlib.figure import Figure
    >>> crops = cyroi.crop_and_resize(np.arange(30.0).reshape(5, 6), [[0.1, 0.0, 0.9, 0.9]], None, (3, 2))
    >>> ax = show_aligned(crops[0], cmap="gray", ax=Figure().subplots())
    """
    pixels = validate.picture("crop", crop)
    small = pixels.ndim == 2 and max(pixels.shape) <= MAX_ANNOTATED_SIDE
    write = small if annot is None else validate.boolean("annot", annot)
    if write and pixels.ndim != 2:
        raise ValueError(f"annot must be False for RGB; got a crop of shape {pixels.shape}")
    format(0.0, fmt)  # raises where the format is bad, before anything is drawn
    ax = _axes(ax)
    shown = _draw_pixels(ax, pixels, imshow_kwargs)
    if write:
        _write_numbers(ax, shown, pixels, fmt)
    return ax


def _axes(ax: Axes | None) -> Axes:
    """The Axes to draw in. Called once the arguments are known to be fit, so that an error leaves no empty figure."""
    try:
        import matplotlib.axes
    except ImportError as error:
        raise ImportError(f'cyroi.plot needs matplotlib ({error}): pip install "cyroi[plot]"') from error
    if ax is None:
        import matplotlib.pyplot

        return matplotlib.pyplot.gca()
    if not isinstance(ax, matplotlib.axes.Axes):
        raise TypeError(f"ax must be a matplotlib.axes.Axes; got {type(ax).__name__}")
    return ax


def _draw_pixels(ax: Axes, pixels: Array, imshow_kwargs: dict[str, Any]) -> AxesImage:
    from matplotlib.ticker import MaxNLocator

    if pixels.ndim == 3:
        with np.errstate(all="ignore"):
            finite = np.nan_to_num(pixels.astype(np.float32))
        pixels = np.clip(finite / (255 if pixels.dtype.kind in "iu" or finite.max() > 1 else 1), 0, 1)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins="auto", steps=[1, 2, 5, 10], integer=True))
    return ax.imshow(pixels, **imshow_kwargs)


def _draw_grids(
    ax: Axes, grids: Sequence[tuple[_grids.GridAxis, _grids.GridAxis]], label: str, color: Any, *, with_lines: bool
) -> None:
    from matplotlib.collections import LineCollection, PolyCollection
    from matplotlib.patheffects import withStroke

    if with_lines:
        rows = [[(x.ends[0], at), (x.ends[1], at)] for y, x in grids for at in y.lines]
        columns = [[(at, y.ends[0]), (at, y.ends[1])] for y, x in grids for at in x.lines]
        width = np.clip(_gap(ax, [axis.lines for grid in grids for axis in grid]) / 15, 0.25, 0.8)
        halo = withStroke(linewidth=2.5 * width, foreground=LIGHT)
        style: dict[str, Any] = {"colors": DARK, "linewidths": width, "path_effects": [halo], "zorder": 2}
        ax.add_collection(LineCollection(rows + columns, label="bin grid", **style))
    outlines = [np.stack([x.ends[[0, 1, 1, 0]], y.ends[[0, 0, 1, 1]]], axis=1) for y, x in grids]
    halo = withStroke(linewidth=2.8, foreground=DARK)
    style = {"facecolors": "none", "edgecolors": color, "linewidths": 1.6, "path_effects": [halo], "zorder": 2.5}
    ax.add_collection(PolyCollection(outlines, label=label, **style))
    ax.autoscale_view()


def _draw_samples(ax: Axes, y: _grids.GridAxis, x: _grids.GridAxis) -> None:
    points = np.stack(np.meshgrid(x.samples, y.samples))
    inside = y.inside[:, np.newaxis] & x.inside
    diameter = np.clip(_gap(ax, [y.samples, x.samples]) / 2, 1.5, 5)
    style: dict[str, Any] = {"s": diameter**2, "color": POINT_COLOR, "zorder": 3}
    ax.scatter(*points[:, inside], edgecolors=LIGHT, linewidths=diameter / 10, label="sampling points", **style)
    if not inside.all():
        ax.scatter(*points[:, ~inside], marker="x", label="samples outside", **style)


def _gap(ax: Axes, coordinates: Sequence[Array]) -> float:
    """The least distance of neighbouring coordinates, in points; what is drawn there must be finer to be told apart."""
    extent = ax.get_window_extent()
    scale = min(extent.width / np.ptp(ax.get_xlim()), extent.height / np.ptp(ax.get_ylim())) * 72 / ax.figure.dpi
    gaps = np.abs(np.concatenate([np.empty(0), *map(np.diff, coordinates)]))
    return float(gaps[gaps > 0].min(initial=np.inf) * scale)


def _write_numbers(ax: Axes, shown: AxesImage, values: Array, fmt: str) -> None:
    """The values of a one-channel image in its cells, black or white, whichever is legible there."""
    rgba = np.asarray(shown.to_rgba(values))
    luminance = rgba[..., :3] @ [0.299, 0.587, 0.114]
    light = luminance * rgba[..., 3] + 1 - rgba[..., 3] > 0.5  # NaN is transparent, on white
    size = "medium" if values.shape[1] <= 4 else "small"
    for i, row in enumerate(values.tolist()):
        for j, value in enumerate(row):
            color = DARK if light[i, j] else LIGHT
            ax.text(j, i, format(value, fmt), ha="center", va="center", size=size, color=color)
