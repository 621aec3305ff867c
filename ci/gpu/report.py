"""The tables, out of the records of all parts. A cell that no record fills says so."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from bench.table import digits, markdown

from .cases import DIRECTIONS, DTYPES, FORWARD, LAYOUTS, NAMES, TO_BOXES, TO_MAPS, Case
from .contenders import ATOMICS, CHECKED, OURS, ROUTES, TORCHVISION

Record = dict[str, Any]

BEGIN = "<!-- table of ci/gpu.sh: begin -->"
END = "<!-- table of ci/gpu.sh: end -->"
NOT_MEASURED = "not measured"
COPIED = "copy, GB/s"
ASSUMED = 3000.0  # GB/s: of an H100, where no copy was timed
HOMES = {"W6": "NHWC", "W7": "NHWC"}  # the layouts that workloads come in; others: NCHW
LIKE_TORCHVISION = ("W1", "W1a", "W3", "W4")

# Microseconds on an H100 in float32, reckoned from machine code and trip counts before anything ran: of cyroi, and of
# torchvision.
ESTIMATES: dict[tuple[str, str], tuple[str, str]] = {
    ("W1", FORWARD): ("120 to 145", "433"),
    ("W1", TO_MAPS): ("230", "at least 589"),
    ("W1a", FORWARD): ("420 to 510", "2830"),
    ("W1a", TO_MAPS): ("670", "at least 4800"),
    ("W3", FORWARD): ("280", "1610"),
    ("W3", TO_MAPS): ("410", "at least 2050"),
    ("W4", FORWARD): ("350 to 420", "1770"),
    ("W4", TO_MAPS): ("660", "at least 2400"),
    ("W6", FORWARD): ("70", ""),
    ("W7", FORWARD): ("100", ""),
    ("W7", TO_MAPS): ("160", ""),
}
TEXT = (
    "Microseconds of the device, medians of 30 samples in turns, after other things went through L2; in brackets: times"
    " as long as cyroi. MB: pixels that any box reads, once, and the result, or the gradients. `floor` moves so many"
    " bytes as fast as a copy does; `estimate` is what was reckoned for an H100 before anything ran. `cyroi` is called"
    " with `out=`, with boxes on the device, and without waiting for their check (`validate=False`), as the others do;"
    " `checked` waits; `warm` follows the same call. `atomics` is ci/gpu/atomics.cu. Behind it: cyroi's routes, one"
    " of which it takes."
)


class Records:
    """What the parts found, by what it is about."""

    def __init__(self, records: list[Record]) -> None:
        self.all = records
        self.speeds = {(r["workload"], r["dtype"], r["layout"], r["direction"]): r for r in records if "workload" in r}
        self.machine = next((r for r in records if "machine" in r), None)

    def timed(self, label: str) -> bool:
        return any(label in record["cold"] for record in self.speeds.values())

    def having(self, key: str) -> list[Record]:
        return [record for record in self.all if key in record]

    @property
    def rate(self) -> float:
        """Bytes per microsecond, as a copy reads and writes them."""
        return 1e3 * (self.machine["found"][COPIED] if self.machine else ASSUMED)


def text(records: list[Record]) -> str:
    """Everything, as it stands in docs/performance.md."""
    them = Records(records)
    parts = [
        about(them),
        wrapped(TEXT),
        speeds(them, home),
        goals(them),
        *((speeds(them, other), kernels(them), laws(them), costs(them), profiled(them)) if records else ()),
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


def home(name: str) -> str:
    return HOMES.get(name, "NCHW")


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


def cell(value: float | None) -> str:
    return NOT_MEASURED if value is None else digits(value, 3)


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


# --- the goals ---


def goals(them: Records) -> str:
    """What issue and design ask for, beside what was estimated and what was measured."""
    lines = []
    for dtype, (direction, wanted) in itertools.product(DTYPES, ((FORWARD, 1.5), (TO_MAPS, 2.0))):
        for name in LIKE_TORCHVISION:
            record = them.speeds.get((name, dtype, home(name), direction))
            times = record["cold"] if record else {}
            ratio = times[TORCHVISION] / times[OURS] if {TORCHVISION, OURS} <= set(times) else None
            ours, theirs = ESTIMATES[name, direction]
            estimate = f"{theirs} / {ours} us" if dtype == "float32" else ""
            words = f"{name}, {direction}: times as quick as torchvision"
            lines.append([words, dtype, f"at least {wanted:g}", estimate, verdict(ratio, wanted, at_least=True)])
    for dtype, direction, name in itertools.product(DTYPES, (FORWARD, TO_MAPS), ("W6", "W7")):
        record = them.speeds.get((name, dtype, home(name), direction))
        ratio = record["cold"][OURS] / (record["moved"] / them.rate) if record and OURS in record["cold"] else None
        words = f"{name}, {direction}: times the floor"
        lines.append([words, dtype, "at most 2", "", verdict(ratio, 2, at_least=False)])
    small = [
        r["us"] for r in them.having("overhead") if "smallest" in r["overhead"] and "validate=False" in r["overhead"]
    ]
    lines.append(
        [
            "a small call: us of Python and launches",
            "float32",
            "at most 25",
            "",
            verdict(max(small, default=None), 25, at_least=False),
        ]
    )
    return markdown(["goal", "type", "wanted", "estimated", "measured"], lines, texts=2)


def verdict(value: float | None, wanted: float, *, at_least: bool) -> str:
    if value is None:
        return NOT_MEASURED
    met = value >= wanted if at_least else value <= wanted
    return f"{digits(value, 3)}, {'met' if met else 'missed'}"


# --- everything else ---


def kernels(them: Records) -> str:
    """What each kernel of a call takes, one after the other and warm."""
    lines = [
        [*key, " + ".join(f"{kernel} {digits(time, 3)}" for kernel, time in record["kernels"])]
        for key, record in them.speeds.items()
        if record["kernels"]
    ]
    return (
        markdown(["workload", "type", "layout", "what", "kernels of a call, us, warm"], lines, texts=5) if lines else ""
    )


def laws(them: Records) -> str:
    lines = []
    for record in them.having("laws"):
        counts = "; ".join(f"{way}: {same} of {values}" for way, (values, same) in record["laws"].items())
        lines.append([record["part"], f"{record['calls']} calls; values with the CPU's bits: {counts}"])
    for record in them.having("repeats"):
        words = (
            f"{record['calls']} calls, {record['results']} result; {record['same']} of {record['values']} values with"
        )
        lines.append([f"gradient bits: {record['repeats']}", f"{words} the CPU's bits"])
    lines += [[record["law"], record["words"]] for record in them.having("law")]
    lines += [[record["part"], f"WRONG: {record['wrong']}"] for record in them.having("wrong")]
    return markdown(["law", "what was found"], lines, texts=2) if lines else ""


def costs(them: Records) -> str:
    lines = []
    for record in them.having("overhead"):
        inside = ", ".join(f"{what} {digits(value, 2)}" for what, value in record["inside"].items())
        gpu = " + ".join(f"{kernel} {digits(time, 2)}" for kernel, time in record["kernels"])
        lines.append([record["overhead"], digits(record["us"], 3), inside, gpu])
    for record in them.having("compiling"):
        firsts = {name: seconds for name, seconds in record["seconds"].items() if not name.startswith("second")}
        lines += [
            [f"{name}, {record['compiling']}", digits(1e6 * s, 3), "", ""] for name, s in firsts.items() if s < 1e3
        ]
    return markdown(["call", "us of the host", "of which", "the device"], lines, texts=1) if lines else ""


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
    words += [f"* {record['note']}" for record in them.having("note")]
    return "\n".join(["Not measured:", "", *words]) if words else ""
