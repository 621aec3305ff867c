"""Law: imports go down only, importing cyroi stays light, and no test imports another."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "cyroi"

# From the top down. A module may import from floors below its own, and from its own room where that is one unit here.
LAYERS = [
    {"__main__"},
    {"_demo"},
    {"__init__"},
    {"plot"},
    {"_artists"},
    {"_grids"},
    {"reference"},
    {"operators", "_config"},
    {"_engine", "gpu.again"},
    {"gpu.engine"},
    {"gpu.routes", "gpu.plans"},
    {"gpu.boxes"},
    {"arguments.results"},
    {"arguments.boxes", "arguments.pictures", "arguments.threads"},
    {"arguments.validate", "arguments.hints", "arguments.coordinates", "arguments.sampling"},
    {"arguments.arrays", "arguments.__init__"},
    {"gpu.convert"},
    {"gpu.stream"},
    {"gpu.device", "gpu.job", "gpu.__init__", "arguments.layout"},
    {"gpu.source"},
    {"_typing", "_version"},
    {"cpu"},
]
THIRD_PARTY = {  # units, or rooms with all of theirs
    "numpy": None,
    "cupy": {"gpu"},
    "matplotlib": {"plot", "_artists", "_demo", "__main__"},
    "PIL": {"_demo", "__main__"},
}


def unit(*parts: str) -> str | None:
    """What stands in LAYERS of a module cyroi.parts, or of a name in it: a file of its own, or a room."""
    names = [".".join(parts[:length]) for length in (2, 1)]
    return next((name for name in names for units in LAYERS if name in units), None)


def unit_of(path: Path) -> str:
    found = unit(*path.relative_to(PACKAGE).with_suffix("").parts)
    assert found, f"{path.name} stands in no layer"
    return found


def imported(path: Path, root: Path = PACKAGE.parent) -> set[str]:
    """Absolute names of all modules that a file imports, anywhere in it."""
    names = set()
    package = path.relative_to(root).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            full = ".".join(part for part in (base, node.module or "") if part)
            names |= {f"{full}.{alias.name}" for alias in node.names}
    return names


def layer(name: str) -> int:
    return next(i for i, units in enumerate(LAYERS) if name in units)


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_go_down(path):
    mine = unit_of(path)
    for name in imported(path):
        first, *rest = name.split(".")
        if first == "cyroi":
            other = unit(*rest) or "__init__"
            assert mine == other or layer(other) > layer(mine), f"{mine} imports {name}"
        elif first in THIRD_PARTY:
            allowed = THIRD_PARTY[first]
            assert allowed is None or {mine, mine.split(".")[0]} & allowed, f"{mine} imports {name}"
        else:
            assert first in sys.stdlib_module_names, f"{mine} imports {name}"


# --- tests/: what two test files need stands in tests/support ---

TESTS = Path(__file__).parents[1]
# `import X` and `from X import Y` find these as modules: pytest puts the folders of the test files on its path.
TEST_FILES = {path.stem: path for path in TESTS.rglob("test_*.py")}


def imported_tests(path: Path, root: Path = TESTS) -> set[str]:
    return {part for name in imported(path, root) for part in name.split(".") if part in TEST_FILES}


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: path.relative_to(TESTS).as_posix())
def test_no_file_of_the_tests_imports_a_test(path):
    assert not imported_tests(path)


@pytest.mark.parametrize(
    "text",
    [
        "import test_laws",
        "def f():\n  from test_laws import x",
        "from laws import test_laws",
        "import laws.test_laws as a",
    ],
)
def test_an_import_of_a_test_is_found(tmp_path, text):
    (tmp_path / "test_mine.py").write_text(text)
    assert imported_tests(tmp_path / "test_mine.py", tmp_path) == {"test_laws"}


def test_test_files_have_names_of_their_own():
    assert len(TEST_FILES) == len(list(TESTS.rglob("test_*.py")))


# --- what an import brings with it ---


def test_every_layer_is_there():
    assert {name for units in LAYERS for name in units} == {unit_of(path) for path in FILES}


def test_importing_cyroi_imports_nothing_but_numpy_and_the_standard_library():
    code = "import sys, numpy; before = set(sys.modules); import cyroi; print(*(set(sys.modules) - before))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    foreign = {name.split(".")[0] for name in out.split()} - sys.stdlib_module_names
    assert {name for name in foreign if "cyroi" not in name and "cython" not in name} <= {"numpy"}


def test_importing_cyroi_imports_none_of_the_heavy_modules():
    heavy = [
        "numpy.typing",
        "numpy.ma",
        "pathlib",
        "urllib.parse",
        "importlib.metadata",
        "cyroi.plot",
        "cyroi.reference",
        "cyroi.cpu._classic",
        "cyroi.gpu",
        "cupy",
        "matplotlib",
    ]
    code = "import sys, numpy; before = set(sys.modules); import cyroi; print(*(set(sys.modules) - before))"
    # -S: without what the hooks of site-packages import, such as that of an editable install.
    path = f"import sys; sys.path += {sys.path!r}; "
    out = subprocess.run([sys.executable, "-S", "-c", path + code], capture_output=True, text=True, check=True).stdout
    assert not set(out.split()) & set(heavy)


def test_a_source_tree_without_the_compiled_part_says_what_to_do(tmp_path):
    for path in FILES:
        copy = tmp_path / "cyroi" / path.relative_to(PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    done = subprocess.run([sys.executable, "-c", "import cyroi"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: cyroi's compiled part is missing")
    assert "python -m pip install -e ." in last
