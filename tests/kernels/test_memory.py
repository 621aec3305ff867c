"""Law: offsets and sizes are right beyond 2**31 elements, and a call allocates what it says.

Beside `out`, or a new result of that size, a call of K boxes needs at most

    1 MiB per thread                                        for the thread itself
    K * 64 bytes                                            copies of boxes and indices, and their checks
    chunk * (taps * (4 + real) + tables * 2 * real + ...)   the plan; chunk <= K boxes are planned at once

with real = 4 (8 for float64 maps), `taps` those of one box, both axes, and `tables` the taps of its columns times the
lanes of a vector. A chunk has at most 2**18 // (16 * columns of bins) boxes and 2**21 taps. Maps are never copied where
a stride, of x or of channels, is one element, whatever their dtype.
"""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from support import peak_memory
from support.laws import assert_same_bits
from support.processes import run
from support.written import plain

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
        result = plain(operator.function)(**call)  # a second call would need a second result
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


def peak(*arguments):
    return int(run(f"from support import peak_memory; peak_memory.main{arguments}"))


def most(boxes, threads):
    """The formula above for float32 arithmetic and vectors of 16."""
    bins, taps = peak_memory.BINS, 2 * peak_memory.SAMPLES  # taps of a bin and axis
    box = 2 * bins * taps * (4 + 4) + bins * taps * 16 * 2 * 4 + bins * 64 + 2 * bins * 4 + 256
    return threads * 2**20 + boxes * 64 + min(boxes, 2**18 // (16 * bins)) * box


needs_linux = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads what Linux says of a process")


@needs_linux
@pytest.mark.parametrize(
    ("dtype", "boxes", "threads"), [("float32", 300, 1), ("float32", 10_000, 2), ("uint8", 300, 2)]
)
@pytest.mark.parametrize("view", ["NCHW", "NHWC", "channels_last", "strided"])
def test_peak_memory(operator, view, dtype, boxes, threads):
    """The smallest copy of these maps, that of the strided view, would take 4 MB of uint8 or 16 MB of float32."""
    assert peak(operator.name, view, dtype, boxes, threads) <= most(boxes, threads)


@needs_linux
def test_the_measure_of_peak_memory_sees_a_copy(operator):
    copied = np.prod(peak_memory.SHAPE) // 2 * 4
    assert copied <= peak(operator.name, "columns skipped", "float32", 300, 1) <= copied + most(300, 1)
