from typing import Any

from numpy.typing import NDArray

MOST_NORMALISED: float

def looks_like_other_layout(channels: int, height: int, width: int, itemsize: int, nhwc: bool) -> bool: ...
def roi_align(
    input: object,
    boxes: object,
    output_size: object,
    spatial_scale: object,
    sampling_ratio: object,
    aligned: object,
    mode: object,
    batch_indices: object,
    layout: object,
    dtype: object,
    validate: object,
    out: object,
    num_threads: object,
) -> NDArray[Any] | None: ...
def crop_and_resize(
    image: object,
    boxes: object,
    box_indices: object,
    crop_size: object,
    method: object,
    extrapolation_value: object,
    snap_edges: object,
    layout: object,
    dtype: object,
    validate: object,
    out: object,
    num_threads: object,
) -> NDArray[Any] | None: ...
