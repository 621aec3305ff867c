"""Law: a result that goes to memory past the caches has the same bits, and nothing beside it is written.

Results are large before that pays, so here the kernels are told that even the smallest one is too large for the caches.
"""

from __future__ import annotations

import numpy as np
import pytest

from cyroi.cpu import _separable, _targets
from support.laws import assert_same_bits
from support.operators import LAYOUTS


@pytest.fixture
def caches():
    yield _separable.use_caches
    _separable.use_caches(_targets.cache(2), _targets.cache(3))


def both_ways(operator, call, caches, out=None):
    """The call's result as usual, and past the caches."""
    caches(1 << 20, 1 << 40)
    expected = operator.function(**call)
    caches(1 << 20, 1)
    return expected, operator.function(**call, out=out)


# Rows of whole cache lines go to memory from registers, others by way of a stage, small ones not at all.
@pytest.mark.parametrize("size", [(7, 7), (14, 14), (3, 32), (5, 48), (40, 16), (1, 2500)])
@pytest.mark.parametrize("channels", [1, 3, 8, 16, 40])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_result_past_the_caches_has_the_same_bits(operator, caches, dtype, layout, channels, size):
    rng = np.random.default_rng([channels, *size])
    call = operator.call(rng, dtype=dtype, layout=layout, shape=(2, channels, 21, 40), boxes=6)
    call[operator.size] = size
    expected, result = both_ways(operator, call, caches)
    assert_same_bits(result, expected)


@pytest.mark.parametrize("stored", [np.float16, np.uint8, np.float64])
@pytest.mark.parametrize("channels", [1, 3, 16])
@pytest.mark.parametrize("size", [(14, 14), (40, 48), (40, 51)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_result_of_another_type_past_the_caches_has_the_same_bits(operator, caches, layout, size, channels, stored):
    call = operator.call(np.random.default_rng(8), layout=layout, shape=(2, channels, 21, 40), boxes=6)
    call[operator.size] = size
    call[operator.maps] = call[operator.maps] * 50 + 100
    shape = operator.function(**call).shape
    usual, out = np.empty(shape, stored), np.empty(shape, stored)
    caches(1 << 20, 1 << 40)
    operator.function(**call, out=usual)
    caches(1 << 20, 1)
    assert_same_bits(operator.function(**call, out=out), usual)


@pytest.mark.parametrize("offset", range(0, 17, 3))
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(14, 14), (6, 32)])
def test_nothing_beside_the_result_is_written_wherever_it_begins(operator, caches, layout, size, offset):
    call = operator.call(np.random.default_rng(offset), layout=layout, shape=(2, 16, 21, 40), boxes=5)
    call[operator.size] = size
    count = 5 * 16 * size[0] * size[1]
    memory = np.full(count + 64, -7.5, np.float32)
    expected = operator.function(**call)
    out = memory[offset : offset + count].reshape(expected.shape)
    expected, result = both_ways(operator, call, caches, out)
    assert_same_bits(np.array(result), expected)
    result[...] = -7.5
    assert (memory == -7.5).all()


@pytest.mark.parametrize("num_threads", [1, 2, 3])
def test_threads_share_cache_lines_of_the_result(operator, caches, num_threads):
    """Neighbouring boxes and planes end and begin in one line, of which each thread writes its own part."""
    call = operator.call(np.random.default_rng(5), shape=(2, 32, 64, 64), boxes=300, num_threads=num_threads)
    call[operator.size] = (7, 11)
    expected, result = both_ways(operator, call, caches)
    for _ in range(10):
        assert_same_bits(result, expected)
        expected, result = both_ways(operator, call, caches)


def test_views_whose_rows_do_not_follow_each_other_are_written_as_usual(operator, caches):
    call = operator.call(np.random.default_rng(6), shape=(2, 16, 21, 40), boxes=5)
    call[operator.size] = (14, 32)
    expected = operator.function(**call)
    frame = np.full([n + 2 for n in expected.shape], -7.5, np.float32)
    inner = frame[1:-1, 1:-1, 1:-1, 1:-1]
    expected, _ = both_ways(operator, call, caches, inner)
    assert_same_bits(np.array(inner), expected)
    inner[...] = -7.5
    assert (frame == -7.5).all()
