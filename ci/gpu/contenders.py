"""Who computes a case on the device: cyroi, each of its routes, torchvision, and the variant with atomics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

import cyroi

from . import atomics
from .cases import FORWARD, TO_BOXES, TO_MAPS, Case
from .machine import Call, Machine, forced, watched

OURS, CHECKED, TORCHVISION, ATOMICS = "cyroi", "checked", "torchvision", "atomics"
ROUTES = {FORWARD: ("gather", "pixels", "transposed"), TO_MAPS: ("to_maps", "to_pixels"), TO_BOXES: ()}
# What a call launches that takes a route, and what it must not.
LAUNCHED = {
    "gather": ({"gather"}, {"transpose"}), "pixels": ({"pixels"}, {"transpose"}), "transposed": ({"transpose"}, set()),
    "to_maps": ({"to_maps"}, {"to_pixels"}), "to_pixels": ({"to_pixels"}, {"to_maps"}),
}  # fmt: skip
TOLERANCE = {
    "float32": 1e-4,
    "float16": 1e-2,
}  # of the largest value, against the CPU; sums by atomics in float16 are rough


class Absent(Exception):
    """What a contender does not compute."""


MOST_COMPARED = 1 << 22  # laws.py compares every value


@dataclass
class Contender:
    """One call per set of inputs, and the result of the first one; None: it computes something else by design."""

    calls: list[Call]
    result: Callable[[], np.ndarray] | None


@dataclass
class Inputs:
    """A case on the device, several times: calls take them in turn, so that none finds the last one's in a cache."""

    machine: Machine
    case: Case
    copies: int
    maps: list[Any] = field(init=False)
    grads: list[Any] = field(init=False)

    def __post_init__(self) -> None:
        put = self.machine.put
        self.maps = [put(self.case.maps) for _ in range(self.copies)]
        self.grads = [put(self.case.grad_output) for _ in range(self.copies)]
        names = [name for name in ("boxes", "box_indices") if name in self.case.arguments]
        self.boxes = {name: put(self.case.arguments[name]) for name in names}

    def out(self, direction: str) -> Any:
        """New memory for a result, of NaN."""
        case = self.case
        shapes = {FORWARD: case.shape, TO_MAPS: case.maps.shape, TO_BOXES: case.arguments["boxes"].shape}
        dtype = case.arguments["boxes"].dtype if direction == TO_BOXES else case.dtype
        return self.machine.put(np.full(shapes[direction], np.nan, dtype))


def ours(inputs: Inputs, direction: str, *, route: str | None = None, **options: Any) -> Contender:
    """Our own operators with boxes on the device; options: validate."""
    case, out = inputs.case, inputs.out(direction)
    if direction == FORWARD:
        arguments = case.arguments | inputs.boxes | options
        function = partial(getattr(cyroi, case.operator), **{**arguments, case.maps_name: None}, out=out)
        calls = [partial(function, **{case.maps_name: maps}) for maps in inputs.maps]
    else:
        arguments = case.backward_arguments() | inputs.boxes | options
        wrt = case.maps_name if direction == TO_MAPS else "boxes"
        backward = getattr(cyroi, f"{case.operator}_backward")
        pairs = zip(inputs.grads, inputs.maps, strict=True)
        calls = [partial(backward, g, **{**arguments, case.maps_name: m}, wrt=wrt, out=out) for g, m in pairs]
    if route is not None:
        with forced(route):  # AttributeError here and not while it is timed
            pass
        calls = [partial(by, route, call) for call in calls]
    return Contender(calls, lambda: inputs.machine.get(out))


def by(route: str, call: Call) -> object:
    with forced(route):
        return call()


def torchvision(inputs: Inputs, direction: str) -> Contender:
    """The operators that torchvision's autograd calls, without autograd's own time. It has RoI Align alone."""
    case = inputs.case
    if case.operator != "roi_align" or direction == TO_BOXES:
        raise Absent("torchvision has no such operator")
    import torch
    import torchvision as library

    assert library.__version__  # importing it gave torch its operators
    operators, axes = torch.ops.torchvision, [case.layout.index(axis) for axis in "NCHW"]
    given = case.arguments
    options = (given["spatial_scale"], given["output_size"], given["output_size"])
    last = (given["sampling_ratio"], given["aligned"])
    boxes = torch.from_dlpack(inputs.boxes["boxes"]).to(getattr(torch, case.dtype))
    back = ["NCHW".index(axis) for axis in case.layout]
    if direction == FORWARD:
        maps = [torch.from_dlpack(it).permute(axes) for it in inputs.maps]
        calls = [partial(operators.roi_align, it, boxes, *options, *last) for it in maps]
    else:
        grads = [torch.from_dlpack(it).permute(axes) for it in inputs.grads]
        shape = [case.maps.shape[axis] for axis in axes]
        calls = [partial(operators._roi_align_backward, it, boxes, *options, *shape, *last) for it in grads]
    if case.dtype == "float16":  # it takes boxes in float16, where 800 has neighbours half a pixel away
        return Contender(calls, None)
    return Contender(calls, lambda: calls[0]().permute(back).cpu().numpy())


def with_atomics(inputs: Inputs, direction: str) -> Contender:
    if direction == TO_BOXES:
        raise Absent("there is no such variant with atomics")
    case, machine, out = inputs.case, inputs.machine, inputs.out(direction)
    code = atomics.compiled(case.dtype, dry=machine.dry)
    setup = atomics.setup_of(case.operator, case.arguments)
    rows = machine.put(atomics.rows_of(case.operator, case.arguments))
    if direction == FORWARD:
        calls = [atomics.forward(code, setup, maps, rows, out) for maps in inputs.maps]
    else:
        sums = out if case.dtype == "float32" else machine.put(np.zeros(out.shape, np.float32))
        calls = [atomics.backward(code, setup, it, rows, out, sums, machine.device.clear) for it in inputs.grads]
    return Contender(calls, lambda: machine.get(out))


def makers(direction: str) -> dict[str, Callable[[Inputs, str], Contender]]:
    """All contenders by label. cyroi alone does not wait for the check of its boxes; `checked` does."""
    routes = {route: partial(ours, route=route, validate=False) for route in ROUTES[direction]}
    own = {OURS: partial(ours, validate=False), CHECKED: ours}
    return {**own, **routes, TORCHVISION: torchvision, ATOMICS: with_atomics}


def agreeing(inputs: Inputs, direction: str, expected: np.ndarray, notes: list[str]) -> dict[str, Contender]:
    """The contenders whose result is the CPU's; a note on each of the others."""
    found = {}
    for label, maker in makers(direction).items():
        try:
            contender = maker(inputs, direction)
            with watched(inputs.machine) as launches:
                contender.calls[0]()
            must, must_not = LAUNCHED.get(label, (set(), set()))
            names = {name for name, *_ in launches}
            if not must <= names or names & must_not:
                continue  # this call cannot take the route
            apart = 0.0 if contender.result is None else difference(contender.result(), expected)
            if not apart <= TOLERANCE[inputs.case.dtype]:
                raise ValueError(f"its result differs from the CPU's by {apart:.1e} of the largest value")
        except Absent:
            continue
        except Exception as error:  # whatever one raises, the others are still worth their time
            notes.append(f"{label}: {(str(error).strip() or repr(error)).splitlines()[0]}")
        else:
            found[label] = contender
    return found


def difference(result: np.ndarray, expected: np.ndarray) -> float:
    """Of the largest expected value, in at most MOST_COMPARED values; infinite where one is NaN, or shapes differ."""
    if result.shape != expected.shape:
        return float("inf")
    step = -(-result.size // MOST_COMPARED) | 1
    got, wanted = (array.reshape(-1)[::step].astype(np.float64) for array in (result, expected))
    apart = float(np.abs(got - wanted).max(initial=0)) / max(float(np.abs(wanted).max(initial=0)), 1e-30)
    return float("inf") if np.isnan(apart) else apart
