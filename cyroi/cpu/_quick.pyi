from typing import Any

from numpy.typing import NDArray

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
    layout: object,
    out: object,
    num_threads: object,
) -> NDArray[Any] | None: ...
