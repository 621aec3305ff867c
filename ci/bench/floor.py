"""The memory floor of a workload (floor.c), built with the system's compiler and called in this process.

    PYTHONPATH=ci:asv_benchmarks python -P -m bench.floor W1,W4 2

prints its milliseconds, forward and backward, on 2 threads.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .plan import PLANNERS, Plan

PADDING = 15  # floats behind each array: floor.c reads whole vectors
# Tried in order. The last is the one whose errors are shown.
FLAGS = [["-march=native", "-fopenmp"], ["-mcpu=native", "-fopenmp"], []]
INTEGERS = ("images", "channels", "height", "width", "bins", "threads")
POINTERS = ("first_box", "first_row", "first_column", "image", "rows", "columns", "maps", "result")


class Work(ctypes.Structure):
    """Twin of `Work` in floor.c."""

    _fields_ = [(name, ctypes.c_int64) for name in INTEGERS] + [(name, ctypes.c_void_p) for name in POINTERS]


@cache
def library() -> ctypes.CDLL:
    """floor.c compiled for this CPU; RuntimeError with the compiler's words where that fails."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    source = Path(__file__).with_name("floor.c")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "floor.so")
        for flags in FLAGS:
            command = [*compiler, "-std=c11", "-O3", *flags, "-shared", "-fPIC", str(source), "-o", str(target)]
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            except OSError as error:
                raise RuntimeError(f"the compiler of the floor program does not start: {error}") from error
            if done.returncode == 0:
                break
        else:
            raise RuntimeError(f"the floor program does not compile: {done.stderr}")
        loaded = ctypes.CDLL(str(target))
    loaded.once.restype = ctypes.c_float
    return loaded


class Floor:
    """The floor of one plan. `maps` and `result` are its own memory, with room behind for whole vectors."""

    def __init__(self, plan: Plan, threads: int) -> None:
        self._library = library()
        if threads > 1 and not self._library.is_threaded():
            raise RuntimeError("the floor program was built without OpenMP: one thread only")
        if np.any(np.diff(plan.images) < 0):
            raise ValueError("boxes must be ordered by image")
        count, channels, height, width = plan.shape
        self.maps = padded(count * channels * height * width)
        self.result = padded(len(plan.images) * channels * plan.bins)
        self._layout = plan.layout.lower()
        # Kept in an attribute, because `Work` holds only their addresses.
        self._arrays: list[NDArray[np.generic]] = [
            np.searchsorted(plan.images, np.arange(count + 1)).astype(np.int64),
            starts(plan.rows),
            starts(plan.columns),
            np.ascontiguousarray(plan.images, np.int32),
            np.concatenate(plan.rows).astype(np.int32),
            np.concatenate(plan.columns).astype(np.int32),
            self.maps,
            self.result,
        ]
        addresses = [array.ctypes.data for array in self._arrays]
        self._work = Work(count, channels, height, width, plan.bins, threads, *addresses)

    def forward(self) -> None:
        getattr(self._library, f"forward_{self._layout}")(ctypes.byref(self._work))

    def backward(self) -> None:
        getattr(self._library, f"backward_{self._layout}")(ctypes.byref(self._work))

    def once(self) -> float:
        return float(self._library.once(ctypes.byref(self._work)))


def padded(size: int) -> NDArray[np.float32]:
    """`size` ones, with more behind them. Written here, because pages that were never written are all one page."""
    return np.ones(size + PADDING, np.float32)[:size]


def starts(parts: Sequence[NDArray[np.int32]]) -> NDArray[np.int64]:
    """Where each part begins in their concatenation, and its end."""
    return np.cumsum([0, *map(len, parts)], dtype=np.int64)


def main(names: str, threads: str = "1") -> None:
    from benchmarks.workloads import WORKLOADS

    from .timing import medians

    for name in names.split(","):
        workload = WORKLOADS[name]
        floor = Floor(PLANNERS[workload.operator](workload.arguments()), int(threads))
        runs = {"forward": floor.forward, "backward": floor.backward, "once": floor.once}
        seconds = medians(runs, rounds=9)
        print(name, ", ".join(f"{label} {1e3 * value:.3g} ms" for label, value in seconds.items()))


if __name__ == "__main__":
    main(*sys.argv[1:])
