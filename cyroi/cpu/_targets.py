"""The choice of the SIMD target.

`target` is the name of the target in use. A target's module is imported only after the CPU was found to have all the
features that it is compiled with: already its start-up code may use them. CYROI_CPU_CAPABILITY=baseline, avx2 or avx512
caps the choice.
"""

import os
from importlib import import_module

from . import _host, _separable

TARGETS = ("avx512", "avx2", "baseline")  # best first


def cache(level: int) -> int:
    """Bytes of a cache level; 1 MiB for L2 and 32 MiB for L3 where the system does not say. Tiny builds name theirs."""
    fixed = _separable.SIZES["kOwnCache" if level == 2 else "kResultCache"][0]
    if fixed:
        return fixed
    try:
        size = os.sysconf(f"SC_LEVEL{level}_CACHE_SIZE")
    except (AttributeError, ValueError, OSError):
        size = 0
    return size if size > 0 else 1 << (20 if level == 2 else 25)


def _choose() -> str:
    """The best target that the CPU has, that this build has, and that CYROI_CPU_CAPABILITY allows."""
    cap = os.environ.get("CYROI_CPU_CAPABILITY", "")
    if cap and cap not in TARGETS:
        import warnings

        message = f"CYROI_CPU_CAPABILITY must be one of {', '.join(TARGETS)}; {cap!r} is ignored"
        warnings.warn(message, RuntimeWarning, stacklevel=2)
        cap = ""
    for name in TARGETS[TARGETS.index(cap or TARGETS[0]) :]:
        if _host.supported[name]:
            try:
                module = import_module(f"{__package__}._{name}")
            except ModuleNotFoundError:  # a target of another processor
                if name == "baseline":
                    raise
                continue
            _separable.use_target(module.table)
            return name
    raise AssertionError("every CPU has the baseline")


target = _choose()
_separable.use_caches(cache(2), cache(3))
