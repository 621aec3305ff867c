"""Law: the mathematics headers are self-contained, include nothing of the standard library, and are device code."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support import nvrtc

ROOT = Path(__file__).parents[2]
INCLUDE = ROOT / "cyroi" / "include"
C_API = "cyroi/c_api.h"  # of another kind, and with tests of its own (faces/test_c_api_users.py)
HEADERS = sorted({path.relative_to(INCLUDE).as_posix() for path in INCLUDE.rglob("*.h")} - {C_API})

# Instantiates planners, turning and conversions of all types, as host functions or as kernels.
DEVICE = ROOT / "ci" / "device" / "device.cu"
TARGETS = (75, 80, 86, 89, 90, 100, 120)
# As the GPU module will compile: contracted or flushed, coordinates would not be the CPU's.
OPTIONS = ("-std=c++14", f"-I{INCLUDE}", "--fmad=false", "-ftz=false")
# Optimising takes eight times as long, and its PTX differs little from one target to the next: at both ends only.
QUICK = ("-Ofc=max",)


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_includes_only_its_siblings(header):
    includes = re.findall(r"#\s*include\s+(\S+)", (INCLUDE / header).read_text())
    assert all(include.strip('"') in HEADERS for include in includes)


def test_the_device_code_includes_every_header():
    assert sorted(re.findall(r'#include "(\S+)"', DEVICE.read_text())) == HEADERS


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_uses_nothing_of_the_standard_library(header):
    code = re.sub(r"/\*.*?\*/", "", (INCLUDE / header).read_text(), flags=re.DOTALL)
    assert re.search(r"\bstd\b", code) is None


def compile_with(compiler, source, tmp_path, *options):
    command = [compiler, f"-I{INCLUDE}", "-std=c++14", *options, "-c", source, "-o", tmp_path / "out.o"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def host_compiler():
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler on the path")
    return compiler


WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_compiles_alone_without_a_warning(header, host_compiler, tmp_path):
    path = tmp_path / "alone.cpp"
    path.write_text(f'#include "{header}"\n')
    compile_with(host_compiler, path, tmp_path, *WARNINGS)


def test_the_device_code_compiles_on_the_host_without_a_warning(host_compiler, tmp_path):
    compile_with(host_compiler, DEVICE, tmp_path, "-x", "c++", *WARNINGS)


def test_the_headers_compile_with_nvcc(tmp_path):
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("nvcc is not on the path")
    compile_with(nvcc, DEVICE, tmp_path, "-Werror=all-warnings")


def inexact(ptx):
    """Instructions that flush subnormals, contract or approximate."""
    return sorted({*nvrtc.inexact(ptx), *re.findall(r"fma\.\S+", ptx)})


@pytest.mark.parametrize("target", TARGETS)
def test_the_headers_are_exact_device_code(target, device_compiler):
    if target not in device_compiler.targets():
        pytest.skip(f"this NVRTC does not know sm_{target}")
    quick = () if target in (TARGETS[0], TARGETS[-1]) else QUICK
    compiled = device_compiler.compile(DEVICE.read_text(), f"compute_{target}", (*OPTIONS, *quick))
    assert compiled.log.strip("\0\n ") == ""
    assert ".entry plan_f4_f4" in compiled.ptx
    assert inexact(compiled.ptx) == []


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_compiles_alone_as_device_code(header, device_compiler):
    compiled = device_compiler.compile(f'#include "{header}"\n', "sm_75", OPTIONS)
    assert compiled.log.strip("\0\n ") == ""


SMALL = """
#include "cyroi/plan.h"
extern "C" __global__ void plan(cyroi::Operator op, const float* box, int* pixels, float* weights, int* ends,
                                cyroi::BoxPlan* out) {
    *out = cyroi::plan_box<float, float>(op, box, 0, 0, pixels, weights, ends);
}
"""


def test_what_is_not_exact_is_seen(device_compiler):
    machine = device_compiler.compile(SMALL, "sm_90", OPTIONS)
    assert inexact(machine.ptx) == []
    assert machine.cubin.startswith(b"\x7fELF")
    flushed = device_compiler.compile(SMALL, "compute_90", (*OPTIONS, "-ftz=true"))
    assert any(".ftz" in instruction for instruction in inexact(flushed.ptx))
    contracted = device_compiler.compile(SMALL, "compute_90", (*OPTIONS, "--fmad=true"))
    assert any(instruction.startswith("fma.") for instruction in inexact(contracted.ptx))


def test_what_is_no_device_code_is_refused(device_compiler):
    for source in ("#include <cstring>\n", "void host() {}\n__global__ void kernel() { host(); }\n"):
        with pytest.raises(nvrtc.Failed):
            device_compiler.compile(source, "compute_75", OPTIONS)
