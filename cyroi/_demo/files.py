"""What the demo reads and writes: the photograph, and where the picture goes. Errors are sentences for the user."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

    from .._typing import Array


DPI = 150  # sharp where a README of 900 pixels is shown on a fine screen
COLORS = 256


class DemoError(Exception):
    """Something that the user can put right; the message is for the user."""


def check_output(output: Path) -> str:
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


def photograph(path: Path | None) -> Array:
    """RGB, float32, of shape (H, W, 3), from the file or from matplotlib's sample data."""
    from matplotlib.cbook import get_sample_data
    from PIL import Image, ImageOps

    source = path or get_sample_data("grace_hopper.jpg", asfileobj=False)
    try:
        with Image.open(source) as picture:
            return rgb(ImageOps.exif_transpose(picture))
    except Exception as error:  # of damaged files the decoders raise many kinds, not only OSError
        reason = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
        raise DemoError(f"cannot read the image {source}: {reason}") from None


def rgb(picture: Image) -> Array:
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


def save(figure: Figure, output: Path, file_format: str) -> None:
    """PNG with a palette: a third of the bytes, so that the picture may stand in a repository; its words beside it."""
    from PIL.PngImagePlugin import PngInfo

    try:
        if file_format != "png":
            figure.savefig(output, format=file_format, dpi=DPI)
            return
        words = PngInfo()
        texts = [*figure.texts, *(text for ax in figure.axes for text in ax.texts)]
        words.add_itxt("Description", "\n".join(text.get_text() for text in texts))
        _with_palette(figure).save(output, "PNG", optimize=True, dpi=(DPI, DPI), pnginfo=words)
    except OSError as error:
        raise DemoError(f"cannot write {output}: {error.strerror or error}") from None


def _with_palette(figure: Figure) -> Image:
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    with Image.open(drawn) as picture:
        return picture.convert("RGB").quantize(COLORS, kmeans=1)  # kmeans: colours are a level off instead of three
