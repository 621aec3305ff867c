"""``python -m cyroi``: a demo, and what this installation is made of."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from . import __version__, _demo, show_config


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: that of the process); the result is the exit status."""
    arguments = _parser().parse_args(argv)
    if arguments.command == "info":
        print(show_config())
        return 0
    try:
        _demo.run(arguments.output, arguments.image)
    except _demo.DemoError as error:
        print(f"cyroi demo: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cyroi", description="RoI Align and crop_and_resize for NumPy.")
    parser.add_argument("--version", action="version", version=f"cyroi {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="draw what the operators do, print their numbers and times")
    demo.add_argument("--output", type=Path, default=Path("demo.png"), metavar="PATH", help="default: demo.png")
    demo.add_argument("--image", type=Path, metavar="PATH", help="default: matplotlib's sample photograph")
    commands.add_parser("info", help="print versions, instruction set, thread counts and GPUs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
