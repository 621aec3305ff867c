"""ci/device/plan.py on this machine: plans, turned taps and conversions of the public headers, bit for bit."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from device import plan

if TYPE_CHECKING:
    from .parts import Run


def run(run: Run) -> None:
    from .parts import Missing

    if shutil.which("g++") is None:
        raise Missing("what the headers make of boxes on the CPU needs g++, which is not here")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if run.dry:
            rehearse(run, folder)
            return
        import cupy

        target = int(cupy.cuda.Device().compute_capability)
        plan.prepare(folder, target)
        if plan.check(folder, target):
            run.record(law="plans, turned taps, conversions", words="have the CPU's bits")
        else:
            run.fail("plans, turned taps or conversions differ from the CPU's")


def rehearse(run: Run, folder: Path) -> None:
    """The host beside itself, on the first work."""
    host = plan.Host(folder)
    work, geometry, real = next(plan.works())
    boxes = plan.random_boxes(np.random.default_rng(0), work, geometry)[:5]
    work["boxes"] = len(boxes)
    first, second = (plan.plan(host, work, boxes, real) for _ in range(2))
    if not all(plan.same(first[name], second[name]) for name in first):
        run.fail("a plan is not that of the same boxes")
