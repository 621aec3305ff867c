"""Random calls with the places where implementations go wrong: small maps at any box, and thin ones of any length.

A map or a result of thousands of columns or rows is thin, so that the references stay quick: what is drawn keeps their
samples below MOST_SAMPLES.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import hypothesis.strategies as st
import numpy as np
import pytest

from .operators import LAYOUTS, Call, Operator, containers

DTYPES = [np.float32, np.float64]
SMALL, LONGEST, MOST_BINS = 12, 4000, 3000
MOST_SAMPLES = 20_000  # of a box, both axes together
THREADS = st.sampled_from([1, 1, 1, 2])  # two have to wait for each other, which takes long on a busy machine
LONG = pytest.mark.parametrize("long", [False, True], ids=["small maps", "long maps"])  # of gradients


class Axis(NamedTuple):
    """One axis of a map and of a result, and what to draw the two sides of a box from: pairs, in pixels."""

    size: int
    bins: int
    sides: st.SearchStrategy[tuple[float, float]]


def edges(size: int) -> list[float]:
    """Coordinates in pixels at which a decision flips, each with its neighbours in float32."""
    exact = [-1.0, 0.0, 0.5, size - 1.0, size - 0.5, float(size), size / 2, -0.0]
    beside = [float(np.nextafter(np.float32(t), np.float32(way))) for t in exact for way in (-np.inf, np.inf)]
    return [*exact, *beside, 1e-45, -1e-45, 1e5, -1e5, 1e30, -3e38, 3e38]


def coordinate(size: int) -> st.SearchStrategy[float]:
    return st.one_of(st.sampled_from(edges(size)), st.floats(-2.0 * size - 2, 3.0 * size + 2, width=32))


def near(size: int) -> st.SearchStrategy[float]:
    """Coordinates that no adaptive grid of thousands of samples leads to."""
    decisions = [t for t in edges(size) if abs(t) <= size + 2]
    return st.one_of(st.sampled_from(decisions), st.floats(-1.0 * size - 2, 2.0 * size + 2, width=32))


def long_sides(size: int) -> st.SearchStrategy[tuple[float, float]]:
    """All of the axis, hundreds of its pixels, or whatever."""
    start, extent = st.floats(-50, size, width=32), st.floats(min(100, size), size + 50, width=32)
    hundreds = st.tuples(start, extent).map(lambda pair: (pair[0], pair[0] + pair[1]))
    return st.one_of(st.just((0.0, float(size))), hundreds, st.tuples(near(size), near(size)))


def up_to(*limits: int) -> st.SearchStrategy[int]:
    """Whole numbers, as often up to the first limit as between any other two."""
    return st.one_of(*(st.integers(low + 1, high) for low, high in itertools.pairwise((0, *limits))))


def small_axes(draw: Any, most_bins: int) -> list[Axis]:
    sizes, bins = st.integers(1, SMALL), st.integers(1, most_bins)
    return [Axis(size, draw(bins), st.tuples(*2 * [coordinate(size)])) for size in (draw(sizes), draw(sizes))]


def long_axes(draw: Any) -> list[Axis]:
    """Of a thin map of any length; the long axis, or now and then the short one, has many bins."""
    size, thickness = draw(up_to(300, 1000, 2000, LONGEST)), draw(st.integers(1, 3))
    bins = [draw(up_to(6, 20, 300, MOST_BINS)), draw(st.integers(1, 2))]
    if draw(st.integers(0, 4)) == 4:
        bins.reverse()
    axes = [Axis(size, bins[0], long_sides(size)), Axis(thickness, bins[1], st.tuples(*2 * [near(thickness)]))]
    return axes if draw(st.booleans()) else axes[::-1]


def affordable(ratio: int, axes: list[Axis], corners: np.ndarray) -> int:
    """The sampling ratio, or 1 where that would take too many samples; corners: (boxes, low high, y x) in pixels."""
    extents = np.abs(corners[:, 1] - corners[:, 0]).max(axis=0)
    bins = np.array([axis.bins for axis in axes])
    samples = bins * ratio if ratio > 0 else bins + extents
    return ratio if samples.prod() <= MOST_SAMPLES else 1


def random_maps(draw: Any, axes: list[Axis], channels: int, layout: str) -> np.ndarray:
    planar = (1, channels, axes[0].size, axes[1].size)
    values = np.random.default_rng(axes[0].size * axes[1].size).standard_normal(planar)
    return np.ascontiguousarray(values.transpose(LAYOUTS[layout]), draw(st.sampled_from(DTYPES)))


def random_corners(draw: Any, axes: list[Axis]) -> np.ndarray:
    """(boxes, low high, y x) in pixels."""
    drawn = [[draw(axis.sides) for axis in axes] for _ in range(draw(st.integers(1, 5)))]
    return np.array(drawn).transpose(0, 2, 1)


@st.composite
def roi_align_calls(draw: Any, long: bool) -> Call:
    axes = long_axes(draw) if long else small_axes(draw, 5)
    scale = draw(st.sampled_from([1.0, 0.5, 1 / 16, 0.3]))
    # Bins of many pixels, which only the adaptive grid and large fixed ones give, have kernels of their own.
    ratio = draw(st.one_of(st.just(0), st.integers(-1, 40)) if long else st.integers(-1, 4))
    corners = random_corners(draw, axes)
    with np.errstate(over="ignore"):
        boxes = np.clip(corners[..., ::-1].reshape(-1, 4) / scale, -3e38, 3e38).astype(draw(st.sampled_from(DTYPES)))
    return {
        "input": random_maps(draw, axes, draw(st.integers(1, 3)) if long else 2, "NCHW"),
        "boxes": boxes,
        "batch_indices": np.zeros(len(boxes), int),
        "output_size": tuple(axis.bins for axis in axes),
        "spatial_scale": scale,
        "sampling_ratio": affordable(ratio, axes, corners) if long else ratio,
        "aligned": draw(st.booleans()),
        "layout": "NCHW",
        "num_threads": draw(THREADS),
    }


@st.composite
def crop_and_resize_calls(draw: Any, long: bool) -> Call:
    axes = long_axes(draw) if long else small_axes(draw, 9)
    if long:
        last = [max(axis.size - 1, 1) for axis in axes]
        boxes = (random_corners(draw, axes) / last).reshape(-1, 4)
    else:
        h = axes[0].size
        special = st.sampled_from([0.0, 1.0, -0.0, 0.5, *edges(1), *(i / max(h - 1, 1) for i in range(h))])
        value = st.one_of(special, st.floats(-1, 2, width=32))
        boxes = np.array([[draw(value) for _ in range(4)] for _ in range(draw(st.integers(1, 3)))])
    return {
        "image": random_maps(draw, axes, draw(st.integers(1, 3)) if long else 2, "NHWC"),
        "boxes": boxes.astype(draw(st.sampled_from(DTYPES))),
        "box_indices": np.zeros(len(boxes), int),
        "crop_size": tuple(axis.bins for axis in axes),
        "method": draw(st.sampled_from(["bilinear", "nearest"])),
        "extrapolation_value": draw(st.sampled_from([0.0, 7.0, float("nan")])),
        "snap_edges": draw(st.booleans()),
        "layout": "NHWC",
        "num_threads": draw(THREADS),
    }


# --- calls whose gradients are asked for ---


def with_images(draw: Any, call: Call, maps: str, index: str) -> Call:
    """The call with maps of one to three images in a random layout, and boxes that lie in any of them."""
    count = draw(st.integers(1, 3))
    planar = call[maps] if call["layout"] == "NCHW" else call[maps].transpose(0, 3, 1, 2)
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    layout = draw(st.sampled_from(sorted(LAYOUTS)))
    values = rng.standard_normal((count, *planar.shape[1:])).astype(planar.dtype).transpose(LAYOUTS[layout])
    return call | {maps: values, index: rng.integers(0, count, len(call["boxes"])), "layout": layout}


@st.composite
def roi_align_gradients(draw: Any, long: bool) -> Call:
    call = with_images(draw, draw(roi_align_calls(long)), "input", "batch_indices")
    made = containers(call.pop("boxes"), call.pop("batch_indices"), len(call["input"]))
    return call | made[draw(st.sampled_from(["(K, 5)", "(K, 4) + batch_indices", "list per image"]))]


@st.composite
def crop_and_resize_gradients(draw: Any, long: bool) -> Call:
    call = with_images(draw, draw(crop_and_resize_calls(long)), "image", "box_indices")
    if not draw(st.booleans()):
        return call
    image = call["image"][0]
    if draw(st.booleans()):
        image = image.take(0, axis=call["layout"].index("C") - 1)
    return call | {"image": image, "box_indices": None}


# --- the same call in other forms: much of what is drawn resembles what was drawn before, so each draw serves for more


def variants(operator: Operator, call: Call) -> Iterator[Call]:
    """The call in both layouts and both dtypes of the maps, as it is and with x and y swapped."""
    for form in (call, in_the_other_layout(operator, call)):
        for turned in (form, with_axes_swapped(operator, form)):
            for dtype in DTYPES:
                yield turned | {operator.maps: np.ascontiguousarray(turned[operator.maps], dtype)}


def in_the_other_layout(operator: Operator, call: Call) -> Call:
    maps, other = call[operator.maps], "NHWC" if call["layout"] == "NCHW" else "NCHW"
    axes = [call["layout"][-maps.ndim :].index(axis) for axis in other[-maps.ndim :]] if maps.ndim > 2 else [0, 1]
    return call | {operator.maps: maps.transpose(axes), "layout": other}


def with_axes_swapped(operator: Operator, call: Call) -> Call:
    maps, boxes = call[operator.maps], call["boxes"]
    y = call["layout"][-maps.ndim :].index("H") if maps.ndim > 2 else 0
    parts = [part.copy() for part in boxes] if isinstance(boxes, list) else [boxes.copy()]
    for part in parts:
        part[:, -4:] = part[:, [-3, -4, -1, -2]]
    size = call[operator.size][::-1]
    return call | {
        operator.maps: maps.swapaxes(y, y + 1),
        operator.size: size,
        "boxes": parts if isinstance(boxes, list) else parts[0],
    }
