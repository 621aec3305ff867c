"""Arrays out of what people have: NumPy's own, other libraries' tensors, data frames, nested sequences.

What NumPy can take is taken as NumPy takes it. What it cannot, a tensor with gradients or on a device, gets an error of
our own that says what to do, because what its library says names neither the argument nor the way out.
"""

from __future__ import annotations

import numbers
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .._typing import Array

EXACT_IN_FLOAT64 = 2**53
_IN_HOST_MEMORY = (1, 3, 11, 13)  # DLPack's CPU, and what CUDA and ROCm pin or share there


def as_array(name: str, value: object) -> Array:
    """`value` as a private view of base class, without a copy where it is an array.

    Private, because its owner may change the shape of an array while we look at it; of base class, because a subclass
    may redefine what we rely on.
    """
    refuse_mask(name, value)
    if not isinstance(value, np.ndarray):
        value = _read(name, value)
    return np.ndarray.view(value, np.ndarray)


def _read(name: str, value: Any) -> Array:
    speaks_dlpack = hasattr(type(value), "__dlpack__")
    if speaks_dlpack or hasattr(type(value), "__cuda_array_interface__"):
        _refuse_tensor(name, value)
    try:
        if speaks_dlpack and not hasattr(type(value), "__array__"):
            return np.from_dlpack(value)
        return np.asarray(value)
    except Exception as error:
        if speaks_dlpack or (isinstance(value, (list, tuple)) and not isinstance(error, (ValueError, MemoryError))):
            raise TypeError(f"{name} cannot be read as a NumPy array; {_kind(value)} says: {error}") from error
        if isinstance(error, ValueError) and not hasattr(value, "__array__"):
            expected = "an array or nested sequences of equal lengths"
            raise ValueError(f"{name} must be {expected}; {error}") from None
        raise  # of its own __array__


def _refuse_tensor(name: str, value: Any) -> None:
    """Raises for a tensor that no NumPy array can stand for as it is."""
    if getattr(value, "requires_grad", False) is True:
        raise TypeError(
            f"{name} must be detached from its graph: pass tensor.detach(), and for gradients call the function whose"
            f" name ends in _backward; got a {_kind(value)} with requires_grad"
        )
    try:
        device = int(value.__dlpack_device__()[0])
    except Exception:
        device = 2 if hasattr(value, "__cuda_array_interface__") else 1  # or NumPy finds out
    if device not in _IN_HOST_MEMORY:
        raise TypeError(
            f"{name} must lie in the memory of the CPU: copy it there, by tensor.cpu() or array.get(); got a"
            f" {_kind(value)} on a device (DLPack type {device})"
        )


def _kind(value: object) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def refuse_mask(name: str, value: object) -> None:
    masked = sys.modules.get("numpy.ma")  # who has a masked array has imported it; we need not, it takes milliseconds
    if masked is not None and isinstance(value, masked.MaskedArray):
        raise TypeError(f"{name} must be an array without a mask; got a masked array (fill or compress it first)")


def refuse_inexact(name: str, array: Array) -> None:
    """Raises for integers that float64, in which they are computed with, does not hold."""
    long = array.dtype.kind in "iu" and array.itemsize == 8 and array.size > 0
    if long and max(int(array.max()), -int(array.min())) > EXACT_IN_FLOAT64:
        raise ValueError(f"{name} must hold integers that float64 represents, within +-2**53")


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
