"""The emulator sees what is wrong: barriers that are taken away and errors that are planted change what calls give."""

from __future__ import annotations

import functools
import os
import warnings

import pytest

from support import gpu_laws

if not gpu_laws.is_here():
    pytest.skip("no CuPy or no C++ compiler: python -m pip install --group gpu", allow_module_level=True)

import cyroi.gpu.device
from support.cuda import cases, device
from support.cuda.mutants import PLANTED, SPARE, barriers, plant
from support.targets import on_gpu

BARRIERS = dict(barriers())
SEEN, NOT_SEEN = 3, 4


@functools.cache
def right(case):
    """What the kernels give as they are, and the files that they are in."""
    files = set()
    with on_gpu():
        cyroi.gpu.device.kernel = lambda file, macros: files.add(file) or device.kernel(file, macros)
        return cases.outcome(case), files


def is_seen(mutant, folder):
    """Whether a call that goes through the file has another outcome, or none: some mutants write into foreign memory.

    So a process of its own makes the calls, a copy of this one, which has the right outcomes.
    """
    plant(folder, mutant)
    concerned = [case for case in cases.CASES if mutant.file in right(case)[1]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, which are not used
        child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the C library's last words
        os._exit(SEEN if any_differs(mutant, folder, concerned) else NOT_SEEN)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (SEEN, NOT_SEEN) or status < 0, status
    return status != NOT_SEEN


def any_differs(mutant, folder, concerned):
    kernel = functools.cache(lambda file, macros: device.Kernel(file, dict(macros), folder))

    def mutated(file, macros):
        return kernel(file, tuple(macros.items())) if file == mutant.file else device.kernel(file, macros)

    for case in concerned:
        with on_gpu():
            cyroi.gpu.device.kernel = mutated
            if cases.outcome(case) != right(case)[0]:
                return True
    return False


@pytest.mark.parametrize("case", cases.CASES)
def test_a_case_has_the_outcome_that_it_is_for(case):
    outcome, files = right(case)
    errors = {
        "a bad box": "ValueError",
        "a bad image": "IndexError",
        "far": "UserWarning",
        "of whole numbers": "ValueError",
    }
    assert files
    assert (outcome[0] if isinstance(outcome, tuple) else None) == errors.get(case), outcome


def test_the_cases_go_through_every_kernel():
    assert set().union(*(right(case)[1] for case in cases.CASES)) == {path.stem for path in device.KERNELS.glob("*.cu")}


@pytest.mark.parametrize("name", BARRIERS)
def test_a_barrier_that_is_not_there_is_seen(name, tmp_path):
    assert is_seen(BARRIERS[name], tmp_path / "kernels") == (name not in SPARE)


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_error_is_seen(name, tmp_path):
    assert is_seen(PLANTED[name], tmp_path / "kernels")


def test_what_is_not_an_error_is_not_seen(tmp_path):
    """... or everything would be."""
    unchanged = next(iter(PLANTED.values()))
    assert not is_seen(unchanged._replace(new=unchanged.old), tmp_path / "kernels")
