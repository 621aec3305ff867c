"""One call of each of some workloads, for a profiler:  python -P -m gpu.once W1/NCHW/forward ... [--dry-run]

Prints for each how many kernels it launched: LAUNCHES, their number, the title.
"""

from __future__ import annotations

import sys

from .cases import Case
from .contenders import Inputs, ours
from .machine import Machine, watched


def main(*specs: str) -> None:
    dry = "--dry-run" in specs
    machine = Machine(dry=dry)
    for spec in specs:
        if spec.startswith("--"):
            continue
        name, layout, direction = spec.split("/")
        inputs = Inputs(machine, Case(name, "float32", layout, tiny=dry), 1)
        call = ours(inputs, direction, validate=False).calls[0]
        with watched(machine) as launches:
            call()
        machine.wait()
        print(f"LAUNCHES {len(launches)} {name}, {layout}, {direction}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
