"""atomics.cu, compiled for the device by NVRTC, or by the C++ compiler for a dry run; and the calls of it."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

SOURCE = Path(__file__).with_name("atomics.cu")
INCLUDE = SOURCE.parents[2] / "cyroi" / "include"
TYPES = {"float32": "float", "float16": "cyroi::Float16"}
THREADS = 256
MOST = 2**31  # offsets of 32 bits


class Setup(ctypes.Structure):
    """Twin of `Setup` in atomics.cu."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("crop", "aligned", "ratio")),
        ("scale", ctypes.c_float),
        *((name, ctypes.c_int) for name in ("channels", "height", "width", "bins_y", "bins_x")),
        *((name, ctypes.c_int) for name in ("channels_last", "outputs")),
    )


def setup_of(operator: str, arguments: dict[str, Any]) -> Setup:
    """The setup of a call of one of the workloads."""
    maps = arguments["input" if operator == "roi_align" else "image"]
    layout = arguments.get("layout", "NCHW")
    channels, height, width = (maps.shape[layout.index(axis)] for axis in "CHW")
    bins = arguments.get("output_size", arguments.get("crop_size"))
    outputs = len(arguments["boxes"]) * channels * bins * bins
    if max(outputs, maps.size) >= MOST:
        raise ValueError("the variant with atomics has offsets of 32 bits")
    crop, aligned = operator != "roi_align", arguments.get("aligned", False)
    ratio, scale = arguments.get("sampling_ratio", 1), arguments.get("spatial_scale", 1)
    return Setup(crop, aligned, ratio, scale, channels, height, width, bins, bins, layout == "NHWC", outputs)


def rows_of(operator: str, arguments: dict[str, Any]) -> np.ndarray:
    """Image, y1, x1, y2, x2 of each box."""
    boxes = arguments["boxes"]
    if operator == "roi_align":
        return np.ascontiguousarray(boxes[:, [0, 2, 1, 4, 3]], np.float32)
    return np.column_stack([arguments["box_indices"], boxes]).astype(np.float32)


class Host:
    """The functions as the C++ compiler builds them, called with arrays in the host's memory."""

    processors = 1

    def __init__(self, dtype: str, compiler: str = "c++") -> None:
        with tempfile.TemporaryDirectory() as folder:
            library = Path(folder, "atomics.so")
            flags = ["-O2", "-shared", "-fPIC", f"-I{INCLUDE}", *options(dtype)]
            subprocess.run([compiler, "-x", "c++", *flags, SOURCE, "-o", library], check=True)
            self.library = ctypes.CDLL(str(library))

    def launch(self, name: str, blocks: int, *arguments: Any) -> None:
        function = getattr(self.library, name)
        function(*(int(it) if isinstance(it, np.integer) else pointer(it) for it in arguments))


class Device:
    """The same on the current CUDA device, compiled as others compile theirs: with contraction."""

    def __init__(self, dtype: str) -> None:
        import cupy

        from cyroi.gpu import device, source

        current = cupy.cuda.Device()
        self.processors = current.attributes["MultiProcessorCount"]
        target = source.architecture(int(current.compute_capability), cupy.cuda.nvrtc.getSupportedArchs())
        self.module = cupy.cuda.Module()
        self.module.load(device.compiled(SOURCE.stem, text(), options(dtype), target))

    def launch(self, name: str, blocks: int, *arguments: Any) -> None:
        # By value goes what is an array of one element.
        plain = [np.frombuffer(bytes(it), f"V{ctypes.sizeof(it)}") if isinstance(it, Setup) else it for it in arguments]
        self.module.get_function(name)((blocks,), (THREADS,), tuple(plain))


def text() -> str:
    """The source and its headers in one."""
    from cyroi.gpu import source

    return source.text(SOURCE.name, (str(SOURCE.parent), *source.FOLDERS))


def options(dtype: str) -> tuple[str, ...]:
    return "-std=c++14", f"-DCYROI_MAP={TYPES[dtype]}"


def pointer(argument: Any) -> Any:
    """The address of an array in the host's memory; anything else as it is."""
    if isinstance(argument, Setup):
        return argument
    return ctypes.c_void_p(argument.ctypes.data if isinstance(argument, np.ndarray) else argument.data.ptr)


@cache
def compiled(dtype: str, *, dry: bool) -> Host | Device:
    return Host(dtype) if dry else Device(dtype)


def forward(code: Host | Device, setup: Setup, maps: Any, rows: Any, out: Any) -> Callable[[], None]:
    return lambda: code.launch("forward", blocks(code, setup.outputs), setup, maps, rows, out)


def backward(
    code: Host | Device, setup: Setup, grad: Any, rows: Any, out: Any, sums: Any, clear: Callable[[Any], None]
) -> Callable[[], None]:
    """sums: float32 of the shape of `out`, or `out` itself where that is float32."""

    def run() -> None:
        clear(sums)
        code.launch("backward", blocks(code, setup.outputs), setup, grad, rows, sums)
        if sums is not out:
            code.launch("round_off", blocks(code, out.size), np.int32(out.size), sums, out)

    return run


def blocks(code: Host | Device, count: int) -> int:
    return min(-(-count // THREADS), 32 * code.processors)
