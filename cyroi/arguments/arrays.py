"""Arrays out of what people have: NumPy's own, other libraries' tensors, data frames, nested sequences.

What NumPy can take is taken as NumPy takes it. What it cannot, a tensor with gradients or on a device, gets an error of
our own that says what to do, because what its library says names neither the argument nor the way out.

What lies on a CUDA device is a CuPy array from here on where a caller takes such arrays. All that is asked of arrays
before the kernels see them, CuPy's answer as NumPy's do, and without a driver.
"""

from __future__ import annotations

import numbers
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from .._typing import Array

EXACT_IN_FLOAT64 = 2**53
_IN_HOST_MEMORY = (1, 3, 11, 13)  # DLPack's CPU, and what CUDA and ROCm pin or share there
_ON_CUDA = 2


class Place(NamedTuple):
    """Where the other arguments of a call must lie: where this one does, if there is one yet."""

    name: str
    array: Any  # None: a CUDA device or the memory of the CPU


ANYWHERE = Place("", None)


def on_device(array: Any) -> bool:
    """Of an array that `as_array` gave."""
    return not isinstance(array, np.ndarray)


def as_array(name: str, value: object, place: Place | None = None) -> Array:
    """`value` as a private view of base class, without a copy where it is an array.

    Private, because its owner may change the shape of an array while we look at it; of base class, because a subclass
    may redefine what we rely on. What lies on a CUDA device is taken where `place` allows it; the memory of the CPU is
    no wrong place to this function.
    """
    if isinstance(value, np.ndarray):
        refuse_mask(name, value)
        return np.ndarray.view(value, np.ndarray)
    array = _on_cuda(name, value, place) if _takes_devices(place) and is_cupy(value) else _read(name, value, place)
    return array if on_device(array) else np.ndarray.view(array, np.ndarray)


def _takes_devices(place: Place | None) -> bool:
    return place is not None and (place.array is None or on_device(place.array))


def _read(name: str, value: Any, place: Place | None) -> Any:
    speaks_dlpack = hasattr(type(value), "__dlpack__")
    if speaks_dlpack or hasattr(type(value), "__cuda_array_interface__"):
        _refuse_graph(name, value)
        kind = _memory_of(value)
        if kind == _ON_CUDA and _takes_devices(place):
            return _on_cuda(name, value, place)
        if kind not in _IN_HOST_MEMORY:
            _refuse_memory(name, value, kind, place)
    try:
        if speaks_dlpack and not hasattr(type(value), "__array__"):
            return np.from_dlpack(value)
        return np.asarray(value)
    except Exception as error:
        if speaks_dlpack or (isinstance(value, (list, tuple)) and not isinstance(error, (ValueError, MemoryError))):
            raise TypeError(f"{name} cannot be read as a NumPy array; {kind_of(value)} says: {error}") from error
        if isinstance(error, ValueError) and not hasattr(value, "__array__"):
            expected = "an array or nested sequences of equal lengths"
            raise ValueError(f"{name} must be {expected}; {error}") from None
        raise  # of its own __array__


def _refuse_graph(name: str, value: Any) -> None:
    """Raises for a tensor that has gradients."""
    if getattr(value, "requires_grad", False) is True:
        raise TypeError(
            f"{name} must be detached from its graph: pass tensor.detach(), and for gradients call the function whose"
            f" name ends in _backward; got a {kind_of(value)} with requires_grad"
        )


def is_cupy(value: object) -> bool:
    cupy = sys.modules.get("cupy")  # who has such an array has imported it
    return cupy is not None and isinstance(value, cupy.ndarray)


def _memory_of(value: Any) -> int:
    """The kind of memory of a tensor, as DLPack counts."""
    if is_cupy(value):
        return _ON_CUDA  # its own answer asks the driver
    try:
        return int(value.__dlpack_device__()[0])
    except Exception:
        return _ON_CUDA if hasattr(value, "__cuda_array_interface__") else 1  # or NumPy finds out


def _on_cuda(name: str, value: Any, place: Place | None) -> Any:
    from ..gpu import device

    array = device.array_of(name, value)
    if place is not None and place.array is not None and array.data.device_id != place.array.data.device_id:
        wanted, found = device.location(place.array), device.location(array)
        raise TypeError(f"{name} must lie on {wanted}, where {place.name} lies; got a {kind_of(value)} on {found}")
    return array


def _refuse_memory(name: str, value: Any, kind: int, place: Place | None) -> None:
    where = "the memory of the CPU"
    if place is not None:
        where += f", where {place.name} lies" if place.array is not None else " or of a CUDA device"
    raise TypeError(
        f"{name} must lie in {where}: copy it there, by tensor.cpu() or array.get(); got a {kind_of(value)} on a device"
        f" (DLPack type {kind})"
    )


def same_place(name: str, array: Any, place: Place | None) -> Any:
    """`array`, once it is known to lie where `place` says. `as_array` has seen to it but for the memory of the CPU."""
    if place is not None and place.array is not None and on_device(place.array) and not on_device(array):
        from ..gpu import device

        raise TypeError(
            f"{name} must lie on {device.location(place.array)}, where {place.name} lies: copy it there, by"
            " cupy.asarray(array) or tensor.cuda(); got an array in the memory of the CPU"
        )
    return array


def kind_of(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def refuse_mask(name: str, value: object) -> None:
    masked = sys.modules.get("numpy.ma")  # who has a masked array has imported it; we need not, it takes milliseconds
    if masked is not None and isinstance(value, masked.MaskedArray):
        raise TypeError(f"{name} must be an array without a mask; got a masked array (fill or compress it first)")


def refuse_inexact(name: str, array: Array) -> None:
    """Raises for integers that float64, in which they are computed with, does not hold."""
    if not (array.dtype.kind in "iu" and array.itemsize == 8 and array.size > 0):
        return
    if on_device(array):
        as_float64(name, array)
    elif max(int(array.max()), -int(array.min())) > EXACT_IN_FLOAT64:
        raise _inexact(name)


def as_float64(name: str, array: Any) -> Any:
    """Long integers on a device as float64, which holds them; waits for the answer whether it does."""
    from ..gpu import convert, device

    with device.on(array):
        converted = convert.exactly(array, np.float64)
    if converted is None:
        raise _inexact(name)
    return converted


def _inexact(name: str) -> ValueError:
    return ValueError(f"{name} must hold integers that float64 represents, within +-2**53")


# --- arrays of Python objects, such as data frames with nullable columns give ---


def real_numbers(name: str, array: Array, value: object) -> Array:
    """`array`, which came of `value`; if its elements are Python objects, all of them real numbers, as int64 or
    float64, exactly.
    """
    if array.dtype.kind in "US" and isinstance(value, (list, tuple)):
        array = np.asarray(value, object)  # one string among numbers made strings of all
    if array.dtype.kind not in "OUS" or array.size == 0:
        return array
    rows = array.reshape(array.shape[0] if array.ndim else 1, -1).tolist()
    for i, row in enumerate(rows):
        for element in row:
            _check_number(name, element, i)
    whole = all(isinstance(element, numbers.Integral) for row in rows for element in row)
    return np.array(rows, np.int64 if whole else np.float64).reshape(array.shape)


def _check_number(name: str, element: Any, row: int) -> None:
    if isinstance(element, (bool, np.bool_)) or not isinstance(element, numbers.Real):
        raise TypeError(f"{name} must hold real numbers; got {element!r} in row {row}")
    try:
        exact = element != element or float(element) == element
        if isinstance(element, numbers.Integral):
            exact = abs(int(element)) <= EXACT_IN_FLOAT64
    except OverflowError:
        exact = False
    if not exact:
        raise ValueError(f"{name} must hold numbers that float64 represents; got {element!r} in row {row}")
