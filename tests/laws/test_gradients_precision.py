"""How near the gradient to the boxes comes to float64, wherever the zero of the pixels lies.

The error of a box is that of its four numbers, of the largest of them: a sum of thousands of products of either sign
may come out as near 0 as it likes, and no sum in float32 is then right to its last digits.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from support.operators import BY_NAME, LAYOUTS

ROUTES = {"planes": ("NCHW", 6), "fused": ("NHWC", 3), "pixels": ("NHWC", 20)}
MEDIAN, WORST = 3e-6, 1e-5
# Pixels are offset + U(0, 10), as the type holds them.
OFFSETS = {
    np.float32: (0, 200, 1e4, -6e4, 1e6),
    np.float16: (0, 200),
    ml_dtypes.bfloat16: (0, 200),
    np.uint8: (0, 200),
    np.int8: (-128, 100),
    np.uint16: (0, 6e4),
    np.int16: (-3e4, 3e4),
}
KINDS = [(dtype, offset) for dtype, offsets in OFFSETS.items() for offset in offsets]
NAMES = [f"{np.dtype(dtype).name} {offset:g}" for dtype, offset in KINDS]


def planar_call(operator, shape=(2, 6, 60, 80), boxes=60, bins=7):
    """Boxes of float64, so that all types of maps are sampled at the same places, with noise for a gradient."""
    rng = np.random.default_rng(12)
    n, channels, height, width = shape
    corner, size = rng.uniform(-0.05, 0.8, (boxes, 2)), rng.uniform(0.05, 0.6, (boxes, 2))
    corners = np.concatenate([corner, corner + size], axis=1)
    call = {"boxes": corners, operator.index: rng.integers(0, n, boxes)}
    if operator.name == "roi_align":
        call |= {"boxes": corners * [width, height, width, height], "sampling_ratio": 2, "aligned": True}
    maps = rng.uniform(0, 10, shape).astype(np.float32)
    return call | {operator.maps: maps, "grad_output": rng.standard_normal((boxes, channels, bins, bins), np.float32)}


def in_layout(operator, call, layout):
    turned = {
        name: np.ascontiguousarray(call[name].transpose(LAYOUTS[layout])) for name in (operator.maps, "grad_output")
    }
    return call | turned | {"layout": layout, "wrt": "boxes"}


def errors(operator, call):
    """Of each box, of the largest of its four numbers."""
    result, expected = operator.backward(**call), operator.expected_backward(**call)
    largest = abs(expected).max(1)
    assert not result[largest == 0].any()
    assert (largest > 0).mean() > 0.8
    return (abs(result - expected).max(1) / np.where(largest > 0, largest, 1))[largest > 0]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(("dtype", "offset"), KINDS, ids=NAMES)
def test_the_zero_of_the_pixels_does_not_matter_to_the_gradient_to_the_boxes(operator, dtype, offset, route):
    layout, channels = ROUTES[route]
    call = planar_call(operator, (2, channels, 60, 80))
    call[operator.maps] = (call[operator.maps] + np.float32(offset)).astype(dtype)
    found = errors(operator, in_layout(operator, call, layout))
    assert np.median(found) <= MEDIAN
    assert found.max() <= WORST


@pytest.mark.parametrize("route", ROUTES)
def test_channels_have_zeros_of_their_own(operator, route):
    """... each as precise as alone: a channel near 10^6 does not spoil the one beside it."""
    layout, channels = ROUTES[route]
    call = planar_call(operator, (2, channels, 60, 80))
    call[operator.maps] += np.float32(1e6) * (np.arange(channels) % 2)[:, np.newaxis, np.newaxis]
    call["grad_output"][:, 1::2] = 0
    assert errors(operator, in_layout(operator, call, layout)).max() <= WORST


@pytest.mark.parametrize("route", ROUTES)
def test_a_box_of_several_pieces(operator, route):
    """The sums of its pieces join, so they have one zero, and cut bins apart."""
    layout, channels = ROUTES[route]
    call = planar_call(operator, (1, channels, 900, 700), boxes=3, bins=40)
    call["sampling_ratio"] = 0
    if operator.name == "crop_and_resize":
        del call["sampling_ratio"]
    call["boxes"] = np.array([[0.02, 0.01, 0.9, 0.95]] * 3) + 0.01 * np.arange(3)[:, np.newaxis]
    call["boxes"] *= [700, 900, 700, 900] if operator.name == "roi_align" else 1
    call[operator.maps] += np.float32(1e6)
    assert errors(operator, in_layout(operator, call, layout)).max() <= WORST


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("value", [0.1, -7, 123456.7, 1e9, 2e12, 1e29])
def test_a_constant_map_has_a_gradient_of_exactly_0(operator, value, route):
    layout, channels = ROUTES[route]
    call = planar_call(operator, (2, channels, 60, 80))
    call[operator.maps][...] = value
    assert not operator.backward(**in_layout(operator, call, layout)).any()


# --- what is not finite, and what is nearly not ---


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_neighbour_that_is_not_finite_costs_no_precision(operator, value, route):
    """It lies in the vectors that are read, between the samples, and the sums that leave it out are as good."""
    layout, channels = ROUTES[route]
    call = planar_call(operator, (2, channels, 60, 80), boxes=20)
    box = np.array([10.25, 12.25, 40.25, 42.25])  # y1 x1 y2 x2: samples 10 or 15 pixels apart
    if operator.name == "roi_align":
        call |= {"boxes": np.tile(box[[1, 0, 3, 2]] + 0.5, (20, 1)), "sampling_ratio": 1}
    else:
        call |= {"boxes": np.tile(box / [59, 79, 59, 79], (20, 1))}
    call["grad_output"] = np.ascontiguousarray(call["grad_output"][..., :3, :3])
    call[operator.maps] += np.float32(1e6)
    call[operator.maps][..., 20:23, 22] = value
    assert errors(operator, in_layout(operator, call, layout)).max() <= WORST


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -3e38, 3e38, 1e3, -1e6, 1e11])
def test_a_first_pixel_without_a_part_spoils_nothing(value, route):
    """The first sample is clamped along both axes, so its pixel has a weight and no part in any derivative."""
    operator = BY_NAME["roi_align"]
    layout, channels = ROUTES[route]
    maps = np.random.default_rng(3).uniform(0, 10, (1, channels, 8, 9)).astype(np.float32)
    maps[..., 0, 0] = value
    call = {operator.maps: maps, "boxes": np.array([[-2.25, -2.25, 5.75, 5.75]]), operator.index: [0]}
    call |= {"sampling_ratio": 1, "grad_output": np.ones((1, channels, 3, 3), np.float32), "aligned": False}
    assert errors(operator, in_layout(operator, call, layout)).max() <= WORST


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("value", [0, 1e4, 1e9])
@pytest.mark.parametrize("corner", [(0, 0), (0, -1), (-1, 0), (-1, -1)])
def test_a_corner_far_from_all_other_pixels_spoils_nothing(operator, value, corner, route):
    """A mark for missing data, or a hot pixel, in the corner of the whole image, where it has next to no part."""
    layout, channels = ROUTES[route]
    call = planar_call(operator, (1, channels, 60, 80), boxes=2, bins=14)
    whole = [0, 0, 79, 59] if operator.name == "roi_align" else [0, 0, 1, 1]
    call |= {"boxes": np.array([whole, whole], float), operator.index: [0, 0]}
    call[operator.maps] += 300
    call[operator.maps][..., corner[0], corner[1]] = value
    call["grad_output"][1, :, 0, :] = call["grad_output"][1, :, -1, :] = 0  # nor has the whole row of bins
    found = errors(operator, in_layout(operator, call, layout))
    assert found[1] <= WORST
    if operator.name == "crop_and_resize":
        assert found[0] <= WORST


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("first", [3.4e38, 1e30])
def test_differences_of_the_largest_pixels_do_not_overflow(operator, first, route):
    layout, channels = ROUTES[route]
    call = planar_call(operator, (2, channels, 60, 80), boxes=20)
    pixels = call[operator.maps]
    pixels[...] = np.where(pixels < 5, np.float32(first), np.float32(-3.4e38))
    call["grad_output"] *= np.float32(1e-6)
    found = errors(operator, in_layout(operator, call, layout))
    assert np.isfinite(found).all()
    assert found.max() <= WORST
