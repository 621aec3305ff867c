"""Law: what the demo's picture says is so. Its sums add up to what the operators give, and all of it can be read."""

from __future__ import annotations

import doctest
import math
import re
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest

import cyroi
from cyroi import _demo
from cyroi._demo import files, worked

pytest.importorskip("matplotlib")
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from cyroi._demo import picture

REPOSITORY = Path(__file__).parents[2]
MAPS = worked.MAP[np.newaxis, np.newaxis]
BOXES = [[0, *worked.BOX]]


@pytest.fixture(scope="module")
def figure():
    return picture.draw(files.photograph(None), _demo.FACE)


def lines(figure):
    return [line for text in figure.texts for line in text.get_text().splitlines()]


def numbers(ax, pattern=r"[\d.]+"):
    """Position (x, y) and value of each text in the Axes that is a number."""
    found = [(text.get_position(), re.fullmatch(pattern, text.get_text())) for text in ax.texts]
    return {position: float(match[0].split()[-1]) for position, match in found if match}


def by_bin(values):
    """Numbers in reading order, as an array of bins."""
    places = sorted(values, key=lambda position: (round(position[1], 6), position[0]))
    return np.array([values[place] for place in places]).reshape(worked.BINS, worked.BINS)


# --- 1: by hand ---


def test_every_sum_adds_up(figure):
    sums = [match for match in (re.fullmatch(r"([\d.+×/() ]+) = ([\d.]+)", line) for line in lines(figure)) if match]
    assert len(sums) == 2
    for terms, total in (match.groups() for match in sums):
        assert eval(terms.replace("×", "*")) == pytest.approx(float(total), rel=1e-12)
    sample, mean = (match[2] for match in sums)
    assert sample in sums[1][1].replace(")", " ").split()
    bins = cyroi.roi_align(MAPS, BOXES, worked.BINS, sampling_ratio=worked.RATIO, aligned=True)
    assert float(mean) == pytest.approx(bins[0, 0][worked.BIN], rel=1e-12)


def test_the_call_gives_what_stands_below_it(figure):
    (session,) = [text.get_text() for text in figure.texts if text.get_text().startswith(">>>")]
    test = doctest.DocTestParser().get_doctest(f"{session}\n", {"cyroi": cyroi, "maps": MAPS}, "picture", None, None)
    assert doctest.DocTestRunner(verbose=False).run(test) == (0, 1)


def test_the_weights_drawn_are_those_of_the_sum(figure):
    ax = figure.axes[0]
    values, weights = {}, {}
    for (x, y), number in numbers(ax).items():
        (weights if number < 1 else values)[round(y), round(x)] = number
    assert {place: worked.MAP[place] for place in np.ndindex(worked.MAP.shape)} == values
    assert len(weights) == 4
    assert sum(weights.values()) == pytest.approx(1)
    y, x = map(float, re.search(r"y = ([\d.]+), x = ([\d.]+)", "\n".join(lines(figure))).groups())
    for place in weights:
        assert weights[place] == pytest.approx((1 - abs(place[0] - y)) * (1 - abs(place[1] - x)))
    offsets = np.concatenate([c.get_offsets() for c in ax.collections if c.get_label() == "sampling points"])
    assert np.isclose(offsets, (x, y)).all(axis=1).any(), "the sample is one of those drawn"
    terms = " + ".join(f"{weights[place]:g} × {values[place]:g}" for place in sorted(weights))
    assert any(line.startswith(terms) for line in lines(figure))


# --- 2: three conventions ---


@pytest.mark.parametrize(("panel", "aligned"), [(1, True), (2, False)])
def test_the_numbers_of_roi_align_are_the_operators(figure, panel, aligned):
    expected = cyroi.roi_align(MAPS, BOXES, worked.BINS, sampling_ratio=worked.RATIO, aligned=aligned)[0, 0]
    np.testing.assert_allclose(by_bin(numbers(figure.axes[panel])), expected, rtol=1e-6)


def pooled_pixels(i, j):
    """RoI Pool as torchvision computes it: the pixels of one bin, in floating point as there."""
    x1, y1, x2, y2 = (math.floor(side + 0.5) for side in worked.BOX)
    height, width = (max(hi - lo + 1, 1) / worked.BINS for lo, hi in ((y1, y2), (x1, x2)))
    rows = range(math.floor(i * height) + y1, math.ceil((i + 1) * height) + y1)
    columns = range(math.floor(j * width) + x1, math.ceil((j + 1) * width) + x1)
    return [worked.MAP[place] for place in product(rows, columns)]


def test_the_numbers_of_roi_pool(figure):
    ax = figure.axes[3]
    pixels = [[pooled_pixels(i, j) for j in range(worked.BINS)] for i in range(worked.BINS)]
    np.testing.assert_allclose(by_bin(numbers(ax)), [[np.mean(b) for b in row] for row in pixels])
    np.testing.assert_array_equal(by_bin(numbers(ax, r"max [\d.]+")), [[max(b) for b in row] for row in pixels])


def test_roi_pool_is_that_of_an_installed_peer():
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    feeds = {"maps": MAPS.astype(np.float32), "boxes": np.float32(BOXES)}
    inputs = [helper.make_tensor_value_info(name, number, array.shape) for name, array in feeds.items()]
    result = helper.make_tensor_value_info("result", number, [None] * 4)
    node = helper.make_node("MaxRoiPool", list(feeds), ["result"], pooled_shape=[worked.BINS] * 2, spatial_scale=1.0)
    opsets = [helper.make_opsetid("", 16)]
    model = helper.make_model(helper.make_graph([node], "g", inputs, [result]), opset_imports=opsets, ir_version=8)
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(session.run(None, feeds)[0][0, 0], worked.roi_pool()[1])


@pytest.mark.parametrize(
    ("side", "bins", "expected"),
    [
        ((0.75, 4.35), 2, [(1, 3), (3, 5)]),
        ((0.5, 3.4), 2, [(1, 3), (2, 4)]),  # three pixels: the bins share one
        ((2.2, 2.3), 2, [(2, 3), (2, 3)]),
        ((3, 1), 1, [(3, 4)]),  # never less than one pixel
    ],
)
def test_rounding(side, bins, expected):
    assert worked.rounded(*side, bins) == expected


# --- 3: a photograph ---


@pytest.mark.parametrize("box", [(1.25, 0.5, 9.75, 7.5), (2, 3, 5, 4), (0, 0, 12, 9), (3.125, 2.25, 3.375, 2.75)])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_the_area_mean_is_the_mean_of_small_parts(box, size):
    """Of pixels cut into parts so small that none lies in two bins."""
    image, parts = np.random.default_rng(0).normal(size=(9, 12, 3)), 32
    x1, y1, x2, y2 = (round(side * parts) for side in box)
    fine = image.repeat(parts, axis=0).repeat(parts, axis=1)[y1:y2, x1:x2]
    expected = fine.reshape(size, (y2 - y1) // size, size, (x2 - x1) // size, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(worked.area_mean(image, box, size), expected, rtol=1e-9, atol=1e-12)


def test_crops_are_of_the_same_region():
    """On an image that is its own coordinate, bins' centres for means, and box ends for crop_and_resize."""
    y, x = np.mgrid[:40, :60] + 0.5
    box = (10.0, 5.0, 38.0, 26.0)
    crops = worked.crops(np.stack([y, x], axis=2), box, 7)
    centres = np.stack(np.meshgrid(5 + 3 * (np.arange(7) + 0.5), 10 + 4 * (np.arange(7) + 0.5), indexing="ij"), axis=2)
    ends = np.stack(np.meshgrid(np.linspace(5, 26, 7), np.linspace(10, 38, 7), indexing="ij"), axis=2)
    np.testing.assert_allclose(crops.roi_align, centres, rtol=1e-9)
    np.testing.assert_allclose(crops.area_mean, centres, rtol=1e-9)
    np.testing.assert_allclose(crops.crop_and_resize, ends, rtol=1e-9)


def test_the_crops_drawn_and_their_errors(figure):
    image = files.photograph(None)
    crops = worked.crops(image, _demo.FACE, picture.PHOTOGRAPH_BINS)
    for ax, crop in zip(figure.axes[5:8], crops, strict=True):
        np.testing.assert_allclose(ax.images[0].get_array(), crop / 255, atol=1e-6)
    for ax, crop in zip(figure.axes[5:7], crops, strict=False):
        (error,) = [re.fullmatch(r"rms error ([\d.]+) of 255", t.get_text()) for t in ax.texts if "rms" in t.get_text()]
        expected = np.sqrt(((crop.astype(float) - crops.area_mean) ** 2).mean())
        assert float(error[1]) == pytest.approx(expected, rel=0.05)


# --- all of it ---


def test_all_texts_are_within_the_picture_apart_and_large_enough(figure):
    """At 90 pixels an inch, where it is read; the size of a letter is that of its font."""
    figure.set_dpi(90)
    renderer = FigureCanvasAgg(figure).get_renderer()
    ticks = [label for ax in figure.axes for label in (*ax.get_xticklabels(), *ax.get_yticklabels())]
    texts = [text for text in (*figure.texts, *ticks, *(t for ax in figure.axes for t in ax.texts)) if text.get_text()]
    assert len(texts) > 80
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts]
    for text, box in boxes:
        assert box.x0 >= 3, text
        assert box.y0 >= 3, text
        assert box.x1 <= figure.bbox.x1 - 3, text
        assert box.y1 <= figure.bbox.y1 - 3, text
    for (text, box), (other, its) in combinations(boxes, 2):
        apart = box.x1 <= its.x0 or its.x1 <= box.x0 or box.y1 <= its.y0 + 2 or its.y1 <= box.y0 + 2
        assert apart, f"{text} and {other}"
    assert min(text.get_size() for text in texts) >= 9


def test_no_sample_lies_under_a_number(figure):
    figure.set_dpi(90)
    renderer = FigureCanvasAgg(figure).get_renderer()
    for ax in figure.axes[:3]:
        (samples,) = [c for c in ax.collections if c.get_label() == "sampling points"]
        for x, y in ax.transData.transform(samples.get_offsets()):
            for text in ax.texts:
                box = text.get_window_extent(renderer)
                radius = 3
                beside = x + radius < box.x0 or box.x1 < x - radius
                assert beside or y + radius < box.y0 or box.y1 < y - radius, f"{text.get_text()} and {x, y}"


def test_the_users_style_does_not_reach_the_picture():
    import matplotlib

    with matplotlib.rc_context({"font.size": 30, "text.color": "white", "figure.facecolor": "black"}):
        drawn = picture.draw(np.zeros((30, 40, 3), np.float32), (5, 5, 30, 25))
    assert drawn.get_facecolor() == (1, 1, 1, 1)
    assert {text.get_color() for text in drawn.texts} >= {"black"}


def test_the_picture_in_the_readme(figure, tmp_path):
    shown = re.search(r"!\[([^\]]+)\]\((?:https?://\S*/)?(docs/\S+\.png)\)", (REPOSITORY / "README.md").read_text())
    assert len(shown[1]) > 60, "what it shows, in words"
    path = REPOSITORY / shown[2]
    assert path.stat().st_size < 200_000
    files.save(figure, tmp_path / "now.png", "png")
    assert (tmp_path / "now.png").stat().st_size < 200_000
    again = "python -m cyroi demo --output docs/roi_align.png draws it again"
    with Image.open(path) as committed, Image.open(tmp_path / "now.png") as now:
        assert committed.size == now.size, again
        assert committed.info["Description"] == now.info["Description"], again
        # Outside of the Axes there are letters only, whose widths depend on the version of matplotlib.
        for ax in figure.axes:
            x0, y0, x1, y1 = (ax.get_position().extents * np.tile(now.size, 2)).round()
            place = (x0, now.size[1] - y1, x1, now.size[1] - y0)
            first, second = (
                np.asarray(one.convert("RGB").resize((40, 40), box=place), float) for one in (committed, now)
            )
            assert np.abs(first - second).mean() < 5, again
