"""The functions of cyroi on CuPy arrays, for tests that give and expect NumPy arrays.

Maps, gradients and `out` go over as they lie: the same memory, the same strides. Boxes and image indices lie on the
host in some calls and on the device in others, and threads and blocks take turns in several orders.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import cupy
import numpy as np

import cyroi.gpu.device

from . import device

MAPS = ("input", "image", "grad_output")
INDICES = ("batch_indices", "box_indices")
ORDERS = (0, 1, 5)


class Counts:
    """Since `installed`: calls that were made on the device, and launches of kernels."""

    calls = 0
    launches = 0


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """The emulator in the place of `cyroi.gpu.device`."""
    kept = {name: getattr(cyroi.gpu.device, name) for name in device.INTERFACE if hasattr(cyroi.gpu.device, name)}
    device.install(cyroi.gpu.device)
    cyroi.gpu.device.launch = launch
    Counts.calls = Counts.launches = 0
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(cyroi.gpu.device, name, value)
        device.Kernel.order = 0


def launch(*arguments: Any) -> None:
    Counts.launches += 1
    device.launch(*arguments)


def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The function on the device, if its maps, gradients and `out` can lie there; else as it is."""
    try:
        bound = signature(function).bind(*args, **kwargs)
    except TypeError:
        return function(*args, **kwargs)
    given = bound.arguments
    outs: dict[int, Any] = {}
    moved = {name: on_device(given[name]) for name in MAPS if name in given and not is_shape(given[name])}
    if moved and given.get("out") is not None:
        moved["out"] = out_on_device(given["out"], outs)
    if not moved or any(value is None for value in moved.values()):
        return function(*args, **kwargs)
    Counts.calls += 1
    given.update(moved)
    place_boxes(given)
    before = Counts.launches
    result = function(*bound.args, **bound.kwargs)
    result = outs[id(result)] if id(result) in outs else on_host(result, outs)
    assert Counts.launches > before or not any(map(np.any, parts(result))), "no kernel made this"
    return result


@functools.cache
def signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


def is_shape(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(isinstance(n, (int, np.integer)) for n in value)


def place_boxes(given: dict[str, Any]) -> None:
    """0 1 1 0 1 0 0 1 ...: one of two calls in a row has its boxes on the device, and it is not always the second."""
    device.Kernel.order = ORDERS[Counts.calls % len(ORDERS)]
    names = ["boxes"] if Counts.calls.bit_count() % 2 else []
    names += INDICES if Counts.calls // 2 % 2 else ()
    for name in names:
        value = given.get(name)
        if isinstance(value, np.ndarray):
            moved = on_device(value)
            given[name] = value if moved is None else moved
        elif isinstance(value, (list, tuple)) and value and all(is_boxes(part) for part in value):
            arrays = [on_device(part) for part in value]
            given[name] = value if any(array is None for array in arrays) else type(value)(arrays)


def is_boxes(value: Any) -> bool:
    """Of one image, in a list."""
    return isinstance(value, np.ndarray) and (value.ndim == 2 or value.size == 0)


def on_device(value: Any) -> Any:
    """A CuPy array over the same memory; None of what no CuPy array can be."""
    if isinstance(value, (list, tuple)):
        try:
            value = np.asarray(value)
        except ValueError:
            return None
    if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray):
        return None
    known = (value.dtype.kind in "fiubc" and value.itemsize <= 8) or value.dtype.name == "bfloat16"
    if not known or not value.dtype.isnative:
        return None
    return device.on_device(np.ndarray.view(value, np.ndarray))


def out_on_device(out: Any, outs: dict[int, Any]) -> Any:
    """`out` on the device, None where it cannot be; `outs` says of what lies there what it stands for."""
    if isinstance(out, list):
        moved: Any = [out_on_device(array, outs) for array in out]
        moved = None if any(array is None for array in moved) else moved
    else:
        moved = on_device(out) if isinstance(out, np.ndarray) and out.flags.aligned else None
    outs[id(moved)] = out
    return moved


def on_host(result: Any, outs: dict[int, Any]) -> Any:
    if isinstance(result, (list, tuple)):
        return type(result)(outs[id(part)] if id(part) in outs else on_host(part, outs) for part in result)
    return device.on_host(result) if isinstance(result, cupy.ndarray) else result


def parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (list, tuple)) else [result]
