"""Law: calls whose results are right and look wrong come with a warning, once per place of call; others without."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import cyroi
from cyroi.cpu import _quick
from support.laws import assert_same_bits
from support.operators import BY_NAME
from support.written import plain

CROP, ROI_ALIGN = BY_NAME["crop_and_resize"], BY_NAME["roi_align"]
IMAGE = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3)).astype(np.uint8)
NORMALISED, LAYOUT = "are normalised.*or call roi_align", "hundreds of channels and 3 or 4 .* in layout"


def without_warning(function, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return function(*arguments, **options)


def test_boxes_in_pixels():
    for boxes in ([[2, 3, 15, 25]], np.float32([[0.1, 0.1, 0.9, 10.5]]), np.float64([[-11, 0, 1, 1]])):
        for image, indices in ((IMAGE, [1]), (IMAGE, np.array([1])), (IMAGE[0], None)):
            with pytest.warns(UserWarning, match=NORMALISED) as caught:
                crops = plain(CROP.function)(image, boxes, indices, 4)
            assert [warning.filename for warning in caught] == [__file__]
            with pytest.warns(UserWarning, match=NORMALISED) as caught:
                plain(CROP.backward)(crops, image, boxes, indices)
            assert [warning.filename for warning in caught] == [__file__]


def test_the_warning_changes_no_value():
    boxes = np.float32([[0, 0, 1, 1], [0, 0, 20, 30]])
    expected = CROP.oracle(IMAGE, boxes, [0, 1], 4)
    with pytest.warns(UserWarning, match=NORMALISED):
        np.testing.assert_allclose(plain(CROP.function)(IMAGE, boxes, [0, 1], 4), expected, rtol=1e-5, atol=1e-3)


def test_boxes_that_normalised_ones_may_be(operator):
    """Up to 10 times the image on any side; roi_align's boxes are in pixels anyway."""
    edge = np.float32(_quick.MOST_NORMALISED)
    for boxes in ([[0, 0, 1, 1]], [[-edge, -edge, edge, edge]], np.float32([[edge, 0, 0, -edge]]), np.empty((0, 4))):
        indices = np.zeros(len(boxes), np.int64)
        without_warning(CROP.function, IMAGE, boxes, indices, 4)
        without_warning(CROP.function, IMAGE[0], boxes, None, 4)
    far = np.float32([[0, 0, 2000, 3000]])
    without_warning(ROI_ALIGN.function, IMAGE, far, 4, batch_indices=np.array([0]), layout="NHWC")
    without_warning(ROI_ALIGN.function, IMAGE, far.tolist(), 4, batch_indices=[0], layout="NHWC")


def test_it_comes_once_per_place_of_call():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for turn in range(3):  # as in a loop over images of several sizes
            plain(CROP.function)(IMAGE, np.float32([[0, 0, 20, 30 + turn]]), np.array([0]), 4)
        plain(CROP.function)(IMAGE, np.float32([[0, 0, 20, 30]]), np.array([0]), 4)
        for height in (120, 130, 140):
            plain(ROI_ALIGN.function)(np.zeros((height, 110, 3), np.uint8), [[1, 1, 50, 60]], 4)
    assert len(caught) == 3


PHOTO = np.zeros((120, 110, 3), np.uint8)


def test_photographs_in_the_layout_of_maps():
    box = np.float32([[1, 1, 50, 60]])
    for maps in (PHOTO[None], PHOTO.astype(np.float32)[None], np.zeros((1, 100, 100, 4))):
        for index in (np.array([0]), [0]):
            with pytest.warns(UserWarning, match=rf'^input .*{LAYOUT} NCHW.*layout="NHWC" \(input\[None\]') as caught:
                plain(ROI_ALIGN.function)(maps, box, 4, batch_indices=index)
            assert [warning.filename for warning in caught] == [__file__]
        without_warning(ROI_ALIGN.function, maps, box, 4, batch_indices=np.array([0]), layout="NHWC")
    with pytest.warns(UserWarning, match=r'layout="NHWC" \(input\[None\]'):
        plain(ROI_ALIGN.function)(PHOTO, box, 4)
    with pytest.warns(UserWarning, match=LAYOUT), pytest.raises(ValueError, match="single image"):
        plain(ROI_ALIGN.function)(PHOTO, [[0, 1, 1, 50, 60]], 4)
    without_warning(ROI_ALIGN.function, PHOTO, box, 4, layout="NHWC")


def test_photographs_of_planes_in_the_layout_of_images():
    planes, box = PHOTO.transpose(2, 0, 1).copy(), np.float32([[0, 0, 1, 1]])
    for image, index in ((planes[None], np.array([0])), (planes[None], [0]), (planes, None)):
        with pytest.warns(UserWarning, match=rf'^image .*{LAYOUT} NHWC.*layout="NCHW" \(image\[None\]'):
            plain(CROP.function)(image, box, index, 4)
        without_warning(CROP.function, image, box, index, 4, layout="NCHW")


@pytest.mark.parametrize(
    ("layout", "shape", "dtype"),
    [
        ("NCHW", (1, 256, 4, 100), np.float32),  # lines of text
        ("NCHW", (1, 256, 4, 4), np.float32),  # the top of a pyramid
        ("NCHW", (1, 256, 99, 4), np.float32),
        ("NCHW", (1, 99, 256, 3), np.float32),
        ("NCHW", (1, 256, 256, 5), np.float32),
        ("NCHW", (1, 256, 256, 2), np.float32),
        ("NHWC", (1, 4, 100, 256), np.float32),
        ("NHWC", (1, 3, 99, 256), np.uint8),
        ("NHWC", (1, 3, 256, 99), np.uint8),
        ("NHWC", (1, 5, 256, 256), np.uint8),
    ],
)
def test_maps_of_any_other_shape(layout, shape, dtype):
    maps, box = np.zeros(shape, dtype), np.float32([[0, 0, 1, 1]])
    for index in (np.array([0]), [0]):
        without_warning(ROI_ALIGN.function, maps, box, 2, batch_indices=index, layout=layout)
        without_warning(CROP.function, maps, box, index, 2, layout=layout)


def test_ordinary_calls_stay_with_the_quick_face():
    """What costs a warning nothing: the quick face takes the call up to where a warning is due."""
    edge = np.float32(_quick.MOST_NORMALISED)
    for side, taken in ((edge, True), (np.nextafter(edge, np.float32(np.inf)), False)):
        boxes = np.float32([[0, 0, 1, side]])
        result = _quick.crop_and_resize(
            IMAGE, boxes, np.array([0]), 4, "bilinear", 0.0, False, "NHWC", None, True, None, None
        )
        assert (result is not None) is taken
    one = np.float32([[0, 0, 1, 1]])
    quick = _quick.crop_and_resize(
        IMAGE, one, np.array([0]), 4, "bilinear", 0.0, True, "NHWC", np.uint8, False, None, None
    )
    assert_same_bits(quick, cyroi.crop_and_resize(IMAGE[0], one, crop_size=4, snap_edges=True, dtype=np.uint8))


def test_callers_without_a_name_are_warned_as_well():
    """Templates and timers run code whose globals have no `__name__`."""
    for code in ("call(image, [[0, 0, 100, 1]], [0], 2)", "other(photograph, [[0, 0, 0, 1, 1]], 2)"):
        photograph = np.zeros((1, 256, 256, 3), np.float32)
        names = {"call": CROP.function, "image": IMAGE, "other": ROI_ALIGN.function, "photograph": photograph}
        with pytest.warns(UserWarning, match="normalised|NHWC"):
            exec(code, names)
