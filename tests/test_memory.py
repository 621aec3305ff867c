"""Law: offsets and sizes are right beyond 2**31 elements, and a call allocates what it says."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from laws import assert_same_bits

FAR = 2**31 + 5  # elements between two items; pages that are not touched cost no memory


def spread(shape, axis, fill):
    """An array whose items along `axis` lie FAR elements apart."""
    rest = int(np.prod(shape)) // shape[axis]
    buffer = np.empty(FAR * (shape[axis] - 1) + rest, np.float32)
    strides = list(np.empty((*shape[:axis], 1, *shape[axis + 1 :]), np.float32).strides)
    strides[axis] = 4 * FAR
    view = np.lib.stride_tricks.as_strided(buffer, shape, strides)
    view[...] = fill
    return view


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_items_more_than_2_to_the_31_elements_apart(operator, axis):
    call = operator.call(np.random.default_rng(0), shape=(2, 2, 2, 6), boxes=2)
    call[operator.size] = (2, 2)
    expected = operator.function(**call)
    far_in = spread((2, 2, 2, 6), axis, call[operator.maps])
    assert_same_bits(operator.function(**(call | {operator.maps: far_in})), expected)
    far_out = spread(expected.shape, axis, np.nan)
    operator.function(**call, out=far_out)
    assert_same_bits(np.array(far_out), expected)


def test_a_call_allocates_little_beside_its_result(operator):
    call = operator.call(np.random.default_rng(1), shape=(1, 64, 64, 64), boxes=50)
    tracemalloc.start()
    try:
        result = operator.function(**call)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= result.nbytes + 100_000  # boxes, indices and their checks; the maps would be 1 MB


def test_results_that_do_not_fit_leave_no_memory_behind(operator):
    call = operator.call(np.random.default_rng(2), boxes=3)
    for size in (2**20, 2**31 - 1, (2065374891, 1145309325)):
        with pytest.raises(MemoryError, match=operator.size):
            operator.function(**(call | {operator.size: size}))
    call[operator.size] = 2
    operator.function(**call)
