from typing import Any

import numpy as np
from numpy.typing import NDArray

def roi_align(
    maps: NDArray[Any],
    boxes: NDArray[Any],
    images: NDArray[np.intp],
    out: NDArray[Any],
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
    num_threads: int,
) -> None: ...
def crop_and_resize(
    maps: NDArray[Any],
    boxes: NDArray[Any],
    images: NDArray[np.intp],
    out: NDArray[Any],
    nearest: bool,
    fill: float,
    num_threads: int,
) -> None: ...
