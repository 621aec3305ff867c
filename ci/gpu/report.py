"""The tables, out of the records of all parts. A cell that no record fills says so."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Callable
from functools import cache

import numpy as np
from bench.table import digits, markdown

from . import goals
from .cases import DIRECTIONS, DTYPES, LAYOUTS, NAMES, TO_BOXES, Case
from .contenders import ATOMICS, CHECKED, OURS, ROUTES, TORCHVISION
from .records import ESTIMATES, LIKE_TORCHVISION, NOT_MEASURED, Record, Records, cell, home

BEGIN = "<!-- table of ci/gpu.sh: begin -->"
END = "<!-- table of ci/gpu.sh: end -->"
TEXT = (
    "Microseconds of the device, medians of 30 samples in turns, after other things went through L2; in brackets: times"
    " as long as cyroi. MB: pixels that any box reads, once, and the result, or the gradients. `floor` moves so many"
    " bytes as fast as a copy does; `estimate` is what was reckoned for an H100 before anything ran. `cyroi` is called"
    " with `out=`, with boxes on the device, and without waiting for their check (`validate=False`), as the others do;"
    " `checked` waits; `warm` follows the same call. `atomics` is ci/gpu/atomics.cu. Behind it: cyroi's routes, one"
    " of which it takes."
)


def text(records: list[Record]) -> str:
    """Everything, as it stands in docs/performance.md."""
    them = Records(records)
    parts = [
        about(them),
        wrapped(TEXT),
        speeds(them, home),
        goals.table(them),
        *(
            (speeds(them, other), kernels(them), laws(them), overheads(them), compiling(them), profiled(them))
            if records
            else ()
        ),
        notes(them),
    ]
    return "\n\n".join(part for part in parts if part)


def wrapped(words: str) -> str:
    return textwrap.fill(words, 120, break_on_hyphens=False)


def about(them: Records) -> str:
    if them.machine is None:
        return wrapped(
            "Not measured yet: no GPU was at hand. MB and floors are reckoned, floors for the 3.0 TB/s of an H100."
        )
    found = "; ".join(f"{what}: {digits(value, 3)}" for what, value in them.machine["found"].items())
    return wrapped(f"{them.machine['machine']}. {found}.")


# --- the workloads ---


def other(name: str) -> str:
    return next(layout for layout in LAYOUTS if layout != home(name))


def speeds(them: Records, layout_of: Callable[[str], str]) -> str:
    """The table of all workloads in one layout each; nothing for another than their own before it was measured."""
    routes = [route for route in dict.fromkeys(itertools.chain(*ROUTES.values())) if them.timed(route)]
    others = [CHECKED, TORCHVISION, ATOMICS, *routes]
    titles = ["workload", "type", "layout", "what", "MB", "floor", "estimate", OURS, "warm", "x floor", *others]
    lines = []
    for name, dtype, direction in itertools.product(NAMES, DTYPES, DIRECTIONS):
        layout = layout_of(name)
        record = them.speeds.get((name, dtype, layout, direction))
        if record is None and layout != home(name):
            continue
        moved = record["moved"] if record else reckoned(name, dtype, direction)
        floor = moved / them.rate
        estimate = ESTIMATES.get((name, direction), ("",))[0] if dtype == "float32" and layout == home(name) else ""
        ours, warm = (record[state].get(OURS) if record else None for state in ("cold", "warm"))
        ratio = f"{ours / floor:.2f}" if ours else NOT_MEASURED
        cells = [f"{moved / 1e6:.0f}", digits(floor, 3), estimate, cell(ours), cell(warm), ratio]
        cells += [beside(record, label, ours, direction, name) for label in others]
        lines.append([name, dtype, layout, direction, *cells])
    return markdown(titles, lines, texts=4) if lines else ""


@cache
def of(name: str) -> Case:
    return Case(name, "float32", home(name))


@cache
def reckoned(name: str, dtype: str, direction: str) -> int:
    """Bytes to be moved, without a device."""
    return of(name).moved(direction) * np.dtype(dtype).itemsize // 4


def beside(record: Record | None, label: str, ours: float | None, direction: str, name: str) -> str:
    """A cell of another contender; empty for one that there is none of."""
    elsewhere = {
        TORCHVISION: direction == TO_BOXES or name not in LIKE_TORCHVISION,
        ATOMICS: direction == TO_BOXES,
        CHECKED: False,
    }
    if elsewhere.get(label, label not in ROUTES[direction]):
        return ""
    value = record["cold"].get(label) if record else None
    if value is None or not ours:
        return cell(value)
    return f"{digits(value, 3)} ({digits(value / ours, 2)})"


# --- everything else ---


def kernels(them: Records) -> str:
    """What each kernel of a call takes, one after the other and warm."""
    titles = ["workload", "type", "layout", "what", "kernels of a call, us, warm"]
    lines = [[*key, added(record["kernels"])] for key, record in them.speeds.items() if record["kernels"]]
    return markdown(titles, lines, texts=5) if lines else ""


def added(kernels: list[tuple[str, float]]) -> str:
    return " + ".join(f"{kernel} {digits(time, 3)}" for kernel, time in kernels)


def laws(them: Records) -> str:
    lines = []
    for record in them.having("laws"):
        counts = "; ".join(f"{way}: {same} of {values}" for way, (values, same) in record["laws"].items())
        lines.append([record["part"], f"{record['calls']} calls; values with the CPU's bits: {counts}"])
    for record in them.having("repeats"):
        words = f"{record['calls']} calls, {record['results']} result; with the CPU's bits: {record['same']}"
        lines.append([f"gradient bits: {record['repeats']}", f"{words} of {record['values']} values"])
    lines += [[record["law"], record["words"]] for record in them.having("law")]
    lines += [[record["part"], f"WRONG: {record['wrong']}"] for record in them.having("wrong")]
    return markdown(["law", "what was found"], lines, texts=2) if lines else ""


def overheads(them: Records) -> str:
    lines = []
    for record in them.having("overhead"):
        inside = ", ".join(f"{what} {digits(value, 2)}" for what, value in record["inside"].items())
        lines.append([record["overhead"], digits(record["us"], 3), inside, added(record["kernels"])])
    return markdown(["call", "us of the host", "of which", "the device"], lines, texts=1) if lines else ""


def compiling(them: Records) -> str:
    states = {record["compiling"]: record["seconds"] for record in them.having("compiling")}
    if not states:
        return ""
    names = list(dict.fromkeys(itertools.chain(*states.values())))
    lines = [[name, *(digits(seconds[name], 3) for seconds in states.values())] for name in names]
    return markdown(["seconds of a new process", *(f"{state} cache of kernels" for state in states)], lines, texts=1)


def profiled(them: Records) -> str:
    found = them.having("profiled")
    if not found:
        return ""
    titles = list(dict.fromkeys(itertools.chain(*(record["values"] for record in found))))
    lines = [
        [r["profiled"], r["kernel"], *(digits(r["values"][t], 3) if t in r["values"] else "" for t in titles)]
        for r in found
    ]
    return markdown(["call", "kernel", *titles], lines)


def notes(them: Records) -> str:
    words = [f"* {record['part']}: {record['missing']}" for record in them.having("missing")]
    places: dict[str, list[str]] = {}
    for record in them.having("note"):
        places.setdefault(record["note"], []).append(record["where"])
    words += [f"* {note} ({where[0] if len(where) == 1 else f'{len(where)} rows'})" for note, where in places.items()]
    return "\n".join(["Not measured:", "", *words]) if words else ""
