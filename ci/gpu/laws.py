"""The law: what the device computes is what the CPU computes, and it refuses what the CPU refuses, in the same words.

Every storage type, layout and route, boxes on either side; then random calls.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

import cyroi

from .cases import FORWARD, TO_BOXES, TO_MAPS
from .contenders import ROUTES
from .machine import Machine, forced

if TYPE_CHECKING:
    from support.operators import Call, Operator

    from .parts import Run

TYPES = {
    "float32": ("float32",),
    "float64": ("float64",),
    "short floats": ("float16", "bfloat16"),
    "bytes": ("uint8", "int8", "bool"),
    "short and long integers": ("uint16", "int16", "int64"),
}
CHANNELS = (3, 40, 130)  # gathered, a part of a warp's channels, more than one warp's
SEEDS = 4
# Forward and to the boxes, of the largest value: an arithmetic that rounds elsewhere. Integers: one.
TOLERANCE = {"float64": 1e-13, "float32": 5e-6, "float16": 2e-3, "bfloat16": 1.6e-2}
AWKWARD = (-1.0, 0.0, -0.0, 0.5, 1.0, 1e-45, -1e-45, 1e-39, 1e5, -1e5, 1e30)


@dataclass
class Tally:
    """What was compared so far."""

    calls: int = 0
    values: int = 0
    same_bits: int = 0
    of: dict[str, list[int]] = field(default_factory=dict)  # by direction: values, values of the same bits

    def add(self, direction: str, values: int, same: int) -> None:
        self.calls += 1
        counts = self.of.setdefault(direction, [0, 0])
        counts[0] += values
        counts[1] += same

    def __str__(self) -> str:
        parts = [
            f"{direction}: {same} of {values} values have the CPU's bits"
            for direction, (values, same) in self.of.items()
        ]
        return f"{self.calls} calls; {'; '.join(parts)}"


def of(types: tuple[str, ...]) -> Callable[[Run], None]:
    return lambda run: of_types(run, types)


def of_types(run: Run, types: tuple[str, ...]) -> None:
    from support.operators import OPERATORS

    machine, tally = run.machine(), Tally()
    seeds = range(1 if run.dry else SEEDS)
    chosen = itertools.product(seeds, types, OPERATORS, ("NCHW", "NHWC"), (True, False), CHANNELS)
    for number, (seed, dtype, operator, layout, boxes_there, channels) in enumerate(chosen):
        if run.left < 2:
            run.say(f"no time left after {number} calls")
            break
        if run.dry and (channels != 40 or boxes_there != (layout == "NCHW")):
            continue
        rng = np.random.default_rng([seed, channels])
        call = call_of(operator, rng, dtype, layout, channels)
        title = f"{operator.name}, {dtype}, {layout}, {channels} channels, boxes {'there' if boxes_there else 'here'}"
        compare(run, machine, tally, operator, call, boxes_there, f"{title}, seed {seed}")
    run.record(laws=tally.of, calls=tally.calls)
    run.say(f"{run.part}: {tally}")


def call_of(operator: Operator, rng: np.random.Generator, dtype: str, layout: str, channels: int) -> Call:
    """A random call of this type; some boxes have coordinates at which decisions flip."""
    call = operator.call(rng, layout=layout, shape=(3, channels, 17, 23), boxes=9)
    boxes = call["boxes"].astype(rng.choice([np.float32, np.float64]))
    rows, columns = rng.integers(0, 9, 4), rng.integers(0, 4, 4)
    boxes[rows, columns] = rng.choice(AWKWARD, 4)
    return call | {operator.maps: stored(call[operator.maps], dtype), "boxes": boxes}


def stored(maps: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "bool":
        return maps > 0
    if dtype == "bfloat16":
        import ml_dtypes

        return maps.astype(ml_dtypes.bfloat16)
    kind = np.dtype(dtype)
    return (
        maps.astype(kind) if kind.kind == "f" else (maps * 40).clip(0 if kind.kind == "u" else -120, 120).astype(kind)
    )


# --- one call ---


def there(machine: Machine, operator: Operator, call: Call, *, boxes: bool) -> Call:
    """The call with its maps, and its boxes if they are to be, on the device."""
    names = {operator.maps, "grad_output", *(("boxes", operator.index) if boxes else ())}
    return {name: put(machine, it) if name in names else it for name, it in call.items()}


def put(machine: Machine, value: Any) -> Any:
    """An array, or a list of arrays, on the device; anything else as it is."""
    if isinstance(value, list):
        return [put(machine, part) for part in value]
    return machine.put(value) if isinstance(value, np.ndarray) else value


def compare(
    run: Run, machine: Machine, tally: Tally, operator: Operator, call: Call, boxes_there: bool, title: str
) -> None:
    """All directions of a call by every route, beside the CPU's."""
    host = outcome(operator.function, call)
    for direction, expected, arguments in directions(operator, call, host):
        function = operator.function if direction == FORWARD else operator.backward
        for route in (None, *ROUTES[direction]):
            given = there(machine, operator, arguments, boxes=boxes_there)
            with forced(route):
                got = outcome(function, given)
            problem = differs(machine, got, expected, direction, tally, arithmetic(call[operator.maps]))
            if problem:
                run.fail(f"{title}, {direction}{f' by {route}' if route else ''}: {problem}")


def directions(operator: Operator, call: Call, host: Any) -> Iterator[tuple[str, Any, Call]]:
    yield FORWARD, host, call
    if isinstance(host, Exception):
        return
    floating = host.dtype if host.dtype.kind == "f" or host.dtype.name == "bfloat16" else np.float32
    grad = np.random.default_rng(host.size).standard_normal(host.shape).astype(floating)
    for direction, wrt in ((TO_MAPS, operator.maps), (TO_BOXES, "boxes")):
        arguments = operator.backward_call(call, grad, wrt)
        arguments.pop("dtype", None)
        yield direction, outcome(operator.backward, arguments), arguments


def outcome(function: Callable[..., Any], call: Call) -> Any:
    """The result, or the error that it raises."""
    try:
        return function(**call)
    except (TypeError, ValueError, IndexError) as error:
        return error


def arithmetic(maps: Any) -> str:
    """What is computed with, for maps of this type."""
    return "float64" if maps.dtype.kind in "fiu" and maps.itemsize >= 4 and maps.dtype != np.float32 else "float32"


def differs(machine: Machine, got: Any, expected: Any, direction: str, tally: Tally, computed: str) -> str:
    """What is wrong with `got`; empty if nothing is."""
    if isinstance(got, Exception) or isinstance(expected, Exception):
        same = type(got) is type(expected) and str(got) == str(expected)
        return "" if same else f"gave {got!r} instead of {expected!r}"
    if isinstance(expected, list):  # one gradient for the boxes of each image
        expected, got = np.concatenate(expected), np.concatenate([machine.get(part) for part in got])
    else:
        got = machine.get(got)
    if got.dtype != expected.dtype or got.shape != expected.shape:
        return f"is {got.dtype} {got.shape} instead of {expected.dtype} {expected.shape}"
    same = int((bits(got) == bits(expected)).sum())
    tally.add(direction, got.size, same)
    if same == got.size:
        return ""
    if direction == TO_MAPS and fused():
        return f"{got.size - same} of {got.size} values have other bits"
    return apart(got, expected, computed)


def bits(array: np.ndarray) -> np.ndarray:
    """As unsigned integers; every NaN is one, whose payload a GPU does not keep."""
    plain = np.ascontiguousarray(array).view(f"u{array.itemsize}").copy()
    if array.dtype.kind not in "iub":
        plain[np.isnan(array.astype(np.float64))] = 0x7FFF
    return plain


def apart(got: np.ndarray, expected: np.ndarray, computed: str = "float32") -> str:
    """How far the results are from each other, if that is too far for what they were computed with."""
    a, b = got.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(bits(got[~finite]), bits(expected[~finite])) or not np.isfinite(a[finite]).all():
        return "NaN or infinity stand elsewhere"
    error, largest = np.abs(a - b)[finite].max(initial=0), np.abs(b[finite]).max(initial=0)
    tolerance = max(TOLERANCE.get(got.dtype.name, 0), TOLERANCE[computed])
    allowed = tolerance * largest if got.dtype.name in TOLERANCE else 1
    return "" if error <= allowed else f"is off by {error:.1e} where the largest value is {largest:.1e}"


def fused() -> bool:
    """Whether the CPU has fused multiply-add, as the device has: then the sums of gradients have the same bits."""
    return cyroi.show_config()["cpu_capability"] != "baseline"


# --- random calls ---


def random_calls(run: Run) -> None:
    """Calls of tests/support/random_calls.py, each forward and both ways back."""
    from .parts import Missing

    try:
        from hypothesis import HealthCheck, Phase, given, settings
        from hypothesis.strategies import just

        from support import random_calls as calls
        from support.operators import BY_NAME
    except ImportError as error:
        raise Missing(f"random calls need a package that is not here: {error}") from error
    machine, tally = run.machine(), Tally()
    kinds = [(name, long) for name in ("roi_align", "crop_and_resize") for long in (False, True)]
    for number, (name, long) in enumerate(kinds):
        enough = run.left * (1 - 1 / (len(kinds) - number))  # what is left for the other kinds

        def each(call: Call, operator: Operator, enough: float) -> None:
            if run.left > enough + 1:
                compare(run, machine, tally, operator, call, tally.calls % 2 == 0, f"{operator.name}, {brief(call)}")

        drawn = given(getattr(calls, f"{name}_gradients")(long), just(BY_NAME[name]), just(enough))
        settings(
            max_examples=2 if run.dry else 2000, deadline=None, database=None, derandomize=True,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate],
        )(drawn(each))()  # fmt: skip
    run.record(laws=tally.of, calls=tally.calls)
    run.say(f"{run.part}: {tally}")


def brief(call: Call) -> str:
    """The call in few words, for a message."""
    words = {name: it for name, it in call.items() if not isinstance(it, np.ndarray) and it is not None}
    shapes = {name: (it.dtype.name, it.shape) for name, it in call.items() if isinstance(it, np.ndarray)}
    boxes = call["boxes"]
    return f"{words | shapes} boxes {boxes.tolist() if isinstance(boxes, np.ndarray) else boxes}"
