"""The float64 oracle of each operator and of its gradients, by the operator's name."""

from ._crop_and_resize import crop_and_resize
from ._crop_and_resize_backward import crop_and_resize_backward
from ._roi_align import roi_align
from ._roi_align_backward import roi_align_backward

__all__ = ["crop_and_resize", "crop_and_resize_backward", "roi_align", "roi_align_backward"]
