"""Law: a module is compiled again where a header that it includes has changed, and for no other header."""

from __future__ import annotations

import os
import runpy
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path
from unittest import mock

import pytest

ROOT = Path(__file__).parents[2]
COMPILER = shlex.split(sysconfig.get_config_var("CXX") or "c++")
KERNELS = ("cyroi/cpu/target.h", "cyroi/cpu/lanes", "cyroi/cpu/forward", "cyroi/cpu/backward")


@pytest.fixture(scope="module")
def setup():
    """What setup.py defines; it is run without building anything."""
    setuptools, build = pytest.importorskip("setuptools"), pytest.importorskip("Cython.Build")
    with mock.patch.object(setuptools, "setup"), mock.patch.object(build, "cythonize", return_value=[]):
        return runpy.run_path(str(ROOT / "setup.py"))


@pytest.fixture(scope="module")
def included(setup):
    return setup["included"]


def names(headers):
    return {header.as_posix() for header in headers}


def test_headers_are_found_through_others_and_beside_them(included, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {
        "build/module.cpp": '#include "Python.h"\n#include <vector>\n  # include "call/job.h"\n// #include "not.h"\n',
        "cyroi/cpu/call/job.h": '#include "cyroi/plan.h"\n#include "beside.h"\n',
        "cyroi/cpu/call/beside.h": '#include "call/job.h"\n',  # a circle
        "cyroi/include/cyroi/plan.h": '#if 0\n#include "lanes/neon.h"\n#endif\n',
        "cyroi/cpu/lanes/neon.h": "",
        "cyroi/cpu/not.h": "",
    }
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    assert names(included("build/module.cpp")) == files.keys() - {"build/module.cpp", "cyroi/cpu/not.h"}


@pytest.mark.skipif(shutil.which(COMPILER[0]) is None, reason="there is no compiler")
@pytest.mark.parametrize("flags", [[], ["-mavx2", "-mfma", "-mf16c"]])
def test_the_compiler_reads_no_header_that_is_not_found(included, monkeypatch, flags):
    monkeypatch.chdir(ROOT)
    if flags and os.uname().machine != "x86_64":
        pytest.skip("flags of x86")
    found = names(included("cyroi/cpu/target.h"))
    folders = ["-Icyroi/include", "-Icyroi/cpu"]
    command = [*COMPILER, "-std=c++14", "-MM", *flags, *folders, "-x", "c++", "cyroi/cpu/target.h"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    read = {name for name in done.stdout.replace("\\\n", " ").split() if name.endswith(".h")} - {"cyroi/cpu/target.h"}
    assert len(read) > 20
    assert read <= found


def test_headers_of_kernels_belong_to_the_kernels_alone(included, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert "cyroi/cpu/forward/pixels.h" in names(included("cyroi/cpu/target.h"))
    for header in ("cyroi/cpu/call", "cyroi/include"):
        for path in Path(header).rglob("*.h"):
            assert not [name for name in names(included(path)) if name.startswith(KERNELS)], path


def test_no_copy_of_a_header_stays_where_it_is_found_first(setup, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / "build" / "cython" / "cyroi" / "cpu" / "call" / "job.h"
    copy.parent.mkdir(parents=True)
    copy.write_text("as it was before")
    setup["modules"]([])
    assert not copy.exists()
