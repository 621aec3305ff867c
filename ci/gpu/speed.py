"""Time of the workloads: every contender in turns, cold and warm, with the kernels of a call."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

from .cases import DIRECTIONS, DTYPES, LAYOUTS, Case
from .contenders import OURS, Inputs, agreeing
from .machine import Machine, interleaved, kernels

if TYPE_CHECKING:
    from .parts import Run

ROUNDS, COPIES, REPEATS = 30, 3, 10
DRY = (1, 2, 1)  # the same in a dry run


def of(name: str) -> Callable[[Run], None]:
    return lambda run: measure(run, name)


def measure(run: Run, name: str) -> None:
    machine = run.machine()
    for dtype, layout in itertools.product(DTYPES, LAYOUTS):
        case = Case(name, dtype, layout, tiny=run.dry)
        inputs = Inputs(machine, case, DRY[1] if run.dry else COPIES)
        for direction in DIRECTIONS:
            if run.left < 3:
                run.note("no time was left", f"{name}, {dtype}, {layout}, {direction}")
                continue
            one(run, machine, inputs, direction)
        del inputs  # their memory


def one(run: Run, machine: Machine, inputs: Inputs, direction: str) -> None:
    """Measures one row of the table."""
    case, notes = inputs.case, []
    contenders = agreeing(inputs, direction, case.expected(direction), notes)
    where = f"{case.name}, {case.dtype}, {case.layout}, {direction}"
    for note in notes:
        run.note(note, where)
    if OURS not in contenders:
        run.fail(f"cyroi on {where} is not timed: see above")
    if not contenders:
        return
    calls = {label: it.calls for label, it in contenders.items()}
    rounds, _, repeats = DRY if run.dry else (ROUNDS, COPIES, REPEATS)
    cold = interleaved(machine, calls, rounds, cold=True)
    warm = interleaved(machine, calls, rounds, cold=False)
    launched = kernels(machine, contenders[OURS].calls[0], repeats) if OURS in contenders else []
    run.record(
        workload=case.name, dtype=case.dtype, layout=case.layout, direction=direction, moved=case.moved(direction),
        cold=cold, warm=warm, kernels=launched,
    )  # fmt: skip
    shown = ", ".join(f"{label} {cold[label]:.0f} / {warm[label]:.0f}" for label in cold)
    inside = " + ".join(f"{kernel} {time:.1f}" for kernel, time in launched)
    run.say(f"{where}; us cold / warm: {shown}; kernels: {inside}")
