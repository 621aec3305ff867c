"""Calls that lie one below, at and one above each size at which the kernels or the driver change their way.

The sizes are those of cpu/call/sizes.h, as the built library lists them: what is declared there is tested here.
What a size bounds says from which calls it can be met: `CALLS` has a maker for every bound but "none".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cyroi.cpu import _separable

from .operators import LAYOUTS, Call


def lanes() -> list[int]:
    """Elements of a vector of the target in use."""
    return sorted(set(_separable.lanes().values()))


def bounded(bound: str) -> set[int]:
    """The sizes that bound this."""
    return {value for value, what in _separable.SIZES.values() if what == bound}


def around(*sizes: int) -> list[int]:
    """One below, at and one above each, from 1 on."""
    return sorted({size + by for size in sizes for by in (-1, 0, 1) if size + by > 0})


def vectors() -> set[int]:
    """Elements of a vector, and of the four vectors that the columns of a block fill."""
    return {many * n for n in lanes() for many in (1, 4)}


def columns() -> list[int]:
    halves = {size // item for size in bounded("bytes_of_columns") for item in (4, 8)}
    return around(*bounded("columns"), *halves, *vectors())


def bins_x() -> list[int]:
    blocks = {_separable.SIZES["kManyBlocks"][0] * n for n in lanes()}
    return around(*bounded("bins_x"), *bounded("bins"), *vectors(), *blocks)


def rows() -> list[int]:
    """Elements of rows of a result."""
    elements = bounded("elements_of_rows")
    of_channels = {size // n for size in elements for n in (*lanes(), 16)}
    return around(*elements, *of_channels, *(size // item for size in bounded("bytes_of_rows") for item in (4, 8)))


def roi_align(shape: tuple[int, int, int], boxes: Any, size: tuple[int, int], ratio: int = 0) -> Call:
    return {
        "input": shape, "boxes": np.array(boxes, float), "batch_indices": np.zeros(len(boxes), int),
        "output_size": size, "spatial_scale": 1.0, "sampling_ratio": ratio, "aligned": False,
    }  # fmt: skip


def crop_and_resize(shape: tuple[int, int, int], boxes: Any, size: tuple[int, int]) -> Call:
    return {
        "image": shape, "boxes": np.array(boxes, float), "box_indices": np.zeros(len(boxes), int), "crop_size": size,
    }  # fmt: skip


# --- one maker per bound: calls of size n, with a shape (c, h, w) in place of the maps ---


def of_columns(n: int) -> Iterator[Call]:
    """A box of n columns, cut into one bin, into bins that share a block, and into bins that fit tables."""
    for bins in {1, 2, 8, 9, n // 13 + 1, n // 3 + 1}:
        yield roi_align((1, 2, n), [[0, 0, n, 2]], (1, bins))
    yield roi_align((3, 2, n + 5), [[2, 0, n + 2, 2], [n + 2, 0, 2, 2], [0.3, 0, n - 0.7, 1]], (2, 4), 2)
    yield roi_align((2, 3, n + 3), [[0, 0, n, 3], [3, 0, n + 3, 3]], (3, 8))
    yield crop_and_resize((3, 2, n), [[0, 0, 1, 1], [0, 1, 1, 0]], (2, 7))


def of_rows_of_maps(n: int) -> Iterator[Call]:
    yield roi_align((2, n, 3), [[0, 0, 3, n]], (1, 1))
    yield roi_align((2, n + 1, 3), [[0, 0, 3, n], [0, 1, 3, n + 1]], (3, 2))


def of_column_taps(n: int) -> Iterator[Call]:
    """Bins of n columns each: as many whole samples."""
    for bins in (1, 2, 8, 9):
        yield roi_align((1, 2, n * bins), [[0, 0, n * bins, 2]], (1, bins))
        yield roi_align((1, 2, n * bins + 4), [[0.5, 0, n * bins + 0.5, 2]], (2, bins))
    yield roi_align((3, 2, 2 * n), [[0, 0, 2 * n, 2]], (2, 2))


def of_row_taps(n: int) -> Iterator[Call]:
    for bins in (1, 3):
        yield roi_align((2, n * bins, 5), [[0, 0, 5, n * bins]], (bins, 2))
        yield roi_align((5, n * bins + 4, 5), [[0, 0.5, 5, n * bins + 0.5]], (bins, 2))


def of_bins_x(n: int) -> Iterator[Call]:
    yield roi_align((2, 3, 40), [[0, 0, 40, 3], [30, 2, 1, 0]], (2, n), 1)
    yield roi_align((1, 2, 3 * n + 2), [[0, 0, 3 * n, 2]], (1, n))
    yield crop_and_resize((3, 3, 19), [[0, 0, 1, 1], [0.2, -0.1, 0.9, 1.1]], (2, n))


def of_bins_y(n: int) -> Iterator[Call]:
    yield roi_align((2, 40, 3), [[0, 0, 3, 40], [2, 30, 0, 1]], (n, 2), 1)
    yield roi_align((5, 2 * n + 1, 2), [[0, 0, 2, 2 * n]], (n, 1))
    yield crop_and_resize((3, 19, 3), [[0, 0, 1, 1], [-0.1, 0.2, 1.1, 0.9]], (n, 2))


def of_channels(n: int) -> Iterator[Call]:
    yield roi_align((n, 5, 21), [[1, 0, 20, 5], [3.5, 1, 9, 4]], (2, 3), 2)
    yield roi_align((n, 3, 40), [[0, 0, 40, 3]], (1, 2))
    yield crop_and_resize((n, 4, 9), [[0, 0, 1, 1], [0.1, 0.2, 1.2, 0.9]], (3, 4))


def of_shares(n: int) -> Iterator[Call]:
    """Columns that n bins read each."""
    yield roi_align((2, 3, 9), [[2, 0, 7, 3]], (2, 5 * n), 1)
    yield crop_and_resize((3, 3, 9), [[0, 0.25, 1, 0.75]], (2, 4 * n))


def of_rows(n: int) -> Iterator[Call]:
    """Results of rows of n elements, alone, in pairs, and cut from a larger result."""
    yield roi_align((1, 3, 30), [[0, 0, 30, 3]], (1, n), 1)
    yield roi_align((3, 3, 30), [[0, 0, 30, 3]], (2, max(n // 2, 1)), 1)
    yield crop_and_resize((3, 3, 30), [[0, 0, 1, 1]], (3, max(n // 3, 1)))
    yield crop_and_resize((2, 3, 30), [[0, 0, 1, 1]], (max(n // 32, 1), 32))


# bound -> sizes of calls, which hang on the target in use, and their maker
CALLS: dict[str, tuple[Callable[[], list[int]], Callable[[int], Iterator[Call]]]] = {
    "columns": (columns, of_columns),
    "bytes_of_columns": (columns, of_rows_of_maps),  # the other axis knows none of them
    "column_taps": (lambda: around(*bounded("column_taps")), of_column_taps),
    "row_taps": (lambda: around(*bounded("row_taps"), *(2 * n for n in bounded("row_taps"))), of_row_taps),
    "bins": (lambda: around(*bounded("bins")), of_bins_y),
    "bins_x": (bins_x, of_bins_x),
    "bins_y": (lambda: around(*bounded("bins_y")), of_bins_y),
    "channels": (lambda: around(*bounded("channels"), *lanes()), of_channels),
    "shares": (lambda: around(*bounded("shares")), of_shares),
    "elements_of_rows": (rows, of_rows),
    "bytes_of_rows": (lambda: around(*(n // 2 for n in bounded("bytes_of_rows"))), of_rows),
}


def filled(call: Call, dtype: Any, layout: str) -> Call:
    """The call with random maps of its shape."""
    name = "input" if "input" in call else "image"
    planar = np.random.default_rng(call[name]).standard_normal((1, *call[name]))
    maps = np.ascontiguousarray(planar.transpose(LAYOUTS[layout])).astype(dtype)
    return call | {name: maps, "boxes": call["boxes"].astype(dtype), "layout": layout}
