"""Kernels compiled by g++ with the emulator, kept in a folder for temporary files, loaded and launched by ctypes."""

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
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .memory import Fault, living, sanitizer

HERE = Path(__file__).parent
PACKAGE = HERE.parents[2] / "cyroi"
KERNELS = PACKAGE / "gpu" / "kernels"
INCLUDE = PACKAGE / "include"
STACK, MOST_THREADS, SHARED_ROOM = 1 << 17, 1024, 1 << 18  # those of block.h


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
    "-std=c++14", "-O1", "-ffp-contract=off", "-fPIC", "-nostdlib", "-fno-exceptions", "-fvisibility=hidden",
    "-fsanitize=alignment,bounds,float-cast-overflow,shift,signed-integer-overflow",
    "-fsanitize-undefined-trap-on-error",
)  # fmt: skip


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
    files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.suffix in (".h", ".cc", ".cu")]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


class Kernel:
    """A library made of one file of kernels, for one choice of macros."""

    lock = threading.Lock()  # of all: the working memory is one
    order = 0  # of threads and blocks, see cuda_on_cpu.h

    def __init__(self, file: str, macros: Mapping[str, str], folder: Path = KERNELS) -> None:
        command = tuple(f"-D{name}={value}" for name, value in sorted(macros.items()))
        text = digest(HERE, folder, KERNELS, INCLUDE)
        key = hashlib.sha256(repr((text, file, command, options(), compiler())).encode()).hexdigest()
        path = cache() / f"{file}-{key[:24]}.so"
        if not path.exists():
            build(folder / f"{file}.cu", command, path)
        path.touch()
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


@functools.cache
def cache() -> Path:
    """The folder of what is compiled; what nobody asked for in a week goes."""
    folder = Path(tempfile.gettempdir()) / f"cyroi-cuda-on-cpu-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with contextlib.suppress(OSError):  # another process does it too
        for file in folder.iterdir():
            if file.stat().st_mtime < time.time() - 7 * 24 * 3600:
                file.unlink()
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
    run([f"-I{INCLUDE}", "-x", "c++", "-", *command], text)


def run(arguments: Sequence[str | Path], text: str = "") -> None:
    done = subprocess.run([compiler(), *options(), *arguments], input=text, capture_output=True, text=True)
    if done.returncode:
        raise Fault(done.stderr)


def build(source: Path, command: Sequence[str], path: Path) -> None:
    """A library of a file of kernels and the runtime, which is compiled once."""
    runtime = cache() / f"runtime-{hashlib.sha256(repr((digest(HERE), options())).encode()).hexdigest()[:24]}.o"
    make(runtime, lambda made: run(["-O2", "-c", HERE / "runtime.cc", "-o", made]))
    make(path, lambda made: compile(source, [*command, "-x", "none", runtime, "-shared", "-o", made]))


def make(path: Path, create: Callable[[Path], None]) -> None:
    with locked(path):
        if not path.exists():
            made = path.with_suffix(f".{os.getpid()}")
            create(made)
            made.rename(path)
