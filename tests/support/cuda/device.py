"""What stands for `cyroi.gpu.device` on a machine without a GPU."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping
from typing import Any

import cupy
import numpy as np

from .compiled import INCLUDE, KERNELS, Kernel, compile, compiler, options
from .memory import POISON, Fault, Memory, extent, living, on_device, on_host, on_memory, sanitizer

__all__ = [
    "INCLUDE", "KERNELS", "POISON", "Fault", "Kernel", "Memory", "compile", "compiler", "extent", "living", "on_device",
    "on_host", "on_memory", "options", "sanitizer",
]  # fmt: skip


def array_of(name: str, value: Any) -> Any:
    if isinstance(value, cupy.ndarray):
        return value.view()
    known = value.__cuda_array_interface__
    return on_memory(value, known["data"][0], known["shape"], known["typestr"], known.get("strides"))


def on(array: Any) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


def empty(shape: Any, dtype: Any) -> Any:
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    memory = Memory(int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize)
    return on_memory(memory, memory.address, shape, dtype)


def clear(array: Any) -> None:
    assert array.flags.c_contiguous
    on_host(array)[...] = np.zeros((), array.dtype)


def upload(array: np.ndarray) -> Any:
    made = empty(array.shape, array.dtype)
    on_host(made)[...] = array
    return made


def download(array: Any) -> np.ndarray:
    return on_host(array).copy()


def ask_flags(array: Any) -> list[int]:
    assert array.dtype == np.int32
    assert array.size == 1
    return [int(on_host(array).reshape(())[()])]


def read_flags(asked: list[int]) -> int:
    return asked[0]


def capturing() -> bool:
    return False


def keep(array: Any) -> None:
    """For a captured stream alone, which there is not."""


def location(array: Any) -> str:
    return f"cuda:{array.data.device_id}"


@functools.cache
def kernel_of(file: str, macros: tuple[tuple[str, str], ...]) -> Kernel:
    return Kernel(file, dict(macros))


def kernel(file: str, macros: Mapping[str, str]) -> Kernel:
    return kernel_of(file, tuple(sorted(macros.items())))


def launch(kernel: Kernel, name: str, grid: Any, threads: Any, shared: int, job: Any) -> None:
    kernel.launch(name, grid, threads, shared, job)


INTERFACE = (
    "array_of", "on", "empty", "clear", "upload", "download", "ask_flags", "read_flags", "capturing", "keep", "kernel",
    "launch", "location",
)  # fmt: skip


def install(device: Any, set_attribute: Any = setattr) -> None:
    """Puts the functions of this file in the place of those of `device`, the module `cyroi.gpu.device`."""
    from cyroi.gpu import again

    again.forget()  # calls that were made with other functions in their place
    for name in INTERFACE:
        set_attribute(device, name, globals()[name])
