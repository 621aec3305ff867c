"""`main` prints the bytes by which one call raises the peak memory of a fresh process, as Linux counts it.

The maps and `out` exist before and were touched; a smaller call has started the threads and grown the heap a little.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .operators import BY_NAME, LAYOUTS

SHAPE = (1, 16, 1024, 1024)
BINS, SAMPLES = 7, 2

VIEWS = {
    "NCHW": lambda maps: maps,
    "NHWC": lambda maps: maps,
    "channels_last": lambda maps: maps.transpose(0, 3, 1, 2),
    "strided": lambda maps: maps[:, ::2, 1:-1:2, 3:-3],
    "columns skipped": lambda maps: maps[..., ::2],  # no stride is one element: this one is copied
}


def status(key: str) -> int:
    """Bytes, from the kernel's table of this process."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
    return int(line.split()[1]) * 1024


def make_call(name: str, view: str, dtype: str, boxes: int, threads: int) -> dict:
    operator, layout = BY_NAME[name], "NHWC" if view == "NHWC" else "NCHW"
    in_memory = LAYOUTS["NHWC" if view in ("NHWC", "channels_last") else "NCHW"]
    maps = VIEWS[view](np.full([SHAPE[axis] for axis in in_memory], 1, dtype))
    shape = {"N": boxes, "C": maps.shape[layout.index("C")], "H": BINS, "W": BINS}
    corners = np.random.default_rng(0).random((boxes, 4), np.float32)
    call = {operator.maps: maps, "boxes": corners, operator.index: np.zeros(boxes, int), operator.size: BINS}
    call |= {"layout": layout, "num_threads": threads, "out": np.full([shape[axis] for axis in layout], 1, dtype)}
    return call | ({"boxes": corners * 1000, "sampling_ratio": SAMPLES} if name == "roi_align" else {})


def main(name: str, view: str, dtype: str, boxes: int, threads: int) -> None:
    operator = BY_NAME[name]
    call = make_call(name, view, dtype, boxes, threads)
    first = {key: call[key][:60] for key in ("boxes", operator.index, "out")}
    if view != "columns skipped":
        operator.function(**(call | first))
    before, peak = status("VmRSS"), status("VmHWM")
    assert peak - before < 2**19, "the process has been larger before: the call could hide there"
    operator.function(**call)
    print(status("VmHWM") - before)
