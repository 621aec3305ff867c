"""Calls that were made before: what they ask of a device is done again, with other addresses.

To check the arguments of a call, to plan its memory and to choose its kernels takes Python 98 us, without what CuPy and
the driver take. All of that depends on the arguments' types, shapes, strides and values, and not on what arrays hold.
So a call is noted when it is made (stream.py), and from then on a call of its kind is its launches and nothing else,
which takes Python 18 us.

Decisions
a) A kind is all that anything may depend on: of arrays, dtype, shape, strides, device and place modulo 32 bytes; of
   numbers and names, type and value. Whoever passes something else, such as lists, is not remembered.
b) Addresses in a job are those of an array of the arguments or of memory that the call asked for; a call in which one
   may be of two of them is not remembered. Whether `out` lies apart from the others is asked each time.
c) A call is noted when its kind is made for the second time: what is new each time, such as another number of boxes,
   would be noted for nothing, which takes as long as the call itself.
d) Where boxes turn out to be bad, or memory is short, the call is made from the start, which says so.
e) Jobs with their addresses are kept, because CuPy gives the same memory to calls in a loop.
"""

from __future__ import annotations

import ctypes
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..arguments import hints
from . import device, plans, routes, stream
from .job import Job

MOST = 256  # kinds of calls that are remembered

_PLAIN = frozenset((int, bool, str, type(None)))
_ALIGNED = 31


def _pointers(kind: Any, at: int = 0) -> Iterator[int]:
    """Where addresses stand in a struct."""
    if kind is ctypes.c_uint64:
        yield at
    elif issubclass(kind, ctypes.Array):
        for i in range(kind._length_):
            yield from _pointers(kind._type_, at + i * ctypes.sizeof(kind._type_))
    elif issubclass(kind, ctypes.Structure):
        for name, field in kind._fields_:
            yield from _pointers(field, at + getattr(kind, name).offset)


POINTERS = tuple(_pointers(Job))


class Program:
    """The steps of a call, for other arrays of the same kind. ValueError where they are not known to be all of it."""

    def __init__(self, tape: stream.Tape, arrays: list[Any], out: Any, result: Any) -> None:
        made = [step.array for step in tape.steps if isinstance(step, stream.Made)]
        self.extents = [_extent(array) for array in (*arrays, *made)]
        self.made = [(array.shape, array.dtype) for array in made]
        self.sizes = [(low - first, high - first) for low, first, high in self.extents[: len(arrays)]]
        self.steps = [(type(step), *self._step(step, made)) for step in tape.steps if type(step) is not stream.Made]
        self.result = None if result is out else _places(result, made)
        self.jobs: tuple[list[int], list[bytes]] | None = None

    def _step(self, step: Any, made: list[Any]) -> tuple[Any, ...]:
        if isinstance(step, stream.Launched):
            return (
                *step[:-1],
                step.job,
                [(at, *self._place(step.job, at)) for at in POINTERS if _address(step.job, at)],
            )
        if isinstance(step, stream.Read):
            return ()
        number = next(i for i, array in enumerate(made) if array.data.ptr == step.array.data.ptr)
        if made[number].nbytes != step.array.nbytes:
            raise ValueError
        return (number,)

    def _place(self, job: bytes, at: int) -> tuple[int, int]:
        """Which array an address is of, and how far it lies from that one's first element."""
        address = _address(job, at)
        found = [(i, address - first) for i, (low, first, high) in enumerate(self.extents) if low <= address < high]
        if len(found) != 1:
            raise ValueError
        return found[0]

    def run(self, arrays: list[Any], out: Any) -> Any:
        """The result; None where the call has to be made from the start. out: the last of `arrays`, or None."""
        addresses = [array.data.ptr for array in arrays]
        if out is not None and self._is_touched(addresses):
            return None
        with device.on(arrays[0]):
            if device.capturing():
                return None
            try:
                made = [device.empty(*size) for size in self.made]
            except MemoryError:
                return None
            jobs = iter(self._jobs(addresses + [array.data.ptr for array in made]))
            for step in self.steps:
                if step[0] is stream.Launched:
                    _, kernel, name, grid, threads, shared, *_ = step
                    device.launch(kernel, name, grid, threads, shared, next(jobs))
                elif step[0] is stream.Cleared:
                    device.clear(made[step[1]])
                elif step[0] is stream.Asked:
                    asked = device.ask_flags(made[step[1]])
                elif device.read_flags(asked):
                    return None
        places = self.result
        if places is None:
            return out
        return made[places] if isinstance(places, int) else type(places)(made[place] for place in places)

    def _is_touched(self, addresses: list[int]) -> bool:
        """Whether memory of the last array may be that of another one."""
        *others, out = ((at + low, at + high) for at, (low, high) in zip(addresses, self.sizes, strict=True))
        return any(low < out[1] and out[0] < high for low, high in others)

    def _jobs(self, addresses: list[int]) -> list[bytes]:
        last = self.jobs
        if last is not None and last[0] == addresses:
            return last[1]
        jobs = []
        for step in self.steps:
            if step[0] is stream.Launched:
                *_, noted, places = step
                job = bytearray(noted)
                for at, array, offset in places:
                    struct.pack_into("<Q", job, at, addresses[array] + offset)
                jobs.append(bytes(job))
        self.jobs = addresses, jobs
        return jobs


_SEEN, _NEVER = object(), object()  # of a kind: made once, and not to be remembered
_programs: dict[Any, Any] = {}


def forget() -> None:
    """All calls that are remembered."""
    _programs.clear()


class _Local(threading.local):
    inside = False


_local = _Local()


def inside() -> bool:
    """Whether this is a call that `call` makes."""
    return _local.inside


def call(function: Callable[..., Any], variables: dict[str, Any]) -> Any:
    """What `function`, which calls this, gives for its arguments, which are among its local variables."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    arguments = [variables[name] for name in names]
    arrays: list[Any] = []
    kind = _kind(function, arguments, arrays)
    known = _NEVER if kind is None else _programs.get(kind)
    out = variables["out"]
    if isinstance(known, Program):
        result = known.run(arrays, out)
        if result is not None:
            return result
    _local.inside = True
    try:
        if known is _SEEN:
            return _noted(kind, arrays, out, lambda: function(**dict(zip(names, arguments, strict=True))))
        result = function(**dict(zip(names, arguments, strict=True)))
        if known is None:
            _remember(kind, _SEEN)
        return result
    finally:
        _local.inside = False


def _noted(kind: Any, arrays: list[Any], out: Any, function: Callable[[], Any]) -> Any:
    tape = stream.Tape()
    warned = hints.issued
    try:
        stream.local.tape = tape
        result = function()
    finally:
        stream.local.tape = None
    try:
        complete = tape.complete and hints.issued == warned
        _remember(kind, Program(tape, arrays, out, result) if complete else _NEVER)
    except ValueError:
        _remember(kind, _NEVER)
    return result


def _remember(kind: Any, known: Any) -> None:
    if len(_programs) >= MOST and kind not in _programs:
        _programs.clear()
    _programs[kind] = known


def _kind(function: Callable[..., Any], arguments: list[Any], arrays: list[Any]) -> Any:
    """What a call depends on; None if that is more than is looked at here. Its arrays go into `arrays`."""
    ndarray = sys.modules["cupy"].ndarray
    kind: list[Any] = [function, routes.force, routes.SCRATCH, plans.MOST_BYTES]
    for value in arguments:
        of = type(value)
        if of is ndarray:
            data = value.data
            kind.append((value.dtype, value.shape, value.strides, data.ptr & _ALIGNED, data.device_id))
            arrays.append(value)
        elif of in _PLAIN:
            kind.append((of, value))
        elif of is float:
            kind.append(value.hex())  # tells -0 from 0, and NaN is itself
        elif of is tuple and all(type(part) in _PLAIN for part in value):
            kind.append((*map(type, value), value))
        elif of is type or isinstance(value, np.dtype):
            kind.append(value)
        else:
            return None
    return tuple(kind)


def _extent(array: Any) -> tuple[int, int, int]:
    """Where the memory of an array begins, where its first element lies, and where it ends."""
    first, steps = array.data.ptr, [(n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True)]
    if array.size == 0:
        return first, first, first
    return first + sum(min(0, s) for s in steps), first, first + sum(max(0, s) for s in steps) + array.itemsize


def _address(job: bytes, at: int) -> int:
    return int(struct.unpack_from("<Q", job, at)[0])


def _places(result: Any, made: list[Any]) -> Any:
    """The numbers of arrays among those that were made, in the container that they are in."""
    if isinstance(result, (tuple, list)):
        return type(result)(_places(part, made) for part in result)
    found = [i for i, array in enumerate(made) if array is result]
    if len(found) != 1:
        raise ValueError
    return found[0]
