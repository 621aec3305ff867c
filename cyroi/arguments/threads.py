"""How many threads a call may use: the one policy.

    num_threads=None   CYROI_NUM_THREADS, else what OpenMP would use (OMP_NUM_THREADS, or a limit set at run time)
    num_threads=n      n, at least 1
    both               never more than this process may run on: CPU affinity, cgroup CPU quota, MAX_THREADS; 1 in a
                       build without OpenMP

The kernels lower the number further where a call is too small to pay for a team, or where the system refuses a thread.
After fork() a child runs serially, because GNU OpenMP's threads do not survive a fork and waiting for them would hang;
`_host` sees to that, because it hears of a fork() of C too. So does the child of a parent that never used threads here:
another library may have used OpenMP on the same thread, which nobody can ask. The way out is a process of its own:
multiprocessing's "spawn", or to import cyroi in the child only; either has what the affinity of its parent's thread
leaves, which is one CPU where OpenMP bound that. ("forkserver" may import the main module, and cyroi
with it, before it forks.)
"""

from __future__ import annotations

import math
import os
import warnings

from ..cpu import _host
from . import validate

MAX_THREADS = 256

_warned = False


def affinity() -> int:
    """CPUs that this process may run on.

    Where OMP_PROC_BIND, OMP_PLACES or GOMP_CPU_AFFINITY say so, OpenMP binds the main thread to one place as soon as
    anybody loads it. What it may use for its other threads is known to it alone then.
    """
    bound = _host.bound_cpus()
    if bound > 0:
        return bound
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def cpu_quota(proc: str = "/proc/self/cgroup", root: str = "/sys/fs/cgroup") -> float:
    """CPUs that the cgroup (v2 or v1) of this process may use on average; inf where nothing limits them."""
    # With plain strings: pathlib would be half of the time that importing cyroi takes.
    try:
        groups = [line.split(":", 2) for line in _read(proc).splitlines()]
    except OSError:
        return math.inf
    quota = math.inf
    for _, controllers, path in groups:
        unified = not controllers
        if not unified and "cpu" not in controllers.split(","):
            continue
        folder = root if unified else os.path.join(root, "cpu")
        for part in ["", *filter(None, path.split("/"))]:  # every ancestor's limit holds
            folder = os.path.join(folder, part)
            quota = min(quota, _quota_v2(folder) if unified else _quota_v1(folder))
    return quota


def _read(*path: str) -> str:
    with open(os.path.join(*path)) as file:
        return file.read()


def _quota_v2(folder: str) -> float:
    try:
        allowed, period = _read(folder, "cpu.max").split()
        return math.inf if allowed == "max" else int(allowed) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf


def _quota_v1(folder: str) -> float:
    try:
        allowed = int(_read(folder, "cpu.cfs_quota_us"))
        return math.inf if allowed < 0 else allowed / int(_read(folder, "cpu.cfs_period_us"))
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf


def _from_environment() -> int | None:
    text = os.environ.get("CYROI_NUM_THREADS")
    if not text:
        return None
    try:
        if int(text) >= 1:
            return int(text)
    except ValueError:
        pass
    warnings.warn(f"CYROI_NUM_THREADS must be a positive integer; {text!r} is ignored", RuntimeWarning, stacklevel=2)
    return None


def most() -> int:
    """The most threads that a call of this process uses."""
    return 1 if _host.was_forked() else _CAP


def resolve(num_threads: object) -> int:
    """The number of threads for one call."""
    if num_threads is None:
        return _host.threads(0)
    wish = validate.integer("num_threads", num_threads)
    if wish < 1:
        raise ValueError(f"num_threads must be at least 1; got {num_threads!r}")
    if wish > 1 and _host.was_forked():
        _warn_forked()
    return _host.threads(min(wish, MAX_THREADS))


def _warn_forked() -> None:
    global _warned
    if not _warned:
        _warned = True
        message = "num_threads > 1 after fork(): cyroi runs serially here, because OpenMP threads do not survive a fork"
        warnings.warn(message, RuntimeWarning, stacklevel=4)


# Affinity, quota and environment are read once: they do not change in ordinary use, and a call must stay cheap.
_CAP = max(1, min(MAX_THREADS, affinity(), math.ceil(min(cpu_quota(), MAX_THREADS)))) if _host.openmp_version else 1
_host.set_threads(most(), min(_from_environment() or 0, MAX_THREADS))
