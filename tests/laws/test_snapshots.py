"""Law: a call asks each of its arguments for its values once, so that all it does is about one and the same thing."""

from __future__ import annotations

import numpy as np
import pytest

from support.laws import assert_same_bits
from support.operators import OPERATORS
from support.written import plain


class Moody:
    """An array for whom asks first; then something else."""

    def __init__(self, array, later, ask=lambda: None):
        self.array, self.later, self.ask, self.asked = array, later, ask, 0

    def __array__(self, dtype=None, copy=None):
        self.asked += 1
        self.ask()
        return self.array if self.asked == 1 else self.later


def calls(operator, form):
    """The forward call and the gradients' call on boxes of this form, both with boxes of float64."""
    rng = np.random.default_rng(7)
    call = {name: value for name, value in operator.call(rng, boxes=5).items() if name != "batch_indices"}
    indices = np.array([0, 1, 1, 0, 1])
    corners = rng.uniform(0, 0.6, (5, 4)) * (1 if operator.name == "crop_and_resize" else 6)
    if form == "indices":
        name = "box_indices" if operator.name == "crop_and_resize" else "batch_indices"
        call |= {"boxes": corners, name: indices}
    elif form == "column":
        call |= {"boxes": np.column_stack([indices, corners])}
    else:
        call |= {"boxes": np.array_split(corners, len(call[operator.maps]))}
    g = np.ones(operator.function(**call).shape)
    return call, operator.backward_call(call, g, ("boxes", operator.maps))


FORMS = [
    (operator, form)
    for operator in OPERATORS
    for form in ("indices", "column", "list")
    if form == "indices" or operator.name == "roi_align"
]


@pytest.mark.parametrize(("operator", "form"), FORMS, ids=lambda value: getattr(value, "name", value))
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
def test_every_array_is_asked_for_once(operator, form, backward):
    call = calls(operator, form)[backward]
    function = plain(operator.backward if backward else operator.function)
    expected = function(**call)
    objects = []

    def moody(value):
        objects.append(Moody(value, np.zeros((9, 7), np.float16)))
        return objects[-1]

    arrays = {name: value for name, value in call.items() if isinstance(value, np.ndarray)}
    made = {name: moody(value) for name, value in arrays.items()}
    if form == "list":
        made["boxes"] = [moody(part) for part in call["boxes"]]
    result = function(**call | made)
    assert_all_same(result, expected)
    assert len(objects) >= 3 - (form == "column" and not backward)
    assert [thing.asked for thing in objects] == [1] * len(objects)


@pytest.mark.parametrize("wrong", [0, -1])
def test_a_list_that_changes_during_the_call_has_the_gradient_of_its_first_contents(wrong):
    """As by another thread, but at a moment that is sure to come: while the last element is asked for its values."""
    operator = next(operator for operator in OPERATORS if operator.name == "roi_align")
    call = calls(operator, "list")[1]
    function = plain(operator.backward)
    expected = function(**call)
    boxes = list(call["boxes"])
    boxes[-1] = Moody(boxes[-1], boxes[-1], lambda: boxes.__setitem__(wrong, np.zeros((8, 5), np.float32)))
    assert_all_same(function(**call | {"boxes": boxes}), expected)


def assert_all_same(result, expected):
    if isinstance(expected, (tuple, list)):
        assert type(result) is type(expected)
        for one, other in zip(result, expected, strict=True):
            assert_all_same(one, other)
    else:
        assert_same_bits(result, expected)
