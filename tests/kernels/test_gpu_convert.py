"""Law: arrays are converted on a GPU as the CPU converts them, bit for bit, whatever their types and strides."""

from __future__ import annotations

import numpy as np
import pytest

ml_dtypes = pytest.importorskip("ml_dtypes")
pytest.importorskip("cupy", reason="no CuPy: python -m pip install --group gpu")

from cyroi import _engine  # noqa: E402
from cyroi.arguments.layout import rounded  # noqa: E402
from cyroi.gpu import convert, device  # noqa: E402
from support.cuda import device as emulated  # noqa: E402

FLOATS = [np.dtype(name) for name in ("float32", "float64", "float16", ml_dtypes.bfloat16)]
SHORT = [np.dtype(name) for name in ("uint8", "int8", "uint16", "int16")]
LONG = [np.dtype(name) for name in ("int32", "uint32", "int64", "uint64")]


@pytest.fixture(autouse=True)
def on_the_emulator(monkeypatch):
    if emulated.compiler() is None:
        pytest.skip("no C++ compiler on the path")
    emulated.install(device, monkeypatch.setattr)


def numbers(dtype):
    """Of every kind: halves, what lies next to the limits of integers and floats, what is not finite."""
    with np.errstate(all="ignore"):
        limits = [float(bound) for d in SHORT + LONG for bound in (np.iinfo(d).min, np.iinfo(d).max)]
        around = np.concatenate([np.array(limits) + step for step in (-1, -0.5, 0, 0.5, 1)])
        around = np.concatenate([around, np.nextafter(limits, np.inf), np.nextafter(limits, -np.inf)])
        whole = np.arange(-300, 301) / 4
        random = np.random.default_rng(0).integers(0, 1 << 63, 2000).view(np.float64)
        tiny = [0.0, -0.0, 5e-324, -5e-324, 1e-45, 3e-40, 6e-8, 2.9802322387695312e-8, 65519.99, 65520, 3.3e38, 1e39]
        both = np.concatenate([around, whole, random, -random, tiny, np.negative(tiny), [np.nan, np.inf, -np.inf]])
        return both.astype(dtype)


def bits(array):
    """Where NaN is equal to NaN: which one it is, is the processor's choice."""
    array = array.copy()
    if array.dtype.kind not in "iub":
        array[np.isnan(array)] = np.nan
    return array.view(f"u{array.itemsize}")


def converted(array, dtype, out=None):
    found = convert.convert(emulated.on_device(array), dtype, None if out is None else emulated.on_device(out))
    return emulated.on_host(found)


@pytest.mark.parametrize("target", FLOATS + SHORT, ids=str)
@pytest.mark.parametrize("source", FLOATS[:2], ids=str)
def test_floats_are_stored_as_the_kernels_of_the_cpu_store_them(source, target):
    values = numbers(source)
    expected = np.empty(values.shape, target)
    _engine._store([values], [expected])
    assert np.array_equal(bits(converted(values, target)), bits(expected))


@pytest.mark.parametrize("target", LONG, ids=str)
def test_long_integers_are_rounded_as_on_the_cpu(target):
    values = numbers(np.float64)
    with np.errstate(all="raise", under="ignore"):
        expected = rounded(values.copy(), target)
    assert {np.iinfo(target).min, np.iinfo(target).max, 0} <= set(expected.tolist())
    assert np.array_equal(converted(values, target), expected)


@pytest.mark.parametrize("source", [*LONG, np.dtype(bool)], ids=str)
def test_long_integers_and_bool_become_the_floats_next_to_them(source):
    shorter = np.arange(3000, dtype=np.uint64) % 64
    values = (np.random.default_rng(0).integers(0, 2**64, 3000, np.uint64) >> shorter).astype(source)
    assert np.array_equal(converted(values, np.float64), values.astype(np.float64))


def test_what_is_true_is_what_int8_stores_as_another_number_than_0():
    values = np.arange(-128, 128, dtype=np.int8)
    assert np.array_equal(converted(values, np.bool_), values != 0)


@pytest.mark.parametrize("dtype", [*FLOATS, *SHORT, *LONG], ids=str)
def test_elements_of_the_same_type_are_copied_whatever_their_bits(dtype):
    raw = np.random.default_rng(0).integers(0, 256, 4000 * dtype.itemsize, np.uint8)
    found = converted(raw.view(dtype), dtype)
    assert found.dtype == dtype
    assert np.array_equal(found.view(np.uint8), raw)


@pytest.mark.parametrize("shape", [(), (5,), (3, 4), (2, 3, 4), (2, 3, 4, 5), (0, 3)])
def test_arrays_of_any_shape_and_strides_keep_their_order(shape):
    values = np.random.default_rng(0).integers(-100, 100, shape)
    assert np.array_equal(converted(values, np.float64), values)
    array, out = values, np.full(shape, np.nan)
    for axis in range(values.ndim):
        array, out = np.flip(array, axis), np.flip(out, axis)
    array, out = array.T, out.T
    found = converted(array, np.float64, out)
    assert np.array_equal(found, array)
    assert np.array_equal(out, array)


def test_more_elements_than_threads_are_all_converted(monkeypatch):
    monkeypatch.setattr(convert, "_MOST_BLOCKS", 2)
    values = np.arange(1500)
    assert np.array_equal(converted(values, np.float64), values)


def test_between_the_elements_of_a_strided_result_nothing_is_written():
    memory = np.full((6, 10), 7, np.int64)
    converted(np.arange(15.0).reshape(3, 5), np.int64, memory[::2, 1::2])
    assert np.array_equal(memory[::2, 1::2], np.arange(15).reshape(3, 5))
    memory[::2, 1::2] = 7
    assert (memory == 7).all()


@pytest.mark.parametrize("dtype", LONG, ids=str)
def test_integers_that_float64_does_not_hold_are_seen(dtype):
    limits = np.iinfo(dtype)
    values = np.array([0, min(2**53, limits.max), max(-(2**53), limits.min)], dtype)
    found = convert.exactly(emulated.on_device(values), np.dtype(np.float64))
    assert np.array_equal(emulated.on_host(found), values)
    for beyond in {2**53 + 1, -(2**53) - 1, limits.max, limits.min}:
        if limits.min <= beyond <= limits.max and abs(int(beyond)) > 2**53:
            values[1] = beyond
            assert convert.exactly(emulated.on_device(values), np.dtype(np.float64)) is None


@pytest.mark.parametrize("dtype", ["float64", "uint16", "float32"])
def test_elements_that_do_not_lie_on_whole_addresses_are_read(dtype):
    raw = np.random.default_rng(0).integers(0, 200, 1 + 12 * 8, np.uint8)
    array = raw[1 : 1 + 12 * np.dtype(dtype).itemsize].view(dtype).reshape(3, 4)[:, ::-1]
    found = emulated.on_host(convert.aligned(emulated.on_device(array)))
    assert found.flags.aligned
    assert np.array_equal(found.copy().view(np.uint8), array.copy().view(np.uint8))
    fine = emulated.on_device(np.ones(3, dtype))
    assert convert.aligned(fine) is fine
