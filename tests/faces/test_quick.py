"""Law: the quick face of ordinary calls accepts only what the general path accepts, and gives the same bits.

Where it does not accept it gives None, has written nothing and holds nothing.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from cyroi.cpu import _quick
from support.bad_calls import IE, ROWS, TE, VE, good
from support.laws import assert_same_bits
from support.oddities import oddities
from support.operators import BY_NAME, LAYOUTS
from support.written import twice

ORDINARY = [np.float32, np.float64, np.float16, np.uint8, np.int8, np.uint16, np.int16]
STATM = Path("/proc/self/statm")


def quick(operator, call):
    """The quick face alone."""
    bound = inspect.signature(operator.function).bind(**call)
    bound.apply_defaults()
    return twice(getattr(_quick, operator.name))(**bound.arguments)


@pytest.fixture
def general(monkeypatch, operator):
    """The operator's function without its quick face."""

    def function(**call):
        with monkeypatch.context() as patch:
            patch.setattr(_quick, operator.name, lambda *arguments: None)
            return operator.function(**call)

    return function


def ordinary(operator, rng, dtype=np.float32, boxes=4, layout="NCHW", form="K4"):
    """A call that the quick face takes: exact Python numbers, plain arrays."""
    call = operator.call(rng, shape=(2, 3, 9, 12), boxes=boxes, layout=layout)
    call[operator.maps] = (call[operator.maps] * 50).clip(-100, 100).astype(np.float32)
    if np.dtype(dtype).kind == "u":
        call[operator.maps] = np.abs(call[operator.maps])
    call[operator.maps] = call[operator.maps].astype(dtype)
    call[operator.size] = tuple(int(n) for n in call[operator.size])
    call["boxes"] = call["boxes"].astype(np.float64 if form.endswith("f8") else np.float32)
    call[operator.index] = call[operator.index].astype(np.int32 if form.endswith("i4") else np.int64)
    if form.startswith("K5") and operator.name == "roi_align":
        index = call.pop("batch_indices")
        call["boxes"] = np.concatenate([index[:, np.newaxis].astype(call["boxes"].dtype), call["boxes"]], axis=1)
    return call


# --- what it accepts ---


@pytest.mark.parametrize("form", ["K4", "K4 f8", "K4 i4", "K5", "K5 f8"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ORDINARY)
def test_an_ordinary_call_gives_the_bits_of_the_general_path(operator, general, dtype, layout, form):
    rng = np.random.default_rng(21)
    for out_dtype in [None, *ORDINARY]:
        call = ordinary(operator, rng, dtype, layout=layout, form=form)
        expected = general(**call)
        if out_dtype is None:
            assert_same_bits(quick(operator, call), expected)
        else:
            out, expected = np.full_like(expected, 9, out_dtype), np.full_like(expected, 9, out_dtype)
            assert quick(operator, call | {"out": out}) is out
            assert_same_bits(out, general(**call, out=expected))
        assert_same_bits(operator.function(**call), general(**call))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_views_whose_innermost_stride_is_one_element(operator, general, layout):
    call = ordinary(operator, np.random.default_rng(22), layout=layout)
    other = (0, 2, 3, 1) if layout == "NCHW" else (0, 3, 1, 2)
    big = np.pad(call[operator.maps], 2, constant_values=np.nan)
    for view in (
        big[2:-2, 2:-2, 2:-2, 2:-2],
        big[2:-2, 2:-2, 2:-2, 2:-2][::-1, :, ::-1],
        np.broadcast_to(call[operator.maps][:1], (2, *call[operator.maps].shape[1:])),
        call[operator.maps].transpose(other).copy().transpose(np.argsort(other)),
    ):
        changed = call | {operator.maps: view, "boxes": np.asfortranarray(call["boxes"])[::-1]}
        assert_same_bits(quick(operator, changed), general(**changed))


# --- what it leaves to the general path ---


def in_arrays(operator, changes):
    """The changes with lists as the arrays that the quick face looks into."""
    types = {"boxes": np.float32, operator.index: np.int64, operator.maps: np.float32}
    changed = dict(changes)
    for name, dtype in types.items():
        if isinstance(changes.get(name), list):
            with contextlib.suppress(ValueError, OverflowError):  # ragged, or more than the type holds
                changed[name] = np.array(changes[name], dtype if dtype != np.int64 else None)
    return changed


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize(("name", "number", "error", "argument", "changes"), ROWS)
def test_no_bad_input_is_accepted_and_nothing_is_written(name, number, error, argument, changes):
    operator = BY_NAME[name]
    out = np.full((1, 4, 2, 2) if name == "roi_align" else (1, 2, 2, 4), -7.0, np.float32)
    call = good(name) | ({} if name == "roi_align" else {"box_indices": np.zeros(1, int)})
    assert quick(operator, call) is not None
    for given in ({}, {"out": out}):
        for form in (changes, in_arrays(operator, changes)):
            assert quick(operator, call | given | form) is None
    assert (out == -7.0).all()


def outcome(function, call, out):
    """What a call gives: bits, or class and text of the error; and what it leaves in `out`."""
    try:
        result = function(**call)
    except (TypeError, ValueError, IndexError, MemoryError) as error:
        return type(error), str(error), np.array(out).tobytes()
    return type(result), result.dtype.str, result.shape, result.tobytes(), np.array(out).tobytes()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("form", ["K4", "K5"])
def test_what_is_not_ordinary_is_left_to_the_general_path(operator, general, layout, form):
    call = ordinary(operator, np.random.default_rng(23), layout=layout, form=form)
    count = 0
    for change in oddities(operator, call):
        changed = call | change
        out = change.get("out")
        if form == "K5" and operator.index in change:
            changed["boxes"] = changed["boxes"][:, -4:]
        before = np.array(out).tobytes()
        assert quick(operator, changed) is None, change
        assert np.array(out).tobytes() == before
        result = outcome(operator.function, changed, out)
        assert result == outcome(general, changed, out), change
        count += result[0] in (TE, VE, IE, MemoryError)
    assert 20 < count < len(oddities(operator, call))  # both legal and illegal ones


@pytest.mark.parametrize("other", ["maps", "boxes", "index"])
def test_out_that_overlaps_an_input_by_one_byte_is_left_to_the_general_path(operator, other):
    call = ordinary(operator, np.random.default_rng(24))
    result = operator.function(**call)
    argument = {"maps": operator.maps, "boxes": "boxes", "index": operator.index}[other]
    array = call[argument]
    memory = np.zeros(2 * result.size + array.nbytes + 64, np.uint8)
    start = -(-result.size // 8) * 8
    inside = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    inside[...] = array
    flipped = inside[::-1] if other == "maps" else inside
    for first, accepted in (
        (start + array.nbytes, True),
        (start + array.nbytes - 1, False),
        (start - result.size, True),
        (start - result.size + 1, False),
    ):
        out = memory[first : first + result.size].reshape(result.shape)
        for view in (inside, flipped):
            changed = call | {argument: view, "out": out}
            before = memory.copy()
            assert (quick(operator, changed) is not None) == accepted
            if not accepted:
                assert_same_bits(memory, before)
                with pytest.raises(ValueError, match="out must not share memory"):
                    operator.function(**changed)


# --- what it holds ---


def test_nothing_is_held_after_a_call(operator):
    """A buffer that is held is a reference to its array."""
    call = ordinary(operator, np.random.default_rng(25))
    call["out"] = np.empty_like(operator.function(**call))
    arrays = [value for value in call.values() if isinstance(value, np.ndarray)]
    assert len(arrays) == 4
    bad = [change for change in oddities(operator, call) if "out" not in change]
    for change in [{}, *bad]:
        counts = [sys.getrefcount(array) for array in arrays]
        for _ in range(3):
            assert (quick(operator, call | change) is None) == bool(change)
        assert [sys.getrefcount(array) for array in arrays] == counts


@pytest.mark.parametrize("good_call", [True, False])
def test_no_memory_is_lost(operator, good_call):
    call = ordinary(operator, np.random.default_rng(26), boxes=100_000)
    call[operator.maps] = call[operator.maps][:, :1, :2, :2].copy()
    call |= {operator.size: 1, "num_threads": 1}
    if not good_call:
        call[operator.index][-1] = 2  # found out when the copies have been made: 4 MB
    quick(operator, call)
    tracemalloc.start()
    try:
        before = pages()
        for _ in range(20):
            assert (quick(operator, call) is not None) == good_call
        assert tracemalloc.get_traced_memory()[0] < 100_000
        assert pages() - before < 20_000_000
    finally:
        tracemalloc.stop()


def pages():
    """Bytes of this process that are in memory; 0 where the system does not say."""
    return int(STATM.read_text().split()[1]) * 4096 if STATM.exists() else 0


def test_calls_from_many_threads_give_the_same_bits(operator, general):
    calls = [ordinary(operator, np.random.default_rng(k), boxes=20) for k in range(8)]
    expected = [general(**call) for call in calls]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            for result, right in zip(pool.map(lambda call: quick(operator, call), calls), expected, strict=True):
                assert_same_bits(result, right)
