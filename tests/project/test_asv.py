"""The benchmarks of asv: what raises alarms, and what is asked on how many threads."""

from __future__ import annotations

import inspect
import json
import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.append(str(Path(__file__).parents[2] / "asv_benchmarks"))
from benchmarks import comparison, gpu, operators
from benchmarks.cases import SHORT
from benchmarks.workloads import WORKLOADS

CONFIGURATION = Path(__file__).parents[2] / "asv_benchmarks" / "asv.conf.json"


def benchmarks(module):
    """Classes of the module that asv finds: those with parameters of their own."""
    classes = [it for _, it in inspect.getmembers(module, inspect.isclass) if it.__module__ == module.__name__]
    return [it for it in classes if "params" in vars(it)]


def silenced(name):
    """Whether asv looks for no regressions of the benchmark of this name."""
    text = re.sub(r"^\s*//.*$", "", CONFIGURATION.read_text(encoding="utf-8"), flags=re.M)
    first_commits = json.loads(text)["regressions_first_commits"]
    return any(commit is None and re.match(pattern, name) for pattern, commit in first_commits.items())


@pytest.mark.parametrize(("module", "expected"), [(operators, False), (comparison, True)], ids=["cyroi", "comparison"])
def test_alarms_are_for_cyroi_alone(module, expected):
    found = benchmarks(module)
    assert found
    for benchmark in found:
        name = f"{module.__name__.removeprefix('benchmarks.')}.{benchmark.__name__}.time_forward('W1', 1)"
        assert silenced(name) is expected


def test_cyroi_is_timed_on_one_thread_everywhere_and_on_two_somewhere():
    asked = set()
    for benchmark in benchmarks(operators):
        assert benchmark.param_names == ("workload", "threads")
        skipped = getattr(benchmark, "skip_params", ())
        calls = {(name, threads) for name in benchmark.params[0] for threads in benchmark.params[1]} - set(skipped)
        assert {name for name, threads in calls if threads == 1} == set(benchmark.params[0])
        assert {threads for _, threads in calls} == {1, 2}
        asked |= {name for name, _ in calls}
    assert asked == set(WORKLOADS)


WITHOUT = {"cupy": None, "a gpu": SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False))}


@pytest.mark.parametrize("benchmark", [gpu.Forward, gpu.Backward])
@pytest.mark.parametrize("missing", WITHOUT)
def test_gpu_benchmarks_are_skipped_without(missing, benchmark, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", WITHOUT[missing])
    with pytest.raises(NotImplementedError):  # that is how asv is told
        benchmark().setup(*(values[0] for values in benchmark.params))


@pytest.mark.parametrize(("threads", "clock"), [(1, time.process_time), (2, time.perf_counter)])
def test_a_call_is_warm_when_it_is_timed(threads, clock):
    # The very first call after `setup` may be what asv times.
    benchmark, calls = operators.RoiAlign(), []
    benchmark.prepare(lambda: calls.append("once"), threads)
    assert calls == ["once"]
    assert benchmark.timer is clock


def test_short_calls_have_no_setup_that_runs_between_them():
    for module in (operators, comparison):
        assert module.Short.params[0] == list(SHORT)
        assert not hasattr(module.Short, "setup")
        others = [it for it in benchmarks(module) if it is not module.Short]
        assert not any(set(SHORT) & set(it.params[0]) for it in others)
    for threads in operators.THREADS:
        for name in SHORT:
            operators.Short().time_forward(name, threads)
