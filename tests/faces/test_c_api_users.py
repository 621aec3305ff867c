"""Law: another package builds against the installed cyroi, and the examples of docs/c_api.md work as printed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
import threading
from pathlib import Path

import numpy as np
import pytest

import cyroi
from support.c_face import BAD_BOX, BAD_SIZE, BAD_STRIDES, DTYPES, LAYOUTS, NULL_POINTER, OK
from support.c_users import COMPILER, EXAMPLE, build, load
from support.operators import BY_NAME

DOCUMENT = (EXAMPLE.parents[1] / "docs" / "c_api.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.M | re.S)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_cimport_gives_the_bits_of_python(pooling, dtype, layout):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        call = BY_NAME["roi_align"].call(rng, dtype=dtype, layout=layout)
        expected = cyroi.roi_align(**call)
        out = np.full_like(expected, np.nan)
        code = pooling.roi_align(
            call["input"], call["boxes"], call["batch_indices"], call["spatial_scale"], call["sampling_ratio"],
            call["aligned"], LAYOUTS[layout], out, *call["output_size"], 2,
        )  # fmt: skip
        assert code == OK
        np.testing.assert_array_equal(out, expected)
        call = BY_NAME["crop_and_resize"].call(rng, dtype=dtype, layout=layout)
        expected = cyroi.crop_and_resize(**call)
        out = np.full_like(expected, np.nan)
        code = pooling.crop_and_resize(
            call["image"], call["boxes"], call["box_indices"], call["method"] == "nearest",
            call["extrapolation_value"], LAYOUTS[layout], out, *call["crop_size"], 2,
        )  # fmt: skip
        assert code == OK
        np.testing.assert_array_equal(out, expected)


def frames():
    rng = np.random.default_rng(0)
    maps = rng.standard_normal((6, 8, 40, 50)).astype(np.float32)
    boxes = rng.uniform(0, 160, (6, 30, 4)).astype(np.float32)
    expected = [
        cyroi.roi_align(m[None], b, 7, 0.25, 2, True, batch_indices=np.zeros(30, int))
        for m, b in zip(maps, boxes, strict=True)
    ]
    return maps, boxes, np.array(expected)


@pytest.mark.parametrize("num_threads", [1, 2, 5])
def test_calls_from_a_prange_of_the_user(pooling, num_threads):
    maps, boxes, expected = frames()
    out, codes = np.full_like(expected, np.nan), np.full(6, -1, np.intc)
    pooling.pool_frames(maps, boxes, 0.25, out, codes, num_threads)
    assert codes.tolist() == [OK] * 6
    np.testing.assert_array_equal(out, expected)
    boxes[3, 7, 1] = np.nan
    pooling.pool_frames(maps, boxes, 0.25, out[:, :, :, :1, :1].copy(), codes, num_threads)
    assert codes.tolist() == [OK, OK, OK, BAD_BOX, OK, OK]


def test_calls_from_several_python_threads_that_hold_no_gil(pooling):
    maps, boxes, expected = frames()
    outs = [np.full_like(expected, np.nan) for _ in range(6)]

    def work(out):
        for _ in range(5):
            pooling.pool_frames(maps, boxes, 0.25, out, np.empty(6, np.intc), 2)

    threads = [threading.Thread(target=work, args=(out,)) for out in outs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for out in outs:
        np.testing.assert_array_equal(out, expected)


def test_cython_sees_the_codes_of_the_header(pooling):
    header = Path(cyroi.get_include(), "cyroi", "c_api.h").read_text()
    assert pooling.constants() == {name: int(value) for name, value in re.findall(r"CYROI_(\w+) = (\d)", header)}


def test_crops_in_c(crops):
    rng = np.random.default_rng(0)
    image = rng.standard_normal((1, 20, 30, 3)).astype(np.float32)
    boxes = rng.uniform(-0.1, 1.1, (4, 4)).astype(np.float32)
    expected = cyroi.crop_and_resize(image, boxes, [0] * 4, (5, 6))
    planar = np.full((4, 3, 5, 6), np.nan, np.float32)
    assert crops.crop(image[:, ::-1], boxes * [-1, 1, -1, 1] + np.float32([1, 0, 1, 0]), planar) == BAD_SIZE
    for out in (np.full_like(expected, np.nan), planar.transpose(0, 2, 3, 1)):
        assert crops.crop(image, boxes, out) == OK
        np.testing.assert_array_equal(out, expected)
    assert crops.crop(np.zeros((2, 20, 30, 3), np.float32), boxes, planar.transpose(0, 2, 3, 1)) == NULL_POINTER
    assert (
        crops.crop(np.zeros((1, 20, 30, 6), np.float32)[..., ::2], boxes, planar.transpose(0, 2, 3, 1)) == BAD_STRIDES
    )
    np.testing.assert_array_equal(planar.transpose(0, 2, 3, 1), expected)


def test_a_module_for_another_signature_is_refused_at_import(folder, tmp_path):
    shutil.copytree(cyroi.get_include(), tmp_path / "include")
    header = tmp_path / "include" / "cyroi" / "c_api.h"
    header.write_text(header.read_text().replace('T) "int, double, int, "', 'T) "int, float, int, "'))
    source = (EXAMPLE / "setup.py").read_text().replace("cyroi.get_include()", '"include"')
    (tmp_path / "setup.py").write_text(re.sub(r"\*cythonize\(.*\),", "", source))
    shutil.copy(EXAMPLE / "crops.c", tmp_path)
    build(tmp_path)
    with pytest.raises(ImportError, match="no C function crop_and_resize_float with the signature"):
        load(tmp_path, "crops")


@pytest.mark.skipif(COMPILER is None, reason="no C compiler on the path")
@pytest.mark.parametrize(("suffix", "standard"), [("c", "c99"), ("cpp", "c++14")])
def test_the_header_compiles_without_a_warning(tmp_path, suffix, standard):
    source = tmp_path / f"use.{suffix}"
    use = "int use(cyroi_functions *f); int use(cyroi_functions *f) { return cyroi_import(f); }\n"
    source.write_text('#include <Python.h>\n#include "cyroi/c_api.h"\n' + use)
    folders = [f"-I{cyroi.get_include()}", f"-isystem{sysconfig.get_path('include')}"]
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", f"-std={standard}"]
    command = [COMPILER, *folders, *warnings, "-c", str(source), "-o", str(tmp_path / "use.o")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("language", "file"), [("cython", "pooling.pyx"), ("c", "crops.c")])
def test_the_document_prints_the_files_that_are_tested(language, file):
    assert (EXAMPLE / file).read_text().startswith(blocks(language)[-1])


def python_block(package: str) -> str:
    pytest.importorskip(package, reason=f"{package} is not installed")
    [block] = [block for block in blocks("python") if re.search(rf"^import {package}$", block, re.M)]
    return block


def test_the_example_in_numba():
    names = {}
    exec(python_block("numba"), names)
    rng = np.random.default_rng(0)
    maps = rng.standard_normal((2, 3, 20, 20)).astype(np.float32)
    boxes, indices = rng.uniform(0, 320, (5, 4)).astype(np.float32), rng.integers(0, 2, 5)
    expected = cyroi.roi_align(maps, boxes, 7, 1 / 16, 2, True, batch_indices=indices)
    np.testing.assert_array_equal(names["pool"](maps, boxes, indices), expected)
    np.testing.assert_array_equal(
        names["pool"](maps[:, :, ::-1], boxes, indices),
        names["pool"](np.ascontiguousarray(maps[:, :, ::-1]), boxes, indices),
    )
    with pytest.raises(ValueError, match="does not accept"):
        names["pool"](maps, boxes, indices + 1)


def test_the_example_in_scipy(capsys):
    names = {}
    exec(python_block("scipy"), names)
    opening = "int (float const *, Py_ssize_t const *, Py_ssize_t const *"
    assert f"`{opening}`" in DOCUMENT
    assert capsys.readouterr().out.strip() == names["function"].signature
    assert names["function"].signature.startswith(opening)
