"""Law: a call gives the documented result or one of four errors that names the argument; no error writes to out."""

from __future__ import annotations

import numpy as np
import pytest

from cyroi.reference import classic
from support.bad_calls import ROWS, good
from support.operators import BY_NAME


@pytest.mark.parametrize(("name", "number", "error", "argument", "changes"), ROWS)
def test_the_error_is_of_its_class_and_names_the_argument(name, number, error, argument, changes):
    for dtype in (np.float32, np.float64):
        call = good(name, dtype)
        out = np.full((1, 4, 2, 2) if name == "roi_align" else (1, 2, 2, 4), -7.0, dtype)
        given = {} if error is MemoryError else {"out": out}  # what cannot be allocated has no out of its shape
        call = call | given | changes
        for function in (BY_NAME[name].function, getattr(classic, name)):
            with pytest.raises(error, match=argument.replace("[", r"\[")) as raised:
                function(**call)
            assert isinstance(raised.value, error)
            assert (out == -7.0).all()


@pytest.mark.parametrize("indices", [[7], None, [0, 0], [0.5]])
def test_of_bad_boxes_and_bad_indices_crop_and_resize_names_the_boxes(indices):
    call = good("crop_and_resize", np.float32) | {"boxes": [[0, 0, np.nan, 1]], "box_indices": indices}
    for function in (BY_NAME["crop_and_resize"].function, classic.crop_and_resize):
        with pytest.raises(ValueError, match="boxes must be finite"):
            function(**call)
