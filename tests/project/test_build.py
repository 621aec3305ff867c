"""Law: a module is compiled again where a header that it includes has changed, and for no other header; and what flags
of the user ask for, results do not change.
"""

from __future__ import annotations

import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
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


# Builds a module, in the current folder and as setup.py builds its own; without cyroi's flags if an argument says so.
BUILD = f"""
import os, runpy, sys
from unittest import mock
import Cython.Build, setuptools
from setuptools import Distribution, Extension
with mock.patch("setuptools.setup"), mock.patch("Cython.Build.cythonize", return_value=[]):
    command = runpy.run_path({str(ROOT / "setup.py")!r})["BuildExt"]
if "unprotected" in sys.argv:
    command.build_extensions.__globals__.update(GCC_FLAGS=[], IEEE_FLAGS=[])
module = Extension("module", ["module.cpp"], include_dirs=[{str(ROOT / "cyroi" / "include")!r}], language="c++")
build = Distribution({{"ext_modules": [module], "cmdclass": {{"build_ext": command}}}}).get_command_obj("build_ext")
build.build_lib = build.build_temp = os.getcwd()
build.ensure_finalized()
build.run()
"""
MODULE = """
#include "cyroi/config.h"
extern "C" __attribute__((visibility("default"))) int is_nan(double x) { return x != x; }
"""
# Where subnormals are flushed to zero, they are in the whole process, and from the moment a module is loaded.
USE = """
import ctypes, glob, math, os, sys
module = ctypes.CDLL(os.path.abspath(*glob.glob("module*.so")))
module.is_nan.argtypes = [ctypes.c_double]
print(module.is_nan(math.nan), module.is_nan(1.0), sys.float_info.min / 4 > 0)
"""
# Habits, and recipes of packagers. The parts of -ffast-math follow.
HOSTILE = ["-ffast-math", "-Ofast", "-funsafe-math-optimizations", "-ffinite-math-only", "-freciprocal-math"]
HOSTILE += ["-fassociative-math -fno-signed-zeros -fno-trapping-math"]


def build_module(folder, flags, *arguments):
    """Builds MODULE with these flags in every variable that setuptools knows."""
    (folder / "module.cpp").write_text(MODULE)
    variables = dict.fromkeys(("CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS"), flags)
    return subprocess.run(
        [sys.executable, "-c", BUILD, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | variables | {"CYROI_OPENMP": "0"},
    )


builds = pytest.mark.skipif(shutil.which(COMPILER[0]) is None or os.name == "nt", reason="there is no such compiler")


@builds
@pytest.mark.parametrize("flags", HOSTILE)
def test_fast_mathematics_does_not_take_effect(tmp_path, flags):
    done = build_module(tmp_path, flags)
    assert done.returncode == 0, done.stderr
    used = subprocess.run([sys.executable, "-c", USE], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert used.stdout.split() == ["1", "0", "True"]


@builds
@pytest.mark.parametrize("flags", HOSTILE[:2])
def test_what_would_be_compiled_with_fast_mathematics_is_refused(tmp_path, flags):
    done = build_module(tmp_path, flags, "unprotected")
    assert done.returncode != 0
    assert "cyroi cannot be compiled with -ffast-math" in done.stderr


def named_headers(module):
    """The headers that a Cython module names, itself or through what it includes and cimports."""
    texts, unread = [], [path for path in (module, module.with_suffix(".pxd")) if path.exists()]
    while unread:
        texts.append(unread.pop().read_text())
        names = re.findall(r'^from \.(_\w+) cimport|^include "(.+?)"', texts[-1], re.MULTILINE)
        unread += [module.parent / (other or f"{name}.pxd") for name, other in names]
    return re.findall(r'^cdef extern from "(.+?)"', "\n".join(texts), re.MULTILINE)


@pytest.mark.parametrize("module", sorted((ROOT / "cyroi" / "cpu").glob("_*.pyx")), ids=lambda path: path.stem)
def test_every_module_includes_the_header_that_refuses(included, monkeypatch, tmp_path, module):
    monkeypatch.chdir(ROOT)
    source = tmp_path / "module.cpp"
    source.write_text("".join(f'#include "{name}"\n' for name in named_headers(module)))
    assert "cyroi/include/cyroi/config.h" in names(included(source))
