"""Law: ``python -m cyroi`` prints the numbers and draws the picture, or says in one sentence why it cannot."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest

import cyroi
from cyroi.__main__ import main
from cyroi._demo import files, numbers

pytest.importorskip("matplotlib")
from PIL import Image

COLORS = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)


def call(folder, *arguments):
    """Warnings are errors there too, and there is no display."""
    command = [sys.executable, "-W", "error", "-m", "cyroi", *map(str, arguments)]
    inherited = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "MPLBACKEND")}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=inherited)


def check_picture(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGBA")).view(np.uint32)[..., 0]  # a number per colour
    assert min(pixels.shape[:2]) > 500
    for part in (pixels[: len(pixels) // 2], pixels[len(pixels) // 2 :]):
        for quarter in np.array_split(part, 4, axis=1):
            assert len(np.unique(quarter)) > 20, "a panel is empty"


def fails(done, message):
    assert done.returncode == 1
    assert re.fullmatch(rf"cyroi demo: [^\n]*{message}[^\n]*\n", done.stderr), done.stderr
    assert not done.stdout


def test_demo(tmp_path):
    done = call(tmp_path, "demo")
    assert (done.returncode, done.stderr) == (0, "")
    check_picture(tmp_path / "demo.png")
    assert f"Picture: {(tmp_path / 'demo.png').resolve()}" in done.stdout
    numbers = r"\[\[ *85\.03 +164\.112\]\n *\[ *88\. +155\.95 *\]\n *\[ *90\.97 +147\.788\]\]"
    assert re.search(rf"crop_and_resize\n{numbers}", done.stdout)
    assert re.search(rf"reference\.roi_align.*\n{numbers}", done.stdout)
    derived = r"\[\[ *70\.75 +159\.26 *\]\n *\[ *82\.525 +105\.4225\]\]"
    assert re.search(rf"roi_align, sampling_ratio=2, aligned=True\n{derived}", done.stdout)
    config = cyroi.show_config()
    assert f"kernels {config['cpu_capability']}, {config['num_threads']} threads" in done.stdout
    for operator in ("roi_align", "crop_and_resize"):
        line = re.search(rf"^{operator} +\d+ boxes +cyroi.* ms +reference.* ms.*difference (\S+)", done.stdout, re.M)
        assert float(line[1]) < 1e-3


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """The demo in this process, in a folder of its own, with short timings."""
    monkeypatch.setattr(numbers, "REFERENCE_SECONDS", 0.001)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: main(["demo", *arguments])


def test_demo_of_the_users_image(quick):
    Image.fromarray(COLORS).convert("RGBA").save("mine.tif")
    assert quick("--image", "mine.tif", "--output", "out.png") == 0
    check_picture("out.png")
    assert sorted(os.listdir()) == ["mine.tif", "out.png"]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_every_kind_of_image_becomes_rgb(tmp_path, mode):
    image = Image.fromarray(COLORS)
    image = image.convert("L").convert(mode) if mode == "I;16" else image.convert(mode)
    image.save(tmp_path / "mine.tif")
    pixels = files.photograph(tmp_path / "mine.tif")
    assert pixels.shape == COLORS.shape
    assert pixels.dtype == np.float32
    assert pixels.min() >= 0
    assert pixels.max() <= 255
    expected = np.asarray(Image.fromarray(COLORS).convert("L" if mode in ("1", "L", "LA", "I;16", "F") else "RGB"))
    assert np.corrcoef(pixels.mean(axis=2).ravel(), expected.reshape(30, 40, -1).mean(axis=2).ravel())[0, 1] > 0.5


@pytest.mark.parametrize("size", [(1, 1), (400, 1)])
def test_demo_of_a_tiny_image(quick, size):
    Image.new("RGB", size, "teal").save("tiny.png")
    assert quick("--image", "tiny.png") == 0


def test_a_photograph_stands_upright(tmp_path):
    picture = Image.fromarray(COLORS)
    exif = picture.getexif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees clockwise
    picture.save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(files.photograph(tmp_path / "turned.png"), np.rot90(COLORS, -1))


def test_transparency_becomes_white_and_deep_grey_is_stretched():
    clear = Image.new("RGBA", (2, 3), (200, 0, 0, 0))
    np.testing.assert_array_equal(files.rgb(clear), np.full((3, 2, 3), 255, np.float32))
    palette = Image.new("P", (2, 3), 1)
    palette.info["transparency"] = 1
    np.testing.assert_array_equal(files.rgb(palette), np.full((3, 2, 3), 255, np.float32))
    deep = Image.fromarray(np.array([[1000, 3000], [2000, 1000]], np.uint16))
    np.testing.assert_allclose(files.rgb(deep)[..., 0], [[0, 255], [127.5, 0]])


def test_demo_refuses_images_that_it_cannot_read(quick, tmp_path, capsys):
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.jpg").touch()
    Image.fromarray(COLORS).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:1000])
    for name in ("text.png", "empty.jpg", "cut.png", "absent.png", "."):
        assert quick("--image", name) == 1
        printed = capsys.readouterr()
        assert not printed.out
        assert re.fullmatch(f"cyroi demo: cannot read the image {re.escape(name)}: [^\n]+\n", printed.err)
    assert not os.path.exists("demo.png")


def test_demo_refuses_an_image_by_its_exit_status(tmp_path):
    fails(
        call(tmp_path, "demo", "--image", "absent.png"), "cannot read the image absent.png: No such file or directory"
    )


def test_demo_refuses_outputs_that_it_cannot_write(tmp_path):
    fails(call(tmp_path, "demo", "--output", "absent/demo.png"), "cannot write .*: there is no folder absent")
    fails(call(tmp_path, "demo", "--output", "."), "cannot write .: it is a folder")
    fails(call(tmp_path, "demo", "--output", "demo.xyz"), "no picture format .xyz")


def test_demo_without_matplotlib(tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError(\"No module named 'matplotlib'\")")
    fails(call(tmp_path, "demo"), r'pip install "cyroi\[plot\]"')


def test_info(tmp_path):
    done = call(tmp_path, "info")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{cyroi.show_config()}\n"


def test_version(tmp_path):
    assert call(tmp_path, "--version").stdout == f"cyroi {cyroi.__version__}\n"


@pytest.mark.parametrize(
    "arguments", [[], ["dmeo"], ["demo", "--outptu", "x.png"], ["demo", "extra"], ["info", "extra"]]
)
def test_a_wrong_command_line(tmp_path, arguments):
    done = call(tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: python -m cyroi")
    assert "Traceback" not in done.stderr


def test_importing_cyroi_imports_neither_matplotlib_nor_the_plots():
    code = "import sys, cyroi; print([name for name in sys.modules if 'matplotlib' in name or name == 'cyroi.plot'])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_importing_the_plots_and_info_import_no_matplotlib():
    code = "import sys, cyroi.plot, cyroi.__main__ as m; m.main(['info']); assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
