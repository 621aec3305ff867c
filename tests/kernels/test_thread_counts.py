"""Law: a call has as many threads as the environment, the CPUs of the process and its cgroup allow, and OpenMP knows.

Where OpenMP binds its threads to CPUs, it has bound the thread that loaded it by the time that cyroi counts; calls have
as many threads as there are CPUs all the same.
"""

from __future__ import annotations

import math
import os

import pytest

import cyroi
from cyroi.arguments import threads
from cyroi.cpu import _driver, _host
from support.processes import GNU, LARGE, LINUX, run

gnu = pytest.mark.skipif(not GNU, reason="GNU OpenMP alone does so")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"CYROI_NUM_THREADS": "1"}, 1),
        ({"OMP_NUM_THREADS": "1"}, 1),
        ({"CYROI_NUM_THREADS": "1000000"}, math.inf),
        ({"OMP_NUM_THREADS": "1000000"}, math.inf),
        ({"CYROI_NUM_THREADS": "2", "OMP_NUM_THREADS": "1"}, 2),
        pytest.param({"OMP_NUM_THREADS": "abc"}, math.inf, marks=gnu),  # LLVM's takes it for 1
        pytest.param({"OMP_NUM_THREADS": "0"}, math.inf, marks=gnu),
        ({"CYROI_NUM_THREADS": ""}, math.inf),
    ],
)
def test_the_default_follows_the_environment(environment, expected):
    out = run("import cyroi; print(cyroi.show_config()['num_threads'])", **environment)
    assert int(out) == min(expected, threads.most())


@pytest.mark.skipif(not _host.openmp_version, reason="built without OpenMP")
def test_threadpoolctl_sees_and_limits_the_threads():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    assert "openmp" in {pool["user_api"] for pool in threadpoolctl.threadpool_info()}
    with threadpoolctl.threadpool_limits(1, user_api="openmp"):
        assert cyroi.show_config()["num_threads"] == 1


@pytest.mark.parametrize("value", ["0", "-1", "abc", "1.5"])
def test_nonsense_in_the_environment_is_ignored_with_a_warning(value):
    code = "import warnings\nwith warnings.catch_warnings(record=True) as w:\n  warnings.simplefilter('always')\n"
    code += "  import cyroi\nprint(len(w), w[0].category.__name__, cyroi.show_config()['num_threads'])"
    out = run(code, CYROI_NUM_THREADS=value).split()
    assert out == ["1", "RuntimeWarning", str(cyroi.show_config()["num_threads"])]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no CPU affinity")
def test_affinity_bounds_every_thread_count():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n" + LARGE
    code += "large_call(num_threads=8); print(cyroi.show_config()['num_threads'], os_threads())"
    assert run(code).split() == ["1", "1"]


@pytest.mark.parametrize(
    ("cgroup", "files", "quota"),
    [
        ("0::/a/b", {"a/b/cpu.max": "150000 100000"}, 1.5),
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000"}, 0.5),
        ("0::/", {"cpu.max": "300000 100000"}, 3.0),
        ("0::/", {"cpu.max": "max 100000"}, math.inf),
        ("0::/", {}, math.inf),
        ("0::/", {"cpu.max": "nonsense"}, math.inf),
        (
            "4:memory:/x\n3:cpu,cpuacct:/x",
            {"cpu/x/cpu.cfs_quota_us": "250000", "cpu/x/cpu.cfs_period_us": "100000"},
            2.5,
        ),
        ("3:cpu:/x", {"cpu/x/cpu.cfs_quota_us": "-1", "cpu/x/cpu.cfs_period_us": "100000"}, math.inf),
    ],
)
def test_cgroup_quota(tmp_path, cgroup, files, quota):
    proc, root = tmp_path / "cgroup", tmp_path / "fs"
    proc.write_text(cgroup + "\n")
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    assert threads.cpu_quota(proc, root) == quota
    assert threads.cpu_quota(tmp_path / "missing", root) == math.inf


CPUS = sorted(os.sched_getaffinity(0))[:2] if LINUX else []
two_cpus = pytest.mark.skipif(
    len(CPUS) < 2 or threads.most() < 2,
    reason="built without OpenMP, or for another system than Linux, or one CPU is all there is",
)
BINDINGS = {
    "OMP_PROC_BIND": "true",
    "OMP_PLACES": "threads",
    "GOMP_CPU_AFFINITY": " ".join(map(str, CPUS)),
}
# Any module that is linked with the OpenMP of this build stands for another library.
LOADED_BEFORE = f"import ctypes; ctypes.PyDLL({_driver.__file__!r})\n"
COUNT = """
large_call(num_threads=2)
print(cyroi.show_config()["num_threads"], cyroi.show_config()["affinity"], os_threads())
"""


def restricted_to(cpus):
    return f"import os; os.sched_setaffinity(0, {set(cpus)})\n"


@pytest.fixture(params=["OMP_PROC_BIND", "OMP_PLACES", pytest.param("GOMP_CPU_AFFINITY", marks=gnu)])
def binding(request):
    return {request.param: BINDINGS[request.param], "OPENBLAS_NUM_THREADS": "1"}


@two_cpus
@pytest.mark.parametrize("first", ["", LOADED_BEFORE], ids=["", "loaded before"])
def test_bound_threads_are_as_many_as_cpus(binding, first):
    out = run(restricted_to(CPUS) + first + LARGE + COUNT, **binding)
    assert out.split() == ["2", "2", "2"]


@two_cpus
@pytest.mark.parametrize("first", ["", LOADED_BEFORE], ids=["", "loaded before"])
def test_affinity_bounds_bound_threads_too(binding, first):
    out = run(restricted_to(CPUS[:1]) + first + LARGE + COUNT, **binding)
    assert out.split() == ["1", "1", "1"]


@two_cpus
def test_a_single_place_has_a_single_thread():
    out = run(LARGE + COUNT, OMP_PLACES=f"{{{CPUS[1]}}}", OPENBLAS_NUM_THREADS="1")
    assert out.split() == ["1", "1", "1"]


@two_cpus
def test_threads_that_are_not_bound_follow_the_affinity():
    out = run(restricted_to(CPUS) + LARGE + COUNT, OMP_PROC_BIND="false", OPENBLAS_NUM_THREADS="1")
    assert out.split() == ["2", "2", "2"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_workers_have_threads_where_they_are_spawned_and_one_where_they_are_forked():
    code = """
import multiprocessing, cyroi
for method in ("fork", "spawn"):
    with multiprocessing.get_context(method).Pool(1) as pool:
        print(pool.apply(cyroi.show_config)["num_threads"])
"""
    assert run(code, PYTHONWARNINGS="ignore::DeprecationWarning").split() == ["1", str(threads.most())]
