"""cyroi and its float64 oracle give what public implementations give.

The peers' results are stored (`support/peers/`), so these laws hold a machine to the peers that has none of them.
A peer that is installed is asked again as well, for fresh and many more cases. On the edges of a decision (size of the
adaptive grid, band, clamp) a wrong decision changes a result by far more than any tolerance here.
"""

from __future__ import annotations

import itertools
import platform
from dataclasses import replace

import numpy as np
import pytest

import cyroi
from cyroi.reference import oracle
from support.peers.case import check, comparable, load, tolerance
from support.peers.runners import RUNNERS
from support.peers.tables import SCALES, TABLES
from support.peers.wrong_kernels import WRONG

STORED = {peer: load(peer) for peer in TABLES}
ALL = [pytest.param(case, id=f"{peer}-{case.name}") for peer in TABLES for case in STORED[peer]]
MODULES = {
    "torchvision": ["torchvision"],
    "tensorflow": ["tensorflow"],
    "onnx": ["onnx", "onnxruntime"],
    "openvino": ["openvino"],
    "paddle": ["paddle"],
}


@pytest.mark.parametrize("implementation", [cyroi, oracle], ids=["cyroi", "oracle"])
@pytest.mark.parametrize("case", ALL)
def test_results_equal_the_stored_ones_of_a_peer(case, implementation):
    check(case, getattr(implementation, case.operator))


@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"),
    reason="wheels of the peers for other processors may contract a * b + c, which moves their decisions",
)
@pytest.mark.filterwarnings("ignore:No ccache found")  # of paddle, when it is imported
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("peer", TABLES)
def test_results_equal_those_of_an_installed_peer(peer, seed):
    for module in MODULES[peer]:
        pytest.importorskip(module, reason=f"{module} is no requirement of the tests; its stored results stand for it")
    for case in TABLES[peer](seed, 40):
        case = replace(case, expected=RUNNERS[peer](case))
        assert np.isfinite(case.expected).all(), f"{case.name} is not defined in {peer}"
        check(case, getattr(cyroi, case.operator))


# --- what is stored ---------------------------------------------------------------------------------------------------


def test_stored_results_are_defined_numbers_of_the_maps_dtype():
    for case in itertools.chain.from_iterable(STORED.values()):
        assert np.isfinite(case.expected).all(), case.name
        assert case.expected.dtype == case.maps.dtype == case.boxes.dtype, case.name
        assert len(case.boxes), case.name


def test_stored_cases_of_torchvision_cross_all_settings():
    settings = {
        (str(case.maps.dtype), *(case.arguments[name] for name in ("aligned", "sampling_ratio", "spatial_scale")))
        for case in STORED["torchvision"]
    }
    assert settings >= set(itertools.product(["float32"], [False, True], [-1, 0, 1, 2, 3], SCALES))
    assert settings >= set(itertools.product(["float64"], [False, True], [-1, 0, 1, 2, 3], SCALES[2:]))
    assert any(case.variant == "list" for case in STORED["torchvision"])
    assert any(isinstance(case.arguments["output_size"], int) for case in STORED["torchvision"])


def test_tolerances_are_of_the_order_of_rounding():
    for case in itertools.chain.from_iterable(STORED.values()):
        largest = np.abs(case.maps).max()
        fixed = case.arguments.get("sampling_ratio", 1) in (1, 2)
        if fixed and not case.coordinate_roundings and not case.printed_error:
            limit = 2e-6 if case.maps.dtype == np.float32 else 1e-14
            assert (tolerance(case) <= limit * largest).all(), case.name
        if case.maps.dtype == np.float64:
            assert (tolerance(case) <= 1e-12 * largest).all(), case.name


def test_snapped_end_points_of_onnxruntime_leave_most_crops_comparable():
    snapped = [case for case in STORED["onnx"] if case.variant == "CropAndResize"]
    shares = [float(np.mean(comparable(case))) for case in snapped]
    assert min(shares) > 0.5
    assert np.mean(shares) > 0.8
    # And the rule is needed: without it some of those crops do differ.
    differ = [not np.allclose(case.call(cyroi.crop_and_resize), case.expected, atol=1) for case in snapped]
    assert any(differ)


# --- the comparison fails on a wrong kernel ---------------------------------------------------------------------------


def notices(case, kernel):
    try:
        check(case, kernel)
    except AssertionError:
        return True
    return False


def concerned(peer, operator, families):
    """Stored cases of the families; without lists of boxes, which the wrong kernels do not take."""
    return [c for c in STORED[peer] if c.operator == operator and c.name.startswith(families) and c.variant != "list"]


@pytest.mark.parametrize(
    ("kernel", "cases", "share"),
    [
        pytest.param(kernel, cases, share, id=f"{kernel.__name__}-{peer}")
        for kernel, operator, families, share in WRONG
        for peer in TABLES
        if (cases := concerned(peer, operator, families))
    ],
)
def test_a_wrong_kernel_does_not_pass_for_a_peer(kernel, cases, share):
    assert np.mean([notices(case, kernel) for case in cases]) >= share


def test_every_wrong_kernel_is_shown_to_two_peers():
    for _, operator, families, _ in WRONG:
        assert sum(bool(concerned(peer, operator, families)) for peer in TABLES) >= 2


@pytest.mark.parametrize("peer", TABLES)
def test_an_error_above_the_tolerance_does_not_pass(peer):
    for case in STORED[peer]:
        right = case.expected
        assert check(case, lambda *_, right=right, **__: right) == 0
        wrong = right.copy()
        wrong[-1, -1, 0, 0] += 2 * tolerance(case)[-1] + 4e-6 * np.abs(case.maps).max()
        for result in (wrong, np.full_like(right, np.nan), right[:-1], right[:, :, :, :, np.newaxis]):
            assert notices(case, lambda *_, result=result, **__: result), case.name
