"""Law: boxes of several maps, a call for each map, fill one result in the caller's order, and their gradients come from
there.
"""

from __future__ import annotations

import numpy as np
import pytest

import cyroi
from cyroi._engine import bits
from cyroi.cpu import _separable

FLOAT = _separable.ELEMENTS["float32"]
SAMPLING = (_separable.ROI_ALIGN, 0.5, 2, True, False)
SHAPES = [(2, 3, 40, 50), (2, 3, 20, 25), (2, 3, 10, 12)]  # of the maps; a pyramid


@pytest.fixture
def pyramid():
    rng = np.random.default_rng(0)
    maps = [rng.random(shape, np.float32) for shape in SHAPES]
    corners = np.sort(rng.uniform(0, 40, (23, 2, 2)), axis=1).reshape(-1, 4).astype(np.float32)  # y1 x1 y2 x2
    images, levels = rng.integers(0, 2, 23), rng.integers(0, 3, 23)
    return maps, corners, images, levels


def alone(maps, corners, images):
    return cyroi.roi_align(maps, corners[:, [1, 0, 3, 2]], 5, 0.5, 2, True, batch_indices=images)


@pytest.mark.parametrize("num_threads", [1, 2])
def test_a_result_of_several_maps(pyramid, num_threads):
    maps, corners, images, levels = pyramid
    out = np.full((24, 3, 5, 5), np.nan, np.float32)
    for level, source in enumerate(maps):
        rows = np.flatnonzero(levels == level)[::-1].copy()
        _separable.execute(
            bits(source), corners[rows], images[rows], bits(out), FLOAT, FLOAT, *SAMPLING, 0.0, num_threads, rows=rows
        )
    for k, level in enumerate(levels):
        np.testing.assert_array_equal(out[k], alone(maps[level], corners[k : k + 1], images[k : k + 1])[0])
    assert np.isnan(out[23]).all()  # the row of no box


@pytest.mark.parametrize("wrt", ["input", "boxes"])
def test_the_gradients_of_several_maps(pyramid, wrt):
    maps, corners, images, levels = pyramid
    grad = np.random.default_rng(1).random((23, 3, 5, 5), np.float32)
    sums = np.zeros((23, 4))
    for level, source in enumerate(maps):
        rows = np.flatnonzero(levels == level)
        boxes = corners[rows][:, [1, 0, 3, 2]]
        expected = cyroi.roi_align_backward(
            grad[rows], source, boxes, 0.5, 2, True, batch_indices=images[rows], wrt=wrt
        )
        target = np.full_like(source, np.nan) if wrt == "input" else source
        _separable.differentiate(
            bits(target), bits(grad), corners[rows], images[rows], None if wrt == "input" else sums, FLOAT, FLOAT,
            *SAMPLING, 2, rows=rows,
        )  # fmt: skip
        found = target if wrt == "input" else sums[rows][:, [1, 0, 3, 2]].astype(np.float32)
        np.testing.assert_array_equal(found, expected)


def test_rows_that_do_not_exist_are_refused(pyramid):
    maps, corners, images, _ = pyramid
    out = np.empty((23, 3, 5, 5), np.float32)
    for rows in (np.arange(23) + 1, np.arange(23) - 1, np.arange(22)):
        with pytest.raises(AssertionError):
            _separable.execute(
                bits(maps[0]), corners, images, bits(out), FLOAT, FLOAT, *SAMPLING, 0.0, 1, rows=rows
            )  # fmt: skip
