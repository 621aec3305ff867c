"""Law: kernels are loaded once for each GPU, and get their job by value, as far as that can be seen without one."""

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
