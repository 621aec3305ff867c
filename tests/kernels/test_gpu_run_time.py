"""Law: what `gpu/device.py` asks of CuPy's run time is right, as far as that can be seen without a GPU: the arrays are
CuPy's own, on memory of the host, and its run time copies there.
"""

from __future__ import annotations

import ctypes
import types

import numpy as np
import pytest

cupy = pytest.importorskip("cupy", reason="no CuPy: python -m pip install --group gpu")

from cyroi.gpu import device  # noqa: E402
from support.cuda import device as emulated  # noqa: E402


class Pinned(bytearray):
    """A buffer with an address, as CuPy's pinned memory is."""

    @property
    def ptr(self):
        return ctypes.addressof(ctypes.c_char.from_buffer(self))


class Stream:
    """Copies are made at `synchronize`, or by an event that is waited for: what was asked for until then."""

    ptr = 7

    def __init__(self):
        self.asked, self.finished, self.capturing, self.waits = [], 0, False, 0

    def is_capturing(self):
        return self.capturing

    def synchronize(self, until=None):
        self.waits += 1
        for done in self.asked[self.finished : until]:
            done()
        self.finished = len(self.asked) if until is None else max(until, self.finished)


class Event:
    def __init__(self, block=False, disable_timing=False):
        assert disable_timing

    def record(self, stream):
        self.stream, self.until = stream, len(stream.asked)

    def synchronize(self):
        self.stream.synchronize(self.until)

    @property
    def done(self):
        return self.stream.finished >= self.until


@pytest.fixture
def stream(monkeypatch):
    """The current stream of a run time that `device` takes for CuPy's."""
    stream = Stream()

    def memcpy(target, origin, size, kind, on):
        assert on == stream.ptr
        stream.asked.append(lambda: ctypes.memmove(target, origin, size))

    runtime = types.SimpleNamespace(memcpyAsync=memcpy, memcpyHostToDevice=1, memcpyDeviceToHost=2)
    cuda = types.SimpleNamespace(
        runtime=runtime, get_current_stream=lambda: stream, Event=Event, alloc_pinned_memory=Pinned
    )
    monkeypatch.setattr(device, "cupy", types.SimpleNamespace(cuda=cuda, ndarray=cupy.ndarray, empty=emulated.empty))
    monkeypatch.setattr(device, "_sent", [])
    monkeypatch.setattr(device, "_kept", [])
    return stream


# --- copies ---


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "float16"])
@pytest.mark.parametrize(
    "view",
    [
        lambda a: a,
        lambda a: a[::-1],
        lambda a: a[:, ::-2],
        lambda a: a.T,
        lambda a: a[1:, 1:3][::-1, ::-1],
        lambda a: a[2:3, 3].reshape(()),
        lambda a: a[:0],
        lambda a: np.broadcast_to(a[0], (3, a.shape[1])),
    ],
    ids=["whole", "upwards", "backwards", "turned", "within", "one", "none", "repeated"],
)
def test_what_is_downloaded_is_what_lies_there(stream, dtype, view):
    array = view(np.arange(20).reshape(4, 5).astype(dtype))
    found = device.download(emulated.on_device(array))
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)
    assert found.flags.owndata
    assert stream.waits == (array.size > 0)


@pytest.mark.parametrize("shape", [(3, 4), (5,), (), (0, 4)])
def test_an_upload_waits_for_nothing_and_needs_the_array_no_more(stream, shape):
    array = np.random.default_rng(0).standard_normal(shape)[..., None][..., 0]
    expected = array.copy()
    found = device.upload(array)
    array[...] = -1
    assert stream.waits == 0
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    stream.synchronize()
    assert np.array_equal(emulated.on_host(found), expected)


def test_pinned_memory_is_given_back_once_it_was_read(stream):
    for _ in range(3):
        device.upload(np.ones(3))
    assert len(device._sent) == 3
    stream.synchronize()
    device.upload(np.ones(3))
    assert len(device._sent) == 1


def test_flags_are_waited_for_and_what_is_asked_later_is_not(stream):
    flags = device.empty((1,), np.int32)
    source = np.array([5], np.int32)
    stream.asked.append(lambda: ctypes.memmove(flags.data.ptr, source.ctypes.data, 4))
    later = []

    class Late(Event):
        def record(self, stream):
            super().record(stream)
            stream.asked.append(lambda: later.append(1))

    device.cupy.cuda.Event = Late
    asked = device.ask_flags(flags)
    assert stream.waits == 0
    assert device._sent[-1][1] is asked[1]  # is not given back, even if nobody waits
    assert device.read_flags(asked) == 5
    assert (stream.waits, later) == (1, [])


# --- captured streams ---


def test_what_a_captured_graph_works_on_is_kept_by_the_graph(stream):
    first, second = object(), object()
    device.keep(first)
    assert device._kept == []
    stream.capturing = True
    assert device.capturing() is True
    device.keep(first)  # somebody else's capture
    stream._graph_host_funcargs = []
    device.keep(second)
    assert device._kept == [first]
    assert stream._graph_host_funcargs == [second]


def test_an_upload_into_a_captured_graph_can_be_done_again(stream):
    stream.capturing, stream._graph_host_funcargs = True, []
    found = device.upload(np.arange(3))
    assert device._sent == []
    [(pinned, kept)] = stream._graph_host_funcargs
    assert kept is found
    assert np.frombuffer(pinned, np.int64).tolist() == [0, 1, 2]
