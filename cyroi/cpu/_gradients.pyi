from typing import Any

import numpy as np
from numpy.typing import NDArray

def execute(
    maps: NDArray[Any],
    grad: NDArray[Any],
    boxes: NDArray[Any],
    images: NDArray[np.intp],
    to_boxes: NDArray[np.float64] | None,
    maps_element: int,
    grad_element: int,
    convention: int,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
    num_threads: int,
) -> None: ...
def store(
    sources: list[NDArray[Any]], targets: list[NDArray[Any]], elements: list[int], swapped: list[bool]
) -> None: ...
def use_target(capsule: object, own_cache: int, uncached_result: int) -> None: ...
