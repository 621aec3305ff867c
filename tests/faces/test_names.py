"""Law: what users find in `cyroi` is public, all of it is there, and nothing is imported before it is used."""

from __future__ import annotations

import doctest
import inspect
import pydoc
import subprocess
import sys

import pytest

import cyroi


def run(code):
    """What the code prints in a process of its own, where nothing of cyroi was used yet."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_the_public_names():
    gradients = {"roi_align_backward", "crop_and_resize_backward"}
    rest = {"plot", "reference", "get_include", "show_config", "__version__"}
    assert set(cyroi.__all__) == {"roi_align", "crop_and_resize"} | gradients | rest


def test_dir_shows_the_public_names_and_only_them():
    use = "cyroi.plot, cyroi.reference, cyroi.cpu, cyroi.operators, cyroi.__pyx_capi__"
    assert run(f"import cyroi; first = dir(cyroi); {use}; assert dir(cyroi) == first; print(first)") == (
        f"{sorted(cyroi.__all__)}\n"
    )


@pytest.mark.parametrize("name", cyroi.__all__)
def test_every_public_name_is_there(name):
    assert run(f"import cyroi; print(cyroi.{name} is not None)") == "True\n"
    assert run(f"from cyroi import {name}; print({name} is not None)") == "True\n"


def test_a_star_import_brings_the_public_names_and_no_matplotlib():
    names = run(
        "import sys; from cyroi import *; print(*(set(dir()) - {'sys'})); assert 'matplotlib' not in sys.modules"
    )
    assert {name for name in names.split() if name == "__version__" or not name.startswith("__")} == set(cyroi.__all__)


def test_plot_is_imported_when_it_is_used_and_matplotlib_when_something_is_drawn():
    pytest.importorskip("matplotlib")
    code = """
import sys, cyroi
assert "cyroi.plot" not in sys.modules
assert callable(cyroi.plot.show_rois)
assert "matplotlib" not in sys.modules
from matplotlib.figure import Figure
cyroi.plot.show_aligned([[1, 2], [3, 4]], ax=Figure().subplots())
"""
    assert run(code) == ""


def test_a_name_that_is_not_there_is_named():
    with pytest.raises(AttributeError, match="module 'cyroi' has no attribute 'roi_pool'"):
        cyroi.roi_pool  # noqa: B018


def test_tools_that_look_into_modules_find_what_they_need():
    assert {name for name, _ in inspect.getmembers(cyroi)} == set(cyroi.__all__)
    page = pydoc.render_doc(cyroi, renderer=pydoc.plaintext)
    assert cyroi.__doc__.splitlines()[0] in page
    assert all(f"\n    {name}(" in page for name in cyroi.__all__ if inspect.isfunction(getattr(cyroi, name)))
    found = {test.name for test in doctest.DocTestFinder().find(cyroi) if test.examples}
    assert {"cyroi", "cyroi.roi_align"} <= found
