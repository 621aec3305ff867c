"""How long the first call of a process takes: with an empty folder of compiled kernels, and with a full one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from .machine import Machine

if TYPE_CHECKING:
    from .parts import Run

FOLDER = "CYROI_CACHE_DIR"
KERNELS = "kernels compiled or loaded"


def run(run: Run) -> None:
    options = ["--dry-run"] if run.dry else []
    with tempfile.TemporaryDirectory() as folder:
        for state in ("cold", "warm"):
            done = subprocess.run(
                [sys.executable, "-P", "-m", "gpu.compiling", *options], env=os.environ | {FOLDER: folder},
                stdout=subprocess.PIPE, text=True, timeout=max(run.left, 1), check=True,
            )  # fmt: skip
            found = json.loads(done.stdout.splitlines()[-1])
            run.record(compiling=state, seconds=found)
            shown = ", ".join(f"{what} {value:.3g}" for what, value in found.items())
            run.say(f"{state}: {shown} (s, but for the kernels)")
        files = os.listdir(folder)
        run.record(files=len(files))
        run.say(f"{len(files)} files of compiled kernels")


def first_calls(machine: Machine) -> dict[str, float]:
    """Seconds of each first call, until its result is there, and of the second one."""
    from support.operators import OPERATORS

    found: dict[str, float] = {}
    count = counted_kernels(machine)
    for layout in ("NCHW", "NHWC"):
        operator = OPERATORS[0]
        call = operator.call(np.random.default_rng(0), shape=(2, 64, 32, 32), boxes=20, layout=layout)
        call |= {"output_size": 7, "sampling_ratio": 2}
        shape = (20, 64, 7, 7) if layout == "NCHW" else (20, 7, 7, 64)
        back = operator.backward_call(call, np.ones(shape, np.float32), operator.maps)
        for title, function, arguments in (
            ("forward", operator.function, call),
            ("to the maps", operator.backward, back),
            ("to the boxes", operator.backward, back | {"wrt": "boxes"}),
        ):
            names = {operator.maps, "grad_output", "boxes"}
            given = {name: machine.put(it) if name in names else it for name, it in arguments.items()}
            for time_of in ("first", "second"):
                machine.wait()
                start = time.perf_counter()
                function(**given)
                machine.wait()
                found[f"{time_of} {title}, {layout}"] = time.perf_counter() - start
    return found | {KERNELS: float(len(count))}


def counted_kernels(machine: Machine) -> set[Any]:
    """Fills with every different kernel that is asked for."""
    seen: set[Any] = set()
    plain = machine.device.kernel

    def kernel(file: str, macros: Any) -> Any:
        seen.add((file, *macros.items()))
        return plain(file, macros)

    machine.device.kernel = kernel
    return seen


if __name__ == "__main__":
    before = time.perf_counter()
    opened = Machine(dry="--dry-run" in sys.argv)
    opened.wait()
    began = {"import and first use of the device": time.perf_counter() - before}
    print(json.dumps(began | first_calls(opened)))
