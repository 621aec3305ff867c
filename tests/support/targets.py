"""Which laws every SIMD target is held to, and how a test is run on another target than that of this process: a SIMD
target, or the GPU's backend by way of the emulator (support/gpu_laws.py says which laws).

`_separable.use_target` changes the kernels of the process. So one process runs a test on one target after the other,
and the oracles are asked once for all of them (`support/remembered.py`): a process per target spent half its time
there.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from cyroi.cpu import _separable, _targets

from . import gpu_laws, written

TESTS = Path(__file__).parents[1]
SUPPORTED = [name for name in _targets.TARGETS if _targets.supported[name]]
BUILT = [name for name in SUPPORTED if importlib.util.find_spec(f"cyroi.cpu._{name}")]
# Where the environment names a target, it is the only one: ci/tiny.sh and ci/qemu.sh go through them by themselves.
OTHERS = [name for name in BUILT if name != _targets.target and "CYROI_CPU_CAPABILITY" not in os.environ]
GPU = "gpu"
WITH_GPU = gpu_laws.is_here() and "CYROI_CPU_CAPABILITY" not in os.environ

# What runs again on the other targets: the laws of what is compiled for each, which is kernels (cpu/forward,
# cpu/backward, cpu/lanes). Routes, types, sizes, borders of vectors, rounding, NaN, stores past the caches. Arguments,
# planning, chunks and threads are compiled once: their laws run once.
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
    "laws/test_gradients_precision.py": (),  # all of it
    "kernels/test_streams.py": (),
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


PARAMETER = "simd_target"


def is_law(file: Path, name: str) -> bool:
    """Whether this test runs on every SIMD target."""
    names = LAWS.get(file.relative_to(TESTS).as_posix())
    return names is not None and (not names or name.removeprefix("test_") in names)


def is_gpu_law(file: Path, name: str) -> bool:
    """Whether this test runs on the GPU's backend."""
    return WITH_GPU and gpu_laws.is_law(file.relative_to(TESTS).as_posix(), name.removeprefix("test_"))


def parametrize(metafunc: pytest.Metafunc) -> None:
    """Lets a law run on every target, each case on one after the other."""
    path, name = metafunc.definition.path, metafunc.definition.originalname
    others = [*(OTHERS if is_law(path, name) else ()), *([GPU] if is_gpu_law(path, name) else ())]
    if others:
        metafunc.fixturenames.append(PARAMETER)  # as if the test asked for it
        metafunc.parametrize(PARAMETER, [_targets.target, *others])


def target_of(item: pytest.Item) -> str | None:
    return getattr(item, "callspec", None) and item.callspec.params.get(PARAMETER)


def select(items: list[pytest.Item]) -> list[pytest.Item]:
    """Takes from `items` the cases that are not run on the GPU's backend, and gives them."""
    laws: dict[tuple[Path, str], list[pytest.Item]] = {}
    for item in items:
        if target_of(item) == GPU:
            laws.setdefault((item.path, item.originalname), []).append(item)
    left = set()
    for cases in laws.values():
        chosen = gpu_laws.chosen([(case.name, case.callspec.params) for case in cases])
        left |= {case for i, case in enumerate(cases) if i not in set(chosen)}
    items[:] = [item for item in items if item not in left]
    return list(left)


@contextlib.contextmanager
def of(item: pytest.Item) -> Iterator[None]:
    """The target that the test is for."""
    name = target_of(item)
    if name == GPU:
        with on_gpu(), fewer_examples(item.obj):
            yield
    elif name:
        use(name)
        try:
            yield
        finally:
            use(_targets.target)
    else:
        yield


def check(item: pytest.Item) -> None:
    """A test that is for the GPU's backend has made a call there."""
    if target_of(item) == GPU:
        from .cuda import backend

        assert backend.Counts.calls > 0, "none of its calls was made on the GPU's backend"


@contextlib.contextmanager
def on_gpu() -> Iterator[None]:
    """The calls of cyroi's functions are made on the GPU's backend, as far as they can."""
    from .cuda import backend  # needs CuPy

    with backend.installed():
        written.via = backend.call
        try:
            yield
        finally:
            written.via = None


@contextlib.contextmanager
def fewer_examples(test: Any) -> Iterator[None]:
    """Random calls are fewer on the GPU's backend. Where Hypothesis keeps its settings is its own affair: if it moves
    them, there are as many as elsewhere.
    """
    name = "_hypothesis_internal_use_settings"
    kept = getattr(test, name, None)
    if kept is None:
        yield
        return
    setattr(test, name, hypothesis.settings(kept, max_examples=max(kept.max_examples // gpu_laws.EXAMPLES, 1)))
    try:
        yield
    finally:
        setattr(test, name, kept)


def use(name: str) -> None:
    _separable.use_target(importlib.import_module(f"cyroi.cpu._{name}").table)
