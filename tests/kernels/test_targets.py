"""Law: every SIMD target obeys the laws of values, and none uses instructions that the CPU was not tested for."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import cyroi
from cyroi.cpu import _targets
from support import targets
from support.operators import BY_NAME
from support.targets import SUPPORTED


def run(arguments, **environment):
    environment = {k: v for k, v in os.environ.items() if k != "CYROI_CPU_CAPABILITY"} | environment
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=environment)


def test_every_target_that_the_cpu_has_is_built():
    assert targets.BUILT == SUPPORTED


@pytest.mark.parametrize("file", targets.LAWS)
def test_the_laws_of_all_targets_exist(file):
    found = {node.name for node in ast.parse((targets.TESTS / file).read_text()).body if hasattr(node, "name")}
    assert {f"test_{name}" for name in targets.LAWS[file]} <= found


@pytest.mark.skipif(not targets.OTHERS, reason="only one target runs here")
def test_a_law_runs_on_every_target(request):
    collected = [item for item in request.session.items if item.name.startswith("test_results_of_every_pair_of_types")]
    if not collected:
        pytest.skip("only where laws/test_storage.py is run too")
    run = {item.callspec.params[targets.PARAMETER] for item in collected}
    assert run == {*targets.BUILT, *([targets.GPU] if targets.WITH_GPU else ())}


@pytest.mark.parametrize("target", targets.OTHERS)
def test_another_target_computes_meanwhile_and_the_first_one_afterwards(target):
    """Of thousands of averages some differ in the last bit: the targets add in other orders, or round less often."""
    call = BY_NAME["roi_align"].call(np.random.default_rng(0), shape=(1, 40, 50, 90), boxes=100, sampling_ratio=0)
    item = SimpleNamespace(callspec=SimpleNamespace(params={targets.PARAMETER: target}))
    before = cyroi.roi_align(**call)
    with targets.of(item):
        meanwhile = cyroi.roi_align(**call)
    np.testing.assert_allclose(meanwhile, before, rtol=0, atol=1e-5)
    assert (meanwhile != before).any()
    np.testing.assert_array_equal(cyroi.roi_align(**call), before)


def test_the_best_supported_target_is_chosen_unless_the_environment_caps_it():
    code = "import cyroi; print(cyroi.show_config()['cpu_capability'].split()[0])"
    assert run(["-c", code]).stdout.strip() == SUPPORTED[0]
    for cap in _targets.TARGETS:
        allowed = _targets.TARGETS[_targets.TARGETS.index(cap) :]
        expected = next(name for name in allowed if _targets.supported[name])
        assert run(["-c", code], CYROI_CPU_CAPABILITY=cap).stdout.strip() == expected
    wrong = run(["-c", code], CYROI_CPU_CAPABILITY="sse9")
    assert wrong.stdout.strip() == SUPPORTED[0]
    assert "RuntimeWarning: CYROI_CPU_CAPABILITY must be one of" in wrong.stderr


def test_show_config_names_the_target():
    assert cyroi.show_config()["cpu_supports"] == [name for name in _targets.supported if _targets.supported[name]]
    assert str(cyroi.show_config()["cpu_capability"]).startswith(_targets.target)


ALL = (0xFFFFFFFF,) * 4


def supported_by(monkeypatch, leaves, saved):
    """What is found on a CPU with these registers of cpuid, {leaf: four of them}, and this answer to xgetbv."""

    def xgetbv():
        assert saved is not None, "xgetbv is an illegal instruction there"
        return saved

    host = SimpleNamespace(cpuid=lambda leaf: leaves.get(leaf, (0, 0, 0, 0)), xgetbv=xgetbv)
    monkeypatch.setattr(_targets, "_host", host)
    return [name for name, found in _targets.find_supported().items() if found]


def without(feature):
    """The registers of a CPU that has everything but this."""
    leaf, register, bit = _targets.FEATURES[feature]
    registers = [*ALL]
    registers[register] &= ~(1 << bit)
    return {1: ALL, 7: ALL} | {leaf: tuple(registers)}


@pytest.mark.parametrize(
    ("saved", "expected"),
    [
        (0xE7, ["baseline", "avx2", "avx512"]),
        (0xFFFFFFFFFFFFFFFF, ["baseline", "avx2", "avx512"]),
        (0x67, ["baseline", "avx2"]),  # the upper 16 registers are not saved
        (0xA7, ["baseline", "avx2"]),  # nor upper halves
        (0xC7, ["baseline", "avx2"]),  # nor masks
        (0x07, ["baseline", "avx2"]),
        (0x03, ["baseline"]),
        (0xE5, ["baseline"]),
        (0xE3, ["baseline"]),
    ],
    ids=lambda value: f"{value:#x}" if isinstance(value, int) else None,
)
def test_registers_that_the_system_does_not_save_are_not_used(monkeypatch, saved, expected):
    assert supported_by(monkeypatch, {1: ALL, 7: ALL}, saved) == expected


def test_a_cpu_that_cannot_be_asked_has_the_baseline(monkeypatch):
    assert supported_by(monkeypatch, without("osxsave"), None) == ["baseline"]
    assert supported_by(monkeypatch, {}, None) == ["baseline"]  # another processor than x86
    assert supported_by(monkeypatch, {1: ALL}, 0xE7) == ["baseline"]  # older than leaf 7


@pytest.mark.parametrize("feature", [name for name in _targets.FEATURES if name != "osxsave"])
def test_a_target_needs_all_its_features(monkeypatch, feature):
    expected = ["baseline"] if feature in _targets.NEEDS["avx2"][1] else ["baseline", "avx2"]
    assert supported_by(monkeypatch, without(feature), 0xE7) == expected


def test_features_are_those_that_the_system_found():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    flags = next((line.split(":")[1].split() for line in lines if line.startswith("flags")), None)
    if flags is None:
        pytest.skip("the system does not list the features of an x86 processor")
    listed = _targets.FEATURES.keys() & set(flags)
    assert listed <= _targets.features()  # a system may list fewer, to keep programs from using them
    assert {name for name, has in _targets.supported.items() if has} >= {
        name for name, (_, needed) in _targets.NEEDS.items() if listed.issuperset(needed)
    }


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
