"""The bugs of ci/mutants.py can still be planted: what each replaces stands once in its file, and its tests exist."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MUTANTS = runpy.run_path(str(ROOT / "ci" / "mutants.py"))


@pytest.mark.parametrize("name", MUTANTS["BUGS"])
def test_what_a_bug_replaces_stands_once_in_its_file(name):
    file, *changes = MUTANTS["BUGS"][name]
    text = (ROOT / file).read_text()
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert text.count(old) == 1, old
        text = text.replace(old, new)


def test_the_tests_that_may_see_a_bug_exist():
    tests = [test for _, arguments in MUTANTS["TESTS"].values() for test in arguments if test.endswith(".py")]
    assert tests
    assert all((ROOT / test).is_file() for test in tests)
