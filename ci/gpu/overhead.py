"""What a small call costs on the host, and where: Python, memory, copies, launches, the wait for the check of boxes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.workloads import WORKLOADS

import cyroi

from .cases import FORWARD, TO_MAPS
from .machine import Machine, kernels

if TYPE_CHECKING:
    from .parts import Run

CALLS, SAMPLES = 200, 7  # fewer calls than a stream's queue holds launches
DRY_CALLS, DRY_SAMPLES = 2, 1
WAIT = "read_flags"
INSIDE = {
    "launch": "launches",
    "kernel": "kernels",
    "empty": "memory",
    "clear": "memory",
    "upload": "copies",
    "ask_flags": "wait",
    WAIT: "wait",
}
SMALL = {
    "smallest_roi": WORKLOADS["smallest_roi"],
    "W5_10": WORKLOADS["W5_10"],
    "smallest_crop": WORKLOADS["smallest_crop"],
}


def run(run: Run) -> None:
    machine = run.machine()
    for name, workload in SMALL.items():
        for direction, boxes, validate in (
            (FORWARD, "there", False), (FORWARD, "there", True), (FORWARD, "here", True), (TO_MAPS, "there", False),
        ):  # fmt: skip
            call = small_call(machine, workload, direction, boxes, validate)
            found = measured(machine, call, run)
            title = f"{name}, {direction}, boxes {boxes}, validate={validate}"
            run.record(overhead=title, **found)
            inside = ", ".join(f"{what} {value:.1f}" for what, value in found["inside"].items())
            gpu = " + ".join(f"{kernel} {us:.1f}" for kernel, us in found["kernels"])
            run.say(f"{title}: {found['us']:.1f} us, of which {inside}; the device: {gpu}")


def small_call(machine: Machine, workload: Any, direction: str, boxes: str, validate: bool) -> Callable[[], object]:
    """A call with `out`, whose maps are on the device and whose boxes are `here` or `there`."""
    arguments = workload.arguments()
    names = {workload.maps, *(("boxes", "box_indices") if boxes == "there" else ())}
    given = {name: machine.put(it) if name in names else it for name, it in arguments.items()}
    function = getattr(cyroi, workload.operator)
    grad = function(**given)
    if direction == FORWARD:
        return partial(function, **given, out=grad, validate=validate)
    backward = getattr(cyroi, f"{workload.operator}_backward")
    kept = {name: it for name, it in given.items() if name not in ("output_size", "crop_size")}
    out = machine.put(arguments[workload.maps])
    return partial(backward, grad, **kept, wrt=workload.maps, out=out, validate=validate)


def measured(machine: Machine, call: Callable[[], object], run: Run) -> dict[str, Any]:
    """Microseconds of the host per call, in all and inside; and of the kernels."""
    calls, samples = (DRY_CALLS, DRY_SAMPLES) if run.dry else (CALLS, SAMPLES)
    launched = kernels(machine, call, 2)
    times = [sample(machine, call, calls) for _ in range(samples)]
    with timed(machine) as spent:
        whole = sample(machine, call, calls)
    inside = {what: 1e6 * seconds / calls for what, seconds in spent.items()}
    inside["Python"] = whole - sum(inside.values())
    return {"us": statistics.median(times), "inside": inside, "kernels": launched}


def sample(machine: Machine, call: Callable[[], object], calls: int) -> float:
    machine.wait()
    start = time.perf_counter()
    for _ in range(calls):
        call()
    seconds = time.perf_counter() - start
    machine.wait()
    return 1e6 * seconds / calls


@contextmanager
def timed(machine: Machine) -> Iterator[dict[str, float]]:
    """Seconds spent in the functions of the device, without those that they call of each other."""
    device, spent = machine.device, dict.fromkeys(INSIDE.values(), 0.0)
    plain = {name: getattr(device, name) for name in INSIDE}
    open_times: list[float] = []

    def watching(name: str) -> Callable[..., Any]:
        def function(*arguments: Any, **named: Any) -> Any:
            open_times.append(0.0)
            start = time.perf_counter()
            try:
                return plain[name](*arguments, **named)
            finally:
                seconds = time.perf_counter() - start
                spent[INSIDE[name]] += seconds - open_times.pop()
                if open_times:
                    open_times[-1] += seconds

        return function

    for name in INSIDE:
        setattr(device, name, watching(name))
    try:
        yield spent
    finally:
        for name, function in plain.items():
            setattr(device, name, function)
