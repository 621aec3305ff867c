"""Law: the code of docs/gpu.md runs, on the emulator, and what it says of folders, versions and messages is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("cupy", reason="no CuPy: python -m pip install --group gpu")

from cyroi.gpu import device, plans, routes, source
from support.cuda import device as emulated
from support.processes import run

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
PLAIN = " ".join(TEXT.split())
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


# CuPy's functions that the document calls, on memory of the host. A stream records nothing: a call is done at once.
ON_THE_EMULATOR = """
import contextlib, types, cupy, numpy as np
import cyroi.gpu.device
from support.cuda import backend
from support.cuda.device import upload

class Stream(contextlib.nullcontext):
    capturing, captured = False, 0
    def __init__(self, non_blocking):
        super().__init__(self)
    def begin_capture(self):
        Stream.capturing = True
    def end_capture(self):
        assert Stream.capturing
        Stream.capturing = False
        return types.SimpleNamespace(launch=lambda: print("launched"))

normal = lambda size, dtype: upload(np.random.default_rng(0).standard_normal(size, dtype))
cupy.random = types.SimpleNamespace(standard_normal=normal)
cupy.array = lambda value, dtype: upload(np.array(value, dtype))
cupy.ones_like = lambda array: upload(np.ones(array.shape, array.dtype))
cupy.cuda.Stream = Stream
with backend.installed():
    cyroi.gpu.device.capturing = lambda: Stream.capturing
    for block in BLOCKS:
        before = backend.Counts.launches
        exec(block)
        print(backend.Counts.launches > before)
print(pooled.shape, type(grad) is cupy.ndarray, grad.shape == features.shape)
"""


def test_its_code_runs_in_its_order():
    if emulated.compiler() is None:
        pytest.skip("no C++ compiler on the path")
    blocks = PYTHON.findall(TEXT)
    assert len(blocks) == 2
    out = run(f"BLOCKS = {blocks!r}\n{ON_THE_EMULATOR}")
    assert out.splitlines() == ["True", "launched", "True", "(2, 256, 7, 7) True True"]


def test_its_numbers_are_those_of_the_code():
    assert "plans of boxes | at most 256 MiB" in PLAIN
    assert plans.MOST_BYTES == 256 << 20
    assert "brought together (NCHW, where that pays) | at most 256 MiB" in PLAIN
    assert routes.SCRATCH == 256 << 20
    assert f"32 bytes a box and piece of {routes.SUMMED_AT_ONCE} of its numbers" in PLAIN
    assert f"from {'.'.join(map(str, device._OLDEST))} on" in PLAIN


def test_its_extras_are_those_of_the_package():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = set(re.findall(r"cyroi\[(\w+)\]", TEXT))
    assert named == {name for name in extras if name.startswith("cuda")}
    for name in named:
        [of_cupy] = [requirement for requirement in extras[name] if requirement.startswith("cupy")]
        assert of_cupy == f"cupy-{name}x>=14"


def test_the_messages_that_it_names_are_those_of_the_code():
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "cyroi").rglob("*.py"))
    messages = re.findall(r"^\| `([^`]+)`", TEXT[TEXT.index("## Errors") :], flags=re.M)
    assert len(messages) == 6
    for message in messages:
        pieces = [piece.strip() for piece in re.split(r"\.\.\.|\d+|cuda:", message)]
        assert all(piece.strip(",") in code for piece in pieces), message


def test_the_folders_that_it_names_are_those_of_the_code(monkeypatch):
    assert "`$CYROI_CACHE_DIR`" in TEXT
    for name in ("CYROI_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setattr(source.sys, "platform", "linux")
    assert f"`{source.cache_folder().replace('/home/me', '~')}`" in TEXT
    monkeypatch.setattr(source.sys, "platform", "darwin")
    assert f"`{source.cache_folder().replace('/home/me', '~')}`" in TEXT
