"""Law: operator and reference have one signature, and every public name is documented."""

from __future__ import annotations

import inspect
import re

import pytest

import cyroi
from cyroi import reference
from support.operators import OPERATORS

EXPECTED = {
    "roi_align": "(input, boxes, output_size, spatial_scale=1.0, sampling_ratio=-1, aligned=False, *, mode='avg',"
    " batch_indices=None, layout='NCHW', dtype=None, validate=True, out=None, num_threads=None)",
    "crop_and_resize": "(image, boxes, box_indices=None, crop_size=None, method='bilinear', extrapolation_value=0.0, *,"
    " snap_edges=False, layout='NHWC', dtype=None, validate=True, out=None, num_threads=None)",
}
EXPECTED_BACKWARD = {
    "roi_align": "(grad_output, input, boxes, spatial_scale=1.0, sampling_ratio=-1, aligned=False, *, mode='avg',"
    " wrt='input', batch_indices=None, layout='NCHW', validate=True, out=None, num_threads=None)",
    "crop_and_resize": "(grad_output, image, boxes, box_indices=None, method='bilinear', extrapolation_value=0.0, *,"
    " snap_edges=False, wrt='image', layout='NHWC', validate=True, out=None, num_threads=None)",
}


NO_OPERATORS = {"get_include", "show_config"}


def bare(function) -> str:
    """The signature without annotations."""
    signature = inspect.signature(function)
    parameters = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=parameters, return_annotation=signature.empty))


def test_every_operator_of_the_package_is_in_the_table():
    public = {name for name in cyroi.__all__ if inspect.isfunction(getattr(cyroi, name))} - NO_OPERATORS
    names = {operator.name for operator in OPERATORS}
    assert public == set(reference.oracle.__all__) == names | {f"{name}_backward" for name in names}


def test_the_signature_is_frozen_and_the_reference_has_the_same(operator):
    assert bare(operator.function) == EXPECTED[operator.name]
    assert bare(operator.oracle) == EXPECTED[operator.name]
    assert bare(getattr(reference.classic, operator.name)) == EXPECTED[operator.name]
    assert bare(operator.backward) == EXPECTED_BACKWARD[operator.name]
    assert bare(operator.oracle_backward) == EXPECTED_BACKWARD[operator.name]


@pytest.mark.parametrize(
    "function",
    [
        *(operator.function for operator in OPERATORS),
        *(operator.oracle for operator in OPERATORS),
        *(operator.backward for operator in OPERATORS),
        *(operator.oracle_backward for operator in OPERATORS),
        *(getattr(reference.classic, name) for name in reference.classic.__all__),
        *(getattr(reference, name) for name in reference.__all__ if name not in ("classic", "oracle")),
    ],
    ids=lambda function: f"{function.__module__}.{function.__name__}",
)
def test_docstrings_name_every_parameter_and_have_an_example(function):
    text = inspect.getdoc(function)
    parameters = text.split("Parameters\n")[1].split("Returns\n")[0]
    for name in inspect.signature(function).parameters:
        assert re.search(rf"^(\w+, )*{name}\b.*", parameters, re.M), name
    assert ">>> " in text


@pytest.mark.parametrize("direction", ["function", "backward"])
def test_operators_document_errors_formula_and_source(operator, direction):
    text = inspect.getdoc(getattr(operator, direction))
    for error in ("TypeError", "ValueError", "IndexError", "MemoryError"):
        assert f"\n{error}\n" in text
    for section in ("Notes", "References", "Raises"):
        assert f"\n{section}\n---" in text


# --- what operators share is said in the same words; docstrings stay whole in the source, where editors read them ---

SAME = {
    "function": ["layout", "validate", "out", "num_threads", "TypeError", "IndexError", "MemoryError"],
    "backward": [
        "wrt",
        "validate",
        "out",
        "num_threads",
        "TypeError",
        "ValueError",
        "IndexError",
        "MemoryError",
        "Values are",
    ],
}


def said(operator, direction, start):
    """The entry of a docstring's list, or the rest of the paragraph, that begins so; in the words of RoI Align."""
    text = inspect.getdoc(getattr(operator, direction))
    text = text.replace(f"`{operator.maps}`", "`input`").replace(f'"{operator.maps}"', '"input"')
    text = text.replace(operator.name, "roi_align").replace("images", "maps")
    entry = re.search(rf"^{re.escape(start)}\b[^\n]*\n((?:    [^\n]*\n)+)", text, re.M)
    if entry:
        return " ".join(entry[1].split())
    return " ".join(text[text.index(start) :].partition("\n\n")[0].split())


@pytest.mark.parametrize(("direction", "start"), [(d, start) for d in SAME for start in SAME[d]])
def test_what_operators_share_is_said_in_the_same_words(direction, start):
    shortest, *others = sorted((said(operator, direction, start) for operator in OPERATORS), key=len)
    assert len(shortest) > 20
    for other in others:  # an operator may add to it
        assert other.startswith(shortest)
