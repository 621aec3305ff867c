"""Kernels as text, and what was compiled of them, on disk.

Decisions
a) A kernel and all headers that it includes become one text, and that text is a part of the key. CuPy's own cache looks
   at the kernel's file only, and would go on with what was compiled of headers of another version.
b) What is compiled depends on the text, the options, the architecture and the compiler's version, and so does its key.
   Nothing is ever out of date: what is looked for under a key is right, or it is not there.
c) A file begins with a checksum over its key and its content. One that is cut off, damaged, or put there under another
   name is as good as none, and is written again.
d) A file is written under a name of its own and then renamed, so no process reads half of what another writes. Where
   nothing can be written, what was compiled stays in the memory of the process.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = (os.path.join(_PACKAGE, "gpu", "kernels"), os.path.join(_PACKAGE, "include"))
# Contracted, or with subnormals flushed, coordinates would not be the CPU's.
OLDEST = 70  # compute capability whose kernels may leave their argument where it is
OPTIONS = ("-std=c++14", "--fmad=false", "--ftz=false")

_INCLUDE = re.compile(r'[ \t]*#[ \t]*include[ \t]*"([^"]+)"')
_MAGIC = b"cyroi kernel 1\n"


def text(name: str, folders: Sequence[str] = FOLDERS) -> str:
    """The file `name` of `folders` with each header of theirs in the place where it is first included, and only there.

    That is what the preprocessor makes of it, because our headers have guards, and none is included under a condition.
    """
    lines: list[str] = []
    _append(name, folders, lines, set())
    return "\n".join([*lines, ""])


def _append(name: str, folders: Sequence[str], lines: list[str], done: set[str]) -> None:
    done.add(name)
    path = next((path for path in (os.path.join(folder, name) for folder in folders) if os.path.exists(path)), None)
    if path is None:
        raise FileNotFoundError(f"{name} of cyroi's kernels is missing from {folders[0]}: install cyroi again")
    with open(path, encoding="utf-8") as file:
        own = file.read().split("\n")
    lines.append(f'#line 1 "{name}"')
    for number, line in enumerate(own, start=1):
        include = _INCLUDE.match(line)
        if include is None:
            lines.append(line)
        elif include[1] not in done:
            _append(include[1], folders, lines, done)
            lines.append(f'#line {number + 1} "{name}"')
        else:
            lines.append("")


def options(macros: Mapping[str, str]) -> tuple[str, ...]:
    """The compiler's options, without the architecture."""
    return (*OPTIONS, *(f"-D{name}={value}" for name, value in sorted(macros.items())))


def architecture(capability: int, known: Sequence[int]) -> str:
    """What to compile for, for a GPU of compute capability `capability` (90 for 9.0), by a compiler that knows `known`.

    Machine code runs on later GPUs of the same generation; one that the compiler does not know gets PTX, of which the
    driver makes machine code.
    """
    if capability < OLDEST:
        raise RuntimeError(f"this GPU has compute capability {capability / 10}, and cyroi needs {OLDEST / 10}")
    same = [number for number in known if number // 10 == capability // 10 and number <= capability]
    if same:
        return f"sm_{max(same)}"
    older = [number for number in known if number < capability]
    if not older:
        raise RuntimeError(
            f"this GPU has compute capability {capability / 10}, and this NVRTC compiles from {min(known) / 10} on:"
            ' an older one does, pip install "cyroi[cuda12]"'
        )
    return f"compute_{max(older)}"


def key_of(text: str, options: Sequence[str], architecture: str, version: Sequence[int]) -> str:
    """Differs where any of these differs."""
    return hashlib.sha256(json.dumps([text, *options, architecture, *version]).encode()).hexdigest()


def cache_folder() -> str | None:
    """Where compiled kernels are kept: $CYROI_CACHE_DIR, else `cyroi` in the user's cache; None if there is no such."""
    chosen = os.environ.get("CYROI_CACHE_DIR")
    if chosen:
        return os.path.abspath(chosen)
    if sys.platform == "win32":
        folder = os.environ.get("LOCALAPPDATA", "")
    elif sys.platform == "darwin":
        folder = os.path.expanduser("~/Library/Caches")
    else:
        folder = os.environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(folder):  # to be ignored, says the specification
            folder = os.path.expanduser("~/.cache")
    return os.path.join(folder, "cyroi") if os.path.isabs(folder) else None


def cached(key: str, compile: Callable[[], bytes]) -> bytes:
    """What `compile` gives, or gave when this key was asked for before, here or by another process."""
    folder = cache_folder()
    path = None if folder is None else os.path.join(folder, f"{key}.cubin")
    found = None if path is None else _read(path, key)
    if found is None:
        found = compile()
        if path is not None:
            _write(path, _checksum(key, found) + found)
    return found


def _checksum(key: str, content: bytes) -> bytes:
    return _MAGIC + hashlib.sha256(key.encode() + content).digest()


def _read(path: str, key: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            whole = file.read()
    except OSError:
        return None
    length = len(_checksum("", b""))
    return whole[length:] if whole[:length] == _checksum(key, whole[length:]) else None


def _write(path: str, content: bytes) -> None:
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=folder)
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except OSError:
        os.unlink(name)
