"""The float64 oracle of each operator, by the operator's name."""

from ._crop_and_resize import crop_and_resize
from ._roi_align import roi_align

__all__ = ["crop_and_resize", "roi_align"]
