"""Law: no detections is an ordinary result, whatever container says so, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest

import cyroi
from cyroi.reference import classic, oracle
from support.laws import assert_same_bits

MAPS = np.random.default_rng(0).standard_normal((2, 3, 8, 9)).astype(np.float32)
IMAGE = np.random.default_rng(1).integers(0, 256, (9, 10, 3)).astype(np.uint8)
BOX = [[1, 1, 5, 6]]


def data_frame(columns):
    return pytest.importorskip("pandas", reason="pandas is not installed").DataFrame(columns=columns)


NOTHING = {
    "list": lambda: [],
    "tuple": lambda: (),
    "list of nothing": lambda: np.array([[]]),
    "array of one axis": lambda: np.array([]),
    "(0, 4)": lambda: np.empty((0, 4)),
    "(0, 4) of integers": lambda: np.empty((0, 4), np.int64),
    "(0, 4) of objects": lambda: np.empty((0, 4), object),
    "data frame": lambda: data_frame(["x1", "y1", "x2", "y2"]),
    "data frame without columns": lambda: data_frame([]),
}
INDICES = {"none": lambda: None, "list": lambda: [], "array": lambda: np.array([]), "int": lambda: np.empty(0, np.int8)}


@pytest.mark.parametrize("indices", INDICES)
@pytest.mark.parametrize("boxes", NOTHING)
def test_roi_align(boxes, indices):
    boxes, batch_indices = NOTHING[boxes](), INDICES[indices]()
    for module in (cyroi, oracle, classic):
        result = module.roi_align(MAPS, boxes, (7, 5), batch_indices=batch_indices)
        assert result.shape == (0, 3, 7, 5)
        assert result.dtype == (np.float64 if module is oracle else np.float32)
    assert cyroi.roi_align(MAPS[0], boxes, (7, 5), batch_indices=batch_indices).shape == (0, 3, 7, 5)
    gradients = cyroi.roi_align_backward(result, MAPS, boxes, batch_indices=batch_indices, wrt=("input", "boxes"))
    assert_same_bits(gradients[0], np.zeros_like(MAPS))
    assert gradients[1].shape[0] == 0
    assert gradients[1].shape[1] in (4, 5)


@pytest.mark.parametrize("indices", INDICES)
@pytest.mark.parametrize("boxes", NOTHING)
def test_crop_and_resize(boxes, indices):
    boxes, box_indices = NOTHING[boxes](), INDICES[indices]()
    image = IMAGE if box_indices is None else IMAGE[None]
    for module, dtype in ((cyroi, np.float32), (oracle, np.float64)):
        result = module.crop_and_resize(image, boxes, box_indices, 7)
        assert (result.shape, result.dtype) == ((0, 7, 7, 3), dtype)
    gradients = cyroi.crop_and_resize_backward(result, image, boxes, box_indices, wrt=("image", "boxes"))
    assert not gradients[0].any()
    assert (gradients[0].shape, gradients[1].shape) == (image.shape, (0, 4))


@pytest.mark.parametrize("nothing", [name for name in NOTHING if name != "(0, 4)"])
@pytest.mark.parametrize("place", [0, 1])
def test_images_without_objects_in_a_list(nothing, place):
    """What annotation files have: the other image's boxes give what they give beside an array of no boxes."""
    parts, plain = [BOX, BOX], [BOX, BOX]
    parts[place], plain[place] = NOTHING[nothing](), np.empty((0, 4))
    expected = cyroi.roi_align(MAPS, plain, 7)
    assert expected.shape == (1, 3, 7, 7)
    for module in (cyroi, classic):
        np.testing.assert_allclose(module.roi_align(MAPS, parts, 7), expected, rtol=1e-5, atol=1e-6)
    assert_same_bits(cyroi.roi_align(MAPS, parts, 7), expected)
    assert_same_bits(cyroi.roi_align(MAPS, tuple(parts), 7), expected)
    to_maps, to_boxes = cyroi.roi_align_backward(expected, MAPS, parts, wrt=("input", "boxes"))
    assert_same_bits(to_maps, cyroi.roi_align_backward(expected, MAPS, plain))
    assert [part.shape for part in to_boxes] == [(0, 4), (1, 4)][:: 1 if place == 0 else -1]


def test_no_image_has_objects():
    for parts in ([[], []], ([], np.empty((0, 4))), [np.array([]), [[]]]):
        assert cyroi.roi_align(MAPS, parts, 7).shape == (0, 3, 7, 7)
        assert [part.shape for part in cyroi.roi_align_backward(MAPS[:0, :, :7, :7], MAPS, parts, wrt="boxes")] == [
            (0, 4),
            (0, 4),
        ]
    assert cyroi.roi_align(MAPS[:0], [], 7).shape == (0, 3, 7, 7)
    for parts in ([[]], [[], []], [np.empty((0, 4))] * 2):
        assert cyroi.roi_align(MAPS, parts, 7, batch_indices=[]).shape == (0, 3, 7, 7)


def test_what_is_not_nothing_is_still_refused():
    for boxes in (
        np.empty((0, 3)),
        np.empty((0, 6)),
        np.empty((3, 0)),
        np.empty((0, 0, 4)),
        [[], [], []],
        [[], [1, 2]],
    ):
        with pytest.raises(ValueError, match="boxes"):
            cyroi.roi_align(MAPS, boxes, 7)
    for boxes in (np.empty((0, 5)), np.empty((2, 0)), [[], [1, 2]]):
        with pytest.raises(ValueError, match="boxes"):
            cyroi.crop_and_resize(IMAGE, boxes, None, 7)
    with pytest.raises(TypeError, match="batch_indices"):
        cyroi.roi_align(MAPS, np.empty((0, 4)), 7, batch_indices=np.empty(0, bool))
