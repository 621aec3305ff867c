"""Where results go: new arrays, or `out` once it is known to be fit.

Everything is allocated and checked here before the kernels write the first element, so a call that fails leaves `out`
as it was. What users get back is formed here too, in the containers that their boxes came in.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .arrays import Place, is_cupy, kind_of, on_device, refuse_mask
from .layout import name_of
from .validate import FLOATS, floating, stored

if TYPE_CHECKING:
    from .._typing import Array
    from .boxes import Boxes
    from .validate import Maps

Inputs = Mapping[str, Sequence[object]]  # argument -> what of it may own memory, which `out` must lie apart from


class Gradients(NamedTuple):
    """What the gradients are written into."""

    maps: Array | None  # None: not asked for
    boxes: list[Array] | None  # one for each array of the boxes
    returned: Any  # the same for the user: formed before the first write, because nothing may fail after the last


def result_dtype(maps_dtype: np.dtype[Any], wished: Any = None, out: object = None) -> np.dtype[Any]:
    """The dtype of a new result: the one that is wished for; else that of the maps, or float32 for integers."""
    if wished is None:
        return np.dtype(np.float32) if maps_dtype.kind in "iu" else maps_dtype
    if out is not None:
        raise ValueError("dtype must be None where out is given, whose dtype it is")
    try:
        dtype: np.dtype[Any] = np.dtype(wished)
    except Exception:  # NumPy parses texts as Python
        raise TypeError(f"dtype must be a dtype; got {wished!r}") from None
    stored("dtype", dtype)
    return dtype


def result(
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    out: object,
    inputs: Inputs,
    place: Place | None = None,
) -> Array:
    """A new array of `dtype`, or a view of `out` once known to be fit: shape, dtype, writable, apart from `inputs`.

    `name` is the argument that determines the size of the result. The view is private and of base class: what a
    subclass or another thread does to `out` itself cannot move what was checked. It lies where `place` says.
    """
    if out is None:
        return allocate(name, lambda: _empty(shape, dtype, place), shape)
    out = _view(out, place)
    stored("out", out.dtype)
    if out.shape != shape:
        raise ValueError(f"out must have shape {shape}; got {out.shape}")
    if not (on_device(out) or out.flags.writeable):
        raise ValueError("out must be writable; got a read-only array")
    if _overlaps_itself(out):
        raise ValueError(f"out must not overlap itself; got strides {out.strides} for shape {out.shape}")
    for other, values in inputs.items():
        if any(_may_be_shared(out, value) and share_memory(out, value) for value in values):
            raise ValueError(f"out must not share memory with {other}")
    return out


def _empty(shape: tuple[int, ...], dtype: np.dtype[Any], place: Place | None) -> Any:
    if place is None or not on_device(place.array):
        return np.empty(shape, dtype)
    from ..gpu import device, stream

    if math.prod(shape) * dtype.itemsize > sys.maxsize:
        raise MemoryError("it has more bytes than an address can say")  # CuPy counts them in 64 bits
    with device.on(place.array):
        return stream.empty(shape, dtype.newbyteorder("="))  # a device has one byte order


def _view(out: object, place: Place | None) -> Array:
    """A private view of `out`, which is an array and lies where `place` says."""
    if place is not None and on_device(place.array):
        return _view_on_device(out, place)  # type: ignore[no-any-return]
    if is_cupy(out) and place is not None:
        raise TypeError(f"out must lie in the memory of the CPU, where {place.name} lies; got a {kind_of(out)}")
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be a numpy.ndarray; got {type(out).__name__}")
    refuse_mask("out", out)
    return np.ndarray.view(out, np.ndarray)


def _view_on_device(out: object, place: Place) -> Any:
    from ..gpu import device

    where = device.location(place.array)
    if not is_cupy(out):
        raise TypeError(f"out must be a cupy.ndarray on {where}, where {place.name} lies; got a {kind_of(out)}")
    view = device.array_of("out", out)
    if view.data.device_id != place.array.data.device_id:
        raise TypeError(f"out must lie on {where}, where {place.name} lies; got one on {device.location(view)}")
    return view


def _may_be_shared(out: Array, value: object) -> bool:
    return is_cupy(value) if on_device(out) else isinstance(value, np.ndarray)


def share_memory(a: Any, b: Any) -> bool:
    try:
        return bool(np.shares_memory(_stand_in(a), _stand_in(b), max_work=10_000))  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True  # cannot be told cheaply: refuse rather than corrupt


class _Addresses:
    """What NumPy makes an array of whose elements nobody ever reads."""

    def __init__(self, array: Any) -> None:
        self.__array_interface__ = {
            "version": 3, "data": (array.data.ptr, True), "typestr": f"|V{array.itemsize}", "shape": array.shape,
            "strides": array.strides,
        }  # fmt: skip


def _stand_in(array: Any) -> Array:
    """`array`, or a NumPy array that has its addresses."""
    if not on_device(array):
        return array  # type: ignore[no-any-return]
    return np.asarray(_Addresses(array)) if array.size else np.empty(0)


def _overlaps_itself(array: Array) -> bool:
    """Conservative: true wherever sorted strides do not nest, as they do in every view made by slicing."""
    extent = array.itemsize
    for stride, size in sorted((abs(stride), size) for stride, size in zip(array.strides, array.shape, strict=True)):
        if size > 1:
            if stride < extent:
                return array.size > 0
            extent += stride * (size - 1)
    return False


def allocate(name: str, create: Callable[[], Array], shape: Sequence[int]) -> Array:
    """The new result array; its size follows from the argument `name`."""
    try:
        return create()
    except (MemoryError, ValueError, OverflowError) as error:
        message = f"{name} asks for a result of shape {tuple(shape)}, which cannot be allocated: {error}"
        raise MemoryError(message) from None


def no_memory(name: str, error: MemoryError) -> MemoryError:
    return MemoryError(f"{name} and the arrays need memory to work in that cannot be had: {error}")


# --- gradients ---


def gradients(
    names: tuple[str, ...],
    maps_name: str,
    maps: Maps,
    boxes: Boxes,
    wrt: object,
    out: Any,
    inputs: Inputs,
    place: Place | None = None,
) -> Gradients:
    """Arrays for the gradients that `names` ask for; `out` where that is given."""
    if out is not None and len(names) > 1:
        raise ValueError("out must be None where wrt asks for more than one gradient")
    to_maps, to_boxes = None, None
    given: dict[str, Any] = {}
    for name in names:
        if name == maps_name:
            to_maps = result(maps_name, maps.shape, result_dtype(maps.dtype), _floating_out(out), inputs, place)
            given[name] = to_maps
        else:
            to_boxes = _of_boxes(boxes, out, inputs, place)
            given[name] = to_boxes if boxes.is_list else to_boxes[0]
    parts = [given[name] if out is None else out for name in names]
    return Gradients(to_maps, to_boxes, tuple(parts) if isinstance(wrt, tuple) else parts[0])


def _floating_out(out: Any) -> Any:
    """`out`, once it is known to be of a floating dtype if it is an array."""
    if isinstance(out, np.ndarray) or is_cupy(out):
        refuse_mask("out", out)
        floating("out", out.dtype)
    return out


def _of_boxes(boxes: Boxes, out: Any, inputs: Inputs, place: Place | None) -> list[Array]:
    """An array for each of the boxes', from `out` where that is given."""
    count = len(boxes.arrays)
    given: Sequence[Any] = [out] * count
    if boxes.is_list and out is not None:
        if not isinstance(out, (list, tuple)) or len(out) != count:
            raise TypeError(f"out must be a list of {count} arrays, like boxes; got {type(out).__name__}")
        given = list(out)
    results = []
    for array, seen, geometry in zip(given, boxes.arrays, boxes.geometry, strict=True):
        if out is not None and array is None:
            raise TypeError("out must be a list of arrays, like boxes; got None in it")
        dtype = seen.dtype.newbyteorder("=") if name_of(seen.dtype) in FLOATS else geometry
        results.append(result("boxes", seen.shape, dtype, _floating_out(array), inputs, place))
        if array is not None:
            inputs = {**inputs, "another array of out": [*inputs.get("another array of out", ()), array]}
    return results
