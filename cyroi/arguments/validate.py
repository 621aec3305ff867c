"""The checks of arguments, each by itself, and their messages; boxes and `out` have files of their own.

Each function takes the argument's name as the user wrote it and gives the value in the one form that the rest of the
library uses. Errors, here and there: TypeError for the wrong kind of object or dtype, ValueError for shape, size, enum
or a non-finite value, IndexError for an image index out of range, MemoryError for allocation.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..cpu import _separable
from .arrays import ANYWHERE, Place, as_array, as_float64, on_device, refuse_inexact, refuse_mask, same_place
from .layout import name_of, planar_shape

if TYPE_CHECKING:
    from .._typing import Array

MAX_SIDE, MAX_SAMPLING_RATIO = _separable.MAX_SIDE, _separable.MAX_SAMPLING_RATIO
FLOATS = ("float32", "float64", "float16", "bfloat16")  # what gradients may be stored in
CONVERTED = ("bool", "int32", "uint32", "int64", "uint64")  # what kernels do not read or write themselves


class Maps(NamedTuple):
    """The maps that a result came from, or what is known of them."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    values: Array | None  # None: only their shape was given


def maps(name: str, value: object, ndims: Collection[int], shape: str, place: Place | None = None) -> Array:
    """Feature maps or images: an array that kernels can read, native byte order, with an allowed number of axes."""
    array = same_place(name, as_array(name, value, place), place)
    stored(name, array.dtype)
    if array.ndim not in ndims:
        raise ValueError(f"{name} must have shape {shape}; got {array.shape}")
    if max(array.shape) > MAX_SIDE:
        raise ValueError(f"{name} must have no axis longer than {MAX_SIDE}; got {array.shape}")
    return _computable(name, array)


def _computable(name: str, maps: Array) -> Array:
    """The maps in native byte order, of a type that kernels read: bool as uint8, long integers as float64."""
    stored_as = name_of(maps.dtype)
    if stored_as == "bool":
        return maps.view(np.uint8)
    try:
        if stored_as not in CONVERTED:
            return maps if maps.dtype.isnative else maps.astype(maps.dtype.newbyteorder("="))
        if on_device(maps):
            return as_float64(name, maps)  # type: ignore[no-any-return]
        refuse_inexact(name, maps)
        return maps.astype(np.float64)
    except MemoryError as error:
        raise MemoryError(f"{name} of dtype {maps.dtype} needs a copy that cannot be had: {error}") from None


def stored(name: str, dtype: np.dtype[Any]) -> None:
    """Whether maps and results may be stored in this dtype, in any byte order."""
    if name_of(dtype) not in _separable.ELEMENTS and name_of(dtype) not in CONVERTED:
        raise TypeError(f"{name} must have dtype {', '.join([*_separable.ELEMENTS, *CONVERTED])}; got {dtype}")


def integer(name: str, value: object) -> int:
    """A Python int from anything with __index__, but not from a bool."""
    if not isinstance(value, (bool, np.bool_)):
        try:
            return operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            pass
    raise TypeError(f"{name} must be an integer; got {value!r}")


def boolean(name: str, value: object) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be a bool; got {value!r}")
    return bool(value)


def real(name: str, value: object) -> float:
    """A Python float from any real number, but not from a string, a bool or an array with axes."""
    if isinstance(value, (np.ndarray, np.generic)):
        refuse_mask(name, value)
        convertible = value.ndim == 0 and value.dtype.kind in "iuf"
    else:
        convertible = hasattr(value, "__float__") and not isinstance(value, (bool, complex))
        convertible = convertible and getattr(value, "ndim", 0) == 0
    try:
        if convertible:
            return float(value)  # type: ignore[arg-type]
    except OverflowError:
        raise ValueError(f"{name} must fit a float64; got {value!r}") from None
    except TypeError:
        pass
    raise TypeError(f"{name} must be a real number; got {value!r}")


def choice(name: str, value: object, choices: Collection[str]) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, one of {', '.join(map(repr, choices))}; got {value!r}")
    value = str.__str__(value)  # a subclass may compare and hash as it likes
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}")
    return value


def output_size(name: str, value: object) -> tuple[int, int]:
    """(height, width) from an int or a pair of ints, each at least 1."""
    is_array = isinstance(value, np.ndarray) and value.ndim > 0
    if is_array or (isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview))):
        if len(value) != 2:  # type: ignore[arg-type]
            raise ValueError(f"{name} must be an int or (height, width); got {value!r}")
        pair = (value[0], value[1])  # type: ignore[index]
    else:
        pair = (value, value)
    height, width = (integer(name, side) for side in pair)
    if height < 1 or width < 1:
        raise ValueError(f"{name} must be at least 1 in height and width; got {value!r}")
    return height, width


def spatial_scale(name: str, value: object) -> float:
    scale = real(name, value)
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"{name} must be finite and > 0; got {value!r}")
    return scale


def sampling_ratio(name: str, value: object) -> int:
    """Samples per bin and axis; 0 for the adaptive grid, which every value below 1 asks for."""
    ratio = integer(name, value)
    if ratio > MAX_SAMPLING_RATIO:
        raise ValueError(f"{name} must be at most {MAX_SAMPLING_RATIO}; got {value!r}")
    return max(ratio, 0)


# --- of gradients ---


def wrt_names(wrt: object, choices: Sequence[str]) -> tuple[str, ...]:
    """The names in `wrt`: one, or a tuple of different ones."""
    names = tuple(choice("wrt", name, choices) for name in (wrt if isinstance(wrt, tuple) else (wrt,)))
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"wrt must be one of {', '.join(map(repr, choices))} or a tuple of different ones; got {wrt!r}"
        )
    return names


def floating(name: str, dtype: np.dtype[Any]) -> None:
    """Whether gradients may be stored in this dtype, in any byte order."""
    if name_of(dtype) not in FLOATS:
        raise TypeError(f"{name} must have dtype {', '.join(FLOATS)}; got {dtype}")


def grad_output(value: object) -> Array:
    """An array of a floating dtype, native byte order."""
    array = as_array("grad_output", value, ANYWHERE)
    floating("grad_output", array.dtype)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def grad_shape(grad: Array, boxes: int, channels: int, layout: str, *, channel_axis: bool = True) -> Array:
    """`grad_output` with four axes, once its shape is seen to be that of a result."""
    if grad.ndim == (4 if channel_axis else 3):
        crops = grad if channel_axis else np.expand_dims(grad, layout.index("C"))
        count, found, height, width = planar_shape(crops.shape, layout)
        if (count, found) == (boxes, channels) and min(height, width) > 0:
            return crops
    result = f"the result for {boxes} boxes and {channels} channels in layout {layout}"
    raise ValueError(f"grad_output must have the shape of {result}; got {grad.shape}")


def is_shape(value: object) -> bool:
    """Whether these are whole numbers in a tuple, a list or an array: maps have more than one axis."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and value.dtype.kind in "iu"
    return isinstance(value, (tuple, list)) and all(hasattr(side, "__index__") and np.ndim(side) == 0 for side in value)


def maps_or_shape(
    name: str, value: Any, ndims: Collection[int], shape: str, names: tuple[str, ...], grad: Array
) -> Maps:
    """The maps; or their shape, where that is all that the gradients `names` need. Their dtype is then that of `grad`,
    the gradient of the result, which they lie beside.
    """
    if not is_shape(value):
        array = maps(name, value, ndims, shape, Place("grad_output", grad))
        return Maps(array.shape, array.dtype, array)
    if "boxes" in names:
        raise TypeError(f"{name} must be the maps where wrt has 'boxes'; got the shape {value}")
    sides = tuple(integer(name, side) for side in value)
    if len(sides) not in ndims:
        raise ValueError(f"{name} must have shape {shape}; got {sides}")
    if min(sides) < 0 or max(sides) > MAX_SIDE:
        raise ValueError(f"{name} must have sides in [0, {MAX_SIDE}]; got {sides}")
    return Maps(sides, grad.dtype, None)
