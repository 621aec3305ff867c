"""Fixtures, and the comparison that every law about values uses."""

from __future__ import annotations

import os

# Two threads of one call wait for each other; where other processes keep the cores busy, those that spin while they
# wait take many times as long. Read when OpenMP is loaded, hence first.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import hypothesis
import pytest

from support import written

written.install()  # before anything takes a function of cyroi

from support import nvrtc, targets  # noqa: E402
from support.c_users import crops, folder, pooling  # noqa: E402, F401
from support.on_gpu import gpu  # noqa: E402, F401
from support.operators import OPERATORS  # noqa: E402

hypothesis.settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True)
hypothesis.settings.register_profile(
    "few", deadline=None, max_examples=20, derandomize=True
)  # ci/tiny.sh, ci/floors.sh
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=5000)
hypothesis.settings.load_profile(os.environ.get("CYROI_HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(params=OPERATORS, ids=lambda operator: operator.name)
def operator(request):
    return request.param


@pytest.fixture(scope="session")
def device_compiler():
    library = nvrtc.find_library()
    if library is None:
        pytest.skip("no NVRTC: python -m pip install --group gpu")
    return nvrtc.Compiler(library)


def pytest_generate_tests(metafunc):
    targets.parametrize(metafunc)


def pytest_collection_modifyitems(config, items):
    left = targets.select(items)
    if left:
        config.hook.pytest_deselected(items=left)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    with targets.of(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    result = yield
    targets.check(item)
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    """The whole suite is run by two processes where pytest-xdist is installed; `-n 0` is one.

    Two, not one per core: a call has threads of its own, and some tests count what two of them can do. Half of the time
    goes to compilers and to interpreters that one test or another starts, so both cores are busy whatever a test waits
    for; measured, this halves the time, and no test has to know of work that was begun before it. Processes that have
    nothing left take from the other's end, since the longest cases are not known. Runs of some files stay in one
    process: starting two takes longer than most files.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        return  # one of the two
    whole = config.args_source is not pytest.Config.ArgsSource.ARGS and not config.option.usepdb
    if whole and getattr(config.option, "numprocesses", 0) is None and len(os.sched_getaffinity(0)) > 1:
        config.option.numprocesses, config.option.dist = 2, "worksteal"
