"""The picture of the demo: one number by hand, three conventions on one box, and a photograph.

Everything is placed in inches from the top left corner, so that it stands alike in every version of matplotlib, and is
meant to be read at 90 pixels an inch: the width of a README.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _artists, plot
from . import worked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from .._typing import Array

WIDTH, HEIGHT = 10.0, 11.0
TOPS = (0.12, 4.35, 7.65)  # of the three parts
PHOTOGRAPH_BINS = 7
BESIDE: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
# Dark enough for text on white and on the map; no meaning hangs on a colour alone.
ALIGNED, LEGACY, ROUNDED, DERIVED = "#0067a5", "#a04a00", "#4d4d4d", "#b3005e"
DARKEST, BRIGHTEST = "#c2cfdb", "#f6f9fb"  # of the map, pale so that all that is drawn on it is legible


def draw(photograph: Array, box: Sequence[float]) -> Figure:
    """A Figure of its own, not of pyplot: it needs no display and leaves no state. box: as in `worked.crops`."""
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context("default"):  # whatever style its user likes otherwise
        figure = Figure(figsize=(WIDTH, HEIGHT))
        _draw_derivation(figure, TOPS[0])
        _draw_conventions(figure, TOPS[1])
        _draw_photograph(figure, TOPS[2], photograph, box)
    return figure


def _place(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    ax = figure.add_axes((left / WIDTH, 1 - (top + height) / HEIGHT, width / WIDTH, height / HEIGHT))
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    return ax


def _write(figure: Figure, left: float, top: float, text: str, **style: Any) -> None:
    figure.text(left / WIDTH, 1 - top / HEIGHT, text, **{"va": "top", "ha": "left", "size": 10, **style})


def _title(figure: Figure, top: float, number: int, text: str) -> None:
    _write(figure, 0.2, top, str(number), size=13, weight="bold", color=DERIVED)
    _write(figure, 0.45, top, text, size=13, weight="bold")


def _draw_map(ax: Axes, color: str, *, aligned: bool) -> None:
    """The map with the example's box and samples."""
    options: dict[str, Any] = {"sampling_ratio": worked.RATIO, "aligned": aligned, "color": color, "cmap": _pale()}
    plot.show_sampling_points(worked.MAP, worked.BOX, worked.BINS, ax=ax, **options)
    _divide(ax)


def _pale() -> Colormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("pale", [DARKEST, BRIGHTEST])


def _divide(ax: Axes) -> None:
    """White lines between the pixels of the map, and nothing else in view."""
    rows, columns = worked.MAP.shape
    ax.set(xticks=[], yticks=[], xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    ax.hlines(np.arange(1, rows) - 0.5, *ax.get_xlim(), color="white", linewidth=1, zorder=1)
    ax.vlines(np.arange(1, columns) - 0.5, *ax.get_ylim(), color="white", linewidth=1, zorder=1)


def _label(ax: Axes, x: float, y: float, text: str, **style: Any) -> None:
    """Text in the middle of a place, on a halo, so that no line runs through it."""
    from matplotlib.patheffects import withStroke

    halo = withStroke(linewidth=3, foreground="#eef3f7")
    ax.text(x, y, text, **{"ha": "center", "va": "center", "size": 10, "path_effects": [halo], "zorder": 4, **style})


# --- 1: one number, by hand ---


def _draw_derivation(figure: Figure, top: float) -> None:
    _title(figure, top, 1, "RoI Align by hand: a bin is the mean of its samples, a sample a blend of four pixels")
    ax = _place(figure, 0.45, top + 0.55, 4.08, 3.4)
    _draw_map(ax, ALIGNED, aligned=True)
    _number_pixels(ax)
    samples = worked.samples_of(*worked.BIN)
    sample = samples[worked.SAMPLE]
    _shade_bin(ax)
    four = list(zip(sample.rows.flat, sample.columns.flat, sample.weights.flat, strict=True))
    numbers = dict.fromkeys(np.ndindex(worked.MAP.shape), 0.0)
    for row, column, weight in four:
        ax.plot([sample.x, column], [sample.y, row], color=DERIVED, linewidth=1.5, zorder=2.8)
        aside = 0.14 if row < sample.y else -0.14  # the weight on the sample's side, the value on the other
        _label(ax, column, row + aside, f"{weight:.6g}", size=9, color=DERIVED, weight="bold")
        numbers[row, column] = -aside
    for (row, column), aside in numbers.items():
        _label(ax, column, row + aside, f"{worked.MAP[row, column]:g}")
    _write_sums(figure, 4.8, top + 0.5, samples)


def _number_pixels(ax: Axes) -> None:
    """Coordinates of the centres of the pixels."""
    rows, columns = worked.MAP.shape
    ax.set(xticks=range(columns), yticks=range(rows))
    ax.tick_params(length=0, pad=3, labelsize=9, labelcolor=ROUNDED, top=False, labeltop=True, labelbottom=False)
    ax.set_xticklabels(["x = 0", *map(str, range(1, columns))])
    ax.set_yticklabels(["y = 0", *map(str, range(1, rows))])


def _shade_bin(ax: Axes) -> None:
    from matplotlib.patches import Rectangle

    x1, y1, x2, y2 = np.array(worked.BOX) - 0.5  # as aligned=True has it
    height, width = (y2 - y1) / worked.BINS, (x2 - x1) / worked.BINS
    corner = x1 + worked.BIN[1] * width, y1 + worked.BIN[0] * height
    ax.add_patch(Rectangle(corner, width, height, facecolor=DERIVED, alpha=0.13, zorder=1.5))
    ax.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=DERIVED, linewidth=1.8, zorder=2.7))


def _write_sums(figure: Figure, left: float, top: float, samples: list[worked.Sample]) -> None:
    sample = samples[worked.SAMPLE]
    pooled = worked.roi_align(aligned=True)
    terms = [f"{w:.6g} × {v:.6g}" for w, v in zip(sample.weights.flat, sample.values.flat, strict=True)]
    values = " + ".join(f"{one.value:.6g}" for one in samples)
    box = ", ".join(f"{side:g}" for side in worked.BOX)
    mono: dict[str, Any] = {"family": "monospace", "size": 10}
    _write(figure, left, top, f"The sample at y = {sample.y:.6g}, x = {sample.x:.6g} lies between four pixel centres;")
    _write(figure, left, top + 0.22, "the nearer one of them is, the more it counts:")
    _write(figure, left, top + 0.54, f"{' + '.join(terms)} = {sample.value:.6g}", color=DERIVED, **mono)
    _write(figure, left, top + 1.06, "The shaded bin is the mean of its four samples:")
    _write(figure, left, top + 1.38, f"({values}) / {len(samples)} = {pooled[worked.BIN]:.6g}", color=DERIVED, **mono)
    _write(figure, left, top + 1.9, "The box x1, y1, x2, y2 counts from the corner of the map, half a pixel")
    _write(figure, left, top + 2.12, "before the centre of pixel 0, and nothing about it is rounded:")
    call = f">>> cyroi.roi_align(maps, [[0, {box}]], {worked.BINS},"
    more = f"...     sampling_ratio={worked.RATIO}, aligned=True)"
    done = f"{call}\n{more}\n{pooled[None, None]!r}"
    _write(figure, left, top + 2.44, done, color=ALIGNED, linespacing=1.4, family="monospace", size=9.5)


# --- 2: three conventions ---


def _draw_conventions(figure: Figure, top: float) -> None:
    _title(figure, top, 2, "The same box in three conventions, and what half a pixel or rounding changes")
    exact, legacy, rounded = (_place(figure, 0.45 + 3.2 * i, top + 0.8, 2.64, 2.2) for i in range(3))
    _draw_map(exact, ALIGNED, aligned=True)
    _write_bins(exact, worked.roi_align(aligned=True), _even_bins(0.5), ALIGNED)
    _draw_map(legacy, LEGACY, aligned=False)
    _write_bins(legacy, worked.roi_align(aligned=False), _even_bins(0), LEGACY)
    _draw_roi_pool(rounded)
    for ax in (legacy, rounded):
        _outline(ax, _even_bins(0.5), ALIGNED, linestyle=(0, (4, 3)), linewidth=1.3)
    _head(exact, "aligned=True", "the box counts from the map's corner", ALIGNED)
    _head(legacy, "aligned=False, the legacy default", "from the centre of pixel 0: half a pixel off", LEGACY)
    _head(rounded, "RoI Pool", "whole pixels: mean, and the max it takes", ROUNDED)


def _head(ax: Axes, name: str, what: str, color: str) -> None:
    """Two lines above a panel."""
    ax.annotate(name, (0, 1), (0, 21), weight="bold", size=10, color=color, **BESIDE)
    ax.annotate(what, (0, 1), (0, 7), size=9.5, color=color, **BESIDE)


Bins = list[list[tuple[float, float, float, float]]]  # x1 y1 x2 y2 of each, in coordinates of the picture


def _even_bins(offset: float) -> Bins:
    x1, y1, x2, y2 = np.array(worked.BOX) - offset
    x, y = np.linspace(x1, x2, worked.BINS + 1), np.linspace(y1, y2, worked.BINS + 1)
    return [[(x[j], y[i], x[j + 1], y[i + 1]) for j in range(worked.BINS)] for i in range(worked.BINS)]


def _write_bins(ax: Axes, values: Array, bins: Bins, color: str) -> None:
    for (i, j), value in np.ndenumerate(values):
        x1, y1, x2, y2 = bins[i][j]
        _label(ax, (x1 + x2) / 2, (y1 + y2) / 2, f"{value:.7g}", size=9.5, weight="bold", color=color)


def _outline(ax: Axes, bins: Bins, color: str, **style: Any) -> None:
    from matplotlib.patches import Rectangle

    (x1, y1), (x2, y2) = bins[0][0][:2], bins[-1][-1][2:]
    ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=color, zorder=2.6, clip_on=False, **style))


def _draw_roi_pool(ax: Axes) -> None:
    """Whole pixels, with their mean, to compare, and their maximum, which RoI Pool takes."""
    x1, y1, x2, y2 = worked.BOX
    rows, columns = worked.rounded(y1, y2, worked.BINS), worked.rounded(x1, x2, worked.BINS)
    bins = [[(x[0] - 0.5, y[0] - 0.5, x[1] - 0.5, y[1] - 0.5) for x in columns] for y in rows]
    plot.show_aligned(worked.MAP, annot=False, ax=ax, cmap=_pale())
    _divide(ax)
    for one in (one for row in bins for one in row):
        _outline(ax, [[one]], _artists.DARK, linewidth=0.8)
    _outline(ax, bins, ROUNDED, linewidth=2.5)
    means, maxima = worked.roi_pool()
    for (i, j), mean in np.ndenumerate(means):
        x1, y1, x2, y2 = bins[i][j]
        _label(ax, (x1 + x2) / 2, (y1 + y2) / 2 - 0.25, f"{mean:.7g}", size=9.5, weight="bold", color=ROUNDED)
        _label(ax, (x1 + x2) / 2, (y1 + y2) / 2 + 0.25, f"max {maxima[i, j]:.7g}", size=9.5, color=ROUNDED)


# --- 3: a photograph ---


def _draw_photograph(figure: Figure, top: float, photograph: Array, box: Sequence[float]) -> None:
    bins = f"{PHOTOGRAPH_BINS} x {PHOTOGRAPH_BINS} bins"
    _title(figure, top, 3, f"A photograph in {bins}: many samples a bin, one sample, and the mean over its area")
    panels = [_place(figure, 0.45 + 2.36 * i, top + 0.8, 2.2, 2.2) for i in range(4)]
    x1, y1, x2, y2 = np.array(box) - 0.5
    margin_y, margin_x = 0.25 * (y2 - y1), 0.25 * (x2 - x1)
    panels[0].set(xlim=(x1 - margin_x, x2 + margin_x), ylim=(y2 + margin_y, y1 - margin_y))  # marks are sized for that
    plot.show_rois(photograph, [box], PHOTOGRAPH_BINS, aligned=True, color=ALIGNED, ax=panels[0])
    crops = worked.crops(photograph, box, PHOTOGRAPH_BINS)
    for ax, crop in zip(panels[1:], crops, strict=True):
        plot.show_aligned(crop, ax=ax)
    for ax in panels:
        ax.set(xticks=[], yticks=[])
    _head(panels[0], "The box and its bins", f"{x2 - x1:g} x {y2 - y1:g} pixels", ALIGNED)
    _head(panels[1], "roi_align, adaptive", "samples at most a pixel apart", ALIGNED)
    _head(panels[2], "crop_and_resize", "one sample each, edge to edge", LEGACY)
    _head(panels[3], "Area mean", "all pixels, by their share", ROUNDED)
    for ax, crop, color in zip(panels[1:3], crops, (ALIGNED, LEGACY), strict=False):
        error = f"rms error {worked.rms(crop, crops.area_mean):.2g} of 255"
        ax.annotate(error, (0, 0), (0, -5), va="top", size=9.5, color=color, **BESIDE)
