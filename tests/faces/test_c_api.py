"""Law: the C functions give the bits of the Python functions, and every declaration of them is the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cyroi
from support.c_face import DTYPES, LAYOUTS, OK, arguments, case, invoke, name_of, signature, sizes

ROOT = Path(__file__).parents[2]

# Compiled code of users depends on every letter: a change is a new name (docs/c_api.md, Stability).
COMMON = (
    "int ({0} const *, Py_ssize_t const *, Py_ssize_t const *, {0} const *, int64_t const *, Py_ssize_t, Py_ssize_t,"
)
ROI_ALIGN = COMMON + " Py_ssize_t, double, Py_ssize_t, int, int, {0} *, Py_ssize_t const *, int)"
CROP_AND_RESIZE = COMMON + " Py_ssize_t, int, double, int, {0} *, Py_ssize_t const *, int)"
SIGNATURES = {
    "roi_align_float": ROI_ALIGN.format("float"),
    "roi_align_double": ROI_ALIGN.format("double"),
    "crop_and_resize_float": CROP_AND_RESIZE.format("float"),
    "crop_and_resize_double": CROP_AND_RESIZE.format("double"),
}


def test_the_signatures_are_frozen():
    assert {name: signature(name) for name in cyroi.__pyx_capi__} == SIGNATURES


def declared(text: str, opening: str) -> dict[str, str]:
    """The functions that a text declares, as signatures of types alone."""
    found = {}
    for name, parameters in re.findall(opening + r"\(([^)]*)\)", text):
        types = [re.sub(r"\w+$", "", " ".join(p.split())).strip().replace("*", " *") for p in parameters.split(",")]
        types = [re.sub(r"^const (\w+) +\*", r"\1 const *", t.replace("  ", " ")) for t in types]
        found[name] = f"int ({', '.join(types)})"
    return found


@pytest.mark.parametrize(
    ("path", "opening"),
    [
        ("cyroi/__init__.pxd", r"cdef int (\w+)"),
        ("cyroi/include/cyroi/c_api.h", r"int \(\*(\w+)\)"),
        ("docs/c_api.md", r"^int (\w+_float)"),
    ],
)
def test_all_declarations_are_the_same(path, opening):
    text = (ROOT / path).read_text()
    expected = {k: v for k, v in SIGNATURES.items() if "docs" not in path or k.endswith("float")}
    assert declared(text, f"(?m){opening}") == expected


def test_the_codes_are_the_same_in_the_header_the_documentation_and_cython():
    header = dict(re.findall(r"CYROI_(\w+) = (\d)", (ROOT / "cyroi/include/cyroi/c_api.h").read_text()))
    cython = dict(re.findall(r"^ +([A-Z_]+) = (\d)", (ROOT / "cyroi/__init__.pxd").read_text(), re.M))
    table = re.findall(r"^\| (\d) \| `CYROI_(\w+)` \| `cyroi.(\w+)`", (ROOT / "docs/c_api.md").read_text(), re.M)
    assert header == cython
    assert len(table) == 9
    assert all(header[c] == number and c == cy for number, c, cy in table)
    assert [int(header[name]) for name in ("OK", "BAD_BOX", "NO_MEMORY", "NCHW", "NEAREST")] == [0, 5, 8, 0, 1]


def test_importing_cyroi_does_not_load_the_c_face():
    code = "import sys, cyroi; a = 'cyroi.cpu._c_api' in sys.modules; cyroi.__pyx_capi__; "
    code += "print(a, 'cyroi.cpu._c_api' in sys.modules, cyroi.__pyx_capi__ is cyroi.__pyx_capi__)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["False", "True", "True"]


def test_get_include_is_the_folder_of_the_headers():
    assert Path(cyroi.get_include(), "cyroi", "c_api.h").is_file()
    assert os.path.isabs(cyroi.get_include())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_results_are_those_of_python_bit_for_bit(operator, dtype, layout):
    for seed in range(20):
        _, expected, c = case(operator, dtype, seed, layout=layout)
        assert invoke(name_of(operator, dtype), c) == OK
        np.testing.assert_array_equal(c["out"], expected, strict=True)
        c["out"][...] = np.nan
        assert invoke(name_of(operator, dtype), c | {"strides": None, "out_strides": None}) == OK
        np.testing.assert_array_equal(c["out"], expected, strict=True)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_views_are_read_and_written_in_place(operator, layout):
    call, expected, c = case(operator, layout=layout)
    spread = np.full(2 * np.array(expected.shape), np.nan, np.float32)
    maps = np.full(2 * np.array(call[operator.maps].shape), np.nan, np.float32)
    inner = [slice(1, 1 + size) for size in call[operator.maps].shape]
    for step in (1, -1):
        view = maps[tuple(inner)][::step]
        view[...] = call[operator.maps]
        out = spread[:, ::-2][::2, :, ::2, 1::2]
        out[...] = np.nan
        changes = {"maps": view, "strides": sizes(view.strides), "out": out, "out_strides": sizes(out.strides)}
        assert invoke(name_of(operator), c | changes) == OK
        np.testing.assert_array_equal(out, expected)
        assert np.isnan(spread).sum() == spread.size - expected.size


def test_the_result_may_have_another_layout_than_the_maps(operator):
    _, expected, c = case(operator, layout="NHWC")
    planar = np.full(np.array(expected.shape)[[0, 3, 1, 2]], np.nan, np.float32)
    view = planar.transpose(0, 2, 3, 1)
    assert invoke(name_of(operator), c | {"out": view, "out_strides": sizes(view.strides)}) == OK
    np.testing.assert_array_equal(planar, expected.transpose(0, 3, 1, 2))


def test_without_indices_all_boxes_lie_in_the_one_image(operator):
    _, expected, c = case(operator, shape=(1, 3, 9, 9))
    assert invoke(name_of(operator), c | {"indices": None}) == OK
    np.testing.assert_array_equal(c["out"], expected)


def test_nothing_to_do_is_no_error(operator):
    name = name_of(operator)
    _, _, c = case(operator)
    nothing = {"boxes": None, "indices": None, "count": 0, "out": None, "out_strides": None}
    assert invoke(name, c | nothing) == OK
    assert invoke(name, c | nothing | {"maps": None, "strides": None, "shape": sizes([0, 5, 17, 23])}) == OK
    no_channels = {"maps": None, "strides": None, "shape": sizes([3, 0, 17, 23]), "out": None, "out_strides": None}
    assert invoke(name, c | no_channels) == OK
    assert np.isnan(c["out"]).all()


def test_maps_without_pixels_have_nothing_inside(operator):
    call = operator.call(np.random.default_rng(0), shape=(3, 5, 0, 4))
    expected = operator.function(**call)
    c = arguments(operator, call, np.full_like(expected, np.nan))
    assert invoke(name_of(operator), c | {"maps": None}) == OK
    np.testing.assert_array_equal(c["out"], expected)
