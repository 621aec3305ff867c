"""What this installation of cyroi is made of and what it found on this machine."""

from __future__ import annotations

import os
import sys

import numpy as np

from ._version import __version__
from .arguments import threads
from .cpu import _host, _targets


class Config(dict[str, object]):
    """A dict that prints as one line per entry."""

    def __repr__(self) -> str:
        width = max(map(len, self))
        return "\n".join(f"{key:<{width}}  {value}" for key, value in self.items())

    __str__ = __repr__


def show_config() -> Config:
    """Versions, instruction set, thread counts and GPUs that cyroi works with.

    Where CuPy is installed, it is imported, which takes a second the first time.

    Returns
    -------
    Config
        A dict that prints as a table. Keys: ``version``, ``python``, ``numpy``, ``compiler``, ``cpu_capability``
        (SIMD target of the kernels in use), ``cpu_supports`` (all targets that this CPU can run), ``openmp`` (date of
        the specification, or None for a serial build), ``num_threads`` (default of a call), ``affinity`` (CPUs this
        process may run on), ``cpu_quota`` (CPUs that its cgroup allows, None if unlimited), ``cupy`` (its version, None
        if it cannot be imported), ``gpus`` (those that it can work on, None without any) and ``gpu_cache`` (folder of
        kernels that were compiled for GPUs, None if there can be none).

    Examples
    --------
    >>> import cyroi
    >>> cyroi.show_config()["version"] == cyroi.__version__
    True
    """
    quota = threads.cpu_quota()
    cupy, gpus, gpu_cache = _gpus()
    return Config(
        version=__version__,
        python=sys.version.split()[0],
        numpy=np.__version__,
        compiler=_host.compiler,
        cpu_capability=_targets.target if _targets.target != "baseline" else f"baseline ({_host.baseline})",
        cpu_supports=[name for name, has in _targets.supported.items() if has],
        openmp=_host.openmp_version or None,
        num_threads=threads.resolve(None),
        affinity=threads.affinity(),
        cpu_quota=None if quota == float("inf") else quota,
        cupy=cupy,
        gpus=gpus,
        gpu_cache=gpu_cache,
    )


def _gpus() -> tuple[str | None, list[str] | None, str | None]:
    """CuPy's version, the GPUs that it finds, and the folder of what was compiled for them."""
    from .gpu import source

    folder = source.cache_folder()
    try:
        from .gpu import device
    except ImportError:  # CuPy is missing, or it is too old
        return getattr(sys.modules.get("cupy"), "__version__", None), None, folder
    return device.cupy.__version__, device.gpus() or None, folder


def get_include() -> str:
    """Folder of the headers, for the include path of a C or C++ compiler.

    ``cyroi/c_api.h`` gives C and C++ the operators as plain functions; the other headers are the mathematics, as C++14
    templates. Cython needs no folder for ``cimport cyroi``. Documented in ``docs/c_api.md``.

    Returns
    -------
    str
        Absolute path.

    Examples
    --------
    >>> import os, cyroi
    >>> "c_api.h" in os.listdir(os.path.join(cyroi.get_include(), "cyroi"))
    True
    """
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "include")
