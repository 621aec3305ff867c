"""Laws of the gradients, for their float64 oracles; and that the laws tell right gradients from wrong ones."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from support.gradients import (
    assert_adjoint,
    assert_central_differences,
    assert_same_in_every_container,
    assert_sum_rule,
)
from support.operators import BY_NAME, LAYOUTS
from support.random_calls import LONG, crop_and_resize_gradients, roi_align_gradients
from support.wrong_gradients import (
    SEEN_BY_ADJOINTNESS,
    SEEN_BY_CENTRAL_DIFFERENCES,
    SEEN_BY_THE_SUM_RULE,
    SEEN_IN_THE_CONTAINERS,
    cases,
    every_kind,
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


# --- every wrong gradient is seen, on one call with every kind of box ---


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
