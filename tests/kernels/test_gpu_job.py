"""The structs that Python hands to kernels are those that kernels are compiled with, field by field."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import gpu_laws

ROOT = Path(__file__).parents[2]
KERNELS, INCLUDE, CUDA = ROOT / "cyroi/gpu/kernels", ROOT / "cyroi/include", ROOT / "tests/support/cuda"

if not gpu_laws.is_here():
    pytest.skip("needs CuPy and a C++ compiler", allow_module_level=True)

from cyroi.gpu import job  # noqa: E402

STRUCTS = {
    name: kind
    for name, kind in vars(job).items()
    if isinstance(kind, type) and issubclass(kind, ctypes.Structure) and kind is not ctypes.Structure
}
CONSTANTS = {
    "EXTENT": "sizeof(Extent)", "RANGE": "sizeof(Range)", "LINE": "sizeof(Line)",
    "SHARE['float']": "sizeof(Share<float, 1>)", "SHARE['double']": "sizeof(Share<double, 1>)",
    "BAD": "BAD", "FAR": "FAR", "FULL": "FULL",
    "NUMBERS['int32']": "INT32", "NUMBERS['uint32']": "UINT32", "NUMBERS['int64']": "INT64",
    "NUMBERS['uint64']": "UINT64", "NUMBERS['float32']": "FLOAT32", "NUMBERS['bfloat16']": "BFLOAT16",
}  # fmt: skip


def expressions() -> Iterator[tuple[str, int]]:
    """In C++, and what they are to Python."""
    for name, kind in STRUCTS.items():
        yield f"sizeof({name})", ctypes.sizeof(kind)
        for field, *_ in kind._fields_:
            yield f"offsetof({name}, {field})", getattr(kind, field).offset
            yield f"sizeof({name}::{field})", getattr(kind, field).size
    for name, expression in CONSTANTS.items():
        yield expression, eval(name, vars(job))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: Any) -> dict[str, int]:
    """The same expressions as the compiler of the emulator has them."""
    program = tmp_path_factory.mktemp("job") / "job"
    lines = "".join(f'printf("%zu\\n", static_cast<size_t>({text}));\n' for text, _ in expressions())
    source = f"""#include <stddef.h>
        extern "C" int printf(const char*, ...);
        #define __device__
        #define __global__
        #define CYROI_KERNEL(name) void name(Job job)
        #include "{KERNELS / "job.h"}"
        using namespace cyroi;
        int main() {{ {lines} }}"""
    flags = ["-std=c++14", "-w", f"-I{KERNELS}", f"-I{INCLUDE}", "-include", str(CUDA / "cuda_on_cpu.h")]
    subprocess.run(["g++", *flags, "-x", "c++", "-", "-o", program], input=source, text=True, check=True)
    printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
    return dict(zip((text for text, _ in expressions()), map(int, printed), strict=True))


@pytest.mark.parametrize("name", STRUCTS)
def test_a_struct(name, compiled):
    ours = dict(expressions())
    of_it = [text for text in ours if f"({name}" in text and text.split(name, 1)[1][:1] in ",:)"]
    assert {text: ours[text] for text in of_it} == {text: compiled[text] for text in of_it}
    assert len(of_it) == 1 + 2 * len(STRUCTS[name]._fields_)


def test_no_field_is_left_out():
    """The fields of a struct, by the text that the compiler reads."""
    text = "".join(path.read_text() for path in (KERNELS / "job.h", INCLUDE / "cyroi/plan.h"))
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    for name, kind in STRUCTS.items():
        body = text.split(f"struct {name} {{", 1)[1].split("};", 1)[0]
        assert re.findall(r"(\w+)(?:\[\w+\])?[,;]", body) == [field for field, *_ in kind._fields_]


def test_constants(compiled):
    for name, expression in CONSTANTS.items():
        assert compiled[expression] == eval(name, vars(job)), name
