"""The device that is measured: CUDA's, or for a dry run the tests' emulator. Arrays, events, routes, launches.

Everything goes through `cyroi.gpu.device`, which both have; a real one has events and a processor beside.
"""

from __future__ import annotations

import contextlib
import math
import statistics
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

Call = Callable[[], object]

L2_TIMES = 4  # what is cleared before a cold call, in sizes of the L2 cache
LEAST_SCRAP = 256 << 20
MOST_FLUSHES = 100


class Event:
    """What a dry run has for an event of CUDA: the host's clock."""

    def record(self) -> None:
        self.seconds = time.perf_counter()


class Machine:
    """Opened once per process."""

    def __init__(self, *, dry: bool) -> None:
        self.dry = dry
        self.device = emulated() if dry else real()
        self.scrap = self.device.empty((self._scrap_size(),), np.uint8)

    def _scrap_size(self) -> int:
        if self.dry:
            return 1 << 10
        return max(LEAST_SCRAP, L2_TIMES * self.attributes()["L2CacheSize"])

    def attributes(self) -> dict[str, Any]:
        import cupy

        return cupy.cuda.Device().attributes

    def describe(self) -> str:
        """GPU, its processors and L2, driver, CuPy."""
        if self.dry:
            return "the emulator, on the host (a dry run: nothing here is a time of a GPU)"
        import cupy

        about, runtime = self.attributes(), cupy.cuda.runtime
        name = runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode()
        driver = runtime.driverGetVersion()
        return (
            f"{name}, {about['MultiProcessorCount']} SMs at up to {about.get('ClockRate', 0) / 1e6:.2f} GHz, L2"
            f" {about['L2CacheSize'] >> 20} MiB, driver for CUDA {driver // 1000}.{driver % 1000 // 10}, CuPy"
            f" {cupy.__version__}, NVRTC {'.'.join(map(str, cupy.cuda.nvrtc.getVersion()))}, NumPy {np.__version__}"
        )

    def put(self, array: np.ndarray) -> Any:
        return self.device.upload(array)

    def get(self, array: Any) -> np.ndarray:
        return self.device.download(array)

    def event(self) -> Any:
        if self.dry:
            return Event()
        import cupy

        return cupy.cuda.Event()

    def microseconds(self, before: Any, after: Any) -> float:
        """Between two recorded events, once `wait` has returned."""
        if self.dry:
            return 1e6 * (after.seconds - before.seconds)
        import cupy

        return 1e3 * float(cupy.cuda.get_elapsed_time(before, after))

    def wait(self) -> None:
        if not self.dry:
            import cupy

            cupy.cuda.get_current_stream().synchronize()

    def flush(self) -> None:
        """Puts other things into L2."""
        self.device.clear(self.scrap)

    @cached_property
    def flush_time(self) -> float:
        """Microseconds of a flush."""
        times = []
        for _ in range(5):
            before, after = self.event(), self.event()
            before.record()
            self.flush()
            after.record()
            self.wait()
            times.append(self.microseconds(before, after))
        return statistics.median(times)

    def occupy(self, microseconds: float) -> None:
        """Flushes for so long, at least once: while the host queues what is timed next, the device must not wait."""
        wanted = 1 if self.dry else math.ceil(microseconds / self.flush_time)
        for _ in range(min(max(wanted, 1), MOST_FLUSHES)):
            self.flush()


def real() -> Any:
    from cyroi.gpu import device

    return device


def emulated() -> Any:
    """The emulator, in the place of the device's functions."""
    from cyroi.gpu import device
    from support.cuda import device as emulator

    emulator.install(device)
    return device


# --- routes ---


@contextlib.contextmanager
def forced(route: str | None) -> Iterator[None]:
    """The route that all calls inside take; None: what is chosen for each. AttributeError where none can be chosen."""
    from cyroi.gpu import routes

    before = routes.force
    routes.force = route
    try:
        yield
    finally:
        routes.force = before


# --- samples ---


def queued(machine: Machine, call: Call) -> float:
    """Microseconds that the host takes for a call while the device does something else."""
    times = []
    for _ in range(3):
        machine.wait()
        start = time.perf_counter()
        call()
        times.append(1e6 * (time.perf_counter() - start))
    machine.wait()
    return statistics.median(times)


def interleaved(machine: Machine, calls: dict[str, list[Call]], rounds: int, *, cold: bool) -> dict[str, float]:
    """Median microseconds of each contender. Each has a call per set of inputs, which the rounds take in turn.

    Cold: after something else went through L2; warm: after the same call. Each round has an order of its own.
    """
    ahead = {label: (1.5 if cold else 3) * queued(machine, them[0]) for label, them in calls.items()}
    pairs: dict[str, list[tuple[Any, Any]]] = {label: [] for label in calls}
    rng = np.random.default_rng(0)
    for number in range(rounds):
        for label in rng.permutation(list(calls)):
            call = calls[label][number % len(calls[label])]
            machine.occupy(ahead[label])
            if not cold:
                call()
            before, after = machine.event(), machine.event()
            before.record()
            call()
            after.record()
            pairs[label].append((before, after))
        machine.wait()  # so that no queue fills up
    return {label: statistics.median(machine.microseconds(*pair) for pair in them) for label, them in pairs.items()}


def kernels(machine: Machine, call: Call, repeats: int) -> list[tuple[str, float]]:
    """The kernels that a call launches, in order, each with its median microseconds; warm."""
    seen: list[list[tuple[str, Any, Any]]] = []
    ahead = 4 * queued(machine, call)
    with watched(machine) as launches:
        for _ in range(repeats):
            machine.occupy(ahead)
            call()
            call()
            seen.append(list(launches))
            launches.clear()
    machine.wait()
    last = [it[len(it) // 2 :] for it in seen]  # of the second call
    return [
        (same[0][0], statistics.median(machine.microseconds(before, after) for _, before, after in same))
        for same in zip(*last, strict=True)
    ]


@contextlib.contextmanager
def watched(machine: Machine) -> Iterator[list[tuple[str, Any, Any]]]:
    """Collects the name of every kernel that is launched, and the events around it."""
    device, found = machine.device, []
    plain = device.launch

    def launch(kernel: Any, function: str, *rest: Any, **named: Any) -> Any:
        before, after = machine.event(), machine.event()
        before.record()
        result = plain(kernel, function, *rest, **named)
        after.record()
        found.append((function, before, after))
        return result

    device.launch = launch
    try:
        yield found
    finally:
        device.launch = plain
