"""Functions that write their result wrongly, as kernels have, for showing that `written` fails on each.

The worst case is assumed of memory: a new result is right, because an old right one lay where it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .written import arrays, bits

Write = Callable[[np.ndarray, np.ndarray], None]  # spoils an `out` that holds the result, given what it held before

PARTS = {
    "the last element": lambda array: array[(slice(-1, None),) * array.ndim],
    "the last of each row": lambda array: array[..., -1:],
    "a whole box": lambda array: array[-1:],
    "all of out": lambda array: array[:],
}


def leave(part: Callable[[np.ndarray], np.ndarray]) -> Write:
    def write(out: np.ndarray, before: np.ndarray) -> None:
        part(bits(out))[...] = part(bits(before))

    return write


def add(out: np.ndarray, before: np.ndarray) -> None:
    with np.errstate(invalid="ignore"):
        out += before


def another_last_bit(out: np.ndarray, before: np.ndarray) -> None:
    words = bits(out)
    words[(-1,) * out.ndim] ^= words.dtype.type(1)  # NumPy 1 has no common integer type for a uint64 and an int


# Those of which every call into `out` gives the same show in comparison with a new result alone.
WRITES = {f"{name} is left": leave(part) for name, part in PARTS.items()} | {"out is added to": add}
STEADY = {"another last bit": another_last_bit}


def into_out(function: Callable[..., Any], write: Write) -> Callable[..., Any]:
    """The function that writes wrongly into `out` alone."""

    def wrong(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        before = [] if out is None else [np.array(array) for array in arrays(out)]
        result = function(*args, out=out, **kwargs)
        for array, held in zip([] if out is None else arrays(out), before, strict=True):
            write(array, held)
        return result

    return wrong


def unless_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function that writes into `out` alone: a new result is the memory that it took."""

    def wrong(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        result = function(*args, out=out, **kwargs)
        for part in [] if out is not None else result if isinstance(result, tuple) else (result,):
            for array in arrays(part):
                bits(array)[...] = 1
        return result

    return wrong
