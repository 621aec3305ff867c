"""All that is asked of CuPy's run time, of NVRTC and of the driver.

Nothing else of cyroi does, so that tests can put an emulator in place of this file and run all the rest on a machine
without a GPU. Elsewhere CuPy is used only for what works without a driver: shapes, strides, types and views.

Decisions
a) Kernels are compiled by NVRTC and loaded as machine code. CuPy's RawModule would append `-ftz=true`.
b) Nothing here waits but `download` and `read_flags`, and that one for what was asked of the stream before it.
c) What a captured graph works on is kept by that graph where CuPy captures it, else until the process ends.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from . import source

_OLDEST = (13, 6)
_INSTALL = 'pip install "cyroi[cuda13]", or "cyroi[cuda12]" where the driver is older than 580'


def _import() -> Any:
    try:
        import cupy
    except ImportError as error:
        if getattr(error, "name", None) == "cupy":
            raise ImportError(f"arrays on a GPU need CuPy, which is not installed: {_INSTALL}") from None
        raise ImportError(f"arrays on a GPU need CuPy, which cannot be imported here: {error}") from error
    version = tuple(int(part) for part in cupy.__version__.split(".")[:2] if part.isdigit())
    if version < _OLDEST:
        needed = ".".join(map(str, _OLDEST))
        raise ImportError(f"arrays on a GPU need CuPy {needed} or newer, and {cupy.__version__} is here: {_INSTALL}")
    return cupy


cupy = _import()


def _why_not(error: Exception) -> Exception:
    """`error` of CuPy's; where there is no GPU to work on, one that says so."""
    runtime = cupy.cuda.runtime
    if runtime.is_hip:
        return RuntimeError(f"this CuPy is built for ROCm, and cyroi's kernels are for CUDA: {_INSTALL}")
    with contextlib.suppress(runtime.CUDARuntimeError):
        if runtime.getDeviceCount() > 0:
            return error
    driver, built = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    if 0 < driver // 1000 < built // 1000:
        return RuntimeError(
            f"NVIDIA's driver here is made for CUDA {driver // 1000} and this CuPy for CUDA {built // 1000}: uninstall"
            f' cupy-cuda{built // 1000}x and pip install "cyroi[cuda{driver // 1000}]", or install a newer driver'
        )
    return RuntimeError(f"CuPy finds no GPU to work on; is NVIDIA's driver installed? It says: {error}")


def gpus() -> list[str]:
    """Names of the GPUs that there are to work on."""
    runtime = cupy.cuda.runtime
    with contextlib.suppress(runtime.CUDARuntimeError):
        found = [runtime.getDeviceProperties(number) for number in range(runtime.getDeviceCount())]
        return [f"{has['name'].decode()} (compute capability {has['major']}.{has['minor']})" for has in found]
    return []


# --- arrays ---


def array_of(name: str, value: Any) -> Any:
    """A private view, a CuPy array, of what lies on a CUDA device. `name` is the argument's, for messages."""
    if isinstance(value, cupy.ndarray):
        return value.view(cupy.ndarray)
    try:
        if hasattr(type(value), "__dlpack__"):
            try:
                return cupy.from_dlpack(value)  # in the stream's order; the other makes us wait for all of it
            except (BufferError, TypeError, ValueError, NotImplementedError):
                if not hasattr(type(value), "__cuda_array_interface__"):
                    raise
        address = value.__cuda_array_interface__["data"][0]
        found = cupy.cuda.runtime.pointerGetAttributes(address).device if address else None
        with cupy.cuda.Device(found):  # from another device CuPy would take a copy
            return cupy.asarray(value)
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise _why_not(error) from error
    except Exception as error:
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise TypeError(f"{name} cannot be read as a CuPy array; {kind} says: {error}") from error


def on(array: Any) -> AbstractContextManager[Any]:
    """Makes the device of `array` the current one; what follows uses that device's current stream."""
    return array.device  # type: ignore[no-any-return]


def location(array: Any) -> str:
    """Where `array` lies, as messages say it."""
    return f"cuda:{array.device.id}"


def empty(shape: int | Sequence[int], dtype: Any) -> Any:
    """New memory, in the order of C."""
    return cupy.empty(shape, dtype)


def clear(array: Any) -> None:
    """Writes zero bytes into `array`, which lies in the order of C."""
    assert array.flags.c_contiguous
    if array.nbytes:
        array.data.memset_async(0, array.nbytes)


_sent: list[tuple[Any, Any]] = []  # events, and pinned memory that is given back when they have come
_sending = threading.Lock()


def upload(array: np.ndarray[Any, Any]) -> Any:
    """A copy on the device. The host goes on at once, and may do what it wants with `array`."""
    result = cupy.empty(array.shape, array.dtype)
    if array.size == 0:
        return result
    pinned = cupy.cuda.alloc_pinned_memory(array.nbytes)
    np.frombuffer(pinned, array.dtype, array.size).reshape(array.shape)[...] = array
    runtime, stream = cupy.cuda.runtime, cupy.cuda.get_current_stream()
    runtime.memcpyAsync(result.data.ptr, pinned.ptr, array.nbytes, runtime.memcpyHostToDevice, stream.ptr)
    if stream.is_capturing():
        keep((pinned, result))
    else:
        _hold(pinned)
    return result


def _hold(pinned: Any) -> Any:
    """Keeps pinned memory until the stream has come here; gives the event that says so."""
    event = cupy.cuda.Event(disable_timing=True)
    event.record(cupy.cuda.get_current_stream())
    with _sending:
        _sent[:] = [entry for entry in _sent if not entry[0].done] + [(event, pinned)]
    return event


def download(array: Any) -> np.ndarray[Any, Any]:
    """A copy on the host, of whatever strides; waits."""
    steps = [(length - 1) * stride for length, stride in zip(array.shape, array.strides, strict=True)]
    if array.size == 0:
        return np.empty(array.shape, array.dtype)
    before = -sum(step for step in steps if step < 0)
    whole = np.empty(before + sum(step for step in steps if step > 0) + array.itemsize, np.uint8)
    runtime, stream = cupy.cuda.runtime, cupy.cuda.get_current_stream()
    place = array.data.ptr - before
    runtime.memcpyAsync(whole.ctypes.data, place, whole.nbytes, runtime.memcpyDeviceToHost, stream.ptr)
    stream.synchronize()
    return np.ndarray(array.shape, array.dtype, whole, before, array.strides).copy()


def ask_flags(array: Any) -> tuple[Any, Any]:
    """Asks for the one int32 in `array`, as it is when the stream comes here."""
    pinned = cupy.cuda.alloc_pinned_memory(array.itemsize)
    runtime, stream = cupy.cuda.runtime, cupy.cuda.get_current_stream()
    runtime.memcpyAsync(pinned.ptr, array.data.ptr, array.itemsize, runtime.memcpyDeviceToHost, stream.ptr)
    return _hold(pinned), pinned


def read_flags(asked: tuple[Any, Any]) -> int:
    """What was asked for, once it is there; what the stream was asked for later is not waited for."""
    event, pinned = asked
    event.synchronize()
    return int(np.frombuffer(pinned, np.int32, 1)[0])


# --- captured streams ---

_kept: list[Any] = []


def capturing() -> bool:
    """Whether what is asked of the current stream is not done but recorded, to be done later and again."""
    return bool(cupy.cuda.get_current_stream().is_capturing())


def keep(memory: Any) -> None:
    """Keeps memory alive that a captured graph works on. Without one, streams use memory again in their order."""
    stream = cupy.cuda.get_current_stream()
    if stream.is_capturing():
        of_graph = getattr(stream, "_graph_host_funcargs", None)  # which CuPy hands over to its Graph
        (of_graph if isinstance(of_graph, list) else _kept).append(memory)


# --- kernels ---


class Kernel:
    """A compiled file, on one device."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.functions: dict[str, Any] = {}

    def function(self, name: str) -> Any:
        if name not in self.functions:
            self.functions[name] = self.module.get_function(name)
        return self.functions[name]


_loaded: dict[tuple[object, ...], Kernel] = {}
_loading = threading.Lock()


def kernel(file: str, macros: Mapping[str, str]) -> Kernel:
    """The kernels of `file`.cu with `macros`, on the current device; compiled where that was never done before."""
    key = (cupy.cuda.runtime.getDevice(), file, *macros.items())
    found = _loaded.get(key)
    if found is None:
        with _loading:
            found = _loaded.get(key) or _load(file, macros)
            _loaded[key] = found
    return found


def _load(file: str, macros: Mapping[str, str]) -> Kernel:
    version = nvrtc_version()
    target = source.architecture(int(cupy.cuda.Device().compute_capability), cupy.cuda.nvrtc.getSupportedArchs())
    text, options = source.text(f"{file}.cu"), source.options(macros)
    key = source.key_of(text, options, target, version)
    module = cupy.cuda.Module()
    module.load(source.cached(key, lambda: compiled(file, text, options, target)))
    return Kernel(module)


def nvrtc_version() -> tuple[int, int]:
    """Of the compiler that CuPy finds."""
    try:
        major, minor = cupy.cuda.nvrtc.getVersion()
    except Exception as error:
        extra = f"cuda{cupy.cuda.runtime.runtimeGetVersion() // 1000}"
        raise RuntimeError(
            f'NVRTC, which compiles the kernels, is missing: pip install "cyroi[{extra}]"; CuPy says: {error}'
        ) from error
    return major, minor


def compiled(file: str, text: str, options: Sequence[str], target: str) -> bytes:
    """Machine code of `text`, or PTX if that is what `target` asks for. Needs neither a GPU nor a driver."""
    nvrtc = cupy.cuda.nvrtc
    program = nvrtc.createProgram(text, f"{file}.cu", (), ())
    try:
        nvrtc.compileProgram(program, (f"--gpu-architecture={target}", *options))
        if target.startswith("compute_"):
            return bytes(nvrtc.getPTX(program))
        return bytes(nvrtc.getCUBIN(program)) + b"\0"  # the last byte, which CuPy takes for the end of a string
    except nvrtc.NVRTCError as error:
        raise RuntimeError(f"{file}.cu cannot be compiled for {target}:\n{nvrtc.getProgramLog(program)}") from error
    finally:
        nvrtc.destroyProgram(program)


def launch(
    kernel: Kernel, name: str, grid: int | tuple[int, ...], threads: int | tuple[int, ...], shared: int, job: Any
) -> None:
    """Asks the current stream for the function `name`, in `grid` blocks, with `job`, its bytes, by value."""
    blocks = (grid,) if isinstance(grid, int) else tuple(grid)
    if 0 in blocks:
        return  # CuPy would launch one
    # By value goes an array of one element; of bytes, because NumPy would spell out the fields of a struct each time.
    value = np.frombuffer(job, np.dtype((np.void, memoryview(job).nbytes)))
    block = (threads,) if isinstance(threads, int) else tuple(threads)
    kernel.function(name)(blocks, block, (value,), shared_mem=shared)
