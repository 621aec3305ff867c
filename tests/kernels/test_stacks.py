"""Law: calls need little stack, in threads of the user's and of OpenMP's. What kernels work in belongs to the call."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys

import pytest

from cyroi.cpu import _targets

SUPPORTED = [name for name in _targets.TARGETS if _targets.supported[name]]
MOST = 8192  # bytes of the largest frame

# Every way through the kernels that keeps something for a while: buffered rows, stages, converted rows, all types.
CALLS = """
import sys, threading, numpy as np, cyroi
rng = np.random.default_rng(0)
boxes = np.float32([[0, 0, 0, 900, 40], [0, 5, 5, 60, 30], [0, 300, 5, 800, 20]] * 3)
def calls(threads):
    for dtype in ("f4", "f8", "u1"):
        for layout in ("NCHW", "NHWC"):
            for channels in (1, 3, 40):
                maps = (rng.standard_normal((1, channels, 40, 900)) * 50).astype(dtype)
                maps = maps if layout == "NCHW" else np.ascontiguousarray(maps.transpose(0, 2, 3, 1))
                for size in ((7, 7), (2, 300)):
                    options = {"layout": layout, "num_threads": threads}
                    out = cyroi.roi_align(maps, boxes, size, **options)
                    cyroi.roi_align(maps, boxes, size, out=np.empty(out.shape, "f2"), **options)
                    cyroi.crop_and_resize(maps, np.float32([[0, 0, 1, 1]] * 9), [0] * 9, size, **options)
                    for of_type in ("f4", "f8"):
                        g = np.ones(out.shape, of_type)
                        g[0] = np.nan
                        cyroi.roi_align_backward(g, maps, boxes, wrt=("input", "boxes"), **options)
"""


def run(code, target, **environment):
    environment = os.environ | {"CYROI_CPU_CAPABILITY": target} | environment
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr}"
    return done.stdout


@pytest.mark.parametrize("target", SUPPORTED)
def test_threads_of_the_user_may_have_small_stacks(target):
    code = "threading.stack_size(32 << 10)\nt = threading.Thread(target=calls, args=(1,))\n"
    assert run(f"{CALLS}{code}t.start(); t.join(); print('done')", target) == "done\n"


@pytest.mark.parametrize("target", SUPPORTED)
def test_threads_of_openmp_may_have_small_stacks(target):
    assert run(f"{CALLS}calls(2); print('done')", target, OMP_STACKSIZE="16k") == "done\n"


def largest_frame(assembly):
    """Bytes of the largest frame in a disassembly of x86-64 or AArch64."""
    frames = re.findall(r"\bsub +(?:\$0x([0-9a-f]{1,7}),%rsp|sp, sp, #0x([0-9a-f]+)(?:, lsl #(12))?)", assembly)
    return max(int(x86 or arm, 16) << int(shift or 0) for x86, arm, shift in frames)


@pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump is not on the path")
@pytest.mark.parametrize("module", ["_driver", "_separable", "_quick", "_c_api", *(f"_{name}" for name in SUPPORTED)])
def test_no_function_has_a_large_frame(module):
    path = importlib.import_module(f"cyroi.cpu.{module}").__file__
    done = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True)
    assert 0 < largest_frame(done.stdout) <= MOST


def test_the_measure_of_frames_sees_large_ones():
    x86 = "sub    $0x18,%rsp\n ff: sub    $0x10028,%rsp\n sub    $0xffffffffffffff80,%rsp"
    assert largest_frame(x86) == 0x10028
    assert largest_frame("sub\tsp, sp, #0x20".replace("\t", "  ")) == 0x20
    assert largest_frame("sub  sp, sp, #0x10, lsl #12\n sub  sp, sp, #0x320") == 0x10000
