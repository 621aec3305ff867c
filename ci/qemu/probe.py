"""Asks the cyroi of an emulated processor which SIMD target it chose, or forces a target upon it.

`probe.py expect TARGET FOLDER` fails unless cyroi was imported from FOLDER and chose TARGET.
`probe.py force TARGET` runs the kernels of TARGET, and must die where the processor lacks their instructions.
"""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np

import cyroi
from cyroi.cpu import _separable


def expect(target: str, folder: str) -> None:
    """Print the configuration and compare it."""
    print(cyroi.show_config())
    chosen = str(cyroi.show_config()["cpu_capability"]).split()[0]
    if chosen != target:
        sys.exit(f"cyroi chose {chosen} and not {target}")
    if not Path(cyroi.__file__).is_relative_to(folder):
        sys.exit(f"cyroi was imported from {cyroi.__file__} and not from {folder}")


def force(target: str) -> None:
    """Call an operator with a target that the CPU test did not allow."""
    _separable.use_target(import_module(f"cyroi.cpu._{target}").table)
    cyroi.roi_align(np.ones((1, 40, 30, 30), np.float32), [[0, 1, 1, 20, 20]], 7)


{"expect": expect, "force": force}[sys.argv[1]](*sys.argv[2:])
