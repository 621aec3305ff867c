"""Law: what `gpu/device.py` asks of CuPy's run time is right, as far as that can be seen without a GPU: the arrays are
CuPy's own, on memory of the host, and its run time copies there.
"""

from __future__ import annotations

import ast
import ctypes
import functools
import inspect
import threading
import time
import types

import numpy as np
import pytest

cupy = pytest.importorskip("cupy", reason="no CuPy: python -m pip install --group gpu")

from cyroi.gpu import device, source  # noqa: E402
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


# --- kernels ---


class Module:
    """Notes what is launched, as CuPy's Function gets it."""

    def __init__(self):
        self.launched, self.asked = [], []

    def get_function(self, name):
        self.asked.append(name)

        class Function:
            ptr = 1000 + len(self.asked)

            def __call__(_, *arguments, **more):
                self.launched.append((name, *arguments, more))

        return Function()


JOB = np.dtype([("a", "i4"), ("b", "f8", (3,)), ("c", [("d", "?"), ("e", "i8")])], align=True)


@pytest.fixture
def launching():
    module = Module()
    return device.Kernel(module), module


def test_a_job_goes_by_value(launching):
    kernel, module = launching
    job = np.zeros((), JOB)
    job["a"], job["b"], job["c"]["e"] = 7, [1, 2, 3], -1
    device.launch(kernel, "plan", 5, 64, 0, job[()])
    device.launch(kernel, "plan", (2, 3), (32, 4), 100, job)
    (name, blocks, threads, (value,), more), other = module.launched
    assert (name, blocks, threads, more) == ("plan", (5,), (64,), {"shared_mem": 0})
    assert other[1:3] == ((2, 3), (32, 4))
    assert other[4] == {"shared_mem": 100}
    # CuPy passes the memory of a NumPy array of one element, whatever its type.
    assert isinstance(value, np.ndarray)
    assert (value.size, value.nbytes) == (1, JOB.itemsize)
    assert ctypes.string_at(value.__array_interface__["data"][0], value.nbytes) == job.tobytes()
    assert module.asked == ["plan"]


def test_cupy_takes_what_is_passed_by_value(launching):
    kernel, module = launching
    device.launch(kernel, "plan", 5, 64, 0, np.zeros((), JOB)[()])
    [(_, blocks, threads, arguments, more)] = module.launched
    nothing = cupy.cuda.Function.__new__(cupy.cuda.Function)  # a function that no driver knows
    stream = types.SimpleNamespace(ptr=0)
    errors = (cupy.cuda.runtime.CUDARuntimeError, cupy.cuda.driver.CUDADriverError)  # it comes as far as these
    with pytest.raises(errors):
        nothing(blocks, threads, arguments, **more, stream=stream)
    with pytest.raises(TypeError, match="size one"):  # as it says of arguments that it cannot pass
        nothing(blocks, threads, (np.zeros(2),), **more, stream=stream)


@pytest.mark.parametrize("grid", [0, (0, 4), (4, 0)])
def test_no_block_is_no_launch(launching, grid):
    kernel, module = launching
    device.launch(kernel, "plan", grid, 64, 0, np.zeros((), JOB)[()])
    assert module.launched == []


def test_a_kernel_is_loaded_once_on_each_device(monkeypatch):
    current, loaded, held = [0], [], threading.Barrier(4)

    def load(file, macros):
        loaded.append((current[0], file, dict(macros)))
        time.sleep(0.05)  # in which the others come
        return object()

    runtime = types.SimpleNamespace(getDevice=lambda: current[0])
    monkeypatch.setattr(device, "cupy", types.SimpleNamespace(cuda=types.SimpleNamespace(runtime=runtime)))
    monkeypatch.setattr(device, "_load", load)
    monkeypatch.setattr(device, "_loaded", {})

    def ask():
        held.wait()
        device.kernel("plan", {"A": "1"})

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded == [(0, "plan", {"A": "1"})]
    current[0] = 1
    device.kernel("plan", {"A": "1"})
    device.kernel("plan", {"A": "2"})
    device.kernel("pixels", {})
    assert [device.kernel("plan", {"A": "1"}), len(loaded)] == [device._loaded[1, "plan", ("A", "1")], 4]


def test_what_is_loaded_is_what_was_compiled_for_that_gpu(monkeypatch, tmp_path):
    monkeypatch.setenv("CYROI_CACHE_DIR", str(tmp_path))
    asked, loaded = [], []

    class Loaded:
        def load(self, code):
            loaded.append(code)

    cuda = types.SimpleNamespace(
        Device=lambda: types.SimpleNamespace(compute_capability="103"),
        Module=Loaded,
        nvrtc=types.SimpleNamespace(getVersion=lambda: (13, 2), getSupportedArchs=lambda: (90, 100, 120)),
    )
    monkeypatch.setattr(device, "cupy", types.SimpleNamespace(cuda=cuda))
    monkeypatch.setattr(device, "compiled", lambda *what: asked.append(what) or b"code")
    for _ in range(2):
        device._load("plan", {"CYROI_NUMBERS": "3"})
    options = (*source.OPTIONS, "-DCYROI_NUMBERS=3")
    assert asked == [("plan", source.text("plan.cu"), options, "sm_100")]
    assert loaded == [b"code"] * 2
    [file] = tmp_path.iterdir()
    assert file.name == source.key_of(source.text("plan.cu"), options, "sm_100", (13, 2)) + ".cubin"


def test_all_that_cupy_is_asked_for_is_there():
    known = {"cupy": cupy, "runtime": cupy.cuda.runtime, "nvrtc": cupy.cuda.nvrtc}
    tree = ast.parse(inspect.getsource(device))
    chains = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    asked = {name for name in chains if name.split(".")[0] in known and "(" not in name}
    assert {"cupy.cuda.Event", "runtime.memcpyAsync", "nvrtc.getCUBIN"} <= asked
    for name in asked:
        first, *rest = name.split(".")
        functools.reduce(getattr, rest, known[first])
    for name in ("synchronize", "record", "done"):
        assert hasattr(cupy.cuda.Event, name)
    for name in ("synchronize", "is_capturing"):
        assert hasattr(cupy.cuda.Stream, name)


# --- whose arrays ---


def test_arrays_of_cupy_are_viewed_and_no_more():
    class Mine(cupy.ndarray):
        pass

    array = emulated.on_device(np.arange(6.0).reshape(2, 3))
    for value in (array, array.view(Mine)):
        found = device.array_of("maps", value)
        assert type(found) is cupy.ndarray
        assert found is not value
        assert (found.data.ptr, found.shape, found.strides) == (array.data.ptr, array.shape, array.strides)


@pytest.fixture
def foreign(monkeypatch):
    """What CuPy is asked for, on which device, for an array that is not its own."""
    asked, current = [], [None]

    class Device:
        def __init__(self, number):
            self.number = number

        def __enter__(self):
            current[0] = self.number

        def __exit__(self, *_):
            current[0] = None

    def from_dlpack(value):
        asked.append(("from_dlpack", current[0]))
        value.__dlpack__()
        return "dlpack"

    runtime = types.SimpleNamespace(
        CUDARuntimeError=OSError, pointerGetAttributes=lambda at: types.SimpleNamespace(device=at // 1000)
    )
    cuda = types.SimpleNamespace(runtime=runtime, Device=Device)
    fake = types.SimpleNamespace(cuda=cuda, ndarray=cupy.ndarray, from_dlpack=from_dlpack)
    fake.asarray = lambda value: asked.append(("asarray", current[0])) or "interface"
    monkeypatch.setattr(device, "cupy", fake)
    return asked


class OfDLPack:
    error = None

    def __dlpack__(self, **options):
        if self.error:
            raise self.error


class OfInterface:
    address = 3000

    @property
    def __cuda_array_interface__(self):
        return {"data": (self.address, False), "shape": (2,), "typestr": "<f4", "version": 3}


class OfBoth(OfDLPack, OfInterface):
    pass


@pytest.mark.parametrize("tensor", [OfDLPack, OfBoth])
def test_what_speaks_dlpack_is_taken_in_the_order_of_streams(foreign, tensor):
    assert device.array_of("maps", tensor()) == "dlpack"
    assert foreign == [("from_dlpack", None)]


@pytest.mark.parametrize(("address", "number"), [(3000, 3), (0, None)])
def test_what_speaks_the_older_protocol_is_viewed_on_its_device(foreign, address, number):
    tensor = OfInterface()
    tensor.address = address
    assert device.array_of("maps", tensor) == "interface"
    assert foreign == [("asarray", number)]


@pytest.mark.parametrize("error", [BufferError(), NotImplementedError(), TypeError(), ValueError()], ids=repr)
def test_the_older_protocol_is_for_what_dlpack_cannot_say(foreign, error):
    tensor = OfBoth()
    tensor.error = error
    assert device.array_of("maps", tensor) == "interface"
    assert foreign == [("from_dlpack", None), ("asarray", 3)]


def test_what_cannot_be_read_is_named_with_its_librarys_words(foreign):
    tensor = OfDLPack()
    tensor.error = BufferError("not now")
    with pytest.raises(TypeError, match=r"^grad_output cannot be read as a CuPy array; .*\.OfDLPack says: not now$"):
        device.array_of("grad_output", tensor)


def test_the_place_of_an_array_is_named():
    array = np.ones(3)
    assert [device.location(emulated.on_device(array, number)) for number in (0, 3)] == ["cuda:0", "cuda:3"]
    assert device.on(emulated.on_device(array, 3)) == cupy.cuda.Device(3)
