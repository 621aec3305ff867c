"""Law: `cyroi.plot` takes what people have, in any order of axes and of any dtype, and names what it cannot take."""

from __future__ import annotations

import numpy as np
import pytest

import cyroi
from cyroi import plot

pytest.importorskip("matplotlib")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from support.plots import BOX, CROPS, MAP, NORMALISED, RGB, SHOW, collection, outline, points

plt.switch_backend("Agg")


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture(params=SHOW)
def show(request):
    return SHOW[request.param]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_rgb_is_shown_alike_whatever_its_range(ax, dtype):
    shown = plot.show_aligned(RGB.astype(dtype), ax=ax).images[0].get_array()
    np.testing.assert_allclose(shown, RGB / 255, atol=1e-6)
    np.testing.assert_allclose(plot.show_aligned(RGB / 255, ax=ax).images[1].get_array(), RGB / 255, atol=1e-6)


def shown(image, show=plot.show_aligned):
    """What imshow was given."""
    return np.asarray(show(image, ax=Figure().subplots()).images[0].get_array())


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "float16"])
def test_channels_may_be_first_or_last(show, channels, dtype):
    image = np.random.default_rng(1).integers(0, 256, (9, 12, channels)).astype(dtype)
    expected = image[..., 0] if channels == 1 else image.astype(np.float32) / 255
    np.testing.assert_allclose(shown(image, show), expected, atol=1e-6)
    np.testing.assert_array_equal(shown(image.transpose(2, 0, 1), show), shown(image, show))


@pytest.mark.parametrize(
    ("shape", "seen"),
    [
        ((2, 5, 3), (2, 5, 3)),
        ((3, 5, 3), (3, 5, 3)),  # both fit: last, as imshow has it
        ((1, 5, 4), (1, 5, 4)),
        ((3, 5, 2), (5, 2, 3)),
        ((4, 5, 6), (5, 6, 4)),
        ((1, 5, 6), (5, 6)),
        ((5, 6, 1), (5, 6)),
        ((1, 1, 1), (1, 1)),
    ],
)
def test_which_axis_holds_the_channels(shape, seen):
    assert shown(np.zeros(shape)).shape == seen


def test_boxes_lie_where_the_rows_and_columns_of_the_map_are_and_not_its_channels(ax):
    """crop_and_resize's boxes depend on the size of the image."""
    plot.show_sampling_points(RGB.transpose(2, 0, 1), [0, 0, 1, 1], 2, operator="crop_and_resize", ax=ax)
    assert outline(ax) == [0, 0, 8, 11]


@pytest.mark.parametrize(
    ("dtype", "full"),
    [("uint8", 255), ("uint16", 65535), ("int32", 255), ("float32", 1), ("float64", 65535), ("bool", 1)],
)
def test_the_full_scale_of_colours(dtype, full):
    image = np.zeros((2, 2, 3), dtype)
    image[0, 0] = full
    image[1, 1] = full // 2
    assert shown(image)[0, 0].tolist() == [1, 1, 1]
    np.testing.assert_allclose(shown(image)[1, 1], full // 2 / full)


def test_dark_integers_are_dark():
    np.testing.assert_allclose(shown(np.ones((2, 2, 3), np.uint8)), 1 / 255)


def test_maps_of_bfloat16_are_drawn():
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    np.testing.assert_array_equal(shown(MAP.astype(bfloat16)), MAP.astype(bfloat16).astype(np.float32))


@pytest.mark.parametrize("operator", ["crop_and_resize", "roi_align"])
@pytest.mark.parametrize("as_uint8", [False, True])
def test_crops_of_a_photograph_are_drawn_as_they_come(operator, as_uint8):
    """Results are float32 in [0, 255], or uint8 if that is asked for."""
    options = {"dtype": np.uint8} if as_uint8 else {}
    if operator == "crop_and_resize":
        crop = cyroi.crop_and_resize(RGB, [NORMALISED], None, (4, 5), **options)[0]
    else:
        crop = cyroi.roi_align(RGB[np.newaxis], [[0, *BOX]], (4, 5), layout="NHWC", **options)[0]
    assert crop.dtype == (np.uint8 if as_uint8 else np.float32)
    assert crop.max() > 1
    np.testing.assert_allclose(shown(crop), crop.astype(float) / 255, atol=1e-6)


def test_one_channel_first_gets_its_numbers(ax):
    crops = cyroi.roi_align(MAP[np.newaxis, np.newaxis], [[0, *BOX]], (2, 5))
    plot.show_aligned(crops[0], ax=ax)
    assert [text.get_text() for text in ax.texts] == [f"{value:.4g}" for value in crops.ravel()]


@pytest.mark.parametrize("index", [0, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, object])
def test_a_row_with_an_image_index_is_drawn_as_its_box(index, dtype):
    box = np.array(BOX, dtype)
    row = np.array([[index, *box]], dtype)[0]
    left, right = Figure().subplots(1, 2)
    plot.show_sampling_points(MAP, box, 3, ax=left)
    plot.show_sampling_points(MAP, row, 3, ax=right)
    np.testing.assert_array_equal(points(left), points(right))
    assert outline(left) == outline(right)
    left, right = Figure().subplots(1, 2)
    plot.show_rois(MAP, np.stack([box, box]), 3, ax=left)
    plot.show_rois(MAP, np.stack([row, row]), 3, ax=right)
    for one, other in zip(collection(left, "boxes").get_paths(), collection(right, "boxes").get_paths(), strict=True):
        np.testing.assert_array_equal(one.vertices, other.vertices)


@pytest.mark.parametrize("nothing", [np.empty((0, 5)), [], np.array([]), np.array([[]])], ids=str)
def test_no_boxes_are_drawn(nothing, ax):
    plot.show_rois(MAP, nothing, 3, ax=ax)
    assert collection(ax, "boxes").get_paths() == []


@pytest.mark.parametrize(
    ("shape", "hint"),
    [
        ((1, 3, 7, 7), r"\(one of them is image\[0\]\)"),
        ((256, 7, 7), r"\(one channel is image\[c\] or image\[..., c\]\)"),
    ],
)
def test_what_is_no_picture_gets_a_hint(shape, hint, ax):
    with pytest.raises(ValueError, match=rf"image must have shape .*; got .* {hint}$"):
        plot.show_rois(np.zeros(shape), [BOX], ax=ax)


# --- what is refused ---


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (np.zeros(3), ValueError),
        (np.zeros((0, 3)), ValueError),
        (np.zeros((5, 6, 7)), ValueError),
        (np.zeros((256, 3, 7)), ValueError),
        (np.zeros((3, 0, 5)), ValueError),
        (np.zeros((1, 4, 0, 4)), ValueError),
        (np.zeros((1, 3, 4, 3)), ValueError),
        (np.zeros((3, 4), complex), TypeError),
        (np.array([["a"]]), TypeError),
        (np.array([[None]]), TypeError),
        (np.ma.zeros((3, 4)), TypeError),
        ([[1, 2], [3]], ValueError),
    ],
)
def test_images_that_are_refused(show, image, error, ax):
    with pytest.raises(error, match=r"(image|crop) must"):
        show(image, ax=ax)
    assert not ax.has_data()


@pytest.mark.parametrize(
    ("function", "arguments", "options", "error", "message"),
    [
        ("show_rois", [BOX], {}, ValueError, r"boxes must have shape \(K, 4\) or \(K, 5\); got \(4,\)"),
        ("show_rois", [[[0, 0, *BOX]]], {}, ValueError, r"boxes must have shape .* got \(1, 6\)"),
        ("show_rois", [[[0, *BOX]]], CROPS, ValueError, r"boxes must have shape \(K, 4\); got \(1, 5\)"),
        (
            "show_rois",
            [[[0, *BOX], [1, *BOX]]],
            {},
            ValueError,
            r"like boxes\[boxes\[:, 0\] == 0\]; got images 0 and 1",
        ),
        ("show_rois", [[[0.5, *BOX]]], {}, ValueError, "boxes must have whole image indices in column 0; got 0.5"),
        ("show_rois", [[[np.nan, *BOX]]], {}, ValueError, "boxes must be finite"),
        ("show_rois", [[[-1, *BOX]]], {}, IndexError, "boxes must have image indices"),
        ("show_rois", [[[0, 0, np.nan, 1]]], {}, ValueError, "boxes must be finite"),
        ("show_rois", [[BOX], 0], {}, ValueError, "output_size must be at least 1"),
        ("show_rois", [[BOX]], {"operator": "roi_pool"}, ValueError, "operator must be one of"),
        ("show_rois", [[BOX]], {"aligned": 1}, TypeError, "aligned must be a bool"),
        ("show_rois", [[BOX]], {"ax": [1]}, TypeError, r"ax must be a matplotlib.axes.Axes; got list"),
        ("show_sampling_points", [[BOX], 3], {}, ValueError, r"box must have shape \(4,\) or \(5,\); got \(1, 4\)"),
        ("show_sampling_points", [[0, *NORMALISED], 3], CROPS, ValueError, r"box must have shape \(4,\); got \(5,\)"),
        ("show_sampling_points", [[-2, *BOX], 3], {}, IndexError, "box must have image indices"),
        ("show_sampling_points", [[0, 0, np.inf, 1], 3], {}, ValueError, "box must be finite"),
        ("show_sampling_points", [[0, 0, 1, 1j], 3], {}, TypeError, "box must have a real dtype"),
        ("show_sampling_points", [BOX, 2.5], {}, TypeError, "output_size must be an integer"),
        ("show_sampling_points", [BOX, 3], {"spatial_scale": 0}, ValueError, "spatial_scale must be finite and > 0"),
        ("show_sampling_points", [BOX, 3], {"sampling_ratio": 5000}, ValueError, "sampling_ratio must be at most"),
        (
            "show_sampling_points",
            [BOX, 7],
            {"sampling_ratio": 4096},
            ValueError,
            "box must have at most 250000 samples",
        ),
        (
            "show_sampling_points",
            [NORMALISED, 3],
            {"operator": "crop_and_resize", "sampling_ratio": 2},
            ValueError,
            'apply to operator="roi_align" only',
        ),
        ("show_aligned", [], {"annot": "yes"}, TypeError, "annot must be a bool"),
        ("show_aligned", [], {"fmt": "%d"}, ValueError, "format"),
    ],
)
def test_arguments_that_are_refused(function, arguments, options, error, message):
    before = plt.get_fignums()
    with pytest.raises(error, match=message):
        getattr(plot, function)(MAP, *arguments, **options)
    assert plt.get_fignums() == before, "an error must leave no empty figure behind"


@pytest.mark.parametrize("channels", [3, 4])
def test_numbers_cannot_be_written_on_colours(ax, channels):
    with pytest.raises(ValueError, match="annot must be False for RGB"):
        plot.show_aligned(np.zeros((2, 2, channels)), annot=True, ax=ax)
