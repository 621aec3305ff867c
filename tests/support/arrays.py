"""The same values in memory of every kind: maps as users hold them, `out` as they give it, and results back in NCHW."""

from __future__ import annotations

import numpy as np

from .operators import LAYOUTS


def unlike(dtype):
    """A value that no result may hold by chance."""
    return 77 if np.dtype(dtype).kind in "iu" else np.nan


def strided(array):
    """The same values in memory where no stride is what it would be in a fresh array."""
    big = np.empty([2 * n + 1 for n in array.shape], array.dtype)
    big[...] = unlike(array.dtype)
    view = big[tuple(slice(1, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def flipped(array):
    return np.ascontiguousarray(array[::-1, ::-1, ::-1, ::-1])[::-1, ::-1, ::-1, ::-1]


def cropped(array):
    """An interior view: the innermost stride is one element, the others are those of a larger array."""
    return np.pad(array, 2, constant_values=unlike(array.dtype))[2:-2, 2:-2, 2:-2, 2:-2]


def unaligned(array):
    return np.frombuffer(b"\0" + array.tobytes(), np.uint8)[1:].view(array.dtype).reshape(array.shape)


CONTIGUITY = {
    "contiguous": lambda a: a,
    "strided": strided,
    "flipped": flipped,
    "cropped": cropped,
    "fortran": np.asfortranarray,
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "unaligned": unaligned,
    "list": lambda a: a.astype(np.float64).tolist(),
}


def to_planar(result, layout):
    return result.transpose(np.argsort(LAYOUTS[layout]))


def make_out(kind, shape, dtype):
    if kind == "contiguous":
        return np.full(shape, unlike(dtype), dtype)
    if kind == "big-endian":
        return np.full(shape, unlike(dtype), np.dtype(dtype).newbyteorder(">"))
    if kind == "unaligned":
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return np.zeros(size + 1, np.uint8)[1:].view(dtype).reshape(shape)
    if kind == "transposed":
        return np.full(shape[::-1], unlike(dtype), dtype).T
    return np.full([2 * n for n in shape], unlike(dtype), dtype)[::2, ::-2, 1::2, ::2]
