"""Law: what an index page shows of the package is true: no link leads nowhere, and what is claimed, CI tries."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path
from unittest import mock

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OF_THE_PROJECT = re.compile(r"\]\((?!https:|#)|(?:src|href)=[\"']?(?!https:|#)")


@pytest.fixture(scope="module")
def index_page():
    setuptools, build = pytest.importorskip("setuptools"), pytest.importorskip("Cython.Build")
    with mock.patch.object(setuptools, "setup"), mock.patch.object(build, "cythonize", return_value=[]):
        return runpy.run_path(str(ROOT / "setup.py"))["index_page"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("See [docs/a.md](docs/a.md).", "See `docs/a.md`."),
        ("See [the design](docs/design.md#words).", "See the design (`docs/design.md#words`)."),
        ("![two\nlines](docs/a.png)\n\nText", "(Picture `docs/a.png`: two\nlines)\n\nText"),
        ("[a](https://example.org) [b](#use) x[0](1)", "[a](https://example.org) [b](#use) x0 (`1`)"),
        ("[a](b)\n```python\nx[0](1)\n```\n[c](d)", "a (`b`)\n```python\nx[0](1)\n```\nc (`d`)"),
    ],
)
def test_links_to_the_projects_own_files_become_their_names(index_page, text, shown):
    assert index_page(text) == shown


def test_the_index_page_has_no_link_that_leads_nowhere(index_page):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert OF_THE_PROJECT.search(readme)
    assert not OF_THE_PROJECT.search(index_page(readme))


def test_every_file_that_the_readme_links_to_is_there():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    names = re.findall(r"\]\((?!https:|#)([^)#]+)", readme)
    assert len(names) >= 4
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_what_is_compiled_at_run_time_is_in_the_wheel():
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    globs = [f"{package.replace('.', '/')}/{glob}" for package, of in tool["package-data"].items() for glob in of]
    carried = {path for glob in globs for path in ROOT.glob(glob)}
    folders = {path.parent for path in (ROOT / "cyroi").rglob("*.cu")} | {ROOT / "cyroi" / "include" / "cyroi"}
    assert len(folders) == 2
    assert {path for folder in folders for path in folder.rglob("*.*")} <= carried
    assert "cyroi.gpu" in tool["packages"]


def test_the_classifiers_claim_the_pythons_that_ci_tries():
    claimed = {c.rpartition(" ")[2] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)}
    legs = (ROOT / "ci" / "floors.sh").read_text(encoding="utf-8")
    [default] = re.findall(r"set -- (.*)", legs)
    lowest = PROJECT["requires-python"].removeprefix(">=")
    assert f"lowest | serial) version={lowest} ;;" in legs
    assert claimed == {lowest} | {leg.removeprefix("python") for leg in default.split() if leg.startswith("python")}
    assert [c for c in PROJECT["classifiers"] if c.startswith("Operating System")] == [
        "Operating System :: POSIX :: Linux"
    ]
