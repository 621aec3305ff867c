"""Law: every SIMD target obeys the laws of values, and none uses instructions that the CPU was not tested for."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cyroi
from cyroi.cpu import _host, _targets

TESTS = Path(__file__).parents[1]
LAWS = [f"laws/test_{law}.py" for law in ("reference", "invariance", "laws", "storage", "unusual_inputs", "gradients")]
LAWS += ["kernels/test_streams.py", "kernels/test_sizes.py"]
SUPPORTED = [name for name in _targets.TARGETS if _host.supported[name]]


def run(arguments, **environment):
    environment = {k: v for k, v in os.environ.items() if k != "CYROI_CPU_CAPABILITY"} | environment
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, cwd=TESTS.parent
    )


@pytest.mark.parametrize("target", [name for name in SUPPORTED if name != _targets.target])
def test_the_other_targets_obey_the_laws_of_values(target):
    files = [str(TESTS / law) for law in LAWS]
    done = run(["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files], CYROI_CPU_CAPABILITY=target)
    assert done.returncode == 0, done.stdout
    chosen = run(["-c", "from cyroi.cpu import _targets; print(_targets.target)"], CYROI_CPU_CAPABILITY=target)
    assert chosen.stdout.strip() == target


def test_the_best_supported_target_is_chosen_unless_the_environment_caps_it():
    code = "import cyroi; print(cyroi.show_config()['cpu_capability'].split()[0])"
    assert run(["-c", code]).stdout.strip() == SUPPORTED[0]
    for cap in _targets.TARGETS:
        allowed = _targets.TARGETS[_targets.TARGETS.index(cap) :]
        expected = next(name for name in allowed if _host.supported[name])
        assert run(["-c", code], CYROI_CPU_CAPABILITY=cap).stdout.strip() == expected
    wrong = run(["-c", code], CYROI_CPU_CAPABILITY="sse9")
    assert wrong.stdout.strip() == SUPPORTED[0]
    assert "RuntimeWarning: CYROI_CPU_CAPABILITY must be one of" in wrong.stderr


def test_show_config_names_the_target():
    assert cyroi.show_config()["cpu_supports"] == [name for name in _host.supported if _host.supported[name]]
    assert str(cyroi.show_config()["cpu_capability"]).startswith(_targets.target)


# Registers that a module may not touch: those of targets above its own.
FOREIGN = {
    "_separable": r"%[yz]mm|%k[0-7]",
    "_driver": r"%[yz]mm|%k[0-7]",
    "_host": r"%[yz]mm|%k[0-7]",
    "_quick": r"%[yz]mm|%k[0-7]",
    "_c_api": r"%[yz]mm|%k[0-7]",
    "_baseline": r"%[yz]mm|%k[0-7]",
    "_avx2": r"%zmm|%k[0-7]|%[xy]mm(1[6-9]|2\d|3[01])",
}


def instructions(module):
    path = importlib.import_module(f"cyroi.cpu.{module}").__file__
    done = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump is not on the path")
@pytest.mark.skipif("avx2" not in SUPPORTED, reason="reads the registers of x86, and imports the AVX2 module")
@pytest.mark.parametrize("module", FOREIGN)
def test_no_instruction_leaks_into_a_lower_target(module):
    assert not re.search(FOREIGN[module], instructions(module))


@pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump is not on the path")
@pytest.mark.skipif("avx512" not in SUPPORTED, reason="imports the AVX-512 module")
def test_the_leak_check_sees_the_registers_of_the_higher_targets():
    assert re.search(FOREIGN["_baseline"], instructions("_avx2"))
    assert re.search(FOREIGN["_avx2"], instructions("_avx512"))
