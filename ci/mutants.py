"""Planted bugs: shows that the tests see results that are not written, or not whole.

    python ci/mutants.py [name ...]

Each bug is planted in a copy, which is built for one SIMD target, in the ordinary sizes and in tiny ones, and tested. A
bug that no test sees is an error. Takes about four minutes each on two cores.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPIED = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "licenses", "cyroi", "tests")
TARGET = "avx512"
# What may see a bug, each by itself: sizes at their edges in both kinds of build, and random shapes.
TESTS = {
    "sizes": ("0", ["tests/kernels/test_sizes.py"]),
    "random shapes": ("0", ["tests/laws/test_reference.py", "-k", "random_geometry or long_maps"]),
    "tiny sizes": ("1", ["tests/kernels/test_sizes.py", "tests/kernels/test_streams.py"]),
}

# name: (file, what stands there, what is planted)
BUGS = {
    "a block that no branch takes": (  # the bug of float64 in its old form: a long block of several bins
        "cyroi/cpu/forward/blocks.h",
        "    const index most = smaller(kDenseSpan, RowBuffer<A>::room);",
        "    const index most = kDenseSpan;",
        "    block.columns = span_of(job, columns);\n    return block;",
        "    block.columns = span_of(job, columns);\n"
        "    const bool long_one = block.columns > RowBuffer<A>::room;\n"
        "    if (long_one && block.vectors == kDense) block.vectors = kLong;\n    return block;",
    ),
    "a room one too small": (
        "cyroi/include/cyroi/plan.h",
        "rows(taps, room_y),",
        "rows(taps, room_y - 1),",
    ),
    "a block that loses its last bin": (
        "cyroi/cpu/forward/dense.h",
        "L::sum_each(partial[g], block.elements, reinterpret_cast<A*>(out[g]) + block.first);",
        "L::sum_each(partial[g], block.elements - (block.elements == kDenseBins),"
        " reinterpret_cast<A*>(out[g]) + block.first);",
    ),
    "a tile edge": (
        "cyroi/cpu/_driver.pyx",
        "p.op.tile.first_x, p.op.tile.bins_x = x, min(p.op.bins_x - x, p.tile)",
        "p.op.tile.first_x, p.op.tile.bins_x = x, min(p.op.bins_x - x, p.tile) - (x > 0)",
    ),
    "a stage edge": (
        "cyroi/cpu/forward/executor.h",
        "staged.p1 = smaller(part.p1, p + most);",
        "staged.p1 = p + most < part.p1 ? p + most : part.p1 - (p > part.p0);",
    ),
    "a piece of a box that lacks a row": (
        "cyroi/cpu/call/gradient_schedule.h",
        "rows * j / pieces, rows * (j + 1) / pieces};",
        "rows * j / pieces, rows * (j + 1) / pieces - (j + 1 == pieces)};",
    ),
}


def plant(root: Path, file: str, *changes: str) -> None:
    path = root / file
    text = path.read_text()
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        assert text.count(old) == 1, f"{file} has {text.count(old)} times: {old}"
        text = text.replace(old, new)
    path.write_text(text)


def run(root: Path, command: list[str], tiny: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"CYROI_TARGETS": TARGET, "PYTHONPATH": str(root), "CYROI_TINY": tiny}
    return subprocess.run([sys.executable, *command], cwd=root, env=environment, capture_output=True, text=True)


def seen_by(root: Path) -> list[str]:
    """Which tests fail on this copy."""
    seen, built = [], ""
    for name, (tiny, tests) in TESTS.items():
        if built != tiny:
            for library in root.rglob("*.so"):
                library.unlink()
            done = run(root, ["setup.py", "--quiet", "build_ext", "--inplace"], tiny)
            assert done.returncode == 0, done.stderr
            built = tiny
        done = run(root, ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests], tiny)
        if done.returncode != 0:
            assert done.returncode == 1 or done.returncode < 0, done.stdout + done.stderr  # a failure, or a crash
            seen.append(name)
    return seen


def main() -> None:
    missed = []
    for name in sys.argv[1:] or BUGS:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for item in COPIED:
                copy = shutil.copytree if (ROOT / item).is_dir() else shutil.copy2
                copy(ROOT / item, root / item)
            plant(root, *BUGS[name])
            seen = seen_by(root)
        print(f"{name}: {', '.join(seen) or 'NOT SEEN'}", flush=True)
        missed += [] if seen else [name]
    if missed:
        raise SystemExit(f"no test sees: {', '.join(missed)}")


if __name__ == "__main__":
    main()
