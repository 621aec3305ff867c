from typing import Any

import numpy as np
from numpy.typing import NDArray

ROI_ALIGN: int
CROP_BILINEAR: int
CROP_NEAREST: int
MAX_SIDE: int
MAX_SAMPLING_RATIO: int
ELEMENTS: dict[str, int]
SIZES: dict[str, tuple[int, str]]

def execute(
    maps: NDArray[Any],
    boxes: NDArray[Any],
    images: NDArray[np.intp],
    out: NDArray[Any],
    maps_element: int,
    out_element: int,
    convention: int,
    spatial_scale: float,
    sampling_ratio: int,
    aligned: bool,
    snap_edges: bool,
    fill: float,
    num_threads: int,
    narrow: NDArray[np.uint8] | None = None,
    rows: NDArray[np.intp] | None = None,
) -> None: ...
def differentiate(
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
    snap_edges: bool,
    num_threads: int,
    narrow: NDArray[np.uint8] | None = None,
    rows: NDArray[np.intp] | None = None,
) -> None: ...
def store(
    sources: list[NDArray[Any]], targets: list[NDArray[Any]], elements: list[int], swapped: list[bool]
) -> None: ...
def use_target(capsule: object) -> None: ...
def use_caches(own: int, result: int) -> None: ...
def lanes() -> dict[str, int]: ...
