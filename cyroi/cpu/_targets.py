"""The choice of the SIMD target.

`target` is the name of the target in use. A target's module is imported only after the CPU was found to have all the
features that it is compiled with: already its start-up code may use them. CYROI_CPU_CAPABILITY=baseline, avx2 or avx512
caps the choice.
"""

import os
from importlib import import_module

from . import _core, _host

TARGETS = ("avx512", "avx2", "baseline")  # best first


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
                _core.use_target(import_module(f"{__package__}._{name}").table)
                return name
            except ModuleNotFoundError:  # a target of another processor
                if name == "baseline":
                    raise
    raise AssertionError("every CPU has the baseline")


target = _choose()
