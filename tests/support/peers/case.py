"""One call of an operator with a peer's result, how such calls are stored, and the comparison with cyroi."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Kernel = Callable[..., Array]

FOLDER = Path(__file__).parent
ARRAYS = ("maps", "boxes", "expected")


@dataclass(frozen=True, eq=False)
class Case:
    """A call of cyroi's operator `operator`, and what the peer gave for it.

    `boxes` has five columns, the image index first, whatever the operator; the maps' axes are in the order of
    `arguments["layout"]`.
    """

    name: str
    operator: str
    arguments: dict[str, Any]  # of cyroi, by name
    maps: Array
    boxes: Array
    variant: str = ""  # how the peer is asked, where it can be asked in several ways
    coordinate_roundings: int = 0  # see `tolerance`
    printed_error: float = 0.0  # values that were printed with few digits
    expected: Array | None = None

    def call(self, kernel: Kernel) -> Array:
        """`kernel` has the signature of cyroi's operator."""
        if self.operator == "crop_and_resize":
            return kernel(self.maps, self.boxes[:, 1:], self.boxes[:, 0].astype(np.int32), **self.arguments)
        boxes: Any = self.boxes
        if self.variant == "list":
            boxes = [boxes[boxes[:, 0] == image, 1:] for image in range(len(self.maps))]
        return kernel(self.maps, boxes, **self.arguments)

    @property
    def bins(self) -> Array:
        size = self.arguments["crop_size" if self.operator == "crop_and_resize" else "output_size"]
        return np.broadcast_to(size, 2)


# --- the comparison ---------------------------------------------------------------------------------------------------


def grids(case: Case) -> Array:
    """Samples per bin on y and x for each box of a `roi_align` case, shape (K, 2); at most one too many."""
    ratio = case.arguments["sampling_ratio"]
    if ratio > 0:
        return np.full((len(case.boxes), 2), ratio)
    corners = case.boxes[:, 1:].astype(float) * case.arguments["spatial_scale"]
    extents = np.maximum(corners[:, [3, 2]] - corners[:, [1, 0]], 0 if case.arguments["aligned"] else 1)
    return np.floor(extents / case.bins) + 1


def tolerance(case: Case) -> Array:
    """Largest honest difference for each box, first order in the unit roundoff u; M is the largest map value.

    RoI Align with n = gh * gw samples per bin. The peer rounds weights, products and sums of four: 7 u M a sample.
    Adding n samples one after the other rounds partial sums of up to M, 2 M, ... n M, which the division by n turns
    into (n + 1) / 2 u M; the division adds u M. Together n / 2 + 8.5, and as much again for the float64 oracle. cyroi
    rounds 2 gh taps at most on y, once as weight, once as product, and adds them, which costs at most 2 + 2 gh, and x
    likewise. n + 18 + 2 (gh + gw) covers both.

    crop_and_resize: bilinear TensorFlow rounds differences of up to 2 M, so 5 u M in each of two stages, cyroi 3 u M in
    each: 16. The nearest pixel is copied: 0.

    A peer that computes coordinates in another order is `coordinate_roundings` roundings of a coordinate away, and the
    interpolated map rises by at most 2 M per pixel on each axis.
    """
    unit = float(np.finfo(case.maps.dtype).eps) / 2
    if case.operator == "crop_and_resize":
        roundings = np.full(len(case.boxes), 16.0 if case.arguments["method"] == "bilinear" else 0.0)
    else:
        roundings = grids(case).prod(axis=1) + 18 + 2 * grids(case).sum(axis=1)
        reach = np.abs(case.boxes[:, 1:].astype(float)).max(axis=1) * case.arguments["spatial_scale"] + 1
        roundings = roundings + 4 * case.coordinate_roundings * reach
    return roundings * unit * float(np.abs(case.maps).max()) + case.printed_error


def comparable(case: Case) -> Array | bool:
    """Which results a peer's documented deviation leaves comparable, as a mask over (K, 1, height, width).

    ONNX Runtime's CropAndResize puts the last row and column at the end of the box, where TensorFlow's formula arrives
    after rounding; where the two are not the same number, the peers differ, and cyroi is with TensorFlow.
    """
    if case.variant != "CropAndResize":
        return True
    last = (np.array(case.maps.shape[2:]) - 1).astype(case.maps.dtype)
    lo, hi, steps = case.boxes[:, 1:3], case.boxes[:, 3:5], (case.bins - 1).astype(case.maps.dtype)
    with np.errstate(
        divide="ignore", invalid="ignore"
    ):  # division by 0 where the crop is one pixel, its centre for both
        same = (lo * last + steps * ((hi - lo) * last / steps) == hi * last) | (steps == 0)
    mask = np.ones((len(lo), 1, *case.bins), bool)
    mask[:, 0, -1, :] &= same[:, :1]
    mask[:, 0, :, -1] &= same[:, 1:]
    return mask


def check(case: Case, kernel: Kernel) -> float:
    """Assert that `kernel` gives what the peer gave; the largest difference, relative to the largest map value."""
    assert case.expected is not None
    result = case.call(kernel)
    assert result.shape == case.expected.shape, f"{case.name}: shape {result.shape}, peer {case.expected.shape}"
    error = np.abs(result.astype(float) - case.expected.astype(float))
    error = np.where(comparable(case), error, 0).max(axis=(1, 2, 3), initial=0)
    allowed = tolerance(case)
    wrong = ~(error <= allowed)  # in this form NaN is wrong
    if wrong.any():
        worst = int(np.argmax(np.where(wrong, np.nan_to_num(error - allowed, nan=np.inf), -np.inf)))
        raise AssertionError(
            f"{case.name}: {wrong.sum()} of {len(wrong)} boxes differ; box {worst}, {case.boxes[worst].tolist()} "
            f"by {error[worst]:.3g}, allowed {allowed[worst]:.3g}; {case.arguments}, map {case.maps.shape}"
        )
    return float(error.max(initial=0) / np.abs(case.maps).max())


# --- storage ----------------------------------------------------------------------------------------------------------


def save(peer: str, version: str, cases: Sequence[Case]) -> Path:
    """Write the cases, each distinct array once."""
    arrays: dict[str, Array] = {}
    keys: dict[bytes, str] = {}

    def key(array: Array) -> str:
        content = f"{array.dtype}{array.shape}".encode() + array.tobytes()
        name = keys.setdefault(content, f"array{len(keys)}")
        arrays[name] = array
        return name

    rows = [{f.name: getattr(case, f.name) for f in fields(case)} for case in cases]
    rows = [{name: key(value) if name in ARRAYS else value for name, value in row.items()} for row in rows]
    path = FOLDER / f"{peer}.npz"
    np.savez_compressed(path, header=np.array(json.dumps({"version": version, "cases": rows})), **arrays)
    return path


def load(peer: str) -> list[Case]:
    """The stored cases of a peer."""
    header, arrays = _read(peer)
    rows = header["cases"]
    return [Case(**{name: arrays[value] if name in ARRAYS else value for name, value in row.items()}) for row in rows]


def version(peer: str) -> list[str]:
    """The distributions, with their versions, whose results are stored."""
    return _read(peer)[0]["version"].split(", ")[:-1]


def _read(peer: str) -> tuple[dict[str, Any], dict[str, Array]]:
    with np.load(FOLDER / f"{peer}.npz") as file:
        arrays = {name: file[name] for name in file.files}
    return json.loads(str(arrays["header"])), arrays
