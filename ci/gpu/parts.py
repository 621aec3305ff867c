"""The process of one part:  python -P -m gpu.parts NAME RECORDS SECONDS [--dry-run]

It prints what it finds, and appends it to the file RECORDS, a JSON object a line, so that what was found before a crash
is not lost. Exits 1 if something is wrong, 2 if something is missing.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from .machine import Machine


class Missing(Exception):
    """A part lacks something on this machine; the words say what."""


@dataclass
class Run:
    """What a part gets."""

    part: str
    records: Path
    seconds: float
    dry: bool

    def __post_init__(self) -> None:
        self.end = time.monotonic() + self.seconds
        self.wrong = 0

    def machine(self) -> Machine:
        return Machine(dry=self.dry)

    @property
    def left(self) -> float:
        return self.end - time.monotonic()

    def say(self, text: str) -> None:
        print(text, flush=True)

    def record(self, **values: Any) -> None:
        with self.records.open("a") as file:
            file.write(json.dumps({"part": self.part, **values}) + "\n")

    def note(self, words: str, where: str) -> None:
        """Something is not measured."""
        self.say(f"not measured: {where}: {words}")
        self.record(note=words, where=where)

    def fail(self, text: str) -> None:
        """Something is wrong with what is measured."""
        self.wrong += 1
        self.say(f"WRONG: {text}")
        self.record(wrong=text)


class Part(NamedTuple):
    run: Callable[[Run], None]
    seconds: float
    group: str = ""  # parts of a group, which follow each other, run at the same time


def all_parts() -> dict[str, Part]:
    from . import compiling, laws, laws_of_a_device, overhead, plans, probes, repeats, speed, tools
    from .cases import NAMES

    return {
        "machine": Part(probes.run, 30),
        "plans": Part(plans.run, 60, "laws"),
        **{f"laws of {name}": Part(laws.of(types), 75, "laws") for name, types in laws.TYPES.items()},
        "laws of random calls": Part(laws.random_calls, 75, "laws"),
        "laws of a device": Part(laws_of_a_device.run, 60, "laws"),
        "bits": Part(repeats.run, 30),
        "overhead": Part(overhead.run, 20),
        **{f"speed of {name}": Part(speed.of(name), 40) for name in NAMES},
        "compiling": Part(compiling.run, 60),
        "profiler": Part(tools.profile, 60),
        "sanitizer": Part(tools.sanitize, 90),
    }


def main(name: str, records: str, seconds: str, *options: str) -> int:
    run = Run(name, Path(records), float(seconds), "--dry-run" in options)
    warnings.simplefilter("ignore", UserWarning)  # random boxes reach beyond their image
    try:
        all_parts()[name].run(run)
    except Missing as missing:
        run.say(f"{name}: {missing}")
        run.record(missing=str(missing))
        return 2
    except Exception as error:
        traceback.print_exc()
        run.record(wrong=f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}")
        return 1
    return 1 if run.wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
