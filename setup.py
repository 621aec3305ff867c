"""Builds the compiled part of cyroi. Everything that can be said declaratively is in pyproject.toml.

Environment switches
    CYROI_OPENMP=require   fail instead of building a serial extension
    CYROI_OPENMP=0         build without OpenMP
    CYROI_DEBUG=1          bounds checks in Cython, no optimisation, debug symbols
    CYROI_TINY=1           tiny sizes of chunks, tiles, tables, rooms and caches (cpu/call/sizes.h), for tests
    CYROI_TARGETS=avx2     builds these SIMD targets only, with commas between several
    CYROI_WERROR=1         more warnings, and each of them is an error

CXXFLAGS, CFLAGS, CPPFLAGS and LDFLAGS are heeded like everywhere, but for what would change results: see IEEE_FLAGS.
"""

import os
import re
import sys
import sysconfig
import tempfile
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CCompilerError, ExecError

DEBUG = os.environ.get("CYROI_DEBUG", "0") == "1"
TINY = os.environ.get("CYROI_TINY", "0") == "1"
WERROR = os.environ.get("CYROI_WERROR", "0") == "1"
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
LIMITED_API = not FREE_THREADED and not DEBUG

# The only place for directives and flags. Contraction stays off: planning must take its decisions (floor, band, grid
# size) in the peers' order of operations on every CPU. No -march and no -ffast-math, ever: see docs/design.md.
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "nonecheck": DEBUG,
    "cdivision": True,
    "embedsignature": True,
    "freethreading_compatible": True,
}
# What -ffast-math, -Ofast and their parts in the user's flags turned on, turned off again, and contraction after that,
# because clang's -fno-fast-math brings it back. The user's flags come first, so these win. config.h refuses to be
# compiled where they do not. The linker gets them too: with -ffast-math or -Ofast it adds start-up code to a module
# that flushes subnormals to zero in the whole process. It takes -Ofast back only for another level.
IEEE_FLAGS = [
    "-ffp-contract=off",  # before as well: clang 14 warns where -fno-fast-math takes back a contraction
    "-fno-fast-math",
    "-fno-unsafe-math-optimizations",
    "-fno-finite-math-only",
    "-fno-associative-math",
    "-fno-reciprocal-math",
    "-fsigned-zeros",
    "-ffp-contract=off",
    "-O0" if DEBUG else "-O3",
]
GCC_FLAGS = [
    *IEEE_FLAGS,
    "-std=c++14",
    "-fvisibility=hidden",
    "-Wno-psabi",
    "-g" if DEBUG else "-g0",
    *(["-Wall", "-Wextra", "-Werror"] if WERROR else []),
]
MSVC_FLAGS = ["/std:c++14", "/fp:precise", "/O2", *(["/WX"] if WERROR else [])]
# compiler kind -> candidates (compile flags, link flags), tried in order
OPENMP_FLAGS = {
    "msvc": [(["/openmp"], [])],
    "unix": [(["-fopenmp"], ["-fopenmp"]), (["-Xpreprocessor", "-fopenmp"], ["-lomp"])],
}
# Without it, what Cython computes for the pragmas alone, such as the size of chunks, is read by nobody.
SERIAL_FLAGS = {"msvc": ([], []), "unix": (["-Wno-unused-but-set-variable"], [])}
OPENMP_PROBE = "#include <omp.h>\nint probe() { return omp_get_max_threads(); }\n"


class BuildExt(build_ext):
    """Adds the compiler's flags, and OpenMP where a test program compiles and links with it."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self):
        msvc = self.compiler.compiler_type == "msvc"
        compile_flags, link_flags = self.find_openmp("msvc" if msvc else "unix")
        compile_flags = (MSVC_FLAGS if msvc else GCC_FLAGS) + compile_flags
        link_flags = link_flags + ([] if msvc else IEEE_FLAGS)
        if not msvc and "-mdaz-ftz" in self.compiler.linker_so + self.compiler.linker_so_cxx:
            link_flags += ["-mno-daz-ftz"]  # asks for that start-up code by name; older compilers know neither
        for extension in self.extensions:
            target = TARGETS.get(extension.name.rpartition("._")[2], ([], []))
            extension.extra_compile_args += compile_flags + target[msvc]
            extension.extra_link_args += link_flags
        super().build_extensions()

    def find_openmp(self, kind):
        wish = os.environ.get("CYROI_OPENMP", "auto")
        if wish not in ("auto", "require", "0"):
            raise SystemExit(f"CYROI_OPENMP must be 'require' or '0'; got {wish!r}")
        if wish == "0":
            return SERIAL_FLAGS[kind]
        for flags in OPENMP_FLAGS[kind]:
            if self.links(*flags):
                return flags
        if wish == "require":
            raise SystemExit("CYROI_OPENMP=require, but no OpenMP program can be compiled and linked here")
        note = "OpenMP was not found: cyroi is built SERIAL and will use one thread (CYROI_OPENMP=require to insist)"
        print(f"\n{'*' * 100}\n{note}\n{'*' * 100}\n", file=sys.stderr)
        return SERIAL_FLAGS[kind]

    def links(self, compile_flags, link_flags):
        """Whether OpenMP's functions are found, compiled and linked as a module is: only these get LDFLAGS."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "probe.cpp")
            source.write_text(OPENMP_PROBE)
            try:
                objects = self.compiler.compile([str(source)], output_dir=folder, extra_postargs=compile_flags)
                self.compiler.link_shared_object(
                    objects, str(Path(folder, "probe.so")), extra_postargs=link_flags, target_lang="c++"
                )
            except (CCompilerError, ExecError):
                return False
        return True


# SIMD target -> flags (GCC and clang, MSVC): exactly the features that cyroi.cpu._host tests before it is imported.
# None on macOS, where x86 code may run under a translator that reports features it does not have.
TARGETS = {"baseline": ([], [])}
if sysconfig.get_platform().endswith(("x86_64", "amd64")) and sys.platform != "darwin":
    TARGETS["avx2"] = (["-mavx2", "-mfma", "-mf16c"], ["/arch:AVX2"])
    TARGETS["avx512"] = (
        ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma", "-mf16c"],
        ["/arch:AVX512"],
    )
if os.environ.get("CYROI_TARGETS"):
    TARGETS = {name: TARGETS[name] for name in os.environ["CYROI_TARGETS"].split(",")}


INCLUDE_DIRS = ["cyroi/include", "cyroi/cpu"]
CPP_FOLDER = Path("build/cython")


def included(source):
    """The project's headers that a C++ file includes, and those that these include: what it is compiled again for.

    Read from the text, which names every header in quotes, so those behind an `#if` are among them.
    """
    headers, unread = set(), [Path(source)]
    while unread:
        path = unread.pop()
        for name in re.findall(r'^[ \t]*#[ \t]*include[ \t]+"(.+?)"', path.read_text(encoding="utf-8"), re.MULTILINE):
            places = [Path(folder, name) for folder in (path.parent, *INCLUDE_DIRS)]
            header = next((place for place in places if place.is_file()), None)  # none of ours: Python.h
            if header and header not in headers:
                headers.add(header)
                unread.append(header)
    return headers


def modules(names):
    """The extensions, each compiled again for the headers that it includes and for no others.

    Cython writes C++ again by itself where a .pyx, or a .pxd or .pxi that it uses, has changed. It also copies the
    headers that it knows of beside its C++, where they would be found before the project's own, and might be older.
    """
    extensions = cythonize([extension(name) for name in names], compiler_directives=DIRECTIVES, build_dir=CPP_FOLDER)
    for copy in CPP_FOLDER.rglob("*.h"):
        copy.unlink()
    for each in extensions:
        each.depends = sorted(map(str, included(each.sources[0])))
    return extensions


# Names that only a debugger reads. Not on macOS, whose linker knows no such flag, and not where one is to debug.
STRIP = ["-Wl,--strip-all"] if sys.platform.startswith("linux") and not DEBUG else []


def extension(name, **options):
    macros = [("Py_LIMITED_API", "0x030B0000")] if LIMITED_API else []
    macros += [("CYROI_TINY", "1")] if TINY else []
    return Extension(
        name,
        [name.replace(".", "/") + ".pyx"],
        language="c++",
        include_dirs=INCLUDE_DIRS,
        define_macros=macros,
        extra_link_args=[*STRIP],
        py_limited_api=LIMITED_API,
        **options,
    )


def index_page(readme):
    """README.md without what an index page cannot show, which has the text alone: the project's own files.

    Links to them become their names, and pictures their texts. No public address is known that either could lead to.
    """
    link = re.compile(r"(?<!!)\[([^]]+)\]\((?!https:|#)([^)]+)\)")
    parts = re.split(r"(^```.*?^```$)", readme, flags=re.DOTALL | re.MULTILINE)  # code, the odd ones, stays as it is
    for i in range(0, len(parts), 2):
        text = re.sub(r"!\[([^]]*)\]\((?!https:)([^)]*)\)", r"(Picture `\2`: \1)", parts[i])
        parts[i] = link.sub(lambda to: f"`{to[2]}`" if to[1] == to[2] else f"{to[1]} (`{to[2]}`)", text)
    return "".join(parts)


MODULES = ["_driver", "_separable", "_host", "_quick", "_c_api", "_classic", *(f"_{target}" for target in TARGETS)]

setup(
    ext_modules=modules(f"cyroi.cpu.{name}" for name in MODULES),
    cmdclass={"build_ext": BuildExt},
    long_description=index_page(Path(__file__).with_name("README.md").read_text(encoding="utf-8")),
    long_description_content_type="text/markdown",
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if LIMITED_API else {},
)
