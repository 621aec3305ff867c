"""Law: what is compiled for a GPU is the kernel with its headers as they are now, and what was compiled is found again
under all that it depends on, or not at all. Needs no GPU.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cyroi.gpu import source
from support import nvrtc

KERNELS, INCLUDE = map(Path, source.FOLDERS)
FILES = sorted(path.name for path in KERNELS.glob("*.cu"))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CYROI_CACHE_DIR", str(tmp_path / "new" / "cache"))
    return tmp_path / "new" / "cache"


class Compiler:
    """Counts how often it is asked."""

    def __init__(self, content=b"machine code"):
        self.content, self.calls = content, 0

    def __call__(self):
        self.calls += 1
        return self.content


# --- the text ---


def test_headers_stand_where_they_are_first_included(tmp_path):
    for name, text in {
        "kernels/a.cu": '#include "b.h"\n  # include "c/d.h"\nint a;\n',
        "kernels/b.h": '#ifndef B\n#define B\n#include "c/d.h"\nint b;\n#endif\n',
        "include/b.h": "int never;\n",
        "include/c/d.h": '#ifndef D\n#define D\n#include "b.h"\nint d;\n/*\n * #include "not.h"\n */\n#endif\n',
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    text = source.text("a.cu", [str(tmp_path / "kernels"), str(tmp_path / "include")])
    assert re.findall(r"int \w+;", text) == ["int d;", "int b;", "int a;"]
    assert text.splitlines()[-2:] == ["int a;", ""] or text.splitlines()[-1] == "int a;"
    places = dict(zip(re.findall(r"int \w+;", text), re.findall(r"#line (\d+) \"(\S+)\"", text)[3:], strict=False))
    assert places["int d;"] == ("4", "b.h")  # what follows the header's text


def test_a_kernel_without_its_headers_is_no_kernel(tmp_path):
    (tmp_path / "a.cu").write_text('#include "away.h"\n')
    with pytest.raises(FileNotFoundError, match=r"^away\.h of cyroi's kernels is missing from .*: install cyroi again"):
        source.text("a.cu", [str(tmp_path)])


def preprocessed(text, *options):
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler on the path")
    command = [compiler, "-E", "-P", "-std=c++14", "-x", "c++", *options, "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("name", FILES)
def test_the_text_is_what_a_preprocessor_makes_of_the_file(name):
    text = source.text(name)
    assert not re.search(r"^\s*#\s*include", text, flags=re.M)
    folders = [f"-I{folder}" for folder in source.FOLDERS]
    found = preprocessed(text)
    assert len(found) > 1000
    assert found == preprocessed((KERNELS / name).read_text(), *folders)


# --- the key ---


def test_a_key_says_all_that_the_machine_code_depends_on():
    first = ("int a;", ("-std=c++14", "-DA=1"), "sm_90", (13, 2))
    others = [
        ("int b;", *first[1:]),
        (first[0], ("-std=c++14", "-DA=2"), *first[2:]),
        (first[0], ("-std=c++14",), *first[2:]),
        (first[0], ("-std=c++14-DA=1",), *first[2:]),
        (*first[:2], "sm_100", first[3]),
        (*first[:3], (13, 3)),
        (*first[:3], (14, 2)),
    ]
    keys = {source.key_of(*what) for what in [first, *others]}
    assert len(keys) == 1 + len(others)
    assert source.key_of(*first) in keys
    assert all(re.fullmatch("[0-9a-f]{64}", key) for key in keys)


def test_a_header_that_changed_is_compiled_again(tmp_path, cache):
    kernel, header = tmp_path / "a.cu", tmp_path / "b.h"
    kernel.write_text('#include "b.h"\n')
    compiler = Compiler()
    for text in ("int b;\n", "int b;\n", "long b;\n", "long b;\n", "int b;\n"):
        header.write_text(text)
        found = source.text("a.cu", [str(tmp_path)])
        source.cached(source.key_of(found, (), "sm_90", (13, 2)), compiler)
    assert compiler.calls == 2


def test_macros_are_options_in_one_order():
    assert source.options({"B": "cyroi::Float16", "A": "1"}) == (*source.OPTIONS, "-DA=1", "-DB=cyroi::Float16")
    assert {"--fmad=false", "--ftz=false"} <= set(source.OPTIONS)


@pytest.mark.parametrize(
    ("capability", "known", "target"),
    [
        (90, (75, 80, 90, 100), "sm_90"),
        (86, (75, 80, 90), "sm_80"),  # the same generation
        (103, (90, 100, 103, 110), "sm_103"),
        (121, (75, 120), "sm_120"),
        (130, (75, 90, 120), "compute_120"),  # what the driver makes machine code of
        (72, (50, 70, 75), "sm_70"),
    ],
)
def test_the_architecture_is_one_that_runs_there(capability, known, target):
    assert source.architecture(capability, known) == target


def test_a_gpu_that_is_too_old_for_the_compiler_is_named():
    with pytest.raises(RuntimeError, match=r"compute capability 7\.0, and this NVRTC compiles from 7\.5 on: .*cuda12"):
        source.architecture(70, (75, 80))


def test_a_gpu_that_is_too_old_for_the_kernels_is_named():
    with pytest.raises(RuntimeError, match=r"compute capability 6\.1, and cyroi needs 7\.0"):
        source.architecture(61, (50, 61, 70))


# --- the cache ---


def test_what_was_compiled_is_compiled_once(cache):
    compiler = Compiler()
    assert [source.cached("key", compiler) for _ in range(3)] == [b"machine code"] * 3
    assert compiler.calls == 1
    assert source.cached("other", compiler) == b"machine code"
    assert compiler.calls == 2
    assert sorted(path.name for path in cache.iterdir()) == ["key.cubin", "other.cubin"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda whole, other: whole[:-1],
        lambda whole, other: whole[:10],
        lambda whole, other: b"",
        lambda whole, other: whole + b"\0",
        lambda whole, other: whole[:-3] + b"x" + whole[-2:],
        lambda whole, other: b"y" + whole[1:],
        lambda whole, other: b"machine code",
        lambda whole, other: other,
    ],
    ids=["cut off", "half of the checksum", "empty", "longer", "damaged", "of another version", "bare", "renamed"],
)
def test_a_file_that_is_not_whole_is_compiled_and_written_again(cache, spoil):
    compiler = Compiler()
    source.cached("key", compiler)
    source.cached("other", compiler)
    path = cache / "key.cubin"
    whole = path.read_bytes()
    path.write_bytes(spoil(whole, (cache / "other.cubin").read_bytes()))
    assert source.cached("key", compiler) == b"machine code"
    assert compiler.calls == 3
    assert path.read_bytes() == whole


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    compiler = Compiler()
    monkeypatch.setenv("CYROI_CACHE_DIR", str(tmp_path / "file" / "cache"))
    assert source.cached("key", compiler) == b"machine code"
    (tmp_path / "locked").mkdir(mode=0o500)
    monkeypatch.setenv("CYROI_CACHE_DIR", str(tmp_path / "locked"))
    assert source.cached("key", compiler) == b"machine code"
    assert compiler.calls == 2


def test_a_folder_in_place_of_the_file_is_no_error(cache):
    (cache / "key.cubin").mkdir(parents=True)
    assert source.cached("key", Compiler()) == b"machine code"
    assert [path.name for path in cache.iterdir()] == ["key.cubin"]  # nothing half done is left


def test_two_that_write_at_once_leave_whole_files(cache):
    contents = [bytes([n]) * 300_000 for n in (1, 2)]
    source.cached("key", Compiler(contents[0]))
    path = str(cache / "key.cubin")

    def write(content):
        for _ in range(50):
            source._write(path, source._checksum("key", content) + content)

    writers = [threading.Thread(target=write, args=[content]) for content in contents]
    for writer in writers:
        writer.start()
    found = []
    while any(writer.is_alive() for writer in writers):
        found.append(source._read(path, "key") in contents)
    assert found
    assert all(found)
    assert [file.name for file in cache.iterdir()] == ["key.cubin"]


@pytest.mark.parametrize(
    ("platform", "environment", "folder"),
    [
        ("linux", {"CYROI_CACHE_DIR": "/chosen"}, "/chosen"),
        ("linux", {"XDG_CACHE_HOME": "/cache"}, "/cache/cyroi"),
        ("linux", {"XDG_CACHE_HOME": "relative", "CYROI_CACHE_DIR": ""}, "/home/me/.cache/cyroi"),
        ("linux", {}, "/home/me/.cache/cyroi"),
        ("darwin", {}, "/home/me/Library/Caches/cyroi"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/cyroi"),
        ("win32", {}, None),
    ],
)
def test_the_folder_is_the_users_own(monkeypatch, platform, environment, folder):
    for name in ("CYROI_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"HOME": "/home/me"} | environment).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert source.cache_folder() == folder


def test_without_a_home_nothing_is_kept(monkeypatch):
    for name in ("CYROI_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what it does where there is no home
    assert source.cache_folder() is None
    assert source.cached("key", Compiler()) == b"machine code"


# --- through NVRTC ---


@pytest.fixture(scope="module")
def device():
    pytest.importorskip("cupy", reason="no CuPy: python -m pip install --group gpu")
    library = nvrtc.find_library()
    if library is None:
        pytest.skip("no NVRTC: python -m pip install --group gpu")
    from cyroi.gpu import device

    return device


@pytest.mark.parametrize("target", ["sm_90", "compute_90"])
def test_a_kernel_is_compiled_as_nvrtc_alone_compiles_it(device, target):
    options = source.options({"CYROI_GEOMETRY": "double", "CYROI_NUMBERS": "3"})
    text = source.text("plan.cu")
    expected = nvrtc.Compiler(nvrtc.find_library()).compile(text, target, options)
    found = device.compiled("program", text, options, target)  # the name that the other uses, which is a part of it
    if target == "sm_90":
        assert found.startswith(b"\x7fELF")
        assert found == expected.cubin
    else:
        assert b".visible .entry plan(" in found
        assert re.search(rb"\.ftz|fma\.rn", found) is None
        assert found.rstrip(b"\0\n").decode() == expected.ptx.rstrip()
    assert device.nvrtc_version() >= (12, 0)


def test_what_does_not_compile_is_told_with_its_line(device, tmp_path):
    (tmp_path / "bad.cu").write_text('#include "good.h"\n__global__ void bad() { unknown(); }\n')
    (tmp_path / "good.h").write_text("int a;\nint b;\n")
    text = source.text("bad.cu", [str(tmp_path)])
    with pytest.raises(RuntimeError, match=r'(?s)^bad\.cu cannot be compiled for sm_90:.*bad\.cu\(2\).*"unknown"'):
        device.compiled("bad", text, source.OPTIONS, "sm_90")
