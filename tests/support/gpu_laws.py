"""Which laws hold on the GPU's backend as well, and which of their cases are run there.

The emulator (support/cuda) takes a millisecond or more for a call that takes a CPU microseconds. So of a law's cases,
which cross all values of its parameters, those are run that together hold every two values of different parameters; of
the pairs of types of maps and result, each of which is compiled, a quarter; and a few of the random calls. With
CYROI_GPU_CASES=all in the environment, everything.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import os
import random
import re
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from cyroi.cpu import _separable

# All tests of these files, but for those that are named: what is not asked of cyroi's four functions, or means nothing
# there. Threads, C, signals and other processes are the CPU's alone, and `plain` functions are.
LAWS: dict[str, set[str]] = {
    "laws/test_reference.py": {"the_layout_of_an_oracle_is_an_order_of_axes"},
    "laws/test_invariance.py": {"thread_count", "threads_on_a_call_large_enough_to_use_them"},
    "laws/test_storage.py": {"thread_count"},
    "laws/test_gradients.py": {
        "thread_count",
        "threads_on_a_call_large_enough_to_use_them",
        "a_wrong_kernel_does_not_match",
    },
    "laws/test_gradients_precision.py": set(),
    "laws/test_boxes_of_several_types.py": set(),
    "laws/test_conversions.py": {
        "the_states_are_told_of_a_conversion",
        "memory_that_cannot_be_had_leaves_out_as_it_was",
        "a_result_in_any_state",  # thousands of calls in NumPy's states, which no kernel knows of
        "a_gradient_in_any_state_is_rounded_once",  # so kernels/test_gpu_results.py is about rounding alone
    },
    "laws/test_snap_edges.py": {"what_is_snapped_lies_outside_by_rounding_and_nothing_else_moves"},
    "laws/test_peers.py": {
        "results_equal_those_of_an_installed_peer",
        "stored_results_are_defined_numbers_of_the_maps_dtype",
        "stored_cases_of_torchvision_cross_all_settings",
        "tolerances_are_of_the_order_of_rounding",
        "snapped_end_points_of_onnxruntime_leave_most_crops_comparable",
        "a_wrong_kernel_does_not_pass_for_a_peer",
        "every_wrong_kernel_is_shown_to_two_peers",
        "an_error_above_the_tolerance_does_not_pass",
    },
    "laws/test_unusual_inputs.py": {
        "a_subclass_cannot_redirect_what_is_written",
        "subclasses_memmaps_and_array_protocols_are_read",
        "the_caller_may_change_its_arrays_while_we_read",
        "operators_can_be_pickled_and_copied",
        "out_must_fit",  # no array on a device is read-only
        "out_must_not_overlap_boxes",  # nor shares it memory with the host's
        "out_must_not_overlap_the_arrays_of_a_list",
        "big_endian_maps_have_the_geometry_of_their_precision",
    },
    "faces/test_no_boxes.py": set(),
    "faces/test_types_of_maps.py": set(),
    "faces/test_what_people_have.py": set(),
}

# In the name of a case: it would be that of the native byte order again, or another implementation is asked.
NOT_THERE = re.compile(r"big-endian|\boracle\b|\bclassic\b")


# One case of a law takes as long as all of its others.
LONG = re.compile(r"several_pieces\[.*pixels")
ALL = os.environ.get("CYROI_GPU_CASES") == "all"
EXAMPLES = 1 if ALL else 4  # one in so many random calls


@functools.cache
def is_here() -> bool:
    """Whether there is what the laws need: CuPy, and a compiler."""
    return importlib.util.find_spec("cupy") is not None and bool(shutil.which("g++") or shutil.which("c++"))


def is_law(file: str, name: str) -> bool:
    return file in LAWS and name not in LAWS[file]


def chosen(cases: Sequence[tuple[str, Mapping[str, Any]]]) -> list[int]:
    """Which of a law's cases are run; a case: its name, and its parameters, whose values it shares with other cases."""
    there = [i for i, (name, _) in enumerate(cases) if not NOT_THERE.search(name)]
    if ALL:
        return there
    there = [i for i in there if is_chosen_pair(cases[i][1]) and not LONG.search(cases[i][0])]
    seen: set[Any] = set()
    taken = []
    for i in random.Random(0).sample(there, len(there)):  # in any order but that of the parameters
        values = sorted((name, id(value)) for name, value in cases[i][1].items())
        pairs = set(itertools.combinations(values, 2))
        if not pairs or not pairs <= seen:
            seen |= pairs
            taken.append(i)
    return sorted(taken)


def is_chosen_pair(case: Mapping[str, Any]) -> bool:
    """Whether results of this type are made of maps of that one: of its own and of one other; three of all maps."""
    types = list(_separable.ELEMENTS)
    names = {name: case[name].name for name in ("maps_dtype", "out_dtype") if name in case}
    if len(names) == 2:
        maps, out = (types.index(name) for name in names.values())
        return (maps - out) % len(types) in (0, 3)
    return names.get("maps_dtype", "float32") in ("float32", "float16", "uint8")
