"""Every call in the tests is made twice: as it stands, and into an `out` that holds what no kernel writes.

A result of which a part is not written looks right where its memory happens to hold an old right one. So `install`,
which conftest.py calls before anything takes a function of cyroi, puts `twice` around the four of them: no test can
leave it out but by `plain`, and project/test_written.py lists those that do.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import cyroi

NAMES = ("roi_align", "crop_and_resize", "roi_align_backward", "crop_and_resize_backward")
# Signalling NaN: kernels make quiet ones of them, so where the pattern is found, nothing was written.
POISON = {"float32": 0x7FA5A5A5, "float64": 0x7FF5A5A5A5A5A5A5, "float16": 0x7DA5, "bfloat16": 0x7FA5}
# via(function, ...) makes the calls in the function's place while a test is for another backend (support/targets.py).
via: Callable[..., Any] | None = None
FILLS = (0x5A, 0xA5)  # of integers, which have no such pattern: one of the two is not what was there


def install() -> None:
    for name in NAMES:
        setattr(cyroi, name, twice(getattr(cyroi, name)))


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as users have it, for tests that two calls would spoil."""
    return getattr(function, "__wrapped__", function)


def twice(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, and the proof that it writes all of its result. What it raises or refuses (None) is left alone."""

    @functools.wraps(function)
    def both(*args: Any, **kwargs: Any) -> Any:
        called = function if via is None else functools.wraps(function)(functools.partial(via, function))
        result = called(*args, **kwargs)
        if result is not None:
            with silent():
                check(called, args, kwargs, result)
        return result

    return both


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """No second warning; the filters belong to all threads, so only the main thread changes them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def check(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """The call does it again: into prepared memory, and into new memory where it was given some."""
    out, wrt = kwargs.get("out"), kwargs.get("wrt")
    if out is not None:
        assert_overwrites(into(function, args, kwargs, out), arrays(out))
        if may_be_as_new(function, args, kwargs, out):
            assert_same_as_new(function(*args, **kwargs | {"out": None}), out)
        return
    kwargs = {name: None if name == "dtype" else value for name, value in kwargs.items()}  # `out` says it
    for name, part in zip(wrt, result, strict=True) if isinstance(wrt, tuple) else [(wrt, result)]:
        alone = kwargs | ({} if wrt is None else {"wrt": name})  # only one gradient at a time goes into `out`
        made = [np.empty(array.shape, array.dtype) for array in arrays(part)]
        out = made if isinstance(part, list) else made[0]
        assert_overwrites(into(function, args, alone | {"out": out}, out), made, arrays(part))


def may_be_as_new(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> bool:
    """Whether a new result may be of the types of `out`: not where they are seen to differ from that of the maps."""
    maps = args[0] if args else kwargs.get("input", kwargs.get("image"))
    of_a_gradient = "backward" in function.__name__ or not {"wrt", "grad_output"}.isdisjoint(kwargs)
    names = set(POISON)
    if isinstance(maps, np.ndarray) and not of_a_gradient:
        names = {maps.dtype.name if maps.dtype.name in POISON else "float32"}
    return all(array.dtype.name in names for array in arrays(out))


def assert_same_as_new(result: Any, out: Any) -> None:
    """What a call leaves in `out` is what it gives without, where that is of the same type."""
    new = arrays(result[0] if isinstance(result, tuple) else result)
    for array, right in zip(arrays(out), new, strict=True):
        if array.dtype.name == right.dtype.name:
            assert_written(array, bits(right))


def arrays(result: Any) -> list[np.ndarray]:
    return list(result) if isinstance(result, (list, tuple)) else [result]


def into(function: Callable[..., Any], args: Any, kwargs: Any, out: Any) -> Callable[[], None]:
    """The call that writes into `out`."""

    def call() -> None:
        result = function(*args, **kwargs)
        if result is not out and not (isinstance(result, tuple) and len(result) == 1 and result[0] is out):
            raise AssertionError(f"the result is not out but {type(result).__name__}")

    return call


def assert_overwrites(
    call: Callable[[], Any], outs: list[np.ndarray], expected: list[np.ndarray] | None = None
) -> None:
    """`call` writes every element of `outs`, with the bits of `expected`, whatever they hold; default: hold now."""
    kept = [bits(array).copy() for array in expected or outs]
    floats = all(array.dtype.name in POISON for array in outs)
    for turn in range(1 if floats else len(FILLS)):
        for array in outs:
            fill(array, turn)
        soil(outs)
        call()
        for array, right in zip(outs, kept, strict=True):
            assert_written(array, right)


def assert_written(array: np.ndarray, right: np.ndarray) -> None:
    """No element is what was filled in, and all have these bits."""
    found, value = bits(array), POISON.get(array.dtype.name)
    for what, wrong in (("were not written", found == value), ("differ from another call's", found != right)):
        if np.any(wrong):
            where = tuple(int(axis[0]) for axis in np.nonzero(wrong))
            raise AssertionError(f"{wrong.sum()} of {wrong.size} elements {what}, the first at {where}: {array[where]}")


def bits(array: np.ndarray) -> np.ndarray:
    """The elements as unsigned integers, in place; of a subclass too, whatever it redefines."""
    bare = np.ndarray.view(array, np.ndarray)
    return bare.view(np.dtype(f"u{array.itemsize}").newbyteorder(array.dtype.byteorder))


def fill(array: np.ndarray, turn: int) -> None:
    """Fills the elements, and nothing between them."""
    bits(array)[...] = POISON.get(array.dtype.name) or int.from_bytes([FILLS[turn]] * array.itemsize)


def soil(outs: list[np.ndarray]) -> None:
    """What a call takes to work in is likely to be what was freed last: this, and not the memory of an old result."""
    sizes = [array.size * size for array in outs for size in {4, 8, array.itemsize}]
    # All at once, so that each takes another piece of memory, of which there are several if they are small.
    [np.full(size, FILLS[0], np.uint8) for size in sizes for _ in range(4 if size < 2**16 else 1)]
