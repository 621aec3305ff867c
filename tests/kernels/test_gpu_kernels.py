"""Law: the GPU's kernels are device code of every architecture, exact where they plan, and say nothing of doubt."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cyroi.gpu import source
from support import nvrtc

KERNELS = Path(source.FOLDERS[0])
FILES = sorted(path.stem for path in KERNELS.glob("*.cu"))
TARGETS = (75, 80, 86, 89, 90, 100, 120)
# Machine code for both ends, of all types for the last; for the others PTX, not optimised, in a tenth of the time.
WHOLE, QUICK = (75, 120), ("-Ofc=max",)

DOUBLE = {"CYROI_REAL": "double", "CYROI_GEOMETRY": "double", "CYROI_MAP": "double", "CYROI_BIN": "double"}
TYPES = {
    "float": {},
    "double": {**DOUBLE, "CYROI_NUMBERS": "3"},
    "mixed": {"CYROI_MAP": "cyroi::Float16", "CYROI_BIN": "cyroi::BFloat16", "CYROI_VECTOR": "4", "CYROI_NUMBERS": "3"},
}

CASES = [(target, "mixed" if target == 75 or target not in WHOLE else types) for target in TARGETS for types in TYPES]


def kernels_of(file):
    return set(re.findall(r"CYROI_KERNEL\((\w+)\)", (KERNELS / f"{file}.cu").read_text()))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(("target", "types"), sorted(set(CASES)))
def test_a_kernel_is_exact_device_code(target, types, file, device_compiler):
    if target not in device_compiler.targets():
        pytest.skip(f"this NVRTC does not know sm_{target}")
    whole = target in WHOLE
    options = (*source.options(TYPES[types]), *(() if whole else QUICK))
    compiled = device_compiler.compile(source.text(f"{file}.cu"), f"{'sm' if whole else 'compute'}_{target}", options)
    assert compiled.log.strip("\0\n ") == ""
    assert set(re.findall(r"\.entry (\w+)", compiled.ptx)) == kernels_of(file)
    assert nvrtc.inexact(compiled.ptx) == []
    # What is multiplied and added in one step is so by name: in planning, nothing.
    assert ("fma" in compiled.ptx) == (file not in ("plan", "transpose", "convert"))
    if whole:
        assert compiled.cubin.startswith(b"\x7fELF")
        assert file == "plan" or ".local" not in compiled.ptx  # what has no place in registers is slow


def test_what_is_not_exact_is_seen(device_compiler):
    text = source.text("plan.cu")
    flushed = device_compiler.compile(text, "compute_90", (*source.options({}), "-ftz=true"))
    assert any(".ftz" in instruction for instruction in nvrtc.inexact(flushed.ptx))
    contracted = device_compiler.compile(text, "compute_90", (*source.options({}), "--fmad=true"))
    assert "fma" in contracted.ptx


@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize("file", FILES)
def test_a_kernel_compiles_on_the_host_without_a_warning(file, types):
    cuda = pytest.importorskip("support.cuda.device", reason="no CuPy: python -m pip install --group gpu")
    if cuda.compiler() is None:
        pytest.skip("no C++ compiler on the path")
    macros = [f"-D{name}={value}" for name, value in TYPES[types].items()]
    warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-Wno-unknown-pragmas", "-fsyntax-only"]
    cuda.compile(KERNELS / f"{file}.cu", [*warnings, *macros])
