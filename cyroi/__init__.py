"""RoI Align and its family for NumPy: exact, threaded, safe.

>>> import numpy as np, cyroi
>>> maps = np.ones((1, 3, 8, 8), np.float32)
>>> cyroi.roi_align(maps, [[0, 1, 1, 5, 5]], output_size=2).shape
(1, 3, 2, 2)
"""

try:
    import cyroi.cpu._separable  # noqa: F401
except ModuleNotFoundError as error:
    if not str(error.name).startswith("cyroi.cpu."):
        raise
    raise ImportError(
        f"cyroi's compiled part is missing from {__path__[0]}: this is a source tree that was not built, so run"
        " `python -m pip install -e .` in it, or leave its folder to use an installed cyroi."
    ) from None

from typing import TYPE_CHECKING

from ._config import get_include, show_config
from ._version import __version__
from .operators.crop_and_resize import crop_and_resize
from .operators.crop_and_resize_backward import crop_and_resize_backward
from .operators.roi_align import roi_align
from .operators.roi_align_backward import roi_align_backward

if TYPE_CHECKING:
    from . import plot, reference

__all__ = [
    "__version__",
    "crop_and_resize",
    "crop_and_resize_backward",
    "get_include",
    "plot",
    "reference",
    "roi_align",
    "roi_align_backward",
    "show_config",
]


# Where users have them from, and where a pickle finds them again, whatever file they stand in.
for _function in (crop_and_resize, crop_and_resize_backward, roi_align, roi_align_backward):
    _function.__module__ = __name__
del _function


def __dir__() -> list[str]:
    """The public names. The rooms of the package are attributes too, but nobody should find them by completion."""
    return sorted(__all__)


if not TYPE_CHECKING:  # type checkers would take any name for an attribute, slips included

    def __getattr__(name: str) -> object:
        """What is imported when it is first used, because most programs never do."""
        if name == "plot":
            import cyroi.plot

            return cyroi.plot
        if name == "reference":
            import cyroi.reference

            return cyroi.reference
        if name == "__pyx_capi__":  # where cimport, numba and SciPy look for the functions in C
            import cyroi.cpu._c_api

            return cyroi.cpu._c_api.__pyx_capi__
        raise AttributeError(f"module 'cyroi' has no attribute {name!r}")
