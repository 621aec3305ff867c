"""What a call asks of the current stream, by way of device.py; noted where the call is to be remembered (again.py).

What is noted here is all that a call does on a device. Whatever else it asks for, of the host or of the driver, is the
same for every call of its kind.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from . import device


class Made(NamedTuple):
    """Memory was asked for."""

    array: Any


class Cleared(NamedTuple):
    array: Any


class Asked(NamedTuple):
    """Flags were asked for."""

    array: Any


class Read(NamedTuple):
    """The flags that were asked for last were waited for."""


class Launched(NamedTuple):
    kernel: Any
    name: str
    grid: Any
    threads: int
    shared: int
    job: bytes


class Tape:
    """What one call has asked for, in its order."""

    def __init__(self) -> None:
        self.steps: list[Made | Cleared | Asked | Read | Launched] = []
        self.complete = True  # no step was one that cannot be done again without the host


class _Local(threading.local):
    tape: Tape | None = None


local = _Local()


def _note(step: Made | Cleared | Asked | Read | Launched | None) -> None:
    tape = local.tape
    if tape is not None and step is not None:
        tape.steps.append(step)
    elif tape is not None:
        tape.complete = False


def empty(shape: int | Sequence[int], dtype: Any) -> Any:
    array = device.empty(shape, dtype)
    device.keep(array)  # whoever asked for it: a graph may be captured
    _note(Made(array))
    return array


class Scratch:
    """Memory in which the parts of a call work, one after the other.

    All of it is had while the first part is prepared, before anything is written, because that part is the largest.
    """

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}

    def take(self, name: str, shape: Sequence[int], dtype: Any) -> Any:
        """An array in the memory of this name, which whoever had it before is done with."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        held = self.held.get(name)
        if held is None or held.nbytes < size:
            held = self.held[name] = None  # before there is more
            held = self.held[name] = empty((size,), np.uint8)
        return held[:size].view(dtype).reshape(shape)


def clear(array: Any) -> None:
    _note(Cleared(array))
    device.clear(array)


def upload(array: np.ndarray[Any, Any]) -> Any:
    _note(None)
    return device.upload(array)


def download(array: Any) -> np.ndarray[Any, Any]:
    _note(None)
    return device.download(array)


def ask_flags(array: Any) -> Any:
    _note(Asked(array))
    return device.ask_flags(array)


def read_flags(asked: Any) -> int:
    _note(Read())
    return device.read_flags(asked)


def capturing() -> bool:
    """Whether a graph is being captured; such a call is not one to be done again."""
    captured = device.capturing()
    if captured:
        _note(None)
    return captured


def launch(kernel: Any, name: str, grid: Any, threads: int, shared: int, job: Any) -> None:
    if local.tape is not None:
        _note(Launched(kernel, name, grid, threads, shared, bytes(job)))
    device.launch(kernel, name, grid, threads, shared, job)
