"""Law: boxes, maps and results of the types and containers that people have, and one sentence for those that cannot be.

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
from support.operators import BY_NAME

ROI_ALIGN, CROP = BY_NAME["roi_align"], BY_NAME["crop_and_resize"]
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


def test_image_indices_that_are_no_integers():
    for indices in ([0, None], [0, "1"], [0, 1.5], np.array([0, 1.0], object), [True, False]):
        with pytest.raises(TypeError, match="batch_indices must"):
            cyroi.roi_align(MAPS, CORNERS[:, 1:], 3, batch_indices=indices)


# --- maps ---

INTEGERS = [np.int32, np.uint32, np.int64, np.uint64]


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", [*INTEGERS, bool], ids=lambda dtype: np.dtype(dtype).name)
def test_label_maps_come_out_exactly(dtype, layout):
    """By dtype, and by out of any strides; 2**53 is the largest integer that all float64 up to it count to."""
    limit = 1 if dtype is bool else min(2**53, np.iinfo(dtype).max)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, limit, (2, 9, 9, 4) if layout == "NHWC" else (2, 4, 9, 9), endpoint=True).astype(dtype)
    labels.reshape(-1)[:2] = limit, 0
    if np.dtype(dtype).kind == "i":
        labels.reshape(-1)[2:4] = -limit, -1
    call = {"method": "nearest", "layout": layout, "crop_size": 9, "box_indices": [1, 0], "boxes": [[0, 0, 1, 1]] * 2}
    result = cyroi.crop_and_resize(labels, dtype=dtype, **call)
    assert_same_bits(result, labels[::-1])
    out = np.zeros((*result.shape, 2), dtype)[..., 0]
    assert cyroi.crop_and_resize(labels, out=out, **call) is out
    assert_same_bits(out, labels[::-1])
    big = np.zeros(result.shape, np.dtype(dtype).newbyteorder(">"))
    assert_same_bits(cyroi.crop_and_resize(labels, out=big, **call).astype(dtype), labels[::-1])


@pytest.mark.parametrize("dtype", [*INTEGERS, bool], ids=lambda dtype: np.dtype(dtype).name)
def test_bilinear_of_long_integers_is_computed_in_float64(operator, dtype):
    """All of it, as for float64 maps of the same values; of bool, as for uint8."""
    call = operator.call(np.random.default_rng(0), boxes=5)
    maps = np.random.default_rng(1).integers(0, 2 if dtype is bool else 2**31, call[operator.maps].shape).astype(dtype)
    same = call | {operator.maps: maps.astype(np.uint8 if dtype is bool else np.float64)}
    call[operator.maps] = maps
    result = operator.function(**call)
    assert result.dtype == (np.float32 if dtype is bool else np.float64)
    assert_same_bits(result, operator.function(**same))
    np.testing.assert_allclose(result, operator.oracle(**call), rtol=1e-6 if dtype is bool else 1e-13, atol=1e-6)
    grad = np.ones(result.shape, np.float32)
    for wrt in (operator.maps, "boxes"):
        found = operator.backward(**operator.backward_call(call, grad, wrt))
        assert_same_bits(found, operator.backward(**operator.backward_call(same, grad, wrt)))


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)])
def test_integers_beyond_float64_are_refused(operator, value):
    call = operator.call(np.random.default_rng(0))
    maps = np.zeros(call[operator.maps].shape, np.int64)
    maps[-1, -1, -1, -1] = value
    with pytest.raises(ValueError, match=rf"{operator.maps} must hold integers that float64 represents"):
        operator.function(**(call | {operator.maps: maps}))
    if value > 0:
        with pytest.raises(ValueError, match=operator.maps):
            operator.function(**(call | {operator.maps: maps.astype(np.uint64)}))


@pytest.mark.parametrize("dtype", [*INTEGERS, bool], ids=lambda dtype: np.dtype(dtype).name)
@pytest.mark.parametrize("maps", [np.float32, np.float64, np.uint8])
def test_integers_out_of_any_maps_are_rounded_and_saturate(maps, dtype):
    """Halves to even; NaN and what lies beyond at the ends; no floating-point exception on the way."""
    values = [0, 0.5, 1.5, 2.5, 200, 1e5]
    if maps is not np.uint8:
        values += [-0.5, -1.5, np.nan, np.inf, -np.inf, 3e9, -3e9, 1e19, 3e19, -1e19]
    row = np.array(values).astype(maps).reshape(1, 1, -1, 1)
    boxes, size = [[0, 0, 0, 1]], (1, row.shape[2])
    with np.errstate(all="raise"):
        result = cyroi.crop_and_resize(row, boxes, [0], size, "nearest", snap_edges=True, dtype=dtype)
    for found, value in zip(result.ravel().tolist(), row.ravel().tolist(), strict=True):
        if dtype is bool:
            assert found is (not np.isnan(value) and round(min(max(value, 0), 9)) != 0)
            continue
        limits = np.iinfo(dtype)
        if np.isnan(value):
            assert found == 0
        elif np.isinf(value):
            assert found == (limits.max if value > 0 else limits.min)
        else:
            assert found == min(max(round(value), limits.min), limits.max)


# --- the dtype of a result ---

STORED = [
    np.float32,
    np.float64,
    np.float16,
    ml_dtypes.bfloat16,
    np.uint8,
    np.int8,
    np.uint16,
    np.int16,
    *INTEGERS,
    bool,
]


@pytest.mark.parametrize("dtype", STORED, ids=lambda dtype: np.dtype(dtype).name)
@pytest.mark.parametrize("maps", [np.float32, np.uint8, np.int64])
def test_dtype_says_what_out_says(operator, maps, dtype):
    call = operator.call(np.random.default_rng(0))
    call[operator.maps] = (call[operator.maps] * 50 + 100).clip(0, 255).astype(maps)
    result = operator.function(**call, dtype=dtype)
    out = np.zeros(result.shape, dtype)
    assert result.dtype == dtype
    assert_same_bits(result, operator.function(**call, out=out))
    assert_same_bits(result, operator.function(**call, dtype=np.dtype(dtype)))


def test_dtype_and_its_errors(operator):
    call = operator.call(np.random.default_rng(0))
    expected = operator.function(**call)
    assert operator.function(**call, dtype=None).dtype == np.float32
    assert operator.function(**call, dtype="f8").dtype == operator.function(**call, dtype=float).dtype == np.float64
    assert_same_bits(operator.function(**call, dtype=">f4").astype(np.float32), expected)
    for wrong in ("F", object, "U3", "M8[s]", np.longdouble, "no such type", 7, ml_dtypes.int4):
        with pytest.raises(TypeError, match="dtype must"):
            operator.function(**call, dtype=wrong)
    out = np.full(expected.shape, 7, np.float32)
    with pytest.raises(ValueError, match="dtype must be None where out is given"):
        operator.function(**call, dtype=np.float32, out=out)
    assert (out == 7).all()


# --- other libraries' arrays ---


class Dlpack:
    """An array that speaks DLPack and nothing else."""

    requires_grad = False

    def __init__(self, array, device=(1, 0)):
        self.array, self.device = array, device

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device


class Tensor(Dlpack):
    """A tensor of a library with its own words."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("a riddle")


class Graph(Tensor):
    requires_grad = True


class OnlyCuda:
    __cuda_array_interface__ = {"shape": (1,)}  # noqa: RUF012


def test_arrays_that_speak_dlpack(operator):
    call = operator.call(np.random.default_rng(0))
    expected = operator.function(**call)
    for name in (operator.maps, "boxes", operator.index):
        assert_same_bits(operator.function(**(call | {name: Dlpack(call[name])})), expected)
    gradient = operator.backward_call(call, Dlpack(expected), operator.maps)
    assert_same_bits(
        operator.backward(**gradient), operator.backward(**operator.backward_call(call, expected, operator.maps))
    )
    per_image = [Dlpack(np.ones((1, 4), np.float32)) for _ in range(len(MAPS))]
    assert cyroi.roi_align(MAPS, per_image, 2).shape == (2, 3, 2, 2)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda a: Graph(a), r"must be detached .* tensor\.detach\(\).*_backward.*Graph with requires_grad"),
        (lambda a: Tensor(a, (2, 0)), r"must lie in the memory of the CPU.*tensor\.cpu\(\).*Tensor on a device"),
        (lambda a: Dlpack(a, (8, 0)), r"must lie in the memory of the CPU.*DLPack type 8"),
        (lambda a: OnlyCuda(), r"must lie in the memory of the CPU"),
        (lambda a: Tensor(a), r"cannot be read as a NumPy array; .*Tensor says: a riddle"),
    ],
    ids=["graph", "device", "dlpack only", "cuda only", "riddle"],
)
def test_what_no_array_can_stand_for_gets_a_sentence(operator, made, says):
    call = operator.call(np.random.default_rng(0))
    for name in (operator.maps, "boxes", operator.index):
        with pytest.raises(TypeError, match=f"^{name} {says}"):
            operator.function(**(call | {name: made(call[name])}))
    with pytest.raises(TypeError, match=f"^grad_output {says}"):
        operator.backward(**operator.backward_call(call, made(operator.function(**call)), operator.maps))
    with pytest.raises(TypeError, match=rf"^boxes\[0\] {says}"):
        cyroi.roi_align(MAPS, [made(CORNERS[:, 1:]), made(CORNERS[:, 1:])], 2)
    with pytest.raises(TypeError, match=r"^input cannot be read as a NumPy array; .* says: a riddle"):
        cyroi.roi_align([[Tensor(MAPS)]], CORNERS, 2)


def test_tensors_of_torch():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    maps, boxes = torch.from_numpy(MAPS), torch.tensor(CORNERS, dtype=torch.float32)
    expected = cyroi.roi_align(MAPS, CORNERS.astype(np.float32), 2)
    assert_same_bits(cyroi.roi_align(maps, boxes, 2), expected)
    assert_same_bits(cyroi.roi_align(maps, [boxes[:1, 1:], boxes[1:, 1:]], 2), expected)
    for wrong in (maps.clone().requires_grad_(), maps.bfloat16(), maps.to("meta"), maps.to_sparse()):
        with pytest.raises(TypeError, match=r"^input "):
            cyroi.roi_align(wrong, boxes, 2)


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
