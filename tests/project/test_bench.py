"""The comparison of ci/bench.sh, as far as it can be wrong without a peer: its floor and its check."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import cyroi

sys.path.append(str(Path(__file__).parents[2] / "ci"))
sys.path.append(str(Path(__file__).parents[2] / "asv_benchmarks"))
from bench import peers
from bench.compare import Asked, agreeing
from bench.contender import Contender, difference, owned
from bench.floor import Floor, library
from bench.plan import PLANNERS, Plan
from benchmarks.workloads import WORKLOADS, CropAndResize, subset

# --- the plan of the floor --------------------------------------------------------------------------------------------


def roi(box, ratio, aligned):
    boxes = np.array([[0, *box]], np.float32)
    maps = np.zeros((1, 1, 8, 10), np.float32)
    options = {"output_size": 2, "spatial_scale": 0.5, "sampling_ratio": ratio, "aligned": aligned}
    return {"input": maps, "boxes": boxes, **options}


@pytest.mark.parametrize(
    ("arguments", "rows", "columns"),
    [
        # Rows 1.5 to 5.5 and columns 0.5 to 4.5: samples at 2.5 and 4.5, at 1.5 and 3.5.
        (roi([2, 4, 10, 12], 1, True), [2, 3, 4, 5], [1, 2, 3, 4]),
        # The adaptive grid has two samples per bin: rows 2, 3, 4, 5 and columns 1, 2, 3, 4.
        (roi([2, 4, 10, 12], 0, True), [2, 3, 4, 5, 6], [1, 2, 3, 4, 5]),
        # A size of 0 becomes 1: samples at 2.25 and 2.75, at 9.25 and 9.75, and behind column 9 there is none.
        (roi([18, 4, 18, 4], 1, False), [2, 3], [9]),
    ],
)
def test_touched_pixels_of_a_roi(arguments, rows, columns):
    plan = PLANNERS["roi_align"](arguments)
    assert plan.rows[0].tolist() == rows
    assert plan.columns[0].tolist() == columns


@pytest.mark.parametrize(("size", "rows"), [(3, [0, 1, 4, 5, 8]), (1, [4, 5])])
def test_touched_pixels_of_a_crop(size, rows):
    image, boxes = np.zeros((1, 9, 9, 2), np.float32), np.array([[0, 0.25, 1, 0.75]], np.float32)
    arguments = {"image": image, "boxes": boxes, "box_indices": np.zeros(1, np.int32), "crop_size": size}
    plan = PLANNERS["crop_and_resize"]({**arguments, "layout": "NHWC"})
    assert plan.shape == (1, 2, 9, 9)
    assert plan.rows[0].tolist() == rows
    assert plan.columns[0].tolist() == ([2, 3, 4, 5, 6, 7] if size == 3 else [4, 5])


CROPS = CropAndResize((2, 24, 20, 3), 6, 5, sides=(4, 20), seed=0)


@pytest.mark.parametrize(
    "workload", [WORKLOADS["W5_10"], CROPS, replace(CROPS, layout="NCHW")], ids=["roi", "crop", "crop of NCHW"]
)
def test_touched_pixels_are_those_that_the_result_depends_on(workload):
    arguments = workload.arguments()
    if workload.operator == "crop_and_resize":  # no box to the edge: a rounding decides between its last two pixels
        arguments["boxes"] = np.float32(0.01) + np.float32(0.97) * arguments["boxes"]
    plan = PLANNERS[workload.operator](arguments)
    planes = [plan.layout.index(axis) for axis in "NCHW"]
    for box, (image, rows, columns) in enumerate(zip(plan.images, plan.rows, plan.columns, strict=True)):
        call = partial(getattr(cyroi, workload.operator), **subset(arguments, np.array([box])))
        expected = call()

        def changed(untouched, call=call, planes=planes, image=image):
            maps = arguments[workload.maps].copy()
            maps.transpose(planes)[image][:, untouched] += 1
            return call(**{workload.maps: maps})

        touched = np.zeros(plan.shape[2:], bool)
        touched[np.ix_(rows, columns)] = True
        np.testing.assert_array_equal(changed(~touched), expected)
        for row in rows:
            assert (changed(touched & (np.arange(plan.shape[2]) == row)[:, np.newaxis]) != expected).any()


# --- the floor program ------------------------------------------------------------------------------------------------


@pytest.fixture(params=[1, 2], ids=["1 thread", "2 threads"])
def threads(request):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler on the path")
    if request.param > 1 and not library().is_threaded():
        pytest.skip("the compiler has no OpenMP")
    return request.param


def tiny(layout):
    """Two images of 32 channels, three boxes; whole vectors, so that nothing but the touched pixels is read."""
    rows = [np.array([0, 1]), np.array([1, 3, 4]), np.array([2])]
    columns = [np.arange(3, 19), np.array([*range(8), *range(24, 32)]), np.arange(16, 32)]
    return Plan((2, 32, 5, 40), layout, 16, np.array([0, 1, 1], np.int32), rows, columns)


def filled(plan, threads):
    """The floor with small integers in its memory, whose sums are exact; views of it as N, C, H, W and K, C, bins."""
    floor = Floor(plan, threads)
    rng = np.random.default_rng(0)
    for memory in (floor.maps, floor.result):
        memory[:] = rng.integers(-4, 5, memory.size)
    images, channels, height, width = plan.shape
    if plan.layout == "NCHW":
        return floor, floor.maps.reshape(plan.shape), floor.result.reshape(-1, channels, plan.bins)
    maps = floor.maps.reshape(images, height, width, channels).transpose(0, 3, 1, 2)
    return floor, maps, floor.result.reshape(-1, plan.bins, channels).transpose(0, 2, 1)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_forward_reads_each_touched_row_once_and_writes_all(layout, threads):
    plan = tiny(layout)
    floor, maps, result = filled(plan, threads)
    before = maps.copy()
    floor.forward()
    for box, (image, rows, columns) in enumerate(zip(plan.images, plan.rows, plan.columns, strict=True)):
        if layout == "NCHW":  # from the first touched column to the last, each channel for itself
            sums = before[image][:, rows, columns[0] : columns[-1] + 1].sum(axis=(1, 2))[:, np.newaxis]
        else:
            sums = before[image][:, rows][:, :, columns].sum()
        np.testing.assert_array_equal(result[box], np.broadcast_to(sums, result[box].shape))
    np.testing.assert_array_equal(maps, before)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_backward_zeroes_the_maps_and_adds_each_gradient_to_its_rows_once(layout, threads):
    plan = tiny(layout)
    floor, maps, result = filled(plan, threads)
    expected, gradients = np.zeros_like(maps), result.copy()
    for gradient, image, rows, columns in zip(gradients, plan.images, plan.rows, plan.columns, strict=True):
        if layout == "NCHW":
            expected[image][:, rows, columns[0] : columns[-1] + 1] += gradient.sum(axis=1)[:, np.newaxis, np.newaxis]
        else:  # a thread adds up its own channels
            for part in np.split(np.arange(len(gradient)), threads):
                expected[(image, *np.ix_(part, rows, columns))] += gradient[part].sum()
    floor.backward()
    np.testing.assert_array_equal(maps, expected)
    np.testing.assert_array_equal(result, gradients)


def test_once_reads_every_cell_and_writes_every_value(threads):
    floor, maps, result = filled(tiny("NCHW"), threads)
    assert floor.once() == maps.sum()
    assert (result == 1).all()


@pytest.mark.parametrize("compiler", ["false", "no-such-compiler"])
def test_without_a_compiler_there_is_no_floor(compiler, monkeypatch):
    monkeypatch.setenv("CC", compiler)
    monkeypatch.setattr("bench.floor.library", library.__wrapped__)  # not the one that is loaded already
    with pytest.raises(RuntimeError, match="floor program"):
        Floor(tiny("NCHW"), 1)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler on the path")
def test_the_floor_refuses_boxes_that_are_not_ordered_by_image():
    plan = replace(tiny("NCHW"), images=np.array([1, 0, 1], np.int32))
    with pytest.raises(ValueError, match="ordered by image"):
        Floor(plan, 1)


# --- the check of the contenders --------------------------------------------------------------------------------------


def test_a_contender_is_compared_with_what_it_must_give():
    ours = np.array([1, 2, 3], np.float32)
    assert difference(Contender(list, lambda: ours + 0.5), ours, largest=2) == 0.25
    assert difference(Contender(list, lambda: ours * 2, lambda result: result * 2), ours, largest=2) == 0
    edge_left_out = Contender(list, lambda: np.array([1, 2, 9]), lambda result: np.where(result > 2, np.nan, result))
    assert difference(edge_left_out, ours, largest=2) == 0


def test_a_contender_that_leaves_its_result_unwritten_is_wrong():
    ours = np.ones(3, np.float32)
    contender = owned(list, np.ones(3, np.float32))
    contender.run()
    assert difference(contender, ours, largest=1) == np.inf
    assert difference(Contender(list, lambda: ours, lambda result: result * np.nan), ours, largest=1) == np.inf
    with pytest.raises(ValueError, match="shape"):
        difference(Contender(list, lambda: ours[:2]), ours, largest=1)


def test_only_contenders_that_agree_are_timed():
    answer = np.array([1, 2], np.float32)
    asked = Asked("W1", {}, (2,), 3, answer, largest=2)
    makers = {
        "right": lambda *_: Contender(list, answer.copy),
        "coarse": lambda *_: Contender(list, lambda: answer + 0.5, tolerance=0.3),
        "wrong": lambda *_: Contender(list, lambda: answer + 0.5),
        "broken": lambda *_: {}["key"],
    }
    notes = []
    assert list(agreeing(asked, makers, notes)) == ["right", "coarse"]
    assert notes == [
        "wrong on W1, threads: 3: its result differs from cyroi's by 2.5e-01 of the largest value",
        "broken on W1, threads: 3: 'key'",
    ]
    with pytest.raises(KeyError):
        agreeing(asked, makers, notes, required=["broken"])


def test_a_peer_that_is_not_here_is_noted_and_the_others_are_not_lost(monkeypatch):
    folder = Path(peers.__file__).parent
    assert {f"{module}.py" for module, _ in peers.PEERS.values()} == {
        path.name for path in folder.glob("*.py") if path.name != "__init__.py"
    }
    monkeypatch.setattr(peers, "PEERS", {"Absent": ("absent", "absent")})
    modules, absent = peers.load()
    assert not modules
    assert len(absent) == 1
    assert absent[0].startswith("Absent: not here")
