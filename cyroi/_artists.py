"""What `cyroi.plot` and the demo draw with: pixels, boxes, grids, samples and numbers, as artists of matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

    from . import _grids
    from ._typing import Array

BOX_COLOR, POINT_COLOR, DARK, LIGHT = "#ff9f1c", "#ff2d6f", "#1a1a1a", "white"


def axes(ax: Axes | None) -> Axes:
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


def draw_pixels(ax: Axes, pixels: Array, imshow_kwargs: dict[str, Any]) -> AxesImage:
    from matplotlib.ticker import MaxNLocator

    if pixels.ndim == 3:
        with np.errstate(all="ignore"):
            finite = np.nan_to_num(pixels.astype(np.float32))
        pixels = np.clip(finite / _full_scale(pixels.dtype, float(finite.max())), 0, 1)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins="auto", steps=[1, 2, 5, 10], integer=True))
    return ax.imshow(pixels, **imshow_kwargs)


def _full_scale(dtype: np.dtype[Any], most: float) -> float:
    """What is full brightness: the least of the usual ones that `most`, the largest value, does not exceed."""
    usual = (255.0, 65535.0) if dtype.kind in "iu" else (1.0, 255.0, 65535.0)
    return next((full for full in usual if most <= full), usual[-1])


def draw_grids(
    ax: Axes, grids: Sequence[tuple[_grids.GridAxis, _grids.GridAxis]], label: str, color: Any, *, with_lines: bool
) -> None:
    from matplotlib.collections import LineCollection, PolyCollection
    from matplotlib.patheffects import withStroke

    if with_lines:
        rows = [[(x.ends[0], at), (x.ends[1], at)] for y, x in grids for at in y.lines]
        columns = [[(at, y.ends[0]), (at, y.ends[1])] for y, x in grids for at in x.lines]
        width = np.clip(gap_in_points(ax, [axis.lines for grid in grids for axis in grid]) / 25, 0.25, 0.8)
        halo = withStroke(linewidth=2.5 * width, foreground=LIGHT)
        style: dict[str, Any] = {"colors": DARK, "linewidths": width, "path_effects": [halo], "zorder": 2}
        ax.add_collection(LineCollection(rows + columns, label="bin grid", **style))
    outlines = [np.stack([x.ends[[0, 1, 1, 0]], y.ends[[0, 0, 1, 1]]], axis=1) for y, x in grids]
    halo = withStroke(linewidth=2.8, foreground=DARK)
    style = {"facecolors": "none", "edgecolors": color, "linewidths": 1.6, "path_effects": [halo], "zorder": 2.5}
    ax.add_collection(PolyCollection(outlines, label=label, **style))
    ax.autoscale_view()


def draw_samples(ax: Axes, y: _grids.GridAxis, x: _grids.GridAxis) -> None:
    points = np.stack(np.meshgrid(x.samples, y.samples))
    inside = y.inside[:, np.newaxis] & x.inside
    diameter = np.clip(gap_in_points(ax, [y.samples, x.samples]) / 2, 1.5, 5)
    style: dict[str, Any] = {"s": diameter**2, "color": POINT_COLOR, "zorder": 3}
    ax.scatter(*points[:, inside], edgecolors=LIGHT, linewidths=diameter / 10, label="sampling points", **style)
    if not inside.all():
        ax.scatter(*points[:, ~inside], marker="x", label="samples outside", **style)


def gap_in_points(ax: Axes, coordinates: Sequence[Array]) -> float:
    """The least distance of neighbouring coordinates, in points; what is drawn there must be finer to be told apart."""
    extent = ax.get_window_extent()
    scale = min(extent.width / np.ptp(ax.get_xlim()), extent.height / np.ptp(ax.get_ylim())) * 72 / ax.figure.dpi
    gaps = np.abs(np.concatenate([np.empty(0), *map(np.diff, coordinates)]))
    return float(gaps[gaps > 0].min(initial=np.inf) * scale)


def write_numbers(ax: Axes, shown: AxesImage, values: Array, fmt: str) -> None:
    """The values of a one-channel image in its cells, black or white, whichever is legible there."""
    rgba = np.asarray(shown.to_rgba(values))
    luminance = rgba[..., :3] @ [0.299, 0.587, 0.114]
    light = luminance * rgba[..., 3] + 1 - rgba[..., 3] > 0.5  # NaN is transparent, on white
    size = "medium" if values.shape[1] <= 4 else "small"
    for i, row in enumerate(values.tolist()):
        for j, value in enumerate(row):
            color = DARK if light[i, j] else LIGHT
            ax.text(j, i, format(value, fmt), ha="center", va="center", size=size, color=color)
