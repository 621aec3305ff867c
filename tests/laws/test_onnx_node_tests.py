"""ONNX's own backend node tests of RoiAlign hold for cyroi, and for its oracle."""

from __future__ import annotations

import numpy as np
import pytest

import cyroi
from cyroi.reference import oracle
from support.peers import node_tests
from support.peers.case import check, load

IMPLEMENTATIONS = pytest.mark.parametrize("roi_align", [cyroi.roi_align, oracle.roi_align], ids=["cyroi", "oracle"])
STORED = [case for case in load("onnx") if case.variant == "node test"]


@pytest.fixture(scope="module")
def installed():
    """The node tests of the onnx package in this environment."""
    pytest.importorskip("onnx", reason="onnx is no requirement of the tests; the stored node tests run in any case")
    return node_tests.load()


@IMPLEMENTATIONS
@pytest.mark.parametrize("case", STORED, ids=lambda case: case.name)
def test_stored_node_tests_hold(case, roi_align):
    check(case, roi_align)


def test_stored_node_tests_are_both_coordinate_modes():
    assert {case.arguments["aligned"] for case in STORED} == {False, True}


@IMPLEMENTATIONS
def test_node_tests_of_the_installed_onnx_hold(installed, roi_align):
    averages = [case for case in installed if "mode" not in case.arguments]
    assert {case.arguments["aligned"] for case in averages} == {False, True}
    for case in averages:
        check(case, roi_align)


def test_node_tests_of_a_mode_that_is_not_there_are_refused(installed):
    others = [case for case in installed if "mode" in case.arguments]
    assert {case.arguments["mode"] for case in others} == {"max"}
    for case in others:
        with pytest.raises(ValueError, match="mode"):
            case.call(cyroi.roi_align)


# --- the adapter ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "opset", "aligned"),
    [
        ({}, 10, False),
        ({}, 16, True),
        ({}, 22, True),
        ({"coordinate_transformation_mode": "output_half_pixel"}, 16, False),
        ({"coordinate_transformation_mode": "half_pixel"}, 16, True),
    ],
)
def test_coordinate_mode_and_its_default_decide_aligned(attributes, opset, aligned):
    assert node_tests.arguments(attributes, opset)["aligned"] is aligned


def test_other_attributes_keep_their_values_and_defaults():
    defaults = {"output_size": (1, 1), "spatial_scale": 1.0, "sampling_ratio": 0, "aligned": False}
    assert node_tests.arguments({}, 10) == defaults
    given = {"output_height": 2, "output_width": 3, "spatial_scale": 0.5, "sampling_ratio": 4, "mode": "max"}
    expected = {"output_size": (2, 3), "spatial_scale": 0.5, "sampling_ratio": 4, "aligned": False, "mode": "max"}
    assert node_tests.arguments(given, 10) == expected


@pytest.mark.parametrize("case", STORED, ids=lambda case: case.name)
@pytest.mark.parametrize(
    "wrong",
    [
        lambda *maps_and_boxes, aligned, **other: cyroi.roi_align(*maps_and_boxes, aligned=not aligned, **other),
        lambda *maps_and_boxes, sampling_ratio, **other: cyroi.roi_align(*maps_and_boxes, sampling_ratio=1, **other),
        lambda maps, boxes, **other: cyroi.roi_align(maps, boxes[:, [0, 2, 1, 4, 3]], **other),
        lambda *maps_and_boxes, **other: cyroi.roi_align(*maps_and_boxes, **other) + np.float32(3e-4),
    ],
    ids=["other coordinate mode", "other grid", "x and y swapped", "a little off"],
)
def test_a_wrong_kernel_does_not_pass_the_node_tests(case, wrong):
    with pytest.raises(AssertionError):
        check(case, wrong)
