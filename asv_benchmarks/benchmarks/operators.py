"""Time, memory and error of every operator, beside the classic kernel and the float64 reference."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

import cyroi

from .workloads import WORKLOADS, subset

# asv runs this file on old commits too: whatever they lack is skipped, not failed. That `cyroi` itself does not import
# must not pass for that, so it is not guarded.
try:
    from cyroi.reference import oracle
except ImportError:
    oracle = None
try:
    from cyroi.reference import classic
except ImportError:
    classic = None

IMPLEMENTATIONS = {"cyroi": cyroi, "classic": classic, "reference": oracle}

# One call of the reference takes 30 s on W1a and 15 minutes on W8 (at most 8 s elsewhere), one of the classic kernel
# 4 s on W1a and about a minute on W8.
TOO_SLOW = (("W1a", "reference"), ("W8", "reference"), ("W8", "classic"))
# Boxes whose result is compared with the oracle; a box of W8 costs the oracle a second.
COMPARED_BOXES = {"W8": 2}
COMPARED_BOXES_DEFAULT = 32
# Up to this many values of the result, a call is so short that a sample of its time must average over many.
SHORT_CALL = 100_000


@lru_cache(maxsize=1)
def case(workload: str) -> tuple[dict[str, Any], Any]:
    """Arguments and result array. Cached because asv calls `setup` before each sample, in one process."""
    chosen = WORKLOADS[workload]
    return chosen.arguments(), np.empty(chosen.result_shape, np.float32)


def parameters(operator: str) -> list[list[str]]:
    return [[name for name, workload in WORKLOADS.items() if workload.operator == operator], list(IMPLEMENTATIONS)]


class _Operator:
    """What is measured of an operator. A subclass says on which workloads."""

    params: list[list[str]]
    param_names = ("workload", "implementation")
    skip_params = TOO_SLOW
    timeout = 120
    repeat = (1, 10, 5.0)  # at least 1 sample, at most 10, none begins after 5 seconds

    def setup(self, workload: str, implementation: str) -> None:
        name = WORKLOADS[workload].operator
        self.operator = getattr(IMPLEMENTATIONS[implementation], name, None)
        self.oracle = getattr(oracle, name, None)
        if self.operator is None or self.oracle is None:
            raise NotImplementedError(f"this commit has no {name}")
        self.arguments, self.out = case(workload)
        self.number = 100 if self.out.size <= SHORT_CALL else 1

    def time_forward(self, workload: str, implementation: str) -> None:
        # Into a result that exists already: a large one of its own would add the system's time for fresh pages.
        self.operator(**self.arguments, out=self.out)

    def peakmem_forward(self, workload: str, implementation: str) -> None:
        self.operator(**self.arguments)

    def track_max_error(self, workload: str, implementation: str) -> float:
        """Largest difference from the oracle, relative to the largest map value."""
        self.out.fill(np.nan)  # so that a value that is not written cannot pass
        self.operator(**self.arguments, out=self.out)
        count = COMPARED_BOXES.get(workload, COMPARED_BOXES_DEFAULT)
        boxes = np.random.default_rng(0).permutation(len(self.out))[:count]
        error = np.abs(self.out[boxes] - self.oracle(**subset(self.arguments, boxes))).max()
        if not np.isfinite(error):
            raise FloatingPointError("the result is not finite")  # asv would take NaN for a skipped benchmark
        return float(error / np.abs(self.arguments[WORKLOADS[workload].maps]).max())

    # The reference is the oracle: its error would be that of rounding to float32, whatever cyroi does.
    track_max_error.skip_params = (("W8", "classic"), *((workload, "reference") for workload in WORKLOADS))
    track_max_error.unit = "of the largest map value"


class RoiAlign(_Operator):
    params = parameters("roi_align")


class CropAndResize(_Operator):
    params = parameters("crop_and_resize")


class _Gradient:
    """A gradient, into a result that exists already. A subclass says of what, and on which workloads."""

    wrt: str
    params: ClassVar[list[list[str]]]
    param_names = ("workload",)
    timeout = 120
    repeat = (1, 10, 5.0)
    number = 1

    def setup(self, workload: str) -> None:
        chosen = WORKLOADS[workload]
        self.backward = getattr(cyroi, f"{chosen.operator}_backward", None)
        if self.backward is None:
            raise NotImplementedError(f"this commit has no gradient of {chosen.operator}")
        arguments, grad_output = case(workload)
        grad_output.fill(1)
        self.arguments = {name: value for name, value in arguments.items() if name not in ("output_size", "crop_size")}
        self.arguments |= {"grad_output": grad_output, "wrt": chosen.maps if self.wrt == "maps" else "boxes"}
        self.out = np.zeros_like(arguments[chosen.maps if self.wrt == "maps" else "boxes"])

    def time_backward(self, workload: str) -> None:
        self.backward(**self.arguments, out=self.out)


class ToTheMaps(_Gradient):
    wrt = "maps"
    params: ClassVar = [["W1", "W1a", "W3", "W4", "W7", "W9_8", "W9_reversed", "W9_few"]]


class ToTheBoxes(_Gradient):
    wrt = "boxes"
    params: ClassVar = [["W1", "W7", "W9_8", "W9_reversed", "W9_few"]]
