"""Law: where OpenMP binds its threads to CPUs, calls have as many threads as CPUs, and not one for ever.

It has bound the thread that loaded it by the time that cyroi counts.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import cyroi
from cyroi.cpu import _driver, _host
from support.processes import LARGE, LINUX, run

pytestmark = [
    pytest.mark.skipif(not LINUX, reason="counts threads in /proc"),
    pytest.mark.skipif(not _host.openmp_version, reason="built without OpenMP"),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2 if LINUX else True, reason="there is one CPU only"),
]

CPUS = sorted(os.sched_getaffinity(0))[:2] if LINUX else [0, 0]
BINDINGS = {
    "OMP_PROC_BIND": "true",
    "OMP_PLACES": "threads",
    "GOMP_CPU_AFFINITY": f"{CPUS[0]},{CPUS[-1]}",
}
# Any module that is linked with the OpenMP of this build stands for another library.
LOADED_BEFORE = f"import ctypes; ctypes.PyDLL({_driver.__file__!r})\n"
COUNT = """
large_call(num_threads=2)
print(cyroi.show_config()["num_threads"], cyroi.show_config()["affinity"], os_threads())
"""


def restricted_to(cpus):
    return f"import os; os.sched_setaffinity(0, {set(cpus)})\n"


def names(name):
    """Whether the OpenMP of this build reads this variable: the last is GNU's own."""
    return not name.startswith("GOMP") or "libgomp" in Path("/proc/self/maps").read_text()


@pytest.fixture(params=BINDINGS)
def binding(request):
    if not names(request.param):
        pytest.skip("only GNU OpenMP reads it")
    return {request.param: BINDINGS[request.param], "OPENBLAS_NUM_THREADS": "1"}


@pytest.mark.parametrize("first", ["", LOADED_BEFORE], ids=["", "loaded before"])
def test_bound_threads_are_as_many_as_cpus(binding, first):
    out = run(restricted_to(CPUS) + first + LARGE + COUNT, **binding)
    assert out.split() == ["2", "2", "2"]


@pytest.mark.parametrize("first", ["", LOADED_BEFORE], ids=["", "loaded before"])
def test_affinity_bounds_bound_threads_too(binding, first):
    out = run(restricted_to(CPUS[:1]) + first + LARGE + COUNT, **binding)
    assert out.split() == ["1", "1", "1"]


def test_a_single_place_has_a_single_thread():
    out = run(LARGE + COUNT, OMP_PLACES=f"{{{CPUS[1]}}}", OPENBLAS_NUM_THREADS="1")
    assert out.split() == ["1", "1", "1"]


def test_threads_that_are_not_bound_follow_the_affinity():
    assert _host.bound_cpus() == 0 or "OMP_PROC_BIND" in os.environ
    out = run(restricted_to(CPUS) + LARGE + COUNT, OMP_PROC_BIND="false", OPENBLAS_NUM_THREADS="1")
    assert out.split()[1:] == ["2", "2"]
    assert cyroi.show_config()["affinity"] >= 2
