"""CuPy arrays on memory of the host: genuine ones, which CuPy makes without a driver if it is told where memory lies.

What a kernel writes past either end of an array that the emulator made is an error of its launch.
"""

from __future__ import annotations

import ctypes
import functools
import weakref
from collections.abc import Sequence
from typing import Any

import cupy
import numpy as np

POISON = np.uint32(0x7FA5A5A5)  # that of block.h
ALIGNED = 512  # as CuPy's memory is
FENCE = 64  # bytes before and after an array


class Fault(AssertionError):
    """What a kernel did and must not."""


@functools.cache
def sanitizer() -> ctypes.CDLL | None:
    """The address sanitizer, where it was loaded with this process (ci/emulator.sh)."""
    process = ctypes.CDLL(None)
    return process if hasattr(process, "__asan_poison_memory_region") else None


living: weakref.WeakSet[Memory] = weakref.WeakSet()


class Memory:
    """`size` bytes of poison between two fences."""

    def __init__(self, size: int) -> None:
        whole = np.empty(size + 2 * ALIGNED + FENCE + 4, np.uint8)
        start = -whole.ctypes.data % ALIGNED + ALIGNED
        words = whole[start - FENCE : start + (size + FENCE + 3) // 4 * 4]
        words.view(np.uint32)[:] = POISON
        words.view(np.uint32)[1::2] |= 1 << 31  # as whole numbers, too large and too small ones
        self.size = size
        self.address = whole.ctypes.data + start
        self.fences = (whole[start - FENCE : start], whole[start + size : start + size + FENCE - 4])
        self.kept = [fence.tobytes() for fence in self.fences]
        living.add(self)
        self._forbid("poison")

    def __del__(self) -> None:
        self._forbid("unpoison")

    def _forbid(self, what: str) -> None:
        """Where there is the sanitizer, reads outside are errors too."""
        tool = sanitizer()
        for fence in self.fences if tool else ():
            size = ctypes.c_size_t(fence.nbytes)
            getattr(tool, f"__asan_{what}_memory_region")(ctypes.c_void_p(fence.ctypes.data), size)

    def check(self) -> None:
        if sanitizer():
            return
        found = [fence.tobytes() for fence in self.fences]
        if found != self.kept:
            self.kept = found  # it is seen once
            raise Fault(f"a kernel writes past an end of an array of {self.size} bytes")


def on_memory(owner: Any, address: int, shape: Sequence[int], dtype: Any, strides: Any = None, device: int = 0) -> Any:
    """A CuPy array over memory of the host that `owner` keeps."""
    low, high = extent(shape, np.dtype(dtype).itemsize, strides)
    memory = cupy.cuda.UnownedMemory(address + low, max(high - low, 1), owner, device)
    return cupy.ndarray(tuple(shape), dtype, cupy.cuda.MemoryPointer(memory, -low), strides)


def extent(shape: Sequence[int], itemsize: int, strides: Any) -> tuple[int, int]:
    """Where the elements begin and end, from the address of the first one on."""
    if 0 in shape:
        return 0, 0
    if strides is None:
        return 0, int(np.prod(shape, dtype=np.int64)) * itemsize
    steps = [(n - 1) * stride for n, stride in zip(shape, strides, strict=True)]
    return sum(min(step, 0) for step in steps), sum(max(step, 0) for step in steps) + itemsize


def on_device(array: np.ndarray, device: int = 0) -> Any:
    """A CuPy array over the memory of `array`."""
    return on_memory(array, array.ctypes.data, array.shape, array.dtype, array.strides, device)


def on_host(array: Any) -> np.ndarray:
    """A NumPy array over the memory of a CuPy array."""
    low, high = extent(array.shape, array.itemsize, array.strides)
    memory = (ctypes.c_char * (high - low)).from_address(array.data.ptr + low)
    memory.owner = array  # type: ignore[attr-defined]  # lives as long as views of the buffer do
    return np.ndarray(array.shape, array.dtype, memory, -low, array.strides)
