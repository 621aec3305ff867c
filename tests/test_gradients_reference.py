"""Laws of the gradients, for their float64 oracles; and that the laws tell right gradients from wrong ones."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from gradients import (
    assert_adjoint,
    assert_central_differences,
    assert_same_in_every_container,
    assert_sum_rule,
)
from operators import BY_NAME, LAYOUTS
from random_calls import LONG, crop_and_resize_gradients, roi_align_gradients
from wrong_gradients import (
    SEEN_BY_ADJOINTNESS,
    SEEN_BY_CENTRAL_DIFFERENCES,
    SEEN_BY_THE_SUM_RULE,
    SEEN_IN_THE_CONTAINERS,
    cases,
    result,
)

ROI_ALIGN, CROP_AND_RESIZE = BY_NAME["roi_align"], BY_NAME["crop_and_resize"]

# --- the laws, on random geometry ---


@LONG
@hypothesis.given(data=st.data())
def test_roi_align_is_adjoint_and_sums_up_on_random_geometry(long, data):
    call = data.draw(roi_align_gradients(long))
    assert_adjoint(ROI_ALIGN, ROI_ALIGN.oracle_backward, call)
    assert_sum_rule(ROI_ALIGN, ROI_ALIGN.oracle_backward, call)


@LONG
@hypothesis.given(data=st.data())
def test_crop_and_resize_is_adjoint_and_sums_up_on_random_geometry(long, data):
    call = data.draw(crop_and_resize_gradients(long))
    assert_adjoint(CROP_AND_RESIZE, CROP_AND_RESIZE.oracle_backward, call)
    if call["box_indices"] is not None:
        assert_sum_rule(CROP_AND_RESIZE, CROP_AND_RESIZE.oracle_backward, call)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_boxes_by_central_differences(operator, layout):
    rng = np.random.default_rng(21)
    compared = []
    for _ in range(25):
        call = operator.call(rng, dtype=np.float64, layout=layout, shape=(2, 2, 9, 12), boxes=5)
        compared.append(assert_central_differences(operator, operator.oracle_backward, call))
    assert np.mean(compared) > 0.9


# --- one call with every kind of box, on which every wrong gradient has to be seen ---


def every_kind(operator, **changes):
    """Boxes in, on and over each border of the map, far away, reversed, small; none of them at a kink."""
    changes = {"layout": "NCHW", "shape": (3, 3, 9, 12), "boxes": 9, "dtype": np.float64} | changes
    call = operator.call(np.random.default_rng(31), **changes)
    pixels = np.array(
        [
            [1.3, 2.1, 9.7, 7.2],  # x1 y1 x2 y2, in [0, 11] and [0, 8]
            [-2.9, -1.7, 6.6, 5.1],
            [4.3, 3.3, 14.8, 11.4],
            [-4.1, -5.2, 16.3, 13.9],
            [20.4, 3.1, 25.7, 6.2],
            [9.7, 7.2, 1.4, 2.3],
            [5.23, 4.11, 5.62, 4.37],
            [7.1, 6.9, 12.4, 7.3],
            [2.2, 0.6, 8.9, 7.7],
        ]
    )
    pixels += np.random.default_rng(33).uniform(-0.05, 0.05, pixels.shape)
    call[operator.index] = np.arange(9) % 3
    if operator.name == "roi_align":
        return call | {
            "boxes": pixels * 2,
            "spatial_scale": 0.5,
            "sampling_ratio": 2,
            "aligned": False,
            "output_size": 3,
        }
    boxes = pixels[:, [1, 0, 3, 2]] / np.array([8, 11, 8, 11])
    return call | {"boxes": boxes, "crop_size": (3, 4), "method": "bilinear", "extrapolation_value": 7.0}


@pytest.mark.parametrize(("name", "wrong"), cases(SEEN_BY_ADJOINTNESS))
def test_a_gradient_that_is_not_adjoint_is_seen(name, wrong):
    operator = BY_NAME[name]
    assert_adjoint(operator, operator.oracle_backward, every_kind(operator))
    with pytest.raises(AssertionError):
        assert_adjoint(operator, SEEN_BY_ADJOINTNESS[wrong][0](operator.oracle_backward), every_kind(operator))


@pytest.mark.parametrize(("name", "wrong"), cases(SEEN_BY_THE_SUM_RULE))
def test_a_gradient_that_breaks_the_sum_rule_is_seen(name, wrong):
    operator = BY_NAME[name]
    assert_sum_rule(operator, operator.oracle_backward, every_kind(operator))
    with pytest.raises(AssertionError):
        assert_sum_rule(operator, SEEN_BY_THE_SUM_RULE[wrong][0](operator.oracle_backward), every_kind(operator))


@pytest.mark.parametrize(("name", "wrong"), cases(SEEN_BY_CENTRAL_DIFFERENCES))
def test_a_wrong_gradient_to_the_boxes_is_seen(name, wrong):
    operator = BY_NAME[name]
    assert assert_central_differences(operator, operator.oracle_backward, every_kind(operator)) == 1
    gradient = SEEN_BY_CENTRAL_DIFFERENCES[wrong][0](operator.oracle_backward)
    with pytest.raises(AssertionError):
        assert_central_differences(operator, gradient, every_kind(operator))


@pytest.mark.parametrize("wrong", [None, *SEEN_IN_THE_CONTAINERS])
def test_boxes_keep_their_container(wrong):
    call = every_kind(ROI_ALIGN, boxes=9) | {"batch_indices": np.array([0, 0, 1, 1, 1, 1, 1, 2, 2])}
    g = np.random.default_rng(32).standard_normal(ROI_ALIGN.oracle(**call).shape)
    call = ROI_ALIGN.backward_call(call, g, "boxes")
    if wrong is None:
        assert_same_in_every_container(ROI_ALIGN.oracle_backward, call)
        return
    with pytest.raises((AssertionError, ValueError)):
        assert_same_in_every_container(result(SEEN_IN_THE_CONTAINERS[wrong])(ROI_ALIGN.oracle_backward), call)
