"""The command: time, print the tables, and with --write put them into docs/performance.md and README.md."""

from __future__ import annotations

import argparse
import platform
import sys
import textwrap
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
from benchmarks.workloads import WORKLOADS

import cyroi

from . import gradients, peers
from .compare import Asked, agreeing, largest_value
from .contender import (
    TOLERANCE,
    Contender,
    Maker,
    floors,
    with_classic,
    with_cyroi,
    with_fresh_result,
    with_reference,
)
from .summary import summary
from .table import Row, replace_marked, table
from .timing import medians

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT, README = ROOT / "docs" / "performance.md", ROOT / "README.md"
REFERENCE, CLASSIC, FRESH = "NumPy reference", "classic", "fresh result"
LONG = ("W8",)  # a call of a peer, or of the classic kernel, takes a minute: they take part only when asked for
SMALL = ("W2", "W5_1", "W5_10", "W7", "smallest_roi", "smallest_crop")  # where the reference takes part
OVERHEAD = ("W5_1", "W5_10", "smallest_roi", "smallest_crop")  # calls whose memory costs nothing: they have no floor
DEFAULT = (
    *("W1", "W1a", "W2", "W3", "W4", "W5_1", "smallest_roi", "W6", "W6_nchw", "W7", "W8"),
    *("W9_5", "W9_8", "W9_16", "W9_32", "W9_reversed", "W9_few"),
)


def main() -> None:
    options = parse_options()
    modules, notes = peers.load()
    rows, gradient_rows = [], []
    for name in options.workloads:
        makers: dict[str, Maker] = {}
        if options.all_peers or name not in LONG:
            operator = WORKLOADS[name].operator
            makers = {CLASSIC: partial(with_classic, operator), **peers.makers(modules, operator)}
        for threads in options.threads:
            contenders = prepare(name, threads, makers, notes)
            timed = {label: it.run for label, it in contenders.items()}
            rows.append(measured(Row(name, threads, medians(timed, options.rounds))))
            if name in gradients.GRADIENTS:
                del contenders, timed  # their memory
                calls = gradients.calls(name, threads, modules, notes)
                gradient_rows.append(measured(Row(name, threads, medians(calls, options.rounds))))
    titles = list(peers.PEERS)
    content = "\n\n".join(
        part
        for part in (
            describe(options, modules),
            table(rows, [CLASSIC, *titles, REFERENCE]),
            legend(modules),
            not_timed(notes),
            gradients.text(gradient_rows, titles),
        )
        if part
    )
    print(content)
    short = summary(rows, gradient_rows, titles, f"{cpu()}, {capability()}.")
    if options.write:
        write(DOCUMENT, content)
        write(README, short)


def measured(row: Row) -> Row:
    """The row, which is also told to whoever waits."""
    shown = ", ".join(f"{label} {1e3 * value:.3g}" for label, value in row.seconds.items())
    print(f"{row.workload}, threads: {row.threads}; ms: {shown}", file=sys.stderr, flush=True)
    return row


def write(document: Path, content: str | None) -> None:
    if content is None:
        print(f"{document.name} is left as it is: not all of its workloads were timed", file=sys.stderr)
        return
    document.write_text(replace_marked(document.read_text(encoding="utf-8"), content), encoding="utf-8")


def prepare(name: str, threads: int, others: dict[str, Maker], notes: list[str]) -> dict[str, Contender]:
    """All contenders of one workload that compute the same as cyroi, which is first; a note on each of the others."""
    workload = WORKLOADS[name]
    operator, arguments, shape = workload.operator, workload.arguments(), workload.result_shape
    makers = {FRESH: partial(with_fresh_result, operator), **others}
    if name in SMALL:
        makers[REFERENCE] = partial(with_reference, operator)
    ours = with_cyroi(operator, arguments, shape, threads)
    ours.run()
    if np.isnan(ours.result()).any():
        raise SystemExit(f"{name}: cyroi left NaN in its result")
    asked = Asked(name, arguments, shape, threads, ours.result(), largest_value(arguments[workload.maps]))
    contenders = {"cyroi": ours, **agreeing(asked, makers, notes, required=(REFERENCE, CLASSIC, FRESH))}
    if name not in OVERHEAD:
        try:
            contenders |= floors(operator, arguments, threads)
        except RuntimeError as error:
            notes.append(f"floor of {name}, threads: {threads}: {error}")
    return contenders


def describe(options: argparse.Namespace, modules: dict[str, ModuleType]) -> str:
    versions = ", ".join([f"numpy {np.__version__}", *peers.versions(modules)])
    machine = f"cyroi {cyroi.__version__} ({capability()}), {versions}; {cpu()}."
    return (
        f"{textwrap.fill(machine, 120, break_on_hyphens=False)}\n"
        f"Milliseconds per call, float32, medians of {options.rounds} interleaved rounds; in brackets: times as long as"
        " cyroi."
    )


def legend(modules: dict[str, ModuleType]) -> str:
    """What the columns mean, wrapped like the document."""
    general = (
        "cyroi is timed with `out=`; `fresh result` is cyroi without it. `floor` reads every row that a box touches"
        " once per box and channel and writes the result once; `x floor` is cyroi in floors; `once` reads every byte of"
        " the maps once and writes the result once, whatever the boxes. `classic` is cyroi.reference.classic, the loop"
        " over samples that everybody writes. The NumPy reference computes in float64 on one thread. Peers write into"
        " memory that exists already unless said otherwise, and have their maps in their own layout beforehand. Results"
        " agree with cyroi's to"
        f" {TOLERANCE:g} of the largest map value unless said otherwise."
    )
    notes = [f"* {title} {module.NOTE}" for title, module in modules.items() if hasattr(module, "NOTE")]
    wrapped = [textwrap.fill(note, 120, subsequent_indent="  ", break_on_hyphens=False) for note in notes]
    return "\n".join([textwrap.fill(general, 120), "", *wrapped])


def not_timed(notes: list[str]) -> str:
    return "Not timed:\n\n" + "\n".join(f"* {note}" for note in notes) if notes else ""


def capability() -> str:
    return str(cyroi.show_config()["cpu_capability"])


def cpu() -> str:
    """Model and number of the CPUs, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    count = cyroi.show_config()["affinity"]
    return f"{models[0] if models else platform.processor() or platform.machine()}, {count} CPUs"


def integers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ci/bench.sh", description=__doc__)
    some = f"some of {','.join(WORKLOADS)}; default: {','.join(DEFAULT)}"
    parser.add_argument("--workloads", default=",".join(DEFAULT), help=some)
    parser.add_argument("--rounds", type=int, default=7, help="samples of each contender; default: 7")
    parser.add_argument("--threads", type=integers, default=[1, 2], help="default: 1,2")
    parser.add_argument("--all-peers", action="store_true", help=f"peers also on {', '.join(LONG)}: minutes a call")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md and README.md")
    # ci/bench.sh takes what it knows of it out of the arguments.
    parser.add_argument("--with", dest="extra", choices=("torch", "tensorflow"), help="install this peer too")
    options = parser.parse_args()
    options.workloads = options.workloads.split(",")
    if unknown := set(options.workloads) - set(WORKLOADS):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")
    if min(options.rounds, *options.threads) < 1:
        parser.error("--rounds and --threads must be at least 1")
    return options


if __name__ == "__main__":
    main()
