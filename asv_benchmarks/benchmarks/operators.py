"""Time, memory and error of every operator, and time of its gradients. Alarms are for these (asv.conf.json)."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import numpy as np

import cyroi

from .cases import SHORT, Timed, case, of_operator, short_calls
from .workloads import WORKLOADS, subset

# asv runs this file on old commits too: whatever they lack is skipped, not failed. That `cyroi` itself does not import
# must not pass for that, so it is not guarded.
try:
    from cyroi.reference import oracle
except ImportError:
    oracle = None

THREADS = [1, 2]
# Two threads take part where they share different things: many boxes of one image, few of many channels, images, crops.
ON_TWO_THREADS = ("W1", "W3", "W4", "W6", "W7")
ON_ONE_ONLY = tuple((name, 2) for name in WORKLOADS if name not in ON_TWO_THREADS)
# Memory and error are those of one thread.
ONE_THREAD = tuple((name, 2) for name in WORKLOADS)

# Boxes whose result is compared with the oracle; a box of W8 costs the oracle a second.
COMPARED_BOXES = {"W8": 2}
COMPARED_BOXES_DEFAULT = 32


class _Operator(Timed):
    """What is measured of an operator. A subclass says on which workloads."""

    params: tuple[list[Any], list[int]]
    param_names = ("workload", "threads")
    skip_params = ON_ONE_ONLY

    def setup(self, workload: str, threads: int) -> None:
        name = WORKLOADS[workload].operator
        operator, self.oracle = getattr(cyroi, name, None), getattr(oracle, name, None)
        if operator is None or self.oracle is None:
            raise NotImplementedError(f"this commit has no {name}")
        self.arguments, self.out = case(workload)
        self.fresh = partial(operator, **self.arguments, num_threads=threads)
        # Into a result that exists already: a large one of its own would add the system's time for fresh pages.
        self.call = partial(self.fresh, out=self.out)
        self.prepare(self.call, threads)

    def time_forward(self, workload: str, threads: int) -> None:
        self.call()

    def peakmem_forward(self, workload: str, threads: int) -> None:
        self.fresh()

    peakmem_forward.skip_params = ONE_THREAD

    def track_max_error(self, workload: str, threads: int) -> float:
        """Largest difference from the oracle, relative to the largest map value."""
        self.out.fill(np.nan)  # so that a value that is not written cannot pass
        self.call()
        count = COMPARED_BOXES.get(workload, COMPARED_BOXES_DEFAULT)
        boxes = np.random.default_rng(0).permutation(len(self.out))[:count]
        error = np.abs(self.out[boxes] - self.oracle(**subset(self.arguments, boxes))).max()
        if not np.isfinite(error):
            raise FloatingPointError("the result is not finite")  # asv would take NaN for a skipped benchmark
        return float(error / np.abs(self.arguments[WORKLOADS[workload].maps]).max())

    track_max_error.skip_params = ONE_THREAD
    track_max_error.unit = "of the largest map value"


class RoiAlign(_Operator):
    params = (of_operator("roi_align"), THREADS)


class CropAndResize(_Operator):
    params = (of_operator("crop_and_resize"), THREADS)


class Short:
    """Calls of microseconds, which are nothing but overhead."""

    params = (list(SHORT), THREADS)
    param_names = ("workload", "threads")
    calls: ClassVar = {threads: short_calls(cyroi, num_threads=threads) for threads in THREADS}

    def time_forward(self, workload: str, threads: int) -> None:
        self.calls[threads][workload]()


class _Gradient(Timed):
    """A gradient, into a result that exists already. A subclass says of what, and on which workloads."""

    wrt: str
    params: tuple[list[str], list[int]]
    param_names = ("workload", "threads")
    skip_params = ON_ONE_ONLY

    def setup(self, workload: str, threads: int) -> None:
        chosen = WORKLOADS[workload]
        backward = getattr(cyroi, f"{chosen.operator}_backward", None)
        if backward is None:
            raise NotImplementedError(f"this commit has no gradient of {chosen.operator}")
        arguments, grad_output = case(workload)
        grad_output.fill(1)
        wrt = chosen.maps if self.wrt == "maps" else "boxes"
        others = {name: value for name, value in arguments.items() if name not in ("output_size", "crop_size")}
        out = np.zeros_like(arguments[wrt])
        self.call = partial(backward, grad_output, **others, wrt=wrt, out=out, num_threads=threads)
        self.prepare(self.call, threads)

    def time_backward(self, workload: str, threads: int) -> None:
        self.call()


class ToTheMaps(_Gradient):
    wrt = "maps"
    params: ClassVar = (["W1", "W1a", "W3", "W4", "W7", "W9_8", "W9_reversed", "W9_few"], THREADS)


class ToTheBoxes(_Gradient):
    wrt = "boxes"
    params: ClassVar = (["W1", "W7", "W9_8", "W9_reversed", "W9_few"], THREADS)
