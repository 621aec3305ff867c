"""What all benchmarks share: the arguments of a workload, and how a call is timed."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np

from .workloads import WORKLOADS

# Calls of microseconds. They are made when the benchmarks are imported, and timed without a `setup`: asv runs that
# before every single call, which then finds the caches full of something else and takes several times as long.
SHORT = ("W5_1", "W5_10", "smallest_roi", "smallest_crop")


@lru_cache(maxsize=1)
def case(workload: str) -> tuple[dict[str, Any], Any]:
    """Arguments and result array. Cached because asv calls `setup` before each sample, in one process."""
    chosen = WORKLOADS[workload]
    return chosen.arguments(), np.empty(chosen.result_shape, np.float32)


def of_operator(operator: str) -> list[str]:
    """The workloads of an operator that are no short calls."""
    return [name for name, workload in WORKLOADS.items() if workload.operator == operator and name not in SHORT]


def short_calls(module: Any, **options: Any) -> dict[str, Callable[[], object]]:
    """The short calls of a module's operators, by workload."""
    calls = {}
    for name in SHORT:
        operator = getattr(module, WORKLOADS[name].operator, None)
        if operator is None:  # of an older commit
            continue
        out = np.empty(WORKLOADS[name].result_shape, np.float32)
        calls[name] = partial(operator, **WORKLOADS[name].arguments(), out=out, **options)
    return calls


class Timed:
    """How asv times a call that is not short: samples, warm-up, clock."""

    timeout = 120
    repeat = (1, 10, 5.0)  # at least 1 sample, at most 10, none begins after 5 seconds
    number = 1

    def prepare(self, call: Callable[[], object], threads: int) -> None:
        """Warm up, for asv may time the very first call after `setup`, and choose the clock.

        One thread is timed by its processor time, in which neighbours of a shared machine count least; two are not,
        since their times would be added up.
        """
        self.timer = time.process_time if threads == 1 else timeit.default_timer
        call()
