"""The demo of ``python -m cyroi demo``: numbers, times and one picture of what RoI Align and crop_and_resize do."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import cyroi

from . import plot
from .reference import oracle

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure
    from PIL.Image import Image

    from ._typing import Array

TUTORIAL_MAP = [
    [251, 44, 47, 104, 178, 101],
    [93, 46, 73, 218, 192, 22],
    [98, 85, 122, 144, 172, 151],
    [227, 22, 58, 27, 144, 160],
    [64, 77, 192, 18, 253, 31],
]
TUTORIAL_BOX = (0.32, 0.05, 0.43, 0.54)
FACE = (0.2, 0.29, 0.585, 0.745)  # of grace_hopper.jpg
MAX_BOXES, REFERENCE_SECONDS = 4096, 0.7
STORIES = {
    "roi_align": "RoI Align: a bin is the mean of the samples in it",
    "crop_and_resize": "crop_and_resize: a pixel is one sample, a crossing of the grid",
}
DIFFERENCE = (
    "The same box: RoI Align averages samples inside each bin,"
    " crop_and_resize takes one sample per pixel, from edge to edge"
)


class DemoError(Exception):
    """Something that the user can put right; the message is for the user."""


class Case(NamedTuple):
    """An image (H, W) or (H, W, 3), a box y1 x1 y2 x2, normalised, and how to align it."""

    name: str
    image: Array
    box: tuple[float, float, float, float]
    crop_size: tuple[int, int]
    sampling_ratio: int  # of RoI Align


def run(output: Path, image: Path | None) -> None:
    """Print the numbers and draw the picture into `output`."""
    file_format = _check_output(output)
    tutorial = Case("map", np.array(TUTORIAL_MAP, np.float64), TUTORIAL_BOX, (3, 2), -1)
    pixels = _photograph(image)
    photograph = Case("photograph", pixels, FACE if image is None else _central_square(pixels), (14, 14), 2)
    config = cyroi.show_config()
    print(f"cyroi {config['version']}: kernels {config['cpu_capability']}, {config['num_threads']} threads\n")
    _print_tutorial(tutorial)
    _print_times(photograph)
    try:
        _draw([tutorial, photograph]).savefig(output, format=file_format, dpi=120)
    except OSError as error:
        raise DemoError(f"cannot write {output}: {error.strerror or error}") from None
    print(f"Picture: {output.resolve()}")


def _check_output(output: Path) -> str:
    """The picture's format; first, so that a slip in the name does not cost the computation."""
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError as error:
        raise DemoError(f'the demo needs matplotlib ({error}): pip install "cyroi[plot]"') from None
    if not os.path.isdir(output.parent):
        raise DemoError(f"cannot write {output}: there is no folder {output.parent}")
    if os.path.isdir(output):
        raise DemoError(f"cannot write {output}: it is a folder")
    file_format = output.suffix[1:].lower() or "png"
    known = FigureCanvasBase.get_supported_filetypes()
    if file_format not in known:
        raise DemoError(f"cannot write {output}: no picture format .{file_format}, but {', '.join(sorted(known))}")
    return file_format


def _photograph(path: Path | None) -> Array:
    """RGB, float32, of shape (H, W, 3), from the file or from matplotlib's sample data."""
    from matplotlib.cbook import get_sample_data
    from PIL import Image, ImageOps

    source = path or get_sample_data("grace_hopper.jpg", asfileobj=False)
    try:
        with Image.open(source) as picture:
            return _rgb(ImageOps.exif_transpose(picture))
    except Exception as error:  # of damaged files the decoders raise many kinds, not only OSError
        reason = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
        raise DemoError(f"cannot read the image {source}: {reason}") from None


def _rgb(picture: Image) -> Array:
    """The picture on white where it is transparent; grey of more than 8 bits is stretched to [0, 255]."""
    from PIL import Image

    if picture.mode[0] in "IF":
        grey = np.nan_to_num(np.asarray(picture, np.float64), posinf=0, neginf=0)
        grey = (grey - grey.min()) * (255 / max(np.ptp(grey), 1e-300))
        return np.repeat(grey[..., np.newaxis].astype(np.float32), 3, axis=2)
    if "transparency" in picture.info or "A" in picture.mode or "a" in picture.mode:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return np.asarray(picture.convert("RGB"), np.float32)


def _central_square(pixels: Array) -> tuple[float, float, float, float]:
    """The box in the middle whose sides are 0.6 of the image's shorter one."""
    y, x = (0.3 * min(pixels.shape[:2]) / side for side in pixels.shape[:2])
    return 0.5 - y, 0.5 - x, 0.5 + y, 0.5 + x


def _align(module: Any, operator: str, case: Case, boxes: Array) -> Array:
    """Crops (K, h, w, C) by `operator` of `module`, of the same normalised boxes whatever the operator."""
    crops: Array
    maps = case.image.reshape(1, *case.image.shape[:2], -1)
    indices = np.zeros(len(boxes), np.intp)
    if operator == "crop_and_resize":
        crops = module.crop_and_resize(maps, boxes, indices, case.crop_size)
    else:
        boxes = _as_roi_align(boxes, case.image.shape)
        options = {"sampling_ratio": case.sampling_ratio, "aligned": True, "layout": "NHWC"}
        crops = module.roi_align(maps, boxes, case.crop_size, batch_indices=indices, **options)
    return crops


def _as_roi_align(boxes: Array, shape: tuple[int, ...]) -> Array:
    """Normalised boxes as x1 y1 x2 y2 for ``aligned=True``, where pixel centres lie at half-integers."""
    height, width = shape[:2]
    scale = np.array([width - 1, height - 1, width - 1, height - 1], boxes.dtype)
    pixels: Array = boxes[:, [1, 0, 3, 2]] * scale + boxes.dtype.type(0.5)
    return pixels


def _crop(operator: str, case: Case) -> Array:
    crops = _align(cyroi, operator, case, np.array([case.box], case.image.dtype))
    return crops.reshape(*case.crop_size, *case.image.shape[2:])


def _print_tutorial(case: Case) -> None:
    height, width = case.image.shape
    print(f"Tutorial's map, {height} x {width}; box {list(case.box)}: y_min, x_min, y_max, x_max, normalised\n")
    ours = _crop("crop_and_resize", case)
    theirs = cyroi.reference.roi_align(case.image, case.box, *case.crop_size)
    print(f"crop_and_resize\n{ours}")
    print(f"reference.roi_align, the tutorial's loop in NumPy\n{theirs}")
    print(f"largest difference {np.abs(ours - theirs).max():.1g}")
    print(f"roi_align of the same region, adaptive samples\n{_crop('roi_align', case)}\n")


def _print_times(case: Case) -> None:
    print(f"Photograph {case.image.shape}, crops {case.crop_size}, beside the NumPy reference")
    for operator in STORIES:
        few = _random_boxes(8)
        per_box = _best(2, oracle, operator, case, few)[0] / len(few)
        boxes = _random_boxes(int(np.clip(REFERENCE_SECONDS / per_box, 1, MAX_BOXES)))
        slow, expected = _best(1, oracle, operator, case, boxes)
        fast, result = _best(5, cyroi, operator, case, boxes)
        print(
            f"{operator:<16} {len(boxes):>5} boxes   cyroi {fast * 1e3:8.2f} ms   reference {slow * 1e3:8.2f} ms"
            f"   {slow / fast:6.1f} x   largest difference {np.abs(result - expected).max():.1e} of 255"
        )
    print()


def _best(repeats: int, module: Any, operator: str, case: Case, boxes: Array) -> tuple[float, Array]:
    """The shortest time of some calls, in seconds, and their result."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        crops = _align(module, operator, case, boxes)
        seconds.append(time.perf_counter() - start)
    return min(seconds), crops


def _random_boxes(count: int) -> Array:
    """Boxes within the image, with sides of 1/10 to 1/2 of its own."""
    generator = np.random.default_rng(0)
    sides = generator.uniform(0.1, 0.5, (count, 2))
    corners = generator.uniform(0, 1 - sides)
    return np.hstack([corners, corners + sides]).astype(np.float32)


def _draw(cases: list[Case]) -> Figure:
    """A Figure of its own, not of pyplot: it needs no display and leaves no state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 10.8))
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.13)
    figure.suptitle(DIFFERENCE, fontsize=15, weight="bold")
    left, right = np.asarray(figure.subfigures(1, 2))
    _draw_operator(left, "roi_align", cases)
    _draw_operator(right, "crop_and_resize", cases)
    return figure


def _draw_operator(panel: SubFigure, operator: str, cases: list[Case]) -> None:
    panel.suptitle(STORIES[operator], fontsize=14)
    axes = panel.subplots(len(cases), 2, width_ratios=[2, 1])
    for (left, right), case in zip(axes, cases, strict=True):
        box = np.array([case.box], case.image.dtype)
        options: dict[str, Any] = {"operator": operator}
        if operator == "roi_align":
            box = _as_roi_align(box, case.image.shape)
            options |= {"sampling_ratio": case.sampling_ratio, "aligned": True}
        one_channel = case.image.ndim == 2
        colors: dict[str, Any] = {"cmap": "viridis", "vmin": 0, "vmax": 255} if one_channel else {}
        if not one_channel:
            left.set(**_view(case))  # before drawing: marks are sized for what is in view
        plot.show_sampling_points(case.image, box[0], case.crop_size, ax=left, **options, **colors)
        if one_channel:
            plot._write_numbers(left, left.images[0], case.image, ".6g")
        plot.show_aligned(_crop(operator, case), fmt=".6g", ax=right, **colors)
        adaptive = " (adaptive)" if case.sampling_ratio < 1 else ""
        sampling = f", sampling_ratio={case.sampling_ratio}{adaptive}" if operator == "roi_align" else ""
        left.set_title(f"{case.name}, {case.image.shape[0]} x {case.image.shape[1]}{sampling}")
        left.set(xlabel="x, pixels", ylabel="y, pixels")
        right.set_title(f"aligned crop, {case.crop_size[0]} x {case.crop_size[1]}")
    handles, labels = panel.axes[0].get_legend_handles_labels()
    panel.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=12, markerscale=1.5)


def _view(case: Case) -> dict[str, Any]:
    """Limits of Axes that show the box and what is around it, y downwards."""
    y1, x1, y2, x2 = np.array(case.box) * np.tile(np.array(case.image.shape[:2]) - 1, 2)
    margin_y, margin_x = 0.4 * (y2 - y1) + 1, 0.4 * (x2 - x1) + 1
    return {"xlim": (x1 - margin_x, x2 + margin_x), "ylim": (y2 + margin_y, y1 - margin_y)}
