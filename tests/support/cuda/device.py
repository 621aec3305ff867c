"""What stands for `cyroi.gpu.device` on a machine without a GPU: CuPy arrays on host memory, kernels compiled by g++.

The arrays are genuine: CuPy makes shapes, views and strides without a driver, if it is told where the memory lies. What
a kernel writes past either end of an array that `empty` or `upload` made, is an error of its launch.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import hashlib
import mmap
import os
import shutil
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cupy
import numpy as np

HERE = Path(__file__).parent
PACKAGE = HERE.parents[2] / "cyroi"
KERNELS = PACKAGE / "gpu" / "kernels"
INCLUDE = PACKAGE / "include"
POISON = np.uint32(0x7FA5A5A5)  # that of block.h

STACK, MOST_THREADS, SHARED_ROOM = 1 << 17, 1024, 1 << 18  # those of block.h
ALIGNED = 512  # as CuPy's memory is
FENCE = 64  # bytes before and after an array


class Fault(AssertionError):
    """What a kernel did and must not."""


# --- memory ---


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


def read_flags(array: Any) -> int:
    assert array.dtype == np.int32
    assert array.size == 1
    return int(on_host(array).reshape(())[()])


def capturing() -> bool:
    return False


def keep(array: Any) -> None:
    """For a captured stream alone, which there is not."""


def location(array: Any) -> str:
    return f"cuda:{array.data.device_id}"


# --- kernels ---


class Launch(ctypes.Structure):
    """That of launch.h."""

    _fields_ = (
        ("grid", ctypes.c_uint * 3), ("threads", ctypes.c_uint * 3), ("order", ctypes.c_uint),
        ("shared", ctypes.c_size_t), ("memory", ctypes.c_void_p),
        ("job", ctypes.c_void_p), ("job_size", ctypes.c_size_t),
    )  # fmt: skip


@functools.cache
def working_memory() -> tuple[mmap.mmap, int]:
    """Stacks and shared memory, with pages between them that nobody may touch."""
    size = MOST_THREADS * STACK + SHARED_ROOM
    memory = mmap.mmap(-1, size + mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    for at in [*range(0, MOST_THREADS * STACK, STACK), size]:
        assert libc.mprotect(ctypes.c_void_p(address + at), ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    return memory, address


def compiler() -> str | None:
    return shutil.which("g++") or shutil.which("c++")


# No contraction, as NVRTC is told; one instruction for fmaf and fma where the CPU has it, which are as exact without.
# What C++ leaves undefined, and a device does in its own way, is a fault.
OPTIONS = (
    "-std=c++14", "-O1", "-ffp-contract=off", "-fPIC", "-shared", "-nostdlib", "-fno-exceptions", "-fvisibility=hidden",
    "-fsanitize=alignment,bounds,float-cast-overflow,shift,signed-integer-overflow",
    "-fsanitize-undefined-trap-on-error",
)  # fmt: skip


@functools.cache
def sanitizer() -> ctypes.CDLL | None:
    """The address sanitizer, where it was loaded with this process (ci/emulator.sh)."""
    process = ctypes.CDLL(None)
    return process if hasattr(process, "__asan_poison_memory_region") else None


SANITIZED = ("-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize=vptr")


@functools.cache
def options() -> tuple[str, ...]:
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        flags = []
    return (*OPTIONS, *(["-mfma"] if "fma" in flags else []), *(SANITIZED if sanitizer() else ()))


@functools.cache
def digest(*folders: Path) -> str:
    """Of all files in them."""
    files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.suffix in (".h", ".cu")]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


class Kernel:
    """A library made of one file of kernels, for one choice of macros."""

    lock = threading.Lock()  # of all: the working memory is one
    order = 0  # of threads and blocks, see cuda_on_cpu.h

    def __init__(
        self, file: str, macros: Mapping[str, str], folder: Path = KERNELS, more: tuple[str, ...] = ()
    ) -> None:
        defined = tuple(f"-D{name}={value}" for name, value in sorted(macros.items()))
        command = (*options(), *more, *defined)
        key = hashlib.sha256(
            repr((digest(HERE, folder, KERNELS, INCLUDE), file, command, compiler())).encode()
        ).hexdigest()
        path = cache() / f"{file}-{key[:24]}.so"
        if not path.exists():
            build(folder / f"{file}.cu", command, path)
        self.library = ctypes.CDLL(str(path))
        self.emulate = self.library.emulate
        self.emulate.restype = ctypes.c_char_p

    def launch(self, name: str, grid: Any, threads: Any, shared: int, job: Any) -> None:
        """Runs it to its end; `job`: a NumPy scalar of the struct that kernels get."""
        job = np.frombuffer(job, np.uint8)
        if 0 in np.ravel(grid):
            return  # as the one that this stands for
        address = working_memory()[1]
        launched = Launch(three(grid), three(threads), Kernel.order, shared, address, job.ctypes.data, job.nbytes)
        with Kernel.lock:
            error = self.emulate(name.encode(), ctypes.byref(launched))
            error = error and error.decode()
        if error:
            raise Fault(f"{name}: {error}")
        for memory in list(living):
            memory.check()


def three(size: Any) -> Any:
    sizes = [int(n) for n in np.ravel(size)]
    return (ctypes.c_uint * 3)(*sizes, *[1] * (3 - len(sizes)))


def cache() -> Path:
    folder = Path(tempfile.gettempdir()) / f"cyroi-cuda-on-cpu-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time; another one that wants the same waits, and finds it made."""
    with path.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def compile(source: Path, command: Sequence[str | Path]) -> None:
    """Compiles a file of kernels, in a namespace without a name (see cuda_on_cpu.h)."""
    text = f'#include "{HERE / "cuda_on_cpu.h"}"\nnamespace {{\n#include "{source}"\n}}\n'
    arguments = [compiler(), *command, f"-I{INCLUDE}", "-x", "c++", "-"]
    done = subprocess.run(arguments, input=text, capture_output=True, text=True)
    if done.returncode:
        raise Fault(done.stderr)


def build(source: Path, command: Sequence[str], path: Path) -> None:
    with locked(path):
        if not path.exists():
            made = path.with_suffix(f".{os.getpid()}")
            compile(source, [*command, "-o", made])
            made.rename(path)


@functools.cache
def kernel_of(file: str, macros: tuple[tuple[str, str], ...]) -> Kernel:
    return Kernel(file, dict(macros))


def kernel(file: str, macros: Mapping[str, str]) -> Kernel:
    return kernel_of(file, tuple(sorted(macros.items())))


def launch(kernel: Kernel, name: str, grid: Any, threads: Any, shared: int, job: Any) -> None:
    kernel.launch(name, grid, threads, shared, job)


INTERFACE = (
    "array_of", "on", "empty", "clear", "upload", "download", "read_flags", "capturing", "keep", "kernel",
    "launch", "location",
)  # fmt: skip


def install(device: Any, set_attribute: Any = setattr) -> None:
    """Puts the functions of this file in the place of those of `device`, the module `cyroi.gpu.device`."""
    from cyroi.gpu import again

    again.forget()  # calls that were made with other functions in their place
    for name in INTERFACE:
        set_attribute(device, name, globals()[name])
