"""The classic kernel and the float64 reference, for comparison: they raise no alarms (asv.conf.json)."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

from .cases import SHORT, Timed, case, of_operator, short_calls
from .workloads import WORKLOADS

# Like operators.py this runs on old commits too.
try:
    from cyroi.reference import oracle
except ImportError:
    oracle = None
try:
    from cyroi.reference import classic
except ImportError:
    classic = None

IMPLEMENTATIONS = {"classic": classic, "reference": oracle}

# One call of the reference takes 30 s on W1a and 15 minutes on W8 (at most 8 s elsewhere), one of the classic kernel
# 4 s on W1a and about a minute on W8.
TOO_SLOW = (("W1a", "reference"), ("W8", "reference"), ("W8", "classic"))


class _Comparison(Timed):
    params: tuple[list[Any], list[str]]
    param_names = ("workload", "implementation")
    skip_params = TOO_SLOW

    def setup(self, workload: str, implementation: str) -> None:
        name = WORKLOADS[workload].operator
        operator = getattr(IMPLEMENTATIONS[implementation], name, None)
        if operator is None:
            raise NotImplementedError(f"this commit has no {implementation} {name}")
        arguments, out = case(workload)
        # The reference has one thread anyway.
        threads = {"num_threads": 1} if implementation == "classic" else {}
        self.call = partial(operator, **arguments, out=out, **threads)
        if implementation == "classic":
            self.prepare(self.call, 1)

    def time_forward(self, workload: str, implementation: str) -> None:
        self.call()


class Short:
    params = (list(SHORT), list(IMPLEMENTATIONS))
    param_names = ("workload", "implementation")
    calls: ClassVar = {
        "classic": short_calls(classic, num_threads=1) if classic else {},
        "reference": short_calls(oracle) if oracle else {},
    }

    def time_forward(self, workload: str, implementation: str) -> None:
        self.calls[implementation][workload]()  # KeyError, hence no figure, where this commit lacks it


class RoiAlign(_Comparison):
    params = (of_operator("roi_align"), list(IMPLEMENTATIONS))


class CropAndResize(_Comparison):
    params = (of_operator("crop_and_resize"), list(IMPLEMENTATIONS))
