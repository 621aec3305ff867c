"""Law: boxes, single images and shapes as people have them.

Each is compared with the same numbers in a plain NumPy array.
"""

from __future__ import annotations

import decimal
import fractions

import ml_dtypes
import numpy as np
import pytest

import cyroi
from cyroi.reference import oracle
from support.laws import assert_same_bits

MAPS = np.random.default_rng(0).standard_normal((2, 3, 8, 9)).astype(np.float32)
CORNERS = np.array([[0, 1, 1, 5, 6], [1, 0.5, 2, 4.25, 7]])  # exact in bfloat16 too


# --- boxes ---


@pytest.mark.parametrize("maps", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16, np.uint8])
def test_boxes_of_bfloat16_are_converted_exactly(operator, maps):
    call = operator.call(np.random.default_rng(0), dtype=maps)
    rounded = call["boxes"].astype(ml_dtypes.bfloat16)
    expected = operator.function(**(call | {"boxes": rounded.astype(np.float32)}))
    assert_same_bits(operator.function(**(call | {"boxes": rounded})), expected)
    grad = np.ones(expected.shape, np.float32)
    (wide, narrow) = (
        operator.backward(**operator.backward_call(call | {"boxes": rounded.astype(dtype)}, grad, "boxes"))
        for dtype in (np.float32, ml_dtypes.bfloat16)
    )
    assert narrow.dtype == ml_dtypes.bfloat16
    assert_same_bits(narrow, wide.astype(ml_dtypes.bfloat16))


def test_an_image_index_of_bfloat16_is_exact_or_an_error():
    maps = np.arange(300, dtype=np.float32).reshape(-1, 1, 1, 1)
    for image in (0, 3, 255):
        boxes = np.array([[image, 0, 0, 1, 1]], ml_dtypes.bfloat16)
        assert cyroi.roi_align(maps, boxes, 1, sampling_ratio=1).item() == image
    with pytest.raises(ValueError, match="boxes of their dtype cannot hold image indices from 256 on exactly"):
        cyroi.roi_align(maps, np.array([[256, 0, 0, 1, 1]], ml_dtypes.bfloat16), 1)


@pytest.mark.parametrize(
    "convert", [float, np.float64, np.float32, np.float16, fractions.Fraction], ids=lambda kind: kind.__name__
)
def test_boxes_of_python_numbers_in_an_array_of_objects(convert):
    objects = np.array([[int(row[0]), *map(convert, row[1:])] for row in CORNERS], object)
    assert_same_bits(cyroi.roi_align(MAPS, objects, 3), cyroi.roi_align(MAPS, CORNERS, 3))
    apart = cyroi.roi_align(MAPS, objects[:, 1:], 3, batch_indices=objects[:, 0])
    assert_same_bits(apart, cyroi.roi_align(MAPS, CORNERS, 3))
    per_image = cyroi.roi_align(MAPS, [objects[:1, 1:], objects[1:, 1:]], 3)
    assert_same_bits(per_image, cyroi.roi_align(MAPS, [CORNERS[:1, 1:], CORNERS[1:, 1:]], 3))
    to_boxes = cyroi.roi_align_backward(np.ones((2, 3, 3, 3)), MAPS, objects, wrt="boxes")
    assert to_boxes.dtype == np.float64


def test_data_frames():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    expected = cyroi.roi_align(MAPS, CORNERS, 3)
    frame = pandas.DataFrame(CORNERS, columns=["image", "x1", "y1", "x2", "y2"])
    nullable = frame.astype({"image": "Int64", "x1": "Float64"})
    for each in (frame, nullable, frame.convert_dtypes()):
        assert_same_bits(cyroi.roi_align(MAPS, each, 3), expected)
        indices = each["image"].astype("Int64")
        assert_same_bits(cyroi.roi_align(MAPS, each[["x1", "y1", "x2", "y2"]], 3, batch_indices=indices), expected)
    nullable.loc[1, "x2"] = pandas.NA
    with pytest.raises(ValueError, match=r"boxes must be finite; got .* in row 1"):  # pandas makes NaN of it
        cyroi.roi_align(MAPS, nullable, 3)
    objects = frame.astype(object)
    objects.loc[1, "x2"] = pandas.NA
    with pytest.raises(TypeError, match="boxes must hold real numbers; got <NA> in row 1"):
        cyroi.roi_align(MAPS, objects, 3)
    frame.loc[1, "x2"] = np.nan
    with pytest.raises(ValueError, match=r"boxes must be finite; got .* in row 1"):
        cyroi.roi_align(MAPS, frame, 3)


@pytest.mark.parametrize(
    ("error", "element"),
    [
        (TypeError, "5"),
        (TypeError, None),
        (TypeError, True),
        (TypeError, 1j),
        (TypeError, [1]),
        (TypeError, decimal.Decimal(5)),
        (TypeError, np.datetime64(1, "s")),
        (ValueError, float("nan")),
        (ValueError, 2**53 + 1),
        (ValueError, 2**64),
        (ValueError, 10**400),
        (ValueError, fractions.Fraction(1, 3)),
    ],
    ids=repr,
)
def test_what_is_no_number_is_named_with_its_row(error, element):
    objects = CORNERS.astype(object)
    objects[1, 3] = element
    made_into_objects = isinstance(element, (str, type(None), decimal.Decimal, np.datetime64))
    for boxes in (objects, objects.tolist()) if made_into_objects else (objects,):
        with pytest.raises(error, match=r"^boxes must .* in row 1"):
            cyroi.roi_align(MAPS, boxes, 3)
    with pytest.raises(error, match=r"^boxes\[1\] must .* in row 0"):
        cyroi.roi_align(MAPS, [objects[:1, 1:], objects[1:, 1:]], 3)
    with pytest.raises(error, match=r"^boxes must .* in row 1"):
        cyroi.crop_and_resize(MAPS, objects[:, 1:], [0, 1], 3, layout="NCHW")


@pytest.mark.parametrize("missing", [None, "none"])
@pytest.mark.parametrize("place", [0, 1])
def test_an_image_without_an_array_is_named(missing, place):
    parts = [CORNERS[:1, 1:], CORNERS[1:, 1:]]
    parts[place] = missing
    with pytest.raises(TypeError, match=rf"boxes\[{place}\] must be boxes, an empty list where there are none"):
        cyroi.roi_align(MAPS, parts, 3)
    parts[1] = CORNERS[0, 1:]
    parts[0] = CORNERS[:1, 1:]
    with pytest.raises(ValueError, match=r"boxes\[1\] must have shape \(L, 4\).*got \(4,\)"):
        cyroi.roi_align(MAPS, parts, 3)


def test_image_indices_that_are_no_integers():
    for indices in ([0, None], [0, "1"], [0, 1.5], np.array([0, 1.0], object), [True, False]):
        with pytest.raises(TypeError, match="batch_indices must"):
            cyroi.roi_align(MAPS, CORNERS[:, 1:], 3, batch_indices=indices)


# --- single images, shapes ---


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("module", [cyroi, oracle, cyroi.reference.classic], ids=lambda module: module.__name__)
def test_a_single_image_of_roi_align(module, layout):
    image = np.ascontiguousarray(MAPS[1] if layout == "NCHW" else MAPS[1].transpose(1, 2, 0))
    boxes = CORNERS[:, 1:].astype(np.float32)
    batch = module.roi_align(image[None], boxes, 3, layout=layout, batch_indices=[0, 0])
    for indices in (None, [0, 0], np.zeros(2, np.int64)):
        result = module.roi_align(image, boxes, 3, layout=layout, batch_indices=indices)
        np.testing.assert_array_equal(result, batch)
    np.testing.assert_array_equal(module.roi_align(image, [boxes], 3, layout=layout), batch)
    with pytest.raises(ValueError, match=r"boxes must have shape \(K, 4\), because the input is a single image"):
        module.roi_align(image, CORNERS, 3, layout=layout)
    with pytest.raises(IndexError, match="batch_indices"):
        module.roi_align(image, boxes, 3, layout=layout, batch_indices=[0, 1])


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_gradients_to_a_single_image_of_roi_align(layout):
    image = np.ascontiguousarray(MAPS[1] if layout == "NCHW" else MAPS[1].transpose(1, 2, 0))
    boxes = CORNERS[:, 1:].astype(np.float32)
    grad = cyroi.roi_align(image, boxes, 3, layout=layout)
    options = {"layout": layout, "batch_indices": [0, 0], "wrt": ("input", "boxes")}
    of_batch = cyroi.roi_align_backward(grad, image[None], boxes, **options)
    for module in (cyroi, oracle):
        to_image, to_boxes = module.roi_align_backward(grad, image, boxes, **(options | {"batch_indices": None}))
        assert to_image.shape == image.shape
        np.testing.assert_allclose(to_image, of_batch[0][0], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(to_boxes, of_batch[1], rtol=1e-4, atol=1e-4)
    assert_same_bits(cyroi.roi_align_backward(grad, list(image.shape), boxes, layout=layout), of_batch[0][0])


def test_image_indices_of_a_single_image_of_crop_and_resize():
    image = MAPS[0].transpose(1, 2, 0)
    boxes = np.float32([[0, 0, 1, 1], [0.1, 0.2, 0.5, 0.6]])
    expected = cyroi.crop_and_resize(image[None], boxes, [0, 0], (3, 4))
    for indices in (None, [0, 0]):
        assert_same_bits(cyroi.crop_and_resize(image, boxes, indices, (3, 4)), expected)
        grads = [cyroi.crop_and_resize_backward(expected, i, boxes, indices or [0, 0]) for i in (image, image[None])]
        assert_same_bits(grads[0], grads[1][0])
    assert_same_bits(cyroi.crop_and_resize(image, boxes, crop_size=(3, 4)), expected)
    assert_same_bits(cyroi.crop_and_resize(image[..., 0], boxes[:1], [0], (3, 4)), expected[:1, ..., 0])
    assert_same_bits(cyroi.crop_and_resize_backward(expected, image, boxes), grads[0])
    for wrong, error in (([0], ValueError), ([0, 1], IndexError), ([0, -1], IndexError)):
        with pytest.raises(error, match="box_indices"):
            cyroi.crop_and_resize(image, boxes, wrong, (3, 4))
    with pytest.raises(TypeError, match="crop_size"):
        cyroi.crop_and_resize(image, boxes)


@pytest.mark.parametrize("kind", [tuple, list, np.array, lambda shape: [np.int64(n) for n in shape]])
def test_a_shape_is_any_sequence_of_integers(operator, kind):
    call = operator.call(np.random.default_rng(0))
    grad = operator.function(**call)
    expected = operator.backward(**operator.backward_call(call, grad, operator.maps))
    changed = call | {operator.maps: kind(call[operator.maps].shape)}
    assert_same_bits(operator.backward(**operator.backward_call(changed, grad, operator.maps)), expected)
    with pytest.raises(TypeError, match=f"{operator.maps} must be the maps where wrt has 'boxes'"):
        operator.backward(**operator.backward_call(changed, grad, "boxes"))
