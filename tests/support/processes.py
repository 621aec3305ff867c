"""Code in a fresh interpreter, and the code that several of those tests begin with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cyroi.cpu import _host

TESTS = str(Path(__file__).parents[1])
LINUX = sys.platform.startswith("linux")
GNU = _host.compiler.startswith("gcc")  # OpenMP comes with the compiler

LARGE = """
import os, numpy as np, cyroi
maps = np.ones((1, 64, 128, 128), np.float32)
boxes = np.tile(np.float32([[0, 1, 2, 100, 90]]), (200, 1))
def large_call(**options):
    return cyroi.roi_align(maps, boxes, 7, **options)
def os_threads():
    return len(os.listdir("/proc/self/task"))
"""


def run(code: str, **environment: str) -> str:
    """Standard output of a fresh interpreter that can import `support`; fails on a crash, a hang or an error."""
    ours = ("CYROI_NUM_THREADS", "OMP_NUM_THREADS", "OMP_WAIT_POLICY")  # the last from conftest.py
    env = {k: v for k, v in os.environ.items() if k not in ours}
    env |= {"PYTHONPATH": os.pathsep.join([TESTS, *filter(None, [env.get("PYTHONPATH")])])} | environment
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout
