"""The functions of cyroi on CuPy arrays, for tests that give and expect NumPy arrays.

Maps, gradients and `out` go over as they lie: the same memory, the same strides. What cannot lie on a device, such as
what has another byte order or an `out` that is not aligned, goes over as a copy. Boxes and image indices lie on the
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
    """The function on the device, if its maps, gradients and `out` can be there; else as it is."""
    try:
        bound = signature(function).bind(*args, **kwargs)
    except TypeError:
        return function(*args, **kwargs)
    given = bound.arguments
    outs = Outs()
    moved = {name: on_device(given[name]) for name in MAPS if name in given and not is_shape(given[name])}
    if moved and given.get("out") is not None:
        moved["out"] = outs.move(given["out"])
    if not moved or any(value is None for value in moved.values()):
        return function(*args, **kwargs)
    Counts.calls += 1
    given.update(moved)
    place_boxes(given)
    before = Counts.launches
    result = outs.back(function(*bound.args, **bound.kwargs))
    assert Counts.launches > before or not any(map(np.any, parts(result))), "no kernel made this"
    return result


class Outs:
    """`out` on the device, and what of it the caller gave."""

    def __init__(self) -> None:
        self.given: dict[int, Any] = {}  # by the id of what stands for it
        self.copies: list[tuple[np.ndarray, np.ndarray]] = []

    def move(self, out: Any) -> Any:
        """`out`, an array or a list of them, on the device; None where it cannot be there."""
        if isinstance(out, list):
            moved: Any = [self.move(array) for array in out]
            moved = None if any(array is None for array in moved) else moved
        elif not isinstance(out, np.ndarray):
            return None
        else:
            as_it_is = out.flags.aligned and out.dtype.isnative
            memory = out if as_it_is else np.array(out, out.dtype.newbyteorder("="), order="C", subok=False)
            moved = on_device(memory)
            if not as_it_is:
                self.copies.append((memory, out))
        self.given[id(moved)] = out
        return moved

    def back(self, result: Any) -> Any:
        """The result on the host, what was written into copies in its place."""
        with np.errstate(all="ignore"):
            for copy, array in self.copies:
                np.copyto(array, copy)
        return self.on_host(result)

    def on_host(self, result: Any) -> Any:
        if id(result) in self.given:
            return self.given[id(result)]
        if isinstance(result, (list, tuple)):
            return type(result)(map(self.on_host, result))
        return device.on_host(result) if isinstance(result, cupy.ndarray) else result


@functools.cache
def signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


def is_shape(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and value.dtype.kind in "iu"
    return isinstance(value, (tuple, list)) and all(isinstance(n, (int, np.integer)) for n in value)


def place_boxes(given: dict[str, Any]) -> None:
    """0 1 1 0 1 0 0 1 ...: one of two calls in a row has its boxes on the device, and it is not always the second.

    The first calls of a test have boxes there in every order of threads.
    """
    device.Kernel.order = ORDERS[(Counts.calls - Counts.calls // 3) % len(ORDERS)]
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
    """A CuPy array over the same memory, or over a copy in the device's byte order; None of what is no such array."""
    if isinstance(value, (list, tuple)):
        try:
            value = np.asarray(value)
        except ValueError:
            return None
    if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray):
        return None
    known = (value.dtype.kind in "fiubc" and value.itemsize <= 8) or value.dtype.name == "bfloat16"
    if not known:
        return None
    native = value.dtype.newbyteorder("=")
    return device.on_device(np.ndarray.view(value, np.ndarray) if value.dtype == native else value.astype(native))


def parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (list, tuple)) else [result]
