"""Law: maps of eight storage types into results of eight; computed in float32 (float64 for float64), rounded once.

Floats round halves to even and overflow to infinity; integers round halves to even, saturate, and take NaN as 0. A NaN
that goes into a float keeps its sign, is quiet, and keeps its payload where the type does not change.
"""

from __future__ import annotations

import numpy as np
import pytest
from ml_dtypes import bfloat16

from support.arrays import CONTIGUITY, make_out, to_planar
from support.laws import assert_same_bits, assert_stored, stored
from support.operators import BY_NAME, LAYOUTS

FLOATS = [np.dtype(t) for t in (np.float32, np.float64, np.float16, bfloat16)]
INTEGERS = [np.dtype(t) for t in (np.uint8, np.int8, np.uint16, np.int16)]
STORED = FLOATS + INTEGERS
QUIET = {"float32": 1 << 22, "float64": 1 << 51, "float16": 1 << 9, "bfloat16": 1 << 6}
BITS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
NARROW = [np.dtype(np.float16), np.dtype(bfloat16)]


@pytest.fixture(params=STORED, ids=lambda dtype: f"maps {dtype.name}")
def maps_dtype(request):
    return request.param


@pytest.fixture(params=STORED, ids=lambda dtype: f"out {dtype.name}")
def out_dtype(request):
    return request.param


def values(rng, dtype, shape):
    """Whole range of an integer type; floats beyond that of int8 and uint8."""
    if dtype.kind in "iu":
        return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    return (rng.standard_normal(shape) * 150).astype(dtype)


def random_call(operator, rng, dtype, shape, layout="NCHW", **changes):
    call = operator.call(rng, shape=shape, layout=layout, **changes)
    planar = values(rng, dtype, shape)
    return call | {operator.maps: np.ascontiguousarray(planar.transpose(LAYOUTS[layout]))}


def into(operator, call, dtype, **changes):
    """The result in a new `out` of this dtype."""
    call = call | changes
    out = np.full_like(operator.function(**call), 99, dtype)
    assert operator.function(**call, out=out) is out
    return out


# --- against the reference ---


@pytest.mark.parametrize("layout", LAYOUTS)
def test_results_of_every_pair_of_types_equal_the_reference(operator, maps_dtype, out_dtype, layout):
    rng = np.random.default_rng(11)
    for channels, width in ((1, 12), (3, 20), (19, 9), (2, 150)):
        call = random_call(operator, rng, maps_dtype, (2, channels, 9, width), layout, boxes=5)
        assert_stored(into(operator, call, out_dtype), operator.expected(**call), call[operator.maps])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("width", [700, 1000, 1600])
@pytest.mark.parametrize("bins", [3, 5, 8, 300])
def test_results_of_thin_wide_maps_equal_the_reference(operator, maps_dtype, layout, width, bins):
    rng = np.random.default_rng([width, bins])
    call = random_call(operator, rng, maps_dtype, (1, 1, 2, width), layout, boxes=4)
    call |= {operator.size: (1, bins)} | ({"sampling_ratio": 0} if operator.size == "output_size" else {})
    for out_dtype in {maps_dtype, np.dtype(np.float32)}:
        assert_stored(into(operator, call, out_dtype), operator.expected(**call), call[operator.maps])


def test_a_new_result_has_the_floating_type_of_the_maps(operator, maps_dtype):
    call = random_call(operator, np.random.default_rng(12), maps_dtype, (2, 3, 9, 12))
    result = operator.function(**call)
    assert result.dtype == (maps_dtype if maps_dtype in FLOATS else np.float32)
    assert_stored(result, operator.expected(**call), call[operator.maps])


def test_nan_and_infinity_reach_the_bins_that_read_them(operator, out_dtype):
    """... of floats as they are, of integers as 0 and as the end of the range."""
    rng = np.random.default_rng(13)
    for dtype in FLOATS:
        for value in (np.nan, np.inf, -np.inf):
            call = random_call(operator, rng, dtype, (1, 3, 9, 9))
            call[operator.maps][0, 1, 4, 5] = value
            assert_stored(into(operator, call, out_dtype), operator.expected(**call), call[operator.maps])


# --- the same bits, whatever the memory ---


@pytest.mark.parametrize("channels", [1, 3, 4, 5, 17, 40])
def test_storage_changes_what_is_stored_and_not_what_is_computed(operator, maps_dtype, channels):
    """The same values in float32 (float64 for float64) give every result, rounded once, in both layouts."""
    call = random_call(operator, np.random.default_rng(channels), maps_dtype, (2, channels, 11, 21), boxes=9)
    wide = np.dtype(np.float64 if maps_dtype == np.float64 else np.float32)
    computed = operator.function(**(call | {operator.maps: call[operator.maps].astype(wide)}))
    for out_dtype in STORED:
        expected = stored(computed, out_dtype)
        assert_same_bits(into(operator, call, out_dtype), expected)
        nhwc = np.ascontiguousarray(call[operator.maps].transpose(LAYOUTS["NHWC"]))
        result = into(operator, call, out_dtype, **{operator.maps: nhwc, "layout": "NHWC"})
        assert_same_bits(to_planar(result, "NHWC"), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("memory", [name for name in CONTIGUITY if name != "list"])
def test_memory_of_the_maps(operator, maps_dtype, memory, layout):
    for channels in (1, 3, 17):
        call = random_call(operator, np.random.default_rng(14), maps_dtype, (2, channels, 8, 13), layout)
        expected = operator.function(**call)
        view = CONTIGUITY[memory](call[operator.maps])
        assert_same_bits(operator.function(**(call | {operator.maps: view})), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("memory", ["strided", "transposed", "big-endian", "unaligned"])
def test_memory_of_the_output(operator, out_dtype, memory, layout):
    for dtype in (np.dtype(np.float32), np.dtype(np.float64), out_dtype):
        for channels in (1, 3, 17):
            call = random_call(operator, np.random.default_rng(15), dtype, (2, channels, 8, 13), layout)
            expected = into(operator, call, out_dtype)
            out = make_out(memory, expected.shape, out_dtype)
            assert operator.function(**call, out=out) is out
            assert_same_bits(out.astype(out_dtype), expected)


def test_nothing_outside_out_is_written(operator, maps_dtype, out_dtype):
    """Whole vectors end where the row ends, also those that are narrower than what they were computed in."""
    for channels, layout in ((3, "NCHW"), (3, "NHWC"), (21, "NHWC")):
        call = random_call(operator, np.random.default_rng(16), maps_dtype, (2, channels, 8, 13), layout)
        expected = into(operator, call, out_dtype)
        frame = np.full([n + 2 for n in expected.shape], 55, out_dtype)
        inner = frame[1:-1, 1:-1, 1:-1, 1:-1]
        operator.function(**call, out=inner)
        assert_same_bits(inner, expected)
        inner[...] = 55
        assert (frame == 55).all()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_thread_count(operator, maps_dtype, layout):
    out_dtype = STORED[STORED.index(maps_dtype) - 1]
    call = random_call(operator, np.random.default_rng(17), maps_dtype, (2, 24, 40, 50), layout, boxes=150)
    call[operator.size] = (14, 14)
    expected = into(operator, call, out_dtype, num_threads=1)
    for threads in (2, 3, 4):
        out = np.full_like(expected, 99)
        operator.function(**call, out=out, num_threads=threads)
        assert_same_bits(out, expected)


# --- copies: boxes whose bins are the pixels ---


def identity(operator, row, out_dtype, layout="NCHW", channels=1):
    """`row` as pixels of an image, copied by the operator into `out_dtype`."""
    width = 37
    planar = np.zeros((1, channels, -(-row.size // (channels * width)), width), row.dtype)
    planar.reshape(-1)[: row.size] = row
    height = planar.shape[2]
    call = {operator.maps: np.ascontiguousarray(planar.transpose(LAYOUTS[layout])), "layout": layout}
    if operator.name == "roi_align":
        call |= {"boxes": [[0, 0, 0, width, height]], "sampling_ratio": 1, "aligned": True}
    else:
        call |= {"boxes": [[0, 0, 1, 1]], "box_indices": [0]}
    call[operator.size] = (height, width)
    return np.ascontiguousarray(to_planar(into(operator, call, out_dtype), layout)).reshape(-1)[: row.size]


def with_neighbours(numbers, dtype):
    """The numbers in `dtype`, each with the two that it can tell from them."""
    exact = np.unique(np.asarray(numbers, np.float64).astype(dtype))
    return np.concatenate([np.nextafter(exact, dtype.type(way)) for way in (-np.inf, np.inf)] + [exact, -exact])


def midpoints(dtype):
    """Halves between neighbours of the type, the end of its range included; of float32 a sample of them."""
    if dtype.kind in "iu":
        return np.arange(np.iinfo(dtype).min - 2, np.iinfo(dtype).max + 3) + 0.5
    if dtype.itemsize > 2:
        rng = np.random.default_rng(18)
        positive = rng.integers(0, 0x7F7FFFFF, 20_000, np.uint32).view(np.float32).astype(float)
        return (positive + np.nextafter(positive.astype(np.float32), np.float32(np.inf)).astype(float)) / 2
    positive = np.arange(1 << 15, dtype=np.uint16).view(dtype).astype(float)
    positive = positive[np.isfinite(positive)]
    beyond = 2 * positive[-1] - positive[-2]
    return (positive + np.append(positive[1:], beyond)) / 2


def samples(maps_dtype, out_dtype):
    """All values of a type of at most 16 bits; of the others what is hard to round, and bits at random."""
    bits = BITS[maps_dtype.itemsize]
    if maps_dtype.itemsize <= 2:
        return np.arange(256**maps_dtype.itemsize, dtype=bits).view(maps_dtype)
    rng = np.random.default_rng(19)
    special = np.array([0.0, -0.0, np.nan, -np.nan, np.inf, -np.inf, 1e-45, -1e-45, 1e10, -1e10, 3e38], maps_dtype)
    random = rng.integers(0, np.iinfo(bits).max, 20_000, bits).view(maps_dtype)
    return np.concatenate([special, with_neighbours(midpoints(out_dtype), maps_dtype), random])


@pytest.mark.parametrize(("layout", "channels"), [("NCHW", 1), ("NHWC", 3), ("NHWC", 21)])
def test_copies_are_rounded_once(operator, maps_dtype, out_dtype, layout, channels):
    """Ties, subnormals, both zeros, both ends of the range, and NaN: every bit, in every route of the executor."""
    with np.errstate(over="ignore", invalid="ignore"):
        row = samples(maps_dtype, out_dtype)
        result = identity(operator, row, out_dtype, layout, channels)
        assert_stored(result, row.astype(float), row, exact=True)
        expected = stored(row.astype(float), out_dtype)
        nan = np.isnan(row.astype(float)) & (out_dtype in FLOATS)
        assert_same_bits(result[~nan], expected[~nan])
        assert_same_bits(np.signbit(result[nan]), np.signbit(row[nan]))


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda dtype: dtype.name)
def test_nan_becomes_quiet_and_keeps_its_payload(operator, dtype):
    bits = BITS[dtype.itemsize]
    infinity = int(np.array(np.inf, dtype).view(bits))
    payloads = np.unique(np.geomspace(1, QUIET[dtype.name] * 2 - 1, 500).astype(bits))
    nan = np.concatenate([payloads | bits(infinity), payloads | bits(infinity) | bits(1 << (8 * dtype.itemsize - 1))])
    for layout, channels in (("NCHW", 1), ("NHWC", 3), ("NHWC", 21)):
        result = identity(operator, nan.view(dtype), dtype, layout, channels)
        assert_same_bits(result.view(bits), nan | bits(QUIET[dtype.name]))


@pytest.mark.parametrize("dtype", NARROW, ids=lambda dtype: dtype.name)
def test_rounding_of_float32_is_that_of_numpy_and_ml_dtypes(operator, dtype):
    with np.errstate(over="ignore", invalid="ignore"):
        row = samples(np.dtype(np.float32), dtype)
        result, expected = identity(operator, row, dtype), row.astype(dtype)
    nan = np.isnan(row)
    assert_same_bits(result[~nan], expected[~nan])


def test_what_is_outside_is_stored_like_everything_else(maps_dtype, out_dtype):
    operator = BY_NAME["crop_and_resize"]
    for fill in (0.5, 1.5, -2.5, -0.0, 300.0, -300.0, 2.0**100, np.inf, -np.inf, np.nan):
        call = random_call(operator, np.random.default_rng(20), maps_dtype, (1, 3, 4, 5), boxes=1)
        call |= {"boxes": [[2, 2, 3, 3]], "extrapolation_value": fill}
        result = into(operator, call, out_dtype)
        assert_stored(result, np.full(result.shape, fill), call["image"], exact=True)
