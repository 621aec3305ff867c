"""Code in a fresh interpreter, and the code that several of those tests begin with."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cyroi
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


def of_a_user() -> dict[str, str]:
    """The environment in which a fresh interpreter imports the cyroi that is tested, from whatever folder.

    Where it does so as things are, nothing is added, because users have no more: compilers and type checkers, too, have
    to find a cyroi that is installed, editable or not. Else it was found in the folder that the tests run in.
    """
    code = "import importlib.util as u; found = u.find_spec('cyroi'); print(found and found.origin)"
    found = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout
    if found.strip() == cyroi.__file__:
        return dict(os.environ)
    where = str(Path(cyroi.__file__).parents[1])
    path = os.pathsep.join([where, *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": path, "MYPYPATH": where}


def run(code: str, **environment: str) -> str:
    """Standard output of a fresh interpreter that can import `support`; fails on a crash, a hang or an error."""
    ours = ("CYROI_NUM_THREADS", "OMP_NUM_THREADS", "OMP_WAIT_POLICY")  # the last from conftest.py
    env = {k: v for k, v in os.environ.items() if k not in ours}
    env |= {"PYTHONPATH": os.pathsep.join([TESTS, *filter(None, [env.get("PYTHONPATH")])])} | environment
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout
