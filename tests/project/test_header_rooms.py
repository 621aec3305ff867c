"""Law: headers include from below only, what is compiled per SIMD target never reaches what is compiled once, device
code includes the mathematics and its own room only, and files stay short.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CYROI = Path(__file__).parents[2] / "cyroi"
# From the bottom up. What is compiled once sees the first three; the others are compiled for each SIMD target.
ROOMS = ["include/cyroi", "include/cyroi/planners", "cpu/call", "cpu/lanes", "cpu/forward", "cpu/backward", "cpu"]
GPU = "gpu/kernels"
PER_TARGET = {"cpu/lanes", "cpu/forward", "cpu/backward", "cpu"}
TARGETS = {"_avx2.pyx", "_avx512.pyx", "_baseline.pyx", "target.pxi"}
MOST_LINES = 300

HEADERS = sorted({*(CYROI / "include").rglob("*.h"), *(CYROI / "cpu").rglob("*.h")})
DEVICE = sorted(path for suffix in ("cu", "h") for path in (CYROI / GPU).glob(f"*.{suffix}"))
ONCE = sorted(path for path in (CYROI / "cpu").glob("*.p[yx][xdi]") if path.name not in TARGETS)


def room(path: Path) -> str:
    return path.parent.relative_to(CYROI).as_posix()


def included(text: str) -> list[Path]:
    """The headers of this project that a header or a Cython file names."""
    names = re.findall(r'^\s*(?:#\s*include|cdef extern from)\s+"([^"]+)"', text, flags=re.M)
    found = [(CYROI / root / name).resolve() for name in names for root in ("include", "cpu", GPU)]
    return [path for path in found if path.exists()]


@pytest.mark.parametrize("path", HEADERS, ids=lambda path: path.relative_to(CYROI).as_posix())
def test_a_header_includes_from_its_room_and_below(path):
    mine = room(path)
    for other in included(path.read_text()):
        planner = mine == "include/cyroi" and room(other) == "include/cyroi/planners"  # plan.h chooses among them
        assert planner or ROOMS.index(room(other)) <= ROOMS.index(mine), f"{path.name} includes {other.name}"


@pytest.mark.parametrize("path", ONCE, ids=lambda path: path.name)
def test_what_is_compiled_once_includes_nothing_of_a_target(path):
    for other in included(path.read_text()):
        assert room(other) not in PER_TARGET, f"{path.name} includes {other.name}"


@pytest.mark.parametrize("path", DEVICE, ids=lambda path: path.relative_to(CYROI).as_posix())
def test_device_code_includes_the_mathematics_and_its_own_room(path):
    assert re.findall(r"#\s*include\s*<", path.read_text()) == []
    others = included(path.read_text())
    assert others or path.suffix == ".h"
    for other in others:
        assert room(other) in (GPU, *ROOMS[:2]), f"{path.name} includes {other.name}"


def test_the_check_sees_a_header_of_a_target():
    text = 'cdef extern from "forward/blocks.h" nogil:\n    pass\n#include "call/job.h"\n'
    assert [room(path) for path in included(text)] == ["cpu/forward", "cpu/call"]


def test_what_is_compiled_once_is_all_but_the_targets():
    assert {"_driver.pyx", "_separable.pyx", "_kernels.pxd", "_quick.pyx", "_c_api.pyx"} <= {p.name for p in ONCE}


@pytest.mark.parametrize(
    "path",
    [path for suffix in ("h", "cu", "pyx", "pxd", "py") for path in sorted(CYROI.rglob(f"*.{suffix}"))],
    ids=lambda path: path.relative_to(CYROI).as_posix(),
)
def test_a_file_is_short(path):
    assert len(path.read_text().splitlines()) <= MOST_LINES
