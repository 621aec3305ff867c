"""A pytest plugin: a test that starts another process is skipped.

The emulator emulates one process. What that process starts runs on the real processor, if it can run there at all.
"""

from __future__ import annotations

import subprocess
from typing import Any, NoReturn

import pytest


def skip(*_args: Any, **_kwargs: Any) -> NoReturn:
    """Stand in for subprocess.Popen."""
    pytest.skip("starts a process, which the emulator would not emulate")


@pytest.fixture(autouse=True)
def _one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", skip)
