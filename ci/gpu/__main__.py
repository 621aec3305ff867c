"""The command: every part in a process of its own, in turns or beside each other, and the tables last."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from bench.table import replace_marked

from . import report
from .parts import Part, all_parts

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "performance.md"
GRACE = 5.0  # a part looks at its own time and ends by itself; this is for one that hangs
SECONDS = 470.0  # of all parts together, so that the command ends within 8 minutes
ENDED = {0: "done", 1: "SOMETHING IS WRONG", 2: "something is missing here"}


def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    end = time.monotonic() + options.seconds
    parts = all_parts()
    chosen = {name: parts[name] for name in options.parts or parts}
    bad = []
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder, "records")
        records.touch()
        for together in grouped(chosen):
            bad += run(together, records, end, options.dry_run)
        found = [json.loads(line) for line in records.read_text().splitlines()]
    content = report.text(found)
    print(f"\n{content}\n")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    if options.write:
        write(content)
    print("VERDICT:", f"NOT RIGHT: {', '.join(bad)}" if bad else "nothing that ran is wrong")
    return 1 if bad else 0


def grouped(parts: dict[str, Part]) -> Iterator[dict[str, Part]]:
    """Parts that run beside each other, and every other one alone."""
    for _, them in groupby(parts.items(), key=lambda it: it[1].group or it[0]):
        yield dict(them)


def run(parts: dict[str, Part], records: Path, end: float, dry: bool) -> list[str]:
    """Runs them at the same time, each within its limit; those in which something is wrong."""
    running = {}
    threads = max(1, (os.cpu_count() or 1) // len(parts))  # of the CPU's side of each
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "CYROI_NUM_THREADS": str(threads)}
    for name, part in parts.items():
        seconds = min(part.seconds, end - time.monotonic() - 2)
        if seconds < 3:
            tell(records, name, missing="no time was left")
            continue
        command = [sys.executable, "-P", "-m", "gpu.parts", name, str(records), str(seconds)]
        started = subprocess.Popen([*command, *(["--dry-run"] if dry else [])], env=environment)
        running[name] = started, time.monotonic(), seconds
    bad = []
    for name, (process, begin, seconds) in running.items():
        try:
            code = process.wait(max(begin + seconds + GRACE - time.monotonic(), 0.1))
            words = ENDED.get(code, f"its process ended with {code}")
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code, words = -1, f"stopped after {seconds:.0f} s"
        print(f"[{name}: {words}, {time.monotonic() - begin:.1f} s]", flush=True)
        if code not in ENDED:
            tell(records, name, wrong=words)
        if code not in (0, 2):
            bad.append(name)
    return bad


def tell(records: Path, name: str, **values: str) -> None:
    with records.open("a") as file:
        file.write(json.dumps({"part": name, **values}) + "\n")


def write(content: str) -> None:
    before = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(replace_marked(before, content, report.BEGIN, report.END), encoding="utf-8")


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ci/gpu.sh", description=__doc__)
    parser.add_argument("--parts", type=lambda text: text.split(","), help=f"some of {','.join(all_parts())}")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"of all parts together; default: {SECONDS:g}")
    parser.add_argument("--dry-run", action="store_true", help="on the tests' emulator, with tiny workloads")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    parser.add_argument("--json", type=Path, help="put everything that was found into this file")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts or ()) - set(all_parts()):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if options.write and options.dry_run:
        parser.error("a dry run measures nothing that could be written")
    return options


if __name__ == "__main__":
    sys.exit(main())
