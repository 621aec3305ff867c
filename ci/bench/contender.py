"""What takes part in a comparison, and the check that it computes the same as cyroi."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cyroi
from cyroi.reference import classic, oracle

from .floor import Floor
from .plan import PLANNERS

Array = NDArray[Any]

TOLERANCE = 1e-5  # of the largest map value


def as_cyroi(result: Array) -> Array:
    return result


@dataclass(frozen=True)
class Contender:
    """One implementation, ready to compute one workload."""

    run: Callable[[], object]  # what is timed
    result: Callable[[], Array] | None  # of the last run, in the layout of the workload; None: nothing to compare
    expected: Callable[[Array], Array] = as_cyroi  # from cyroi's result to what must come out; NaN: not compared
    tolerance: float = TOLERANCE  # of the largest map value


# From the arguments of the cyroi call, the shape of its result and the number of threads.
Maker = Callable[[dict[str, Any], tuple[int, ...], int], Contender]


def owned(run: Callable[[], object], result: Array) -> Contender:
    """A contender that writes into `result`, which is filled with NaN: what it leaves cannot pass for computed."""
    result.fill(np.nan)
    return Contender(run, lambda: result)


def with_cyroi(operator: str, arguments: dict[str, Any], shape: tuple[int, ...], threads: int) -> Contender:
    out = np.empty(shape, np.float32)
    return owned(partial(getattr(cyroi, operator), **arguments, out=out, num_threads=threads), out)


def with_fresh_result(operator: str, arguments: dict[str, Any], shape: tuple[int, ...], threads: int) -> Contender:
    """Without `out=`: what the memory of a new result costs. No result is kept, so that none helps the next."""
    run = partial(getattr(cyroi, operator), **arguments, num_threads=threads)
    return Contender(run, run)


def with_reference(operator: str, arguments: dict[str, Any], shape: tuple[int, ...], threads: int) -> Contender:
    out = np.empty(shape, np.float32)
    return owned(partial(getattr(oracle, operator), **arguments, out=out), out)


def with_classic(operator: str, arguments: dict[str, Any], shape: tuple[int, ...], threads: int) -> Contender:
    out = np.empty(shape, np.float32)
    return owned(partial(getattr(classic, operator), **arguments, out=out, num_threads=threads), out)


def floors(operator: str, arguments: dict[str, Any], threads: int) -> dict[str, Contender]:
    floor = Floor(PLANNERS[operator](arguments), threads)
    return {"floor": Contender(floor.forward, None), "once": Contender(floor.once, None)}


def to_layout(array: Array, source: str, target: str) -> Array:
    """`array` with its axes as in `target`, contiguous: for peers that know one layout."""
    return np.ascontiguousarray(array.transpose([source.index(axis) for axis in target]))


def difference(contender: Contender, cyroi_result: Array, largest: float) -> float:
    """Largest difference from what was expected, relative to the `largest` map value; infinite where it gave NaN."""
    if contender.result is None:
        return 0.0
    expected, got = contender.expected(cyroi_result), contender.result()
    if got.shape != expected.shape:
        raise ValueError(f"its result has shape {got.shape}, not {expected.shape}")
    compared = ~np.isnan(expected)
    if not compared.any() or np.isnan(got[compared]).any():
        return float("inf")
    return float(np.abs(got - expected)[compared].max()) / largest
