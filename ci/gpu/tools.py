"""What NVIDIA's tools say: instructions and bytes of the kernels (ncu), and whether they keep to their memory and their
barriers (compute-sanitizer). Each runs a script of this package in a process of its own.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .parts import Run

METRICS = {
    "gpu__time_duration.sum": "time, us",
    "smsp__inst_executed.sum": "instructions of warps",
    "sm__inst_executed.avg.per_cycle_active": "IPC",
    "sm__warps_active.avg.pct_of_peak_sustained_active": "warps, %",
    "dram__bytes.sum": "bytes of memory",
    "lts__t_bytes.sum": "bytes of L2",
    "l1tex__t_bytes.sum": "bytes of L1",
    "launch__registers_per_thread": "registers",
}
PROFILED = (
    "W1/NCHW/forward", "W1/NCHW/to the maps", "W1/NCHW/to the boxes", "W1a/NCHW/forward", "W4/NCHW/to the maps",
    "W7/NHWC/forward", "W7/NHWC/to the maps", "W6/NHWC/forward",
)  # fmt: skip
NAMES = "regex:^(plan|gather|pixels|transpose|to_maps|to_pixels|to_boxes|add_up|store_sums)$"
CHECKS = ("memcheck", "racecheck")
FAULTY = 86  # exit status that compute-sanitizer is asked for


def found(name: str) -> str:
    """The path of a tool; Missing without it."""
    from .parts import Missing

    places = [shutil.which(name), *map(str, sorted(Path("/usr/local").glob(f"cuda*/bin/{name}")))]
    path = next((place for place in places if place), None)
    if path is None:
        raise Missing(f"{name} is not on this machine")
    return path


# --- the profiler ---


def profile(run: Run) -> None:
    specs = PROFILED[:1] if run.dry else PROFILED
    script = [sys.executable, "-P", "-m", "gpu.once", *specs]
    if run.dry:
        launches = run_of([*script, "--dry-run"], run).stdout
        return tell(run, launches, REHEARSED)
    command = [
        found("ncu"), "--csv", "--page", "raw", "--print-units", "base", "--clock-control", "none", "--kernel-name",
        NAMES, "--metrics", ",".join(METRICS), *script,
    ]  # fmt: skip
    try:
        done = run_of(command, run)
    except subprocess.TimeoutExpired:
        return run.note("it was stopped, for no time was left", "ncu")
    if done.returncode:
        tail = (done.stdout + done.stderr).strip().splitlines()[-3:]
        run.note(f"it ended with {done.returncode}: {' / '.join(tail)}", "ncu")
    tell(run, done.stdout, done.stdout)


def run_of(command: list[str], run: Run) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=max(run.left, 1), check=False)


REHEARSED = """==PROF== a line of the tool's own
"ID","Kernel Name","gpu__time_duration.sum","smsp__inst_executed.sum"
"","","ns","inst"
"0","plan","2048","1,024"
"""


def tell(run: Run, output: str, table: str) -> None:
    """What the tool found, kernel by kernel. The script's own lines say which launches belong to what."""
    titles = launch_titles(output)
    for number, (name, values) in enumerate(rows(table)):
        title = titles[number] if number < len(titles) else "?"
        run.record(profiled=title, kernel=name, values=values)
        shown = ", ".join(f"{what} {value:.4g}" for what, value in values.items())
        run.say(f"{title}: {name}: {shown}")


def launch_titles(output: str) -> list[str]:
    """For each launch in order, what it belongs to: the script prints LAUNCHES, a number and a title."""
    titles: list[str] = []
    for line in output.splitlines():
        if line.startswith("LAUNCHES "):
            _, count, title = line.split(" ", 2)
            titles += [title] * int(count)
    return titles


def rows(table: str) -> Iterator[tuple[str, dict[str, float]]]:
    """Kernel names and values of the tool's table, in which a line of units follows the titles."""
    lines = [line for line in table.splitlines() if line.startswith('"')]
    units: dict[str, str] = {}
    for row in csv.DictReader(lines):
        if not row["ID"]:
            units = row
            continue
        values = {}
        for metric, title in METRICS.items():
            text = (row.get(metric) or "").replace(",", "")
            if text:
                values[title] = float(text) * (1e-3 if units.get(metric) in ("ns", "nsecond") else 1)
        yield row["Kernel Name"].split("(")[0], values


# --- the sanitizer ---


def sanitize(run: Run) -> None:
    script = [sys.executable, "-P", "-m", "gpu.small"]
    if run.dry:
        done = run_of([*script, "--dry-run"], run)
        if done.returncode:
            run.fail(f"the small calls end with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
        return
    for number, tool in enumerate(CHECKS):
        command = [found("compute-sanitizer"), "--tool", tool, "--error-exitcode", str(FAULTY), *script]
        seconds = max(run.left / (len(CHECKS) - number), 1)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            run.note(f"it was stopped after {seconds:.0f} s", tool)
            continue
        lines = (done.stdout + done.stderr).strip().splitlines()
        words = " / ".join([line for line in lines if "SUMMARY" in line] or lines[-2:])
        if done.returncode == FAULTY:
            for line in lines[:40]:
                run.say(f"  {line}")
            run.fail(f"{tool}: {words}")
        elif done.returncode:
            run.note(f"it ended with {done.returncode}: {words}", tool)
        else:
            run.record(law=tool, words=words)
            run.say(f"{tool}: {words}")
