"""Time of every operator and its gradients on a GPU; skipped without one. Figures of different GPUs do not compare."""

from __future__ import annotations

import timeit
from functools import partial
from typing import Any, ClassVar

import cyroi

from .cases import Timed, case
from .workloads import WORKLOADS

DTYPES = ["float32", "float16"]


def device() -> Any:
    """CuPy with a device to work on; NotImplementedError, by which asv skips a benchmark, without."""
    try:
        import cupy
    except ImportError as error:
        raise NotImplementedError("CuPy is not installed") from error
    if not cupy.cuda.is_available():
        raise NotImplementedError("CuPy finds no GPU")
    return cupy


class _OnDevice(Timed):
    """Calls with arrays on the device, into a result that exists already, until that is there."""

    params: tuple[list[str], list[str]] = (["W1", "W1a", "W3", "W4", "W6", "W7"], DTYPES)
    param_names = ("workload", "dtype")
    timer = timeit.default_timer

    def prepared(self, workload: str, dtype: str) -> tuple[dict[str, Any], Any]:
        """Arguments and a result, on the device."""
        cupy, chosen = device(), WORKLOADS[workload]
        arguments, result = case(workload)
        maps = cupy.asarray(arguments[chosen.maps].astype(dtype))
        there = {name: cupy.asarray(arguments[name]) for name in ("boxes", "box_indices") if name in arguments}
        self.wait = cupy.cuda.get_current_stream().synchronize
        result.fill(1)
        return {**arguments, **there, chosen.maps: maps}, cupy.asarray(result.astype(dtype))

    def run(self) -> None:
        self.call()
        self.wait()


class Forward(_OnDevice):
    params: ClassVar = _OnDevice.params

    def setup(self, workload: str, dtype: str) -> None:
        arguments, out = self.prepared(workload, dtype)
        self.call = partial(getattr(cyroi, WORKLOADS[workload].operator), **arguments, out=out)
        self.run()  # compiles, and fills the pool of memory

    def time_forward(self, workload: str, dtype: str) -> None:
        self.run()


class Backward(_OnDevice):
    params: ClassVar = (*_OnDevice.params, ["maps", "boxes"])
    param_names = ("workload", "dtype", "wrt")

    def setup(self, workload: str, dtype: str, wrt: str) -> None:
        arguments, grad_output = self.prepared(workload, dtype)
        chosen = WORKLOADS[workload]
        name = chosen.maps if wrt == "maps" else "boxes"
        others = {key: value for key, value in arguments.items() if key not in ("output_size", "crop_size")}
        backward = getattr(cyroi, f"{chosen.operator}_backward")
        self.call = partial(backward, grad_output, **others, wrt=name, out=arguments[name].copy())
        self.run()  # compiles, and fills the pool of memory

    def time_backward(self, workload: str, dtype: str, wrt: str) -> None:
        self.run()
