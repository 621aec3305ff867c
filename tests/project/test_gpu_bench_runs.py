"""How ci/gpu.sh samples, judges and runs its parts, as far as it can be wrong without a GPU; and a dry run of it."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import cyroi

sys.path.append(str(Path(__file__).parents[2] / "ci"))
sys.path.append(str(Path(__file__).parents[2] / "asv_benchmarks"))
from gpu import __main__ as command
from gpu import laws, machine, records, report, tools
from gpu.cases import DIRECTIONS, DTYPES, FORWARD, LAYOUTS, TO_BOXES, TO_MAPS
from gpu.contenders import ATOMICS, CHECKED, OURS
from gpu.parts import Part

ROOT = Path(__file__).parents[2]

# --- samples ----------------------------------------------------------------------------------------------------------


class Clock:
    """A machine whose time is told by what is asked of it."""

    def __init__(self):
        self.now, self.done, self.launch_time = 0, [], 10
        self.device = SimpleNamespace(launch=lambda kernel, name: self.takes(f"launch {name}", self.launch_time))
        self.plain = self.device.launch

    def takes(self, what, time):
        self.done.append(what)
        self.now += time

    def event(self):
        found = SimpleNamespace()
        found.record = lambda: setattr(found, "time", self.now)
        return found

    def microseconds(self, before, after):
        return after.time - before.time

    def wait(self):
        pass

    def occupy(self, microseconds):
        self.takes("flush", 1000)


def test_contenders_take_turns_after_a_flush_and_warm_ones_after_themselves():
    clock = Clock()
    calls = {label: [lambda what=f"{label}{n}", n=n: clock.takes(what, n) for n in (1, 3)] for label in "ab"}
    assert machine.interleaved(clock, calls, 4, cold=True) == {"a": 2, "b": 2}
    after = clock.done[clock.done.index("flush") :]
    assert after[::2] == ["flush"] * 8
    assert [sorted(after[i : i + 4 : 2]) for i in range(1, 16, 4)] == [["a1", "b1"], ["a3", "b3"]] * 2
    clock.done.clear()
    assert machine.interleaved(clock, {"a": calls["a"][:1]}, 2, cold=False) == {"a": 1}
    assert clock.done[clock.done.index("flush") :] == ["flush", "a1", "a1"] * 2


def test_kernels_of_a_call_are_those_of_its_second_run_alone():
    clock = Clock()

    def call():
        clock.device.launch(None, "plan")
        clock.device.launch(None, "gather")
        clock.launch_time = 10  # the next one is warm

    clock.occupy = lambda microseconds: setattr(clock, "launch_time", 30)
    assert machine.kernels(clock, call, 3) == [("plan", 10), ("gather", 10)]
    assert clock.device.launch is clock.plain


# --- laws -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("got", "direction", "right"),
    [
        (np.float32([1, 2, np.nan]), TO_MAPS, True),
        (np.uint32([0x3F800000, 0x40000000, 0xFFC00001]).view(np.float32), TO_MAPS, True),  # a NaN of another payload
        (np.float32([1, np.nextafter(np.float32(2), np.float32(3)), np.nan]), TO_MAPS, False),
        (np.float32([1, np.nextafter(np.float32(2), np.float32(3)), np.nan]), FORWARD, True),
        (np.float32([1, 2.001, np.nan]), FORWARD, False),
        (np.float32([1, np.nan, 2]), FORWARD, False),
        (np.float64([1, 2, np.nan]), FORWARD, False),
        (np.float32([[1, 2, np.nan]]), FORWARD, False),
        (ValueError("other words"), FORWARD, False),
    ],
)
def test_a_result_is_the_cpus(got, direction, right, monkeypatch):
    monkeypatch.setattr(laws, "fused", lambda: True)
    there = SimpleNamespace(get=lambda array: array)
    expected = np.float32([1, 2, np.nan])
    problem = laws.differs(there, got, expected, direction, laws.Tally(), "float32")
    assert (problem == "") is right


def test_an_error_is_the_cpus_in_type_and_words():
    for got, right in ((ValueError("no"), True), (ValueError("yes"), False), (TypeError("no"), False), (1, False)):
        assert (laws.differs(None, got, ValueError("no"), FORWARD, laws.Tally(), "float32") == "") is right


# --- processes --------------------------------------------------------------------------------------------------------


@pytest.fixture
def environment(monkeypatch):
    # The cyroi that is tested, which may be an installed one; what is built of this tree may be nothing.
    paths = [Path(cyroi.__file__).parents[1], ROOT / "ci", ROOT / "asv_benchmarks", ROOT / "tests"]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, paths)))


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_part_that_breaks_costs_itself_alone(environment, tmp_path, capfd):
    file = tmp_path / "records"
    assert command.run({"no such part": Part(print, 60)}, file, time.monotonic() + 60, dry=True) == ["no such part"]
    assert [it["part"] for it in lines_of(file)] == ["no such part"]
    assert "KeyError" in capfd.readouterr().err


def test_a_part_that_hangs_is_stopped(environment, tmp_path, monkeypatch, capfd):
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(hanging))
    monkeypatch.setattr(command, "GRACE", -2.5)
    assert command.run({"hangs": Part(print, 3)}, tmp_path / "records", time.monotonic() + 60, dry=True) == ["hangs"]
    assert lines_of(tmp_path / "records") == [{"part": "hangs", "wrong": "stopped after 3 s"}]


def test_what_no_time_was_left_for_is_named(tmp_path):
    file = tmp_path / "records"
    assert command.run({"late": Part(print, 60)}, file, time.monotonic() + 1, dry=True) == []
    assert "* late: no time was left" in report.notes(records.Records(lines_of(file)))


DRY = (
    "machine", "plans", "laws of float32", "laws of random calls", "laws of a device", "bits", "compiling", "overhead",
    "speed of W1", "speed of W6", "profiler", "sanitizer",
)  # fmt: skip


def test_all_but_the_gpu_itself_runs_dry(environment, tmp_path):
    pytest.importorskip("cupy", reason="no CuPy: python -m pip install --group gpu")
    if shutil.which("g++") is None:
        pytest.skip("no C++ compiler on the path")
    file = tmp_path / "records.json"
    asked = ["--dry-run", "--parts", ",".join(DRY), "--json", file]
    done = subprocess.run([sys.executable, "-P", "-m", "gpu", *asked], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "VERDICT: nothing that ran is wrong" in done.stdout
    found = json.loads(file.read_text())
    assert not [it for it in found if "wrong" in it or "missing" in it]
    assert {it["part"] for it in found} == {*DRY} - {"plans", "sanitizer"}  # which say nothing of what is right
    timed = [it for it in found if "workload" in it]
    assert {(it["workload"], it["dtype"], it["layout"], it["direction"]) for it in timed} == {
        (name, *kinds) for name in ("W1", "W6") for kinds in itertools.product(DTYPES, LAYOUTS, DIRECTIONS)
    }
    for it in timed:
        wanted = {OURS, CHECKED} if it["direction"] == TO_BOXES else {OURS, CHECKED, ATOMICS}
        assert wanted <= set(it["cold"]) == set(it["warm"])
        assert it["kernels"][0][0] == "plan"
    routes = set().union(*(it["cold"] for it in timed if it["workload"] == "W1"))
    assert routes >= {"gather", "pixels", "transposed", "to_maps", "to_pixels"}


def test_the_profilers_table_is_read_with_its_units():
    assert list(tools.rows(tools.REHEARSED)) == [("plan", {"time, us": 2.048, "instructions of warps": 1024.0})]
    assert tools.launch_titles("LAUNCHES 2 W1, NCHW, forward\nLAUNCHES 1 W7") == ["W1, NCHW, forward"] * 2 + ["W7"]


def test_the_script_is_one_that_the_shell_understands():
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("no bash on the path")
    subprocess.run([shell, "-n", ROOT / "ci" / "gpu.sh"], check=True)
