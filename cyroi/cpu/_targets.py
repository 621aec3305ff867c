"""The choice of the SIMD target.

`target` is the name of the target in use. A target's module is imported only after the CPU was found to have all the
features that it is compiled with: already its start-up code may use them. CYROI_CPU_CAPABILITY=baseline, avx2 or avx512
caps the choice.
"""

import os
from importlib import import_module

from . import _core, _gradients, _host

TARGETS = ("avx512", "avx2", "baseline")  # best first


def _cache(level: int, default: int) -> int:
    """Bytes of a cache level, as far as the system says."""
    try:
        size = os.sysconf(f"SC_LEVEL{level}_CACHE_SIZE")
    except (AttributeError, ValueError, OSError):
        size = 0
    return size if size > 0 else default


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
            caches = _cache(2, 1 << 20), _cache(3, 1 << 25)
            _core.use_target(module.table, *caches)
            _gradients.use_target(module.gradients, *caches)
            return name
    raise AssertionError("every CPU has the baseline")


target = _choose()
