"""RoI Align in plain code, written to be read.

Three things live here.

* The tutorial, step by step: `interpolate_linear`, `interpolate_bilinear`, then RoI Align of one box on one map as a
  loop, `roi_align`, and without one, `roi_align_vectorized`. Boxes are normalised y_min, x_min, y_max, x_max.
* `oracle`: the float64 oracle of every operator and of its gradients, under the operator's own name and with its own
  signature. It is what the compiled kernels are tested against, and what the benchmarks compare them with.
* `classic`: both operators as everybody writes them in Cython, `cyroi/cpu/_classic.pyx`, to be read after the tutorial.
"""

from . import classic, oracle
from ._tutorial import interpolate_bilinear, interpolate_linear, roi_align, roi_align_vectorized

__all__ = ["classic", "interpolate_bilinear", "interpolate_linear", "oracle", "roi_align", "roi_align_vectorized"]
