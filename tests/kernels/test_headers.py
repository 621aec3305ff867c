"""Law: the mathematics headers are self-contained, include nothing of the standard library, and are device code."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

INCLUDE = Path(__file__).parents[2] / "cyroi" / "include"
C_API = "cyroi/c_api.h"  # of another kind, and with tests of its own (faces/test_c_api_users.py)
HEADERS = sorted({path.relative_to(INCLUDE).as_posix() for path in INCLUDE.rglob("*.h")} - {C_API})

# Instantiates the planners for both types, on the host and, under CUDA, on the device.
USE = """
#include "cyroi/slopes.h"
template <class G, class A>
CYROI_HD void plan(const cyroi::Operator& op, const G* box, int* pixels, A* weights, int* ends, cyroi::BoxPlan* out) {
    *out = cyroi::plan_box<G, A>(op, box, cyroi::tap_capacity<G>(op, box), 0, pixels, weights, ends);
}
template <class G, class A>
CYROI_HD void slopes(const cyroi::Operator& op, const G* box, int* pixels, A* all, int* ends, cyroi::BoxPlan* out) {
    *out = cyroi::plan_slopes<G, A>(op, box, 0, 0, pixels, all, all, all, ends);
}
template CYROI_HD void slopes(const cyroi::Operator&, const float*, int*, double*, int*, cyroi::BoxPlan*);
template CYROI_HD void plan(const cyroi::Operator&, const float*, int*, float*, int*, cyroi::BoxPlan*);
template CYROI_HD void plan(const cyroi::Operator&, const double*, int*, double*, int*, cyroi::BoxPlan*);
#ifdef __CUDACC__
__global__ void kernel(cyroi::Operator op, float* box, int* pixels, float* weights, int* ends, cyroi::BoxPlan* out) {
    plan<float, float>(op, box, pixels, weights, ends, out);
}
#endif
"""


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_includes_only_its_siblings(header):
    includes = re.findall(r"#\s*include\s+(\S+)", (INCLUDE / header).read_text())
    assert all(include.strip('"') in HEADERS for include in includes)


def compile_with(compiler, source, tmp_path, *options):
    path = tmp_path / source[0]
    path.write_text(source[1])
    command = [compiler, f"-I{INCLUDE}", "-std=c++14", *options, "-c", path, "-o", tmp_path / "out.o"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_compiles_alone_without_a_warning(header, tmp_path):
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler on the path")
    options = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
    compile_with(compiler, ("alone.cpp", f'#include "{header}"\n'), tmp_path, *options)
    compile_with(compiler, ("use.cpp", USE), tmp_path, *options)


def test_the_headers_compile_as_cuda(tmp_path):
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("nvcc is not on the path")
    compile_with(nvcc, ("use.cu", USE), tmp_path, "-Werror=all-warnings")
