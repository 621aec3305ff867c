"""The tables of the gradients: beside the memory floor of the backward pass, the forward call, and the peers' own."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from functools import partial
from types import ModuleType

import numpy as np
from benchmarks.workloads import WORKLOADS

import cyroi

from . import peers
from .compare import Asked, agreeing, largest_value
from .floor import Floor
from .plan import PLANNERS
from .table import Row, digits, markdown, with_ratio

GRADIENTS = ("W1", "W1a", "W3", "W4", "W6", "W7", "W9_8", "W9_reversed", "W9_few")
TO_MAPS, TO_BOXES = "to the maps", "to the boxes"
TOLERANCE = 1e-4  # of <A x, g> = <x, A' g>, whose sums are float32
TEXT = (
    "Gradients to the maps, with `out=`, beside their floor (zero the gradient, read grad_output, one read and write of"
    " each row that a box touches) and beside peers', in brackets: times as long as cyroi. torchvision's is the"
    " operator that autograd calls, alone. Peers' gradients agree to 1e-05 of the largest gradient."
)
TEXT_BOXES = "Gradients to the boxes, beside the forward call:"


def calls(name: str, threads: int, modules: dict[str, ModuleType], notes: list[str]) -> dict[str, Callable[[], object]]:
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
    timed = {TO_MAPS: to_maps, "floor": floor.backward, TO_BOXES: to_boxes, "forward": run}
    given = arguments | {"grad_output": gradient}
    for what, answer in ((TO_MAPS, out), (TO_BOXES, to_boxes())):
        asked = Asked(f"{name}, gradient {what}", given, answer.shape, threads, answer, largest_value(answer))
        makers = peers.makers(modules, f"{workload.operator}_{what.replace(' the ', '_')}")
        timed |= {f"{label} {what}": it.run for label, it in agreeing(asked, makers, notes).items()}
    return timed


def text(rows: list[Row], titles: list[str]) -> str:
    """Both tables with what they mean; nothing where there are no rows."""
    if not rows:
        return ""
    wrapped = textwrap.fill(TEXT, 120)
    return f"{wrapped}\n\n{to_maps_table(rows, titles)}\n\n{TEXT_BOXES}\n\n{to_boxes_table(rows, titles)}"


def to_maps_table(rows: list[Row], titles: list[str]) -> str:
    return _table(rows, TO_MAPS, "floor", titles)


def to_boxes_table(rows: list[Row], titles: list[str]) -> str:
    return _table(rows, TO_BOXES, "forward", titles)


def _table(rows: list[Row], what: str, beside: str, titles: list[str]) -> str:
    """The rows as Markdown, in milliseconds; only peers that took part somewhere get a column."""
    columns = [title for title in titles if any(f"{title} {what}" in row.seconds for row in rows)]
    lines = []
    for row in rows:
        ours, other = row.seconds[what], row.seconds[beside]
        cells = [digits(1e3 * ours, 3), digits(1e3 * other, 3), f"{ours / other:.2f}"]
        cells += [with_ratio(row.seconds.get(f"{title} {what}"), ours) for title in columns]
        lines.append([row.workload, str(row.threads), *cells])
    return markdown(["workload", "threads", what, beside, f"x {beside}", *columns], lines)
