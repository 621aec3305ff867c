from typing import Any

import numpy as np
from numpy.typing import NDArray

ROI_ALIGN: int
CROP_BILINEAR: int
CROP_NEAREST: int

class _Execute:
    def __getitem__(self, signature: str) -> _Execute: ...
    def __call__(
        self,
        maps: NDArray[Any],
        boxes: NDArray[Any],
        images: NDArray[np.intp],
        out: NDArray[Any],
        convention: int,
        spatial_scale: float,
        sampling_ratio: int,
        aligned: bool,
        fill: float,
        num_threads: int,
    ) -> None: ...

def use_target(capsule: object) -> None: ...

execute: _Execute
