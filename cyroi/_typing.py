"""Types of the annotations. Imported by type checkers only: numpy.typing costs a sixth of the whole import."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array = NDArray[Any]
Indices = NDArray[np.intp]

__all__ = ["Array", "ArrayLike", "DTypeLike", "Indices"]
