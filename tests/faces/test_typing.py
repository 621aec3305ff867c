"""Law: a user's code passes mypy --strict, and wrong code does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cyroi

pytest.importorskip("mypy", reason="mypy is not installed")

SNIPPET = """
import numpy as np
from numpy.typing import NDArray

import cyroi
from cyroi import reference

maps: NDArray[np.float32] = np.zeros((1, 3, 8, 8), np.float32)
crops = cyroi.roi_align(maps, [[0, 1, 1, 5, 5]], output_size=7, aligned=True)
crops = cyroi.roi_align(maps, [np.zeros((2, 4))], (7, 7), 0.25, 2, True, layout="NCHW", out=crops, num_threads=2)
height: int = crops.shape[2]
faces = cyroi.crop_and_resize(maps[0, 0], [[0, 0, 1, 1]], None, (4, 4), "nearest", 1.0)
slow = reference.oracle.roi_align(maps, np.zeros((2, 5)), 7)
print(cyroi.show_config()["version"], cyroi.__version__, cyroi.get_include(), faces.mean(), slow.sum())
"""
WRONG = 'import cyroi\ncyroi.roi_align([[0]], [], output_size="big")\n'


def mypy(folder, text):
    (folder / "snippet.py").write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", folder / "cache", "snippet.py"]
    # mypy finds an installed package by itself, but not one that is installed as editable.
    where = Path(cyroi.__file__).parents[1]
    path = {} if where.name == "site-packages" else {"MYPYPATH": str(where)}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=os.environ | path)


def test_a_users_code_is_typed(tmp_path):
    done = mypy(tmp_path, SNIPPET)
    assert done.returncode == 0, done.stdout


def test_a_wrong_call_is_found(tmp_path):
    done = mypy(tmp_path, WRONG)
    assert done.returncode == 1
    assert "output_size" in done.stdout
