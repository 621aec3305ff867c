"""ci/gpu.sh as far as it can be wrong without a GPU: its variant with atomics, its floors and its tables."""

from __future__ import annotations

import re
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import cyroi

sys.path.append(str(Path(__file__).parents[2] / "ci"))
sys.path.append(str(Path(__file__).parents[2] / "asv_benchmarks"))
from bench.table import replace_marked
from gpu import __main__ as command
from gpu import atomics, goals, records, report
from gpu.cases import DTYPES, FORWARD, LAYOUTS, NAMES, TINY, TO_BOXES, TO_MAPS, Case
from gpu.contenders import ATOMICS, CHECKED, OURS, TOLERANCE, TORCHVISION, difference

ROOT = Path(__file__).parents[2]

# --- what is timed beside cyroi ---------------------------------------------------------------------------------------


@pytest.fixture
def compiler():
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler on the path")


def test_the_variant_with_atomics_is_compiled_for_a_gpu(monkeypatch):
    cupy = pytest.importorskip("cupy", reason="no CuPy: python -m pip install --group gpu")
    loaded = []
    current = types.SimpleNamespace(attributes={"MultiProcessorCount": 132}, compute_capability="90")
    monkeypatch.setattr(cupy.cuda, "Device", lambda: current)
    monkeypatch.setattr(cupy.cuda, "Module", lambda: types.SimpleNamespace(load=loaded.append))
    assert atomics.Device("float16").processors == 132
    assert loaded[0].startswith(b"\x7fELF")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", TINY)
def test_the_variant_with_atomics_computes_the_same(name, dtype, layout, compiler):
    case = Case(name, dtype, layout, tiny=True)
    code = atomics.compiled(dtype, dry=True)
    setup, rows = atomics.setup_of(case.operator, case.arguments), atomics.rows_of(case.operator, case.arguments)
    out, grad = np.full(case.shape, np.nan, dtype), np.full(case.maps.shape, np.nan, dtype)
    atomics.forward(code, setup, case.maps, rows, out)()
    assert difference(out, case.expected(FORWARD)) <= TOLERANCE[dtype]
    sums = grad if dtype == "float32" else np.full(grad.shape, np.nan, np.float32)
    atomics.backward(code, setup, case.grad_output, rows, grad, sums, lambda array: array.fill(0))()
    assert difference(grad, case.expected(TO_MAPS)) <= TOLERANCE[dtype]


@pytest.mark.parametrize("target", [75, 90, 120])
def test_the_variant_with_atomics_is_device_code(target):
    cupy = pytest.importorskip("cupy", reason="no CuPy: python -m pip install --group gpu")
    from cyroi.gpu import device

    if target not in cupy.cuda.nvrtc.getSupportedArchs():
        pytest.skip(f"this NVRTC does not know sm_{target}")
    code = device.compiled("atomics", atomics.text(), atomics.options("float16"), f"compute_{target}").decode()
    assert all(f".entry {name}(" in code for name in ("forward", "backward", "round_off", "read_again"))
    assert re.search(r"(atom|red)\.\S*add\S*\.f32", code)
    assert "fma.rn.f32" in code  # contracted, as others are


def test_the_variant_with_atomics_refuses_offsets_of_more_than_32_bits():
    maps = np.broadcast_to(np.float32(0), (1, 1 << 16, 1 << 8, 1 << 8))
    call = {"input": maps, "boxes": np.zeros((1, 5), np.float32), "output_size": 1, "spatial_scale": 1.0}
    with pytest.raises(ValueError, match="32 bits"):
        atomics.setup_of("roi_align", call)


# --- bytes to be moved ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", TINY)
def test_touched_pixels_are_those_that_have_a_gradient(name, layout):
    case = Case(name, "float32", layout, tiny=True)
    ones = np.ones(case.shape, np.float32)
    grad = getattr(cyroi, f"{case.operator}_backward")(ones, **case.backward_arguments(), wrt=case.maps_name)
    reached = np.count_nonzero(grad.transpose([layout.index(axis) for axis in "NCHW"])[:, 0])
    # A sample at a whole coordinate has a neighbour of weight 0, which others would read.
    assert 0.9 * case.touched <= reached <= case.touched


def test_bytes_are_those_of_touched_pixels_and_of_the_result():
    single, half = (Case("W7", dtype, "NHWC", tiny=True) for dtype in DTYPES)
    results = 4 * 14 * 14 * 40
    assert single.moved(FORWARD) == 4 * (40 * single.touched + results)
    assert single.moved(TO_MAPS) == 4 * (2 * 16 * 16 * 40 + results)
    assert single.moved(TO_BOXES) == single.moved(FORWARD) + 4 * 4 * 4
    assert 2 * half.moved(FORWARD) == single.moved(FORWARD)


# --- tables -----------------------------------------------------------------------------------------------------------

TIMES = {OURS: 50.0, CHECKED: 60.0, TORCHVISION: 150.0, ATOMICS: 200.0, "pixels": 50.0, "gather": 100.0}
MACHINE = {"part": "machine", "machine": "a GPU", "found": {records.COPIED: 4000.0}}


def speed(name, direction, cold, moved=100_000_000):
    about = {"workload": name, "dtype": "float32", "layout": records.home(name), "direction": direction}
    return {"part": "speed", **about, "moved": moved, "cold": cold, "warm": cold, "kernels": [["plan", 3.0]]}


def row(text, *cells):
    """Cells by title of the one row of the tables in `text` that begins with `cells`."""
    lines = [line.strip("| ").split(" | ") for line in text.replace("|  |", "| - |").splitlines() if "|" in line]
    found = [number for number, line in enumerate(lines) if line[: len(cells)] == list(cells)]
    titles = [line for line in lines[: found[0]] if line[0] in ("workload", "goal")][-1]
    return dict(zip(titles, lines[found[0]], strict=False))


def test_what_was_measured_stands_beside_its_floor_and_its_estimate():
    text = report.text([MACHINE, speed("W1", FORWARD, TIMES)])
    measured = row(text, "W1", "float32", "NCHW", FORWARD)
    assert (measured["MB"], measured["floor"], measured["x floor"]) == ("100", "25", "2.00")
    assert (measured[OURS], measured["estimate"]) == ("50", "120 to 145")
    assert (measured[TORCHVISION], measured[ATOMICS], measured["gather"]) == ("150 (3)", "200 (4)", "100 (2)")
    assert row(text, "W1", "float16", "NCHW", FORWARD)[OURS] == records.NOT_MEASURED
    assert "a GPU" in text
    assert "plan 3" in text


@pytest.mark.parametrize(("ours", "words"), [(100.0, "1.5, met"), (101.0, "1.49, missed")])
def test_a_goal_is_met_or_missed(ours, words):
    them = records.Records([MACHINE, speed("W1", FORWARD, TIMES | {OURS: ours})])
    assert row(goals.table(them), "W1, forward: times as quick as torchvision")["float32"] == words


@pytest.mark.parametrize(("moved", "words"), [(100_000_000, "2, met"), (90_000_000, "2.22, missed")])
def test_a_goal_of_floors_is_met_or_missed(moved, words):
    them = records.Records([MACHINE, speed("W7", FORWARD, TIMES, moved)])
    assert row(goals.table(them), "W7, forward: times the floor")["float32"] == words


def test_without_a_measurement_every_cell_says_so():
    text = report.text([])
    for name in NAMES:
        for dtype in DTYPES:
            cells = row(text, name, dtype, records.home(name), FORWARD)
            assert cells[OURS] == cells["x floor"] == cells[CHECKED] == records.NOT_MEASURED
    for line in goals.table(records.Records([])).splitlines()[2:]:
        assert records.NOT_MEASURED in line
        assert "met " not in line


def test_the_document_says_what_was_measured_or_that_nothing_was():
    document = command.DOCUMENT.read_text(encoding="utf-8")
    marked = document.partition(report.BEGIN)[2].partition(report.END)[0].strip()
    if "Not measured yet" in marked:
        assert marked == report.text([])
    else:
        assert marked.count("| W1 | float32 | NCHW | forward |") == 1


def test_tables_go_between_their_own_markers_alone():
    text = f"a\n{report.BEGIN}\nold\n{report.END}\nb"
    assert replace_marked(text, "new", report.BEGIN, report.END) == f"a\n{report.BEGIN}\n\nnew\n\n{report.END}\nb"
    with pytest.raises(ValueError, match="gpu"):
        replace_marked("none", "new", report.BEGIN, report.END)
