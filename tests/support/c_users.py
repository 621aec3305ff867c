"""The example package of tests/c_api, built against the cyroi that is tested: fixtures, which conftest.py hands out."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from .processes import of_a_user

EXAMPLE = Path(__file__).parents[1] / "c_api"
COMPILER = shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0])


def build(folder: Path) -> None:
    """Builds the package in `folder` with the tools of this environment and nothing from elsewhere."""
    env = of_a_user()
    env |= {"CFLAGS": f"{os.environ.get('CFLAGS', '')} -O0"}  # the example computes nothing, and is compiled sooner
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr


def load(folder: Path, name: str):
    [path] = [p for p in folder.glob(f"{name}.*") if p.suffix in (".so", ".pyd")]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A copy of the example package, built."""
    pytest.importorskip("Cython", reason="Cython is not installed")
    pytest.importorskip("setuptools", reason="setuptools is not installed")
    if COMPILER is None:
        pytest.skip("no C compiler on the path")
    copy = tmp_path_factory.mktemp("example") / "package"
    shutil.copytree(EXAMPLE, copy)
    build(copy)
    return copy


@pytest.fixture(scope="session")
def pooling(folder):
    return load(folder, "pooling")


@pytest.fixture(scope="session")
def crops(folder):
    return load(folder, "crops")
