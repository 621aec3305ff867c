"""The table of the gradients: beside the memory floor of the backward pass, and beside the forward call."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from benchmarks.workloads import WORKLOADS

import cyroi

from .floor import Floor
from .plan import PLANNERS
from .table import Row, digits

GRADIENTS = ("W1", "W1a", "W3", "W4", "W7", "W9_8", "W9_reversed", "W9_few")
COLUMNS = ("to the maps", "floor", "to the boxes", "forward")
TOLERANCE = 1e-4  # of <A x, g> = <x, A' g>, whose sums are float32


def calls(name: str, threads: int) -> dict[str, Callable[[], object]]:
    """The calls of one workload, once <A x, g> and <x, A' g> were found equal: then both compute with the same A."""
    workload = WORKLOADS[name]
    arguments = workload.arguments()
    forward, backward = getattr(cyroi, workload.operator), getattr(cyroi, f"{workload.operator}_backward")
    maps, result = arguments[workload.maps], np.empty(workload.result_shape, np.float32)
    gradient, out = np.random.default_rng(0).standard_normal(result.shape, np.float32), np.empty_like(maps)
    others = {key: value for key, value in arguments.items() if key not in ("output_size", "crop_size", workload.maps)}
    to_maps = partial(backward, gradient, maps.shape, **others, wrt=workload.maps, out=out, num_threads=threads)
    to_boxes = partial(backward, gradient, maps, **others, wrt="boxes", num_threads=threads)
    run = partial(forward, **arguments, out=result, num_threads=threads)
    run()
    to_maps()
    sides = np.vdot(result.astype(float), gradient), np.vdot(maps.astype(float), out)
    if not abs(sides[0] - sides[1]) <= TOLERANCE * np.linalg.norm(result) * np.linalg.norm(gradient):
        raise SystemExit(f"{name}: the gradient is not the adjoint of the forward pass: {sides[0]} and {sides[1]}")
    floor = Floor(PLANNERS[workload.operator](arguments), threads)
    return {"to the maps": to_maps, "floor": floor.backward, "to the boxes": to_boxes, "forward": run}


def table(rows: list[Row]) -> str:
    """The rows as Markdown, in milliseconds."""
    titles = ["workload", "threads", "to the maps", "floor", "x floor", "to the boxes", "forward", "x forward"]
    lines = [f"| {' | '.join(titles)} |", "|---" * 2 + "|--:" * (len(titles) - 2) + "|"]
    for row in rows:
        maps, floor, boxes, forward = (row.seconds[column] for column in COLUMNS)
        cells = [digits(1e3 * seconds, 3) for seconds in (maps, floor, boxes, forward)]
        cells = [*cells[:2], f"{maps / floor:.2f}", *cells[2:], f"{boxes / forward:.2f}"]
        lines.append(f"| {' | '.join([row.workload, str(row.threads), *cells])} |")
    return "\n".join(lines)
