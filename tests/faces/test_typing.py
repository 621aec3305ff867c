"""Law: a user's code passes mypy --strict, and wrong code does not."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from support.processes import of_a_user

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
axes = cyroi.plot.show_rois(maps[0], [[1, 1, 5, 5]], 7, aligned=True, ax=None)
axes.set_title("a crop")
print(cyroi.show_config()["version"], cyroi.__version__, cyroi.get_include(), faces.mean(), slow.sum())
"""
WRONG = 'import cyroi\ncyroi.roi_align([[0]], [], output_size="big")\ncyroi.roi_algn\n'


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What mypy says of both at once, line by line: most of its time goes to NumPy."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "snippet.py").write_text(SNIPPET)
    (folder / "wrong.py").write_text(WRONG)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", folder / "cache", "snippet.py", "wrong.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=of_a_user())
    assert "checked 2 source files" in done.stdout, done.stdout + done.stderr
    return done.stdout.splitlines()[:-1]


def test_a_users_code_is_typed(found):
    assert [line for line in found if not line.startswith("wrong.py:")] == []


def test_a_wrong_call_is_found(found):
    assert any(re.match(r"wrong\.py:2: error: .*output_size", line) for line in found), found


def test_a_slip_in_a_name_is_found(found):
    assert any(re.match(r'wrong\.py:3: error: Module has no attribute "roi_algn"', line) for line in found), found
