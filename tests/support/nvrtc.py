"""NVIDIA's run-time compiler out of its PyPI wheel, by ctypes: compiles device code where there is neither a GPU nor a
driver nor a toolkit.
"""

from __future__ import annotations

import ctypes
import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

NAMES = ("libnvrtc.so.*", "nvrtc64_*.dll")  # beside them lie nvrtc-builtins, which the first one finds by itself


class Compiled(NamedTuple):
    ptx: str
    cubin: bytes
    log: str


class Failed(Exception):
    """The compiler's own words."""


def find_library() -> Path | None:
    """The library of the installed wheel (dependency group `gpu`), None without it."""
    spec = importlib.util.find_spec("nvidia")
    folders = [] if spec is None else spec.submodule_search_locations or []
    found = [path for folder in folders for name in NAMES for path in sorted(Path(folder).rglob(name))]
    return next((path for path in found if "builtins" not in path.name and "alt" not in path.name), None)


class Compiler:
    """The functions of NVRTC that a test needs."""

    def __init__(self, library: Path) -> None:
        self.library = ctypes.CDLL(str(library))

    def targets(self) -> list[int]:
        """Compute capabilities, 75 for sm_75."""
        count = ctypes.c_int()
        self.call("nvrtcGetNumSupportedArchs", ctypes.byref(count))
        numbers = (ctypes.c_int * count.value)()
        self.call("nvrtcGetSupportedArchs", numbers)
        return list(numbers)

    def compile(self, source: str, target: str, options: Sequence[str]) -> Compiled:
        """target: "sm_75", or "compute_75" for PTX alone, which is several times as fast."""
        program = ctypes.c_void_p()
        self.call("nvrtcCreateProgram", ctypes.byref(program), source.encode(), b"program.cu", 0, None, None)
        try:
            arguments = [f"--gpu-architecture={target}".encode(), *(option.encode() for option in options)]
            array = (ctypes.c_char_p * len(arguments))(*arguments)
            failed = self.library.nvrtcCompileProgram(program, len(arguments), array)
            log = self.text(program, "ProgramLog").rstrip(b"\0").decode()
            if failed:
                raise Failed(log)
            cubin = self.text(program, "CUBIN") if target.startswith("sm_") else b""
            return Compiled(self.text(program, "PTX").rstrip(b"\0").decode(), cubin, log)
        finally:
            self.call("nvrtcDestroyProgram", ctypes.byref(program))

    def text(self, program: ctypes.c_void_p, what: str) -> bytes:
        size = ctypes.c_size_t()
        self.call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        self.call(f"nvrtcGet{what}", program, buffer)
        return buffer.raw

    def call(self, name: str, *arguments: object) -> None:
        code = getattr(self.library, name)(*arguments)
        assert code == 0, f"{name} gave {code}"


def inexact(ptx: str) -> list[str]:
    """Instructions that flush subnormals or approximate."""
    return sorted(set(re.findall(r"\S+\.ftz\S*|\S+\.approx\S*|div\.full\S*", ptx)))
