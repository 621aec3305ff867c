"""The choice of the SIMD target.

`target` is the name of the target in use. A target's module is imported only after the CPU was found to have all the
features that it is compiled with (setup.py), and the system to save their registers: already its start-up code may use
them. CYROI_CPU_CAPABILITY=baseline, avx2 or avx512 caps the choice.
"""

import os
from importlib import import_module

from . import _host, _separable

TARGETS = ("avx512", "avx2", "baseline")  # best first
# Of x86, where cpuid tells them: leaf, register (0 to 3: eax to edx), bit. The names are those of Linux.
FEATURES = {
    "osxsave": (1, 2, 27),  # xgetbv may be asked
    "avx": (1, 2, 28),
    "fma": (1, 2, 12),
    "f16c": (1, 2, 29),
    "avx2": (7, 1, 5),
    "avx512f": (7, 1, 16),
    "avx512dq": (7, 1, 17),
    "avx512bw": (7, 1, 30),
    "avx512vl": (7, 1, 31),
}
# Target -> the registers that xgetbv must name (xmm and ymm; those of masks and both parts of zmm), and the features.
NEEDS = {
    "baseline": (0x00, ()),
    "avx2": (0x06, ("avx", "fma", "f16c", "avx2")),
    "avx512": (0xE6, ("avx", "fma", "f16c", "avx2", "avx512f", "avx512dq", "avx512bw", "avx512vl")),
}


def features() -> set[str]:
    """Those of `FEATURES` that the CPU has, whatever the system saves."""
    leaves = {leaf: _host.cpuid(leaf) for leaf, _, _ in FEATURES.values()}
    return {name for name, (leaf, register, bit) in FEATURES.items() if leaves[leaf][register] >> bit & 1}


def find_supported() -> dict[str, bool]:
    """Target -> whether this machine can run it."""
    found = features()
    saved = _host.xgetbv() if "osxsave" in found else 0
    return {name: saved & mask == mask and found.issuperset(needed) for name, (mask, needed) in NEEDS.items()}


supported = find_supported()


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
        if supported[name]:
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
