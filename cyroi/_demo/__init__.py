"""The demo of ``python -m cyroi demo``: numbers, times and one picture of what RoI Align and crop_and_resize do."""

from __future__ import annotations

from pathlib import Path

import cyroi

from . import files, numbers, picture
from .files import DemoError

__all__ = ["DemoError", "run"]

FACE = (148.0, 119.0, 382.0, 353.0)  # of grace_hopper.jpg: x1 y1 x2 y2


def run(output: Path, image: Path | None) -> None:
    """Print the numbers and draw the picture into `output`."""
    file_format = files.check_output(output)
    photograph = files.photograph(image)
    config = cyroi.show_config()
    print(f"cyroi {config['version']}: kernels {config['cpu_capability']}, {config['num_threads']} threads\n")
    numbers.print_tutorial()
    numbers.print_example()
    numbers.print_times(photograph)
    height, width = photograph.shape[:2]
    reach = 0.3 * min(height, width)
    middle = (width / 2 - reach, height / 2 - reach, width / 2 + reach, height / 2 + reach)
    files.save(picture.draw(photograph, FACE if image is None else middle), output, file_format)
    print(f"Picture: {output.resolve()}")
