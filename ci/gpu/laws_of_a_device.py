"""Laws that only calls on a device have: bad boxes there, calls that do not wait, streams, captured graphs, torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .laws import Tally, apart, compare, differs, outcome, there
from .machine import Machine

if TYPE_CHECKING:
    from .parts import Run


def run(run: Run) -> None:
    machine, before = run.machine(), run.wrong
    laws: dict[str, Callable[[Run, Machine], str | None]] = {
        "bad boxes": bad_boxes,
        "calls that do not wait": unvalidated,
        "streams": streams,
        "captured graphs": graphs,
        "torch tensors": torch_tensors,
    }
    for name, law in laws.items():
        missing = law(run, machine)
        words = f"not tried: {missing}" if missing else "hold" if run.wrong == before else "do not hold"
        before = run.wrong
        run.say(f"{name}: {words}")
        run.record(law=name, words=words)


def ordinary() -> tuple[Any, dict[str, Any]]:
    """An operator and an ordinary call of it."""
    from support.operators import OPERATORS

    operator = OPERATORS[0]
    call = operator.call(np.random.default_rng(1), shape=(3, 40, 17, 23), boxes=7)
    return operator, call


def bad_boxes(run: Run, machine: Machine) -> None:
    """The same error and the same words, forward and backward, whichever coordinate or index is bad."""
    from support.operators import OPERATORS

    for operator in OPERATORS:
        call = operator.call(np.random.default_rng(2), shape=(3, 40, 17, 23), boxes=7)
        wrong = []
        for row, value in ((0, np.nan), (3, np.inf), (6, -np.inf)):
            boxes = call["boxes"].copy()
            boxes[row, row % 4] = value
            wrong.append({"boxes": boxes})
        for row, image in ((2, 3), (5, -1)):
            images = call[operator.index].copy()
            images[row] = image
            wrong.append({operator.index: images})
        tally = Tally()
        for changes in wrong:
            compare(run, machine, tally, operator, call | changes, True, f"{operator.name}, bad boxes")
            grad = np.ones((7, 40, *call[operator.size]), np.float32)
            back = operator.backward_call(call | changes, grad, operator.maps)
            got = outcome(operator.backward, there(machine, operator, back, boxes=True))
            problem = differs(machine, got, outcome(operator.backward, back), "", tally, "float32")
            if problem:
                run.fail(f"{operator.name}, gradient of bad boxes: {problem}")


def unvalidated(run: Run, machine: Machine) -> None:
    """NaN for the bad box, every other as if it were not there; nothing of it in the gradient to the maps."""
    operator, call = ordinary()
    bad = call["boxes"].copy()
    bad[2, 1] = np.nan
    given = there(machine, operator, call | {"boxes": bad}, boxes=True)
    got, good = machine.get(operator.function(**given, validate=False)), operator.function(**call)
    others = np.arange(len(bad)) != 2
    if not np.isnan(got[2]).all():
        run.fail("a bad box that is not checked has values")
    if problem := apart(got[others], good[others]):
        run.fail(f"boxes beside one that is bad and not checked: {problem}")
    grad = np.random.default_rng(0).standard_normal(good.shape, np.float32)
    back = operator.backward_call(call, grad, operator.maps)
    chosen = {name: back[name][others] for name in ("grad_output", "boxes", operator.index)}
    expected = operator.backward(**back | chosen)
    got = machine.get(operator.backward(**there(machine, operator, back | {"boxes": bad}, boxes=True), validate=False))
    if problem := apart(got, expected):
        run.fail(f"the gradient to the maps beside a bad box that is not checked: {problem}")


def streams(run: Run, machine: Machine) -> str | None:
    """Calls in a stream come after what that stream does, and several streams do not disturb each other."""
    if machine.dry:
        return "the emulator has no streams"
    import cupy

    operator, call = ordinary()
    expected = operator.function(**call)
    made = [cupy.cuda.Stream(non_blocking=True) for _ in range(4)]
    results = []
    for turn in range(40):
        with made[turn % len(made)]:
            given = there(machine, operator, call, boxes=True)
            maps = given[operator.maps]
            machine.flush()  # the device is busy, so what comes too early reads zeros
            later = cupy.zeros_like(maps)
            later[...] = maps
            results.append(
                (made[turn % len(made)], operator.function(**given | {operator.maps: later}, validate=turn % 2 == 0))
            )
    for stream, result in results:
        with stream:
            if problem := apart(machine.get(result), expected):
                run.fail(f"in a stream: {problem}")
    return None


def graphs(run: Run, machine: Machine) -> str | None:
    """A captured call gives the result of what its arrays hold when the graph is launched."""
    if machine.dry:
        return "the emulator captures nothing"
    import cupy

    operator, call = ordinary()
    grad = np.random.default_rng(0).standard_normal(operator.function(**call).shape, np.float32)
    back = operator.backward_call(call, grad, operator.maps)
    for title, function, arguments in (("forward", operator.function, call), ("backward", operator.backward, back)):
        stream = cupy.cuda.Stream(non_blocking=True)
        with stream:
            given = there(machine, operator, arguments, boxes=True)
            out = cupy.zeros_like(function(**given))  # a first call compiles, and leaves memory in the pool
            stream.synchronize()
            stream.begin_capture()
            function(**given, out=out)
            graph = stream.end_capture()
            for factor in (1, 2, 3):
                if factor > 1:  # other boxes: the graph plans anew
                    moved = arguments["boxes"] + np.float32(factor)
                    given["boxes"][...] = machine.put(moved)
                    arguments = arguments | {"boxes": moved}
                graph.launch(stream)
                if problem := apart(machine.get(out), function(**arguments)):
                    run.fail(f"a captured {title}, launch {factor}: {problem}")
    return None


def torch_tensors(run: Run, machine: Machine) -> str | None:
    """Tensors of torch on the device are read where they lie, also those of another stream of torch's."""
    if machine.dry:
        return "torch has no emulator"
    try:
        import torch
    except ImportError:
        return "torch is not here"
    if not torch.cuda.is_available():
        return "torch finds no device"
    operator, call = ordinary()
    expected = operator.function(**call)
    names = (operator.maps, "boxes", operator.index)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        tensors = {name: torch.from_numpy(call[name]).cuda() for name in names}
        tensors[operator.maps] = tensors[operator.maps].to(dtype)
        given = call | {operator.maps: tensors[operator.maps].float().cpu().numpy()}
        got = machine.get(operator.function(**call | tensors)).astype(np.float32)
        want = operator.function(**given)
        if dtype is torch.float32 and (problem := apart(got, expected)):
            run.fail(f"torch tensors: {problem}")
        if not np.allclose(got, want, rtol=0, atol=0.01 * np.abs(want).max()):
            run.fail(f"torch tensors of {dtype}")
    leaf = tensors[operator.maps].requires_grad_()
    try:
        operator.function(**call | tensors | {operator.maps: leaf})
    except Exception as error:
        run.say(f"a tensor that requires a gradient: {type(error).__name__}: {error}")
    return None
