"""What the machine can do: copies, memory that is read again, a kernel that does nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import atomics
from .machine import Machine, interleaved

if TYPE_CHECKING:
    from .parts import Run

COPIED = 1 << 30  # bytes
READ = (4 << 20, 16 << 20, 24 << 20, 40 << 20, 512 << 20)
TINY = 1 << 12
ROUNDS = 10


def run(run: Run) -> None:
    machine = run.machine()
    about = machine.describe()
    run.say(about)
    found: dict[str, float] = {}
    rounds = 1 if run.dry else ROUNDS
    size = TINY if run.dry else COPIED
    source, target = (machine.device.empty((size // 4,), np.float32) for _ in range(2))
    machine.device.clear(source)
    time = interleaved(machine, {"copy": [lambda: copy(machine, source, target)]}, rounds, cold=False)["copy"]
    found["copy, GB/s"] = 2 * size / time / 1e3
    code = atomics.compiled("float32", dry=run.dry)
    for part in READ:
        part = min(part, size)
        times = max(1, size // part)
        call = again(code, source, target, part, times)
        time = interleaved(machine, {"read": [call]}, rounds, cold=False)["read"]
        found[f"{part >> 20} MiB read again, GB/s"] = part * times / time / 1e3
    nothing = again(code, source, target, 0, 1)
    found["a kernel of nothing, us"] = interleaved(machine, {"nothing": [nothing]}, rounds, cold=False)["nothing"]
    run.record(machine=about, found=found)
    run.say("; ".join(f"{what}: {value:.4g}" for what, value in found.items()))


def again(code: atomics.Host | atomics.Device, source: Any, target: Any, size: int, times: int) -> Any:
    count = size // 16
    grid = 8 * code.processors
    return lambda: code.launch("read_again", grid, np.int32(count), source, target, np.int32(times))


def copy(machine: Machine, source: Any, target: Any) -> None:
    if machine.dry:
        machine.get(target)[...] = machine.get(source)
    else:
        target.data.copy_from_device_async(source.data, source.nbytes)
