"""Decisions of the gradients that no law fixes: kinks, methods, forms of the arguments, errors."""

from __future__ import annotations

import numpy as np
import pytest

from support.operators import BY_NAME, LAYOUTS

ROI_ALIGN, CROP_AND_RESIZE = BY_NAME["roi_align"], BY_NAME["crop_and_resize"]
RAMP = 3.0 * np.arange(6)[:, np.newaxis] + 0.5 * np.arange(8)  # 3 per row, 0.5 per column


def ramp_gradient(operator, box, size=1, **options):
    """Gradient of the sum of the result to one box on RAMP, in the box's own columns."""
    maps = RAMP.reshape((1, 1, 6, 8))
    call = {operator.maps: maps, "boxes": [box], operator.index: [0], "layout": "NCHW", **options}
    return operator.oracle_backward(**operator.backward_call(call, np.ones((1, 1, size, size)), "boxes"))[0]


# --- to the boxes, where the derivative has two sides ---


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        # One sample in the middle of x1 y1 x2 y2: each side moves it by half.
        ([2, 1, 4, 3], [0.25, 1.5, 0.25, 1.5]),  # on a pixel centre inside a ramp, where the derivative exists
        ([2.1, 1.1, 4.4, 3.3], [0.25, 1.5, 0.25, 1.5]),
        ([-1, -1, 1, 1], [0, 0, 0, 0]),  # on the centre of the first pixel
        ([6, 4, 8, 6], [0, 0, 0, 0]),  # ... of the last one
        ([-1.9, 1, 1, 3], [0, 1.5, 0, 1.5]),  # clamped in x, moves in y
        ([2, 4.9, 4, 6.2], [0.25, 0, 0.25, 0]),
        ([-3.1, 1, 1, 3], [0, 0, 0, 0]),  # beyond the band in x, so nothing in y either
        ([2, 6, 4, 8.2], [0, 0, 0, 0]),
        ([2, 1, 3, 2], [0.25, 1.5, 0.25, 1.5]),  # one pixel: not enlarged
        ([2.1, 1, 3, 3], [0.5, 1.5, 0, 1.5]),  # enlarged to x1 + 1, so that x2 plays no part
        ([4, 3, 2, 1], [0.5, 3, 0, 0]),  # reversed: enlarged too
    ],
)
def test_roi_align_at_kinks(box, expected):
    np.testing.assert_allclose(ramp_gradient(ROI_ALIGN, box, sampling_ratio=1), expected, rtol=1e-14)
    scaled = ramp_gradient(ROI_ALIGN, np.multiply(box, 4), spatial_scale=0.25, sampling_ratio=1)
    np.testing.assert_allclose(scaled, np.multiply(expected, 0.25), rtol=1e-14)


def test_roi_align_on_whole_coordinates_weights_the_sides():
    # Samples at 1, 2, 3 in x and y: t = 1/6, 3/6, 5/6 of the way. 9 bins of slope 3 in y, 0.5 in x.
    gradient = ramp_gradient(ROI_ALIGN, [1, 1, 4, 4], size=3, sampling_ratio=1, aligned=True)
    np.testing.assert_allclose(gradient, [2.25, 13.5, 2.25, 13.5], rtol=1e-14)


@pytest.mark.parametrize("box", [[3, 3, 3, 3], [5, 5, 2, 2], [5, 1, 2, 4]])
def test_an_empty_grid_has_no_gradient(box):
    np.testing.assert_array_equal(ramp_gradient(ROI_ALIGN, box, aligned=True), np.zeros(4))
    call = {"input": (1, 1, 6, 8), "boxes": [[0, *box]], "aligned": True}
    np.testing.assert_array_equal(ROI_ALIGN.oracle_backward(np.ones((1, 1, 2, 2)), **call), np.zeros((1, 1, 6, 8)))


@pytest.mark.parametrize(
    ("pixels", "expected"),  # y1 x1 y2 x2 in pixels; crop size 1
    [
        ([1, 2, 3, 4], [7.5, 1.75, 7.5, 1.75]),  # on a pixel centre inside a ramp: TensorFlow has 0 here
        ([1.1, 2.2, 3.3, 4.1], [7.5, 1.75, 7.5, 1.75]),
        ([-1, 2, 1, 4], [0, 1.75, 0, 1.75]),  # y = 0
        ([1, 6, 3, 8], [7.5, 0, 7.5, 0]),  # x = W - 1
        ([-1.1, 2, 1, 4], [0, 0, 0, 0]),  # outside in y, so nothing in x either
    ],
)
def test_crop_and_resize_at_kinks(pixels, expected):
    box = np.array(pixels) / [5, 7, 5, 7]
    np.testing.assert_allclose(ramp_gradient(CROP_AND_RESIZE, box), expected, rtol=1e-13)
    np.testing.assert_array_equal(ramp_gradient(CROP_AND_RESIZE, box, method="nearest"), np.zeros(4))


def test_nearest_has_a_gradient_to_the_image_and_none_to_the_boxes():
    rng = np.random.default_rng(41)
    for _ in range(10):
        call = CROP_AND_RESIZE.call(rng, method="nearest")
        g = rng.standard_normal(CROP_AND_RESIZE.oracle(**call).shape)
        backward = CROP_AND_RESIZE.backward_call(call, g, ("boxes", "image"))
        boxes, image = CROP_AND_RESIZE.oracle_backward(**backward)
        np.testing.assert_array_equal(boxes, np.zeros_like(call["boxes"]))
        assert image.any()
        assert CROP_AND_RESIZE.oracle_backward(**(backward | {"method": "bilinear", "wrt": "boxes"})).any()


# --- NaN and infinity ---


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_reaches_only_what_it_has_a_part_in(operator, value):
    rng = np.random.default_rng(42)
    reached = []
    for _ in range(20):
        call = operator.call(rng, shape=(2, 2, 9, 9), dtype=np.float64, layout="NCHW")
        call |= {"aligned": True} if operator is ROI_ALIGN else {"method": "bilinear"}
        g = rng.standard_normal(operator.oracle(**call).shape)
        marked = np.zeros_like(g)
        marked[3, 1, 0, 0] = 1
        backward = operator.backward_call(call, marked, operator.maps)
        has_part = operator.oracle_backward(**backward) != 0
        g[3, 1, 0, 0] = value
        result = operator.oracle_backward(**(backward | {"grad_output": g}))
        np.testing.assert_array_equal(~np.isfinite(result), has_part)

        g[3, 1, 0, 0] = 1
        pixel = np.zeros((2, 2, 9, 9))
        pixel[1, 0, 4, 5] = 1
        backward = operator.backward_call(call | {operator.maps: pixel}, g, "boxes")
        moves = operator.oracle_backward(**backward) != 0
        call[operator.maps][1, 0, 4, 5] = value
        result = operator.oracle_backward(**(backward | {operator.maps: call[operator.maps]}))
        np.testing.assert_array_equal(~np.isfinite(result), moves)
        reached.append((has_part.any(), moves.any()))
    assert np.any(reached, axis=0).all()


def test_opposite_infinities_make_nan_without_a_warning(operator):
    maps = np.array([[np.inf, -np.inf], [-np.inf, np.inf]]).reshape((1, 1, 2, 2))
    call = {operator.maps: maps, "boxes": [[0.0, 0, 1, 1]], operator.index: [0], "layout": "NCHW"}
    assert np.isnan(operator.oracle(**(call | {operator.size: 1}))).all()
    backward = operator.backward_call(call, np.ones((1, 1, 1, 1)), ("boxes", operator.maps))
    boxes, of_maps = operator.oracle_backward(**backward)
    assert np.isnan(boxes).all()
    np.testing.assert_array_equal(of_maps, np.full((1, 1, 2, 2), 0.25))
    both = np.array([np.inf, -np.inf]).reshape((2, 1, 1, 1))
    backward |= {"grad_output": both, "boxes": [[0.0, 0, 1, 1]] * 2, operator.index: [0, 0], "wrt": operator.maps}
    assert np.isnan(operator.oracle_backward(**backward)).all()


# --- forms of the arguments and of the result ---


@pytest.mark.parametrize("layout", LAYOUTS)
def test_results_come_in_the_order_asked_for(operator, layout):
    call = operator.call(np.random.default_rng(43), layout=layout)
    g = np.ones(operator.oracle(**call).shape)
    alone = {wrt: operator.oracle_backward(**operator.backward_call(call, g, wrt)) for wrt in (operator.maps, "boxes")}
    for wrt in [(operator.maps, "boxes"), ("boxes", operator.maps), ("boxes",)]:
        results = operator.oracle_backward(**operator.backward_call(call, g, wrt))
        assert isinstance(results, tuple)
        assert len(results) == len(wrt)
        for name, gradient in zip(wrt, results, strict=True):
            assert gradient.dtype == np.float64
            np.testing.assert_array_equal(gradient, alone[name])


def test_layouts_have_the_same_gradients(operator):
    rng = np.random.default_rng(44)
    call = operator.call(rng, layout="NCHW")
    g = rng.standard_normal(operator.oracle(**call).shape)
    wrt = (operator.maps, "boxes")
    maps, boxes = operator.oracle_backward(**operator.backward_call(call, g, wrt))
    call |= {operator.maps: call[operator.maps].transpose(0, 2, 3, 1), "layout": "NHWC"}
    others = operator.oracle_backward(**operator.backward_call(call, g.transpose(0, 2, 3, 1), wrt))
    np.testing.assert_array_equal(others[0].transpose(0, 3, 1, 2), maps)
    np.testing.assert_array_equal(others[1], boxes)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_shape_of_the_maps_is_enough_for_their_gradient(operator, dtype):
    rng = np.random.default_rng(45)
    call = operator.call(rng, dtype=dtype)
    g = rng.standard_normal(operator.oracle(**call).shape).astype(dtype)
    backward = operator.backward_call(call, g, operator.maps)
    expected = operator.oracle_backward(**backward)
    for shape in (call[operator.maps].shape, tuple(np.array(call[operator.maps].shape))):
        np.testing.assert_array_equal(operator.oracle_backward(**(backward | {operator.maps: shape})), expected)


def test_with_a_shape_the_dtype_of_the_gradient_chooses_that_of_the_geometry():
    # In float32 this box is 1 pixel wide: one sample, at 1.2. In float64 it is wider: two, at 0.95 and 1.45.
    box = np.array([[0.7, 0.7, 1.7, 1.7]], np.float32)
    for dtype, pixels in ((np.float32, 2), (np.float64, 3)):
        for maps in (np.zeros((1, 1, 5, 5), dtype), (1, 1, 5, 5)):
            gradient = ROI_ALIGN.oracle_backward(np.ones((1, 1, 1, 1), dtype), maps, box, batch_indices=[0])
            assert np.count_nonzero(gradient) == pixels**2


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_single_image_has_the_gradients_of_a_batch_of_one(layout):
    rng = np.random.default_rng(46)
    call = CROP_AND_RESIZE.call(rng, shape=(1, 1, 9, 11), layout=layout, dtype=np.float64)
    channel = layout.index("C")
    g = rng.standard_normal(CROP_AND_RESIZE.oracle(**call).shape)
    backward = CROP_AND_RESIZE.backward_call(call, g, ("image", "boxes"))
    image, boxes = CROP_AND_RESIZE.oracle_backward(**backward)
    single = backward | {"image": call["image"][0], "box_indices": None}
    grey = single | {"image": np.squeeze(call["image"][0], channel - 1), "grad_output": np.squeeze(g, channel)}
    for other, expected in ((single, image[0]), (grey, np.squeeze(image[0], channel - 1))):
        results = CROP_AND_RESIZE.oracle_backward(**other)
        np.testing.assert_array_equal(results[0], expected)
        np.testing.assert_array_equal(results[1], boxes)
        shape_alone = other | {"image": other["image"].shape, "wrt": "image"}
        np.testing.assert_array_equal(CROP_AND_RESIZE.oracle_backward(**shape_alone), expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_out_receives_the_one_result(operator, layout):
    call = operator.call(np.random.default_rng(47), layout=layout)
    g = np.ones(operator.oracle(**call).shape)
    for wrt in (operator.maps, "boxes"):
        backward = operator.backward_call(call, g, wrt)
        expected = operator.oracle_backward(**backward)
        out = np.full(expected.shape, np.nan, np.float32)
        assert operator.oracle_backward(**backward, out=out) is out
        np.testing.assert_array_equal(out, expected.astype(np.float32))
        assert operator.oracle_backward(**(backward | {"wrt": (wrt,)}), out=out)[0] is out


@pytest.mark.parametrize("shape", [(7, 4, 3, 3), (6, 5, 3, 3), (1, 5, 3, 3), (7, 1, 3, 3), (7, 5, 3), (7, 5, 0, 3), ()])
def test_a_gradient_of_another_shape_than_the_result_is_an_error(operator, shape):
    backward = operator.backward_call(operator.call(np.random.default_rng(48)), np.ones(shape), operator.maps)
    with pytest.raises(ValueError, match="grad_output must have the shape of the result"):
        operator.oracle_backward(**backward)


@pytest.mark.parametrize("wrt", ["both", "", (), ("boxes", "boxes"), ("boxes", "maps"), "MAPS"])
def test_an_unknown_wrt_is_an_error(operator, wrt):
    backward = operator.backward_call(operator.call(np.random.default_rng(49)), np.ones((7, 5, 2, 2)), wrt)
    with pytest.raises(ValueError, match="wrt must be one of"):
        operator.oracle_backward(**backward)


@pytest.mark.parametrize("wrt", [None, 1, ["boxes"], (1,), b"boxes"])
def test_a_wrt_that_is_no_name_is_an_error(operator, wrt):
    backward = operator.backward_call(operator.call(np.random.default_rng(50)), np.ones((7, 5, 2, 2)), wrt)
    with pytest.raises(TypeError, match="wrt must be a str"):
        operator.oracle_backward(**backward)


def test_the_gradient_to_the_boxes_needs_the_maps(operator):
    call = operator.call(np.random.default_rng(51)) | {operator.maps: (3, 5, 17, 23)}
    for wrt in ("boxes", (operator.maps, "boxes")):
        with pytest.raises(TypeError, match=f"{operator.maps} must be the maps"):
            operator.oracle_backward(**operator.backward_call(call, np.ones((7, 5, 2, 2)), wrt))


def test_out_for_two_gradients_and_image_indices_out_of_range_are_errors(operator):
    call = operator.call(np.random.default_rng(52))
    backward = operator.backward_call(call, np.ones((7, 5, 2, 2)), (operator.maps, "boxes"))
    out = np.full((3, 5, 17, 23), 9.0)
    with pytest.raises(ValueError, match="out must be None"):
        operator.oracle_backward(**backward, out=out)
    for index in (-1, 3):
        wrong = {"wrt": operator.maps, operator.index: [0, 0, 0, 0, 0, 0, index]}
        with pytest.raises(IndexError, match=f"{operator.index} must have image indices"):
            operator.oracle_backward(**(backward | wrong), out=out)
    assert (out == 9).all()


def test_out_for_a_list_of_boxes_is_a_list_of_arrays():
    boxes = [np.array([[1.0, 1, 4, 4], [2, 2, 5, 3]]), np.empty((0, 4))]
    maps, g = np.random.default_rng(53).random((2, 1, 6, 6)), np.ones((2, 1, 2, 2))
    expected = ROI_ALIGN.oracle_backward(g, maps, boxes, wrt="boxes")
    out = [np.full((2, 4), np.nan), np.empty((0, 4))]
    assert ROI_ALIGN.oracle_backward(g, maps, boxes, wrt="boxes", out=out) is out
    for mine, part in zip(out, expected, strict=True):
        np.testing.assert_array_equal(mine, part)
    assert expected[0].any()
