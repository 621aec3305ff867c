"""Interleaved samples of calls, and their medians."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable

import numpy as np

Call = Callable[[], object]

SAMPLE_SECONDS = 0.02  # shorter calls are repeated until a sample takes this long


def medians(calls: dict[str, Call], rounds: int) -> dict[str, float]:
    """Median seconds per call. Each round has an order of its own, so that nobody always follows the same contender."""
    counts = {label: repetitions(call) for label, call in calls.items()}
    samples: dict[str, list[float]] = {label: [] for label in calls}
    rng = np.random.default_rng(0)
    for _ in range(rounds):
        for label in rng.permutation(list(calls)):
            samples[label].append(sample(calls[label], counts[label]))
    return {label: statistics.median(times) for label, times in samples.items()}


def repetitions(call: Call) -> int:
    """How many calls a sample takes: a first estimate from one cold call, a better one from that many."""
    count = math.ceil(SAMPLE_SECONDS / sample(call, 1))
    return count if count == 1 else math.ceil(SAMPLE_SECONDS / sample(call, count))


def sample(call: Call, count: int) -> float:
    wait_until_idle()
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def wait_until_idle() -> None:
    """Pools keep spinning for up to 50 ms after their work; on few cores that would slow the next contender."""
    for _ in range(50):
        before = time.process_time()
        time.sleep(0.01)
        if time.process_time() - before < 0.001:
            return
