"""Law: every SIMD target obeys the laws of values, and none uses instructions that the CPU was not tested for."""

from __future__ import annotations

import functools
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
# What runs again on the other targets: the laws of what is compiled for each, which is kernels (cpu/forward,
# cpu/backward, cpu/lanes). Routes, types, sizes, borders of vectors, rounding, NaN, stores past the caches; with fewer
# random calls, because what these find by chance is geometry, and without large results of gradients, which kernels
# meet at every size in test_sizes.py. Arguments, planning, chunks and threads are compiled once: their laws run once.
# Named one by one: pytest refuses a name that is gone.
LAWS = {
    "laws/test_reference.py": (
        "result_equals_the_reference",
        "roi_align_equals_the_reference_on_random_geometry",
        "crop_and_resize_equals_the_reference_on_random_geometry",
        "roi_align_equals_the_reference_on_long_maps",
        "crop_and_resize_equals_the_reference_on_long_maps",
        "averages_of_many_pixels_stay_within_the_tolerance",
        "nan_and_infinity_reach_exactly_the_bins_that_read_them",
    ),
    "laws/test_invariance.py": (
        "layout_and_channel_count",
        "memory_of_the_input",
        "memory_of_the_output",
        "channels_last_strides_and_gaps_between_pixels",
        "nothing_outside_out_is_written",
        "threads_on_a_call_large_enough_to_use_them",
    ),
    "laws/test_storage.py": (
        "results_of_every_pair_of_types_equal_the_reference",
        "results_of_thin_wide_maps_equal_the_reference",
        "nan_and_infinity_reach_the_bins_that_read_them",
        "storage_changes_what_is_stored_and_not_what_is_computed",
        "nothing_outside_out_is_written",
        "copies_are_rounded_once",
        "nan_becomes_quiet_and_keeps_its_payload",
        "rounding_of_float32_is_that_of_numpy_and_ml_dtypes",
        "what_is_outside_is_stored_like_everything_else",
    ),
    "laws/test_gradients.py": (
        "gradients_equal_their_oracles",
        "gradients_of_half_precision_are_computed_in_float32",
        "integer_maps_have_float32_gradients",
        "roi_align_is_adjoint_and_sums_up_on_random_geometry",
        "crop_and_resize_is_adjoint_and_sums_up_on_random_geometry",
        "the_gradient_is_adjoint_to_the_kernel_and_the_double_gradient_is_the_operator",
        "a_channel_does_not_depend_on_layout_and_neighbours",
        "what_is_not_finite_reaches_only_what_it_has_a_part_in",
    ),
    "kernels/test_streams.py": ("",),  # all of it
    "kernels/test_sizes.py": (
        "results",
        "gradients",
        "results_of_another_type",
        "maps_of_another_type_have_the_bits_of_the_same_values_in_float32",
        "gradients_of_another_type_have_the_same_bits",
        "rows_that_begin_anywhere_in_a_cache_line",
        "boxes_of_doubles_between_768_and_1024_columns_are_written",
        "a_weight_that_is_not_zero_is_read",
    ),
}
SUPPORTED = [name for name in _targets.TARGETS if _host.supported[name]]


def run(arguments, **environment):
    environment = {k: v for k, v in os.environ.items() if k != "CYROI_CPU_CAPABILITY"} | environment
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, cwd=TESTS.parent
    )


OTHERS = [name for name in SUPPORTED if name != _targets.target]


@functools.cache
def started():
    """The laws on all other targets at once: each runs on one thread most of the time."""
    tests = [f"{TESTS / file}::test_{name}".removesuffix("::test_") for file, names in LAWS.items() for name in names]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-k",
        "not sizes1 and not sizes2",
        *tests,
    ]
    few = {"CYROI_HYPOTHESIS_PROFILE": "few"} if "CYROI_HYPOTHESIS_PROFILE" not in os.environ else {}
    return {
        target: subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=TESTS.parent,
            env=os.environ | few | {"CYROI_CPU_CAPABILITY": target},
        )
        for target in OTHERS
    }


@pytest.mark.parametrize("target", OTHERS)
def test_the_other_targets_obey_the_laws_of_values(target):
    output, _ = started()[target].communicate()
    assert started()[target].returncode == 0, output
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
