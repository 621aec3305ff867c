"""Law: what is drawn is what is computed. Coordinates in a picture are the reference's, bit for bit."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import cyroi
from cyroi import _artists, plot
from cyroi.reference import _crop_and_resize, _roi_align

pytest.importorskip("matplotlib")
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from support.plots import BOX, MAP, NORMALISED, RGB, SHOW, collection, grid_lines, outline, points, product

plt.switch_backend("Agg")


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture(params=SHOW)
def show(request):
    return SHOW[request.param]


@pytest.mark.parametrize("image", [MAP, MAP.astype(np.float32), MAP > 0, RGB, RGB / 255, RGB.astype(np.float32)])
def test_axes_in_axes_out(show, image, ax):
    assert show(image, ax=ax) is ax
    ax.figure.canvas.draw()
    assert len(ax.images) == 1


def test_by_default_the_current_axes(show):
    figure, (_, second) = plt.subplots(1, 2)
    try:
        assert show(MAP) is second
    finally:
        plt.close(figure)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"sampling_ratio": 2},
        {"sampling_ratio": 3, "aligned": True, "spatial_scale": 0.7},
        {"aligned": True, "spatial_scale": 2},
        {"spatial_scale": 0.01},
    ],
)
def test_sampling_points_of_roi_align_are_the_references(ax, dtype, options):
    x1, y1, x2, y2 = np.array(BOX, dtype)
    plot.show_sampling_points(MAP.astype(dtype), np.array(BOX, dtype), (3, 2), ax=ax, **options)
    options = {"spatial_scale": 1.0, "sampling_ratio": 0, "aligned": False} | options
    y = _roi_align.axis_samples(y1, y2, 3, 9, **options)[0].ravel()
    x = _roi_align.axis_samples(x1, x2, 2, 12, **options)[0].ravel()
    everything = product(y, x)
    counts = ~np.isnan(product(_roi_align.border(y, 9), _roi_align.border(x, 12))).any(axis=1)
    np.testing.assert_array_equal(points(ax), everything[counts])
    if not counts.all():
        np.testing.assert_array_equal(points(ax, "samples outside"), everything[~counts])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [(3, 2), (1, 1), (4, 1)])
def test_sampling_points_of_crop_and_resize_are_the_references(ax, dtype, size):
    y1, x1, y2, x2 = box = np.array(NORMALISED, dtype)
    plot.show_sampling_points(MAP.astype(dtype), box, size, operator="crop_and_resize", ax=ax)
    y = _crop_and_resize.axis_samples(y1, y2, size[0], 9, "bilinear")
    x = _crop_and_resize.axis_samples(x1, x2, size[1], 12, "bilinear")
    np.testing.assert_array_equal(points(ax), product(y, x))


def test_the_points_drawn_give_the_crop():
    """On a map that is its own coordinate, the average of a bin's points is RoI Align's value."""
    y, x = np.mgrid[:9, :12].astype(float)
    ax = plot.show_sampling_points(y, BOX, (3, 2), sampling_ratio=2, aligned=True, ax=Figure().subplots())
    bins = points(ax).reshape(3, 2, 2, 2, 2).mean(axis=(1, 3))  # bin row, sample, bin column, sample, (y, x)
    crop = cyroi.roi_align(np.stack([y, x])[np.newaxis], [[0, *BOX]], (3, 2), sampling_ratio=2, aligned=True)
    np.testing.assert_allclose(bins.transpose(2, 0, 1), crop[0], rtol=1e-12)


@pytest.mark.parametrize("aligned", [False, True])
def test_a_roi_align_box_is_drawn_where_its_samples_are(ax, aligned):
    plot.show_sampling_points(MAP, BOX, (3, 2), spatial_scale=0.5, aligned=aligned, ax=ax)
    y1, x1, y2, x2 = expected = np.array(BOX)[[1, 0, 3, 2]] * 0.5 - (0.5 if aligned else 0)
    np.testing.assert_allclose(outline(ax), expected, rtol=1e-12)
    rows, columns = grid_lines(ax)
    np.testing.assert_allclose(rows, np.linspace(y1, y2, 4), rtol=1e-12)
    np.testing.assert_allclose(columns, np.linspace(x1, x2, 3), rtol=1e-12)


def test_a_small_box_is_drawn_as_large_as_the_legacy_rule_makes_it(ax):
    plot.show_rois(MAP, [[3, 4, 3.5, 4.25]], spatial_scale=0.5, ax=ax)
    np.testing.assert_allclose(outline(ax, "boxes"), [2, 1.5, 3, 2.5])


def test_a_crop_and_resize_box_and_its_grid_run_through_pixel_centres(ax):
    plot.show_sampling_points(MAP, [0, 0.5, 1, 1], (5, 3), operator="crop_and_resize", ax=ax)
    np.testing.assert_allclose(outline(ax), [0, 5.5, 8, 11])
    rows, columns = grid_lines(ax)
    np.testing.assert_allclose(rows, [0, 2, 4, 6, 8])
    np.testing.assert_allclose(columns, [5.5, 8.25, 11])


def test_samples_that_count_as_zero_are_marked(ax):
    plot.show_sampling_points(MAP, [-4, 0, 8, 8], 4, sampling_ratio=1, ax=ax)
    assert sorted(set(points(ax)[:, 1])) == [0.5, 3.5, 6.5]
    assert set(points(ax, "samples outside")[:, 1]) == {-2.5}


def test_a_box_beyond_the_image_is_in_view(ax):
    plot.show_sampling_points(MAP, [-0.5, 0, 0.5, 2], 3, operator="crop_and_resize", ax=ax)
    assert outline(ax) == [-4, 0, 4, 22]
    assert ax.get_xlim()[1] >= 22
    assert ax.get_ylim()[1] <= -4
    assert set(map(tuple, points(ax))) == {(0, 0), (0, 11), (4, 0), (4, 11)}


def test_limits_that_were_set_are_kept(ax):
    ax.set(xlim=(2, 5), ylim=(6, 3))
    plot.show_sampling_points(MAP, BOX, 3, ax=ax)
    assert ax.get_xlim() == (2, 5)
    assert ax.get_ylim() == (6, 3)


def test_show_rois_draws_every_box_and_its_bins(ax):
    boxes = np.array([BOX, [0, 0, 2, 2], [5, 5, 5, 5]])
    plot.show_rois(MAP, boxes, (3, 2), aligned=True, color=["red", "blue", "lime"], ax=ax)
    paths = collection(ax, "boxes").get_paths()
    np.testing.assert_allclose([path.vertices[[0, 2]].ravel() for path in paths], boxes - 0.5)
    assert collection(ax, "boxes").get_edgecolor().tolist() == [list(to_rgba(c)) for c in ("red", "blue", "lime")]
    assert len(collection(ax, "bin grid").get_segments()) == 3 * (4 + 3)


@pytest.mark.parametrize("operator", ["roi_align", "crop_and_resize"])
def test_show_rois_without_bins_and_without_boxes(ax, operator):
    plot.show_rois(MAP, np.empty((0, 4)), ax=ax, operator=operator)
    plot.show_rois(MAP, np.empty((0, 4)), 7, ax=ax, operator=operator)
    ax.figure.canvas.draw()
    assert [artist.get_label() for artist in ax.collections] == ["boxes", "bin grid", "boxes"]


def test_numbers_are_written_where_the_crop_is_small(ax):
    crop = np.array([[85.03, 164.112], [88, np.nan]])
    plot.show_aligned(crop, fmt=".6g", vmin=0, vmax=200, cmap="gray", ax=ax)
    texts = {text.get_position(): (text.get_text(), text.get_color()) for text in ax.texts}
    assert texts == {
        (0, 0): ("85.03", _artists.LIGHT),
        (1, 0): ("164.112", _artists.DARK),
        (0, 1): ("88", _artists.LIGHT),
        (1, 1): ("nan", _artists.DARK),  # transparent, on white
    }


@pytest.mark.parametrize(
    ("crop", "annot", "count"),
    [(MAP[:8, :8], None, 64), (MAP, None, 0), (MAP, True, MAP.size), (MAP[:2, :2], False, 0), (RGB[:2, :2], None, 0)],
)
def test_annot(ax, crop, annot, count):
    assert len(plot.show_aligned(crop, annot=annot, ax=ax).texts) == count


def test_keyword_arguments_reach_imshow(show, ax):
    image = show(MAP, cmap="magma", vmin=-3, vmax=3, ax=ax).images[0]
    assert image.get_cmap().name == "magma"
    assert image.get_clim() == (-3, 3)


@pytest.mark.parametrize(
    "box", [[-1e308, 0, 1e308, 1], [0, 0, 1e9, 1e9], [1e30, 0, 2e30, 4], [5, 5, 5, 5], [8, 8, 2, 2]]
)
@pytest.mark.parametrize("options", [{}, {"aligned": True}, {"spatial_scale": 16.0}, {"operator": "crop_and_resize"}])
def test_strange_boxes_can_be_drawn(ax, box, options):
    plot.show_sampling_points(MAP, box, (3, 2), ax=ax, **options)
    ax.figure.canvas.draw()


def test_without_matplotlib_the_error_names_the_extra(show, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "cyroi\[plot\]"'):
        show(MAP)
