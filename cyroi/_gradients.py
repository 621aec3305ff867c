"""What the gradients of separable operators share: their arguments, their results, and the step to the kernels."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import _layout, _rois, _validate
from ._engine import bits
from .cpu import _core, _gradients

if TYPE_CHECKING:
    from ._typing import Array, Indices

FLOATS = ("float32", "float64", "float16", "bfloat16")


class Maps(NamedTuple):
    """The maps that a result came from, or what is known of them."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    values: Array | None  # None: only their shape was given


class Boxes(NamedTuple):
    """How the gradient to the boxes is handed over."""

    shapes: list[tuple[int, int]]  # of each array; several for a list of boxes
    dtypes: list[np.dtype[Any]]
    is_list: bool
    order: Sequence[int]  # the last four columns, in terms of y1 x1 y2 x2


@dataclass(frozen=True)
class Call:
    """Validated arguments of a gradient. Arrays have four axes in `layout`."""

    convention: int
    layout: str
    grad: Array
    maps: Maps
    coordinates: Array
    images: Indices
    num_threads: int
    spatial_scale: float = 1.0
    sampling_ratio: int = 0
    aligned: bool = False


# --- arguments ---


def asked(wrt: object, choices: Sequence[str]) -> tuple[str, ...]:
    """The names in `wrt`: one, or a tuple of different ones."""
    names = tuple(_validate.choice("wrt", name, choices) for name in (wrt if isinstance(wrt, tuple) else (wrt,)))
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"wrt must be one of {', '.join(map(repr, choices))} or a tuple of different ones; got {wrt!r}"
        )
    return names


def gradient(value: object) -> Array:
    """`grad_output`: an array of a floating dtype, native byte order."""
    array = _validate.as_array("grad_output", value)
    _floating("grad_output", array.dtype)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _floating(name: str, dtype: np.dtype[Any]) -> None:
    if dtype.name not in FLOATS:
        raise TypeError(f"{name} must have dtype {', '.join(FLOATS)}; got {dtype}")


def is_shape(value: object) -> bool:
    """Whether this is a tuple of whole numbers: maps as nested sequences have more than one axis."""
    return isinstance(value, tuple) and all(hasattr(side, "__index__") and np.ndim(side) == 0 for side in value)


def maps(
    name: str, value: Any, ndims: Collection[int], shape: str, names: tuple[str, ...], dtype: np.dtype[Any]
) -> Maps:
    """The maps; or their shape, where that is all that `names` need. Their dtype is then `dtype`."""
    if not is_shape(value):
        array = _validate.maps(name, value, ndims, shape)
        return Maps(array.shape, array.dtype, array)
    if "boxes" in names:
        raise TypeError(f"{name} must be the maps where wrt has 'boxes'; got the shape {value}")
    sides = tuple(_validate.integer(name, side) for side in value)
    if len(sides) not in ndims:
        raise ValueError(f"{name} must have shape {shape}; got {sides}")
    if min(sides) < 0 or max(sides) > _validate.MAX_SIDE:
        raise ValueError(f"{name} must have sides in [0, {_validate.MAX_SIDE}]; got {sides}")
    return Maps(sides, dtype, None)


def batch_shape(shape: tuple[int, ...], layout: str) -> tuple[int, int, int, int]:
    """Planar (n, c, h, w) of a batch, or of a single image with or without channels."""
    if len(shape) == 2:
        return (1, 1, *shape)
    return _layout.planar_shape(shape if len(shape) == 4 else (1, *shape), layout)


def check_shape(grad: Array, boxes: int, channels: int, layout: str, *, channel_axis: bool = True) -> Array:
    """`grad` with four axes, once its shape is seen to be that of a result."""
    if grad.ndim == (4 if channel_axis else 3):
        crops = grad if channel_axis else np.expand_dims(grad, layout.index("C"))
        count, found, height, width = _layout.planar_shape(crops.shape, layout)
        if (count, found) == (boxes, channels) and min(height, width) > 0:
            return crops
    result = f"the result for {boxes} boxes and {channels} channels in layout {layout}"
    raise ValueError(f"grad_output must have the shape of {result}; got {grad.shape}")


def roi_boxes(boxes: Any, batch_indices: object, images: Indices, count: int, geometry: np.dtype[Any]) -> Boxes:
    """The containers of `roi_align`, after `_rois.normalise` accepted them; count: of the images."""
    if _rois.is_list_of_arrays(boxes):
        shapes = [(int(n), 4) for n in np.bincount(images, minlength=count)]
        return Boxes(shapes, [_box_dtype(part, geometry) for part in boxes], True, _rois.FROM_X1Y1X2Y2)
    columns = 4 if batch_indices is not None or _validate.as_array("boxes", boxes).shape[-1:] == (4,) else 5
    return Boxes([(len(images), columns)], [_box_dtype(boxes, geometry)], False, _rois.FROM_X1Y1X2Y2)


def crop_boxes(boxes: Any, count: int, geometry: np.dtype[Any]) -> Boxes:
    return Boxes([(count, 4)], [_box_dtype(boxes, geometry)], False, _rois.FROM_Y1X1Y2X2)


def _box_dtype(boxes: Any, geometry: np.dtype[Any]) -> np.dtype[Any]:
    dtype = _validate.as_array("boxes", boxes).dtype
    return dtype.newbyteorder("=") if dtype.kind == "f" else geometry


# --- results ---


def differentiate(
    call: Call,
    maps: str,
    boxes: Boxes,
    wrt: object,
    names: tuple[str, ...],
    out: Any,
    inputs: Mapping[str, Sequence[object]],
) -> Any:
    """The gradients that `names` ask for; through `out` where that is given. maps: the name of the maps' argument."""
    if out is not None and len(names) > 1:
        raise ValueError("out must be None where wrt asks for more than one gradient")
    targets: dict[str, Any] = {}
    for name in names:
        if name == maps:
            dtype = _validate.result_dtype(call.maps.dtype)
            targets[name] = _layout.result(maps, call.maps.shape, dtype, _checked(out), inputs)
        else:
            targets[name] = _box_results(boxes, out, inputs)
    results = [out if out is not None else _unpacked(name, target, maps, boxes) for name, target in targets.items()]
    result = tuple(results) if isinstance(wrt, tuple) else results[0]
    for name, target in targets.items():
        if name == maps:
            _to_maps(call, maps, target)
        else:
            _to_boxes(call, boxes, target)
    return result  # nothing that may fail stands between the last write and here


def _checked(out: Any) -> Any:
    """`out`, once it is known to be of a floating dtype if it is an array."""
    if isinstance(out, np.ndarray):
        _validate.refuse_mask("out", out)
        _floating("out", out.dtype)
    return out


def _box_results(boxes: Boxes, out: Any, inputs: Mapping[str, Sequence[object]]) -> list[Array]:
    """An array for each of the boxes', from `out` where that is given."""
    if not boxes.is_list:
        given = [out]
    elif out is None:
        given = [None] * len(boxes.shapes)
    else:
        if not isinstance(out, (list, tuple)) or len(out) != len(boxes.shapes):
            raise TypeError(f"out must be a list of {len(boxes.shapes)} arrays, like boxes; got {type(out).__name__}")
        given = list(out)
    results = []
    for array, shape, dtype in zip(given, boxes.shapes, boxes.dtypes, strict=True):
        if out is not None and array is None:
            raise TypeError("out must be a list of arrays, like boxes; got None in it")
        results.append(_layout.result("boxes", shape, dtype, _checked(array), inputs))
        if array is not None:
            inputs = {**inputs, "another array of out": [*inputs.get("another array of out", ()), array]}
    return results


def _unpacked(name: str, target: Any, maps: str, boxes: Boxes) -> Any:
    return target if name == maps or boxes.is_list else target[0]


# --- kernels ---


def _to_maps(call: Call, name: str, result: Array) -> None:
    """The gradient to the maps into `result`, which has their shape."""
    axes = _layout.AXES[call.layout]
    batch = result if result.ndim == 4 else _layout.as_batch(result, call.layout)
    if call.grad.size == 0 or batch.size == 0:
        batch[...] = 0
        return
    computed = np.dtype(np.float64 if call.maps.dtype == np.float64 else np.float32)
    planar = batch.transpose(axes)
    in_place = planar.dtype == computed and _layout.is_readable(planar) and not _layout.is_scattered(planar)
    try:
        written = planar if in_place else np.empty(batch.shape, computed).transpose(axes)
        _execute(call, written, None)
        if not in_place:
            along = sorted(range(4), key=lambda axis: -abs(planar.strides[axis]))  # written in the order of memory
            _store([written.transpose(along)], [planar.transpose(along)])
    except MemoryError as error:
        raise MemoryError(f"{name} and the arrays need memory to work in that cannot be had: {error}") from None


def _to_boxes(call: Call, boxes: Boxes, results: list[Array]) -> None:
    """The gradient to the boxes into `results`, arrays of the shapes that `boxes` names."""
    values = call.maps.values
    try:
        sums = np.zeros((len(call.images), 4))  # to y1 x1 y2 x2 of each box
        if call.grad.size and values is not None and values.size and call.convention != _core.CROP_NEAREST:
            _execute(call, _layout.readable(_layout.as_batch(values, call.layout), call.layout), sums)
        sums = sums[:, boxes.order]
        if boxes.shapes and boxes.shapes[0][1] > 4:
            sums = np.hstack([np.zeros((len(sums), 1)), sums])  # an image index is no quantity to differentiate by
        ends = list(itertools.accumulate(map(len, results), initial=0))
        _store([sums[first:last] for first, last in itertools.pairwise(ends)], results)
    except MemoryError as error:
        raise MemoryError(f"boxes and the arrays need memory to work in that cannot be had: {error}") from None


def _store(sources: list[Array], targets: list[Array]) -> None:
    """Rounds each of `sources`, float32 or float64, into the array of `targets` beside it.

    Not as NumPy converts: that takes memory between one array and the next, and heeds the user's np.errstate.
    """
    elements = [_core.ELEMENTS[target.dtype.name] for target in targets]
    swapped = [not target.dtype.isnative for target in targets]
    _gradients.store([bits(source) for source in sources], [bits(target) for target in targets], elements, swapped)


def _execute(call: Call, planar: Array, to_boxes: Array | None) -> None:
    grad = call.grad.transpose(_layout.AXES[call.layout])
    if not _layout.addressable(grad):
        grad = np.array(grad, order="K", copy=True)
    _gradients.execute(
        bits(planar), bits(grad), call.coordinates, call.images, to_boxes, _core.ELEMENTS[planar.dtype.name],
        _core.ELEMENTS[grad.dtype.name], call.convention, call.spatial_scale, call.sampling_ratio, call.aligned,
        call.num_threads,
    )  # fmt: skip
