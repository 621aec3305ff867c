"""Law: what lies on a CUDA device is taken as it is, by the protocol that keeps streams in order if there is one."""

from __future__ import annotations

import types

import numpy as np
import pytest

cupy = pytest.importorskip("cupy", reason="no CuPy: python -m pip install --group gpu")

from cyroi.gpu import device  # noqa: E402
from support.cuda import device as emulated  # noqa: E402


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
