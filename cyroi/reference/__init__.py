"""RoI Align in plain NumPy, written to be read.

Two things live here.

* The tutorial, step by step: `interpolate_linear`, `interpolate_bilinear`, then RoI Align of one box on one map as a
  loop, `roi_align`, and without one, `roi_align_vectorized`. Boxes are normalised y_min, x_min, y_max, x_max.
* `oracle`: the float64 oracle of every operator and of its gradients, under the operator's own name and with its own
  signature. It is what the compiled kernels are tested against, and what the benchmarks compare them with.
"""

from . import oracle
from ._tutorial import interpolate_bilinear, interpolate_linear, roi_align, roi_align_vectorized

__all__ = ["interpolate_bilinear", "interpolate_linear", "oracle", "roi_align", "roi_align_vectorized"]
