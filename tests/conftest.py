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

from support.c_users import crops, folder, pooling  # noqa: E402, F401
from support.operators import OPERATORS  # noqa: E402

hypothesis.settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True)
hypothesis.settings.register_profile("few", deadline=None, max_examples=20, derandomize=True)  # ci/tiny.sh
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=5000)
hypothesis.settings.load_profile(os.environ.get("CYROI_HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(params=OPERATORS, ids=lambda operator: operator.name)
def operator(request):
    return request.param
