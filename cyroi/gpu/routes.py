"""Which kernel forms what, over which grid, from a job whose boxes are planned.

Decisions
a) A lane per channel (`pixels`, `to_pixels`) wherever channels lie together and there are enough of them. Where they
   lie apart, they are brought together first, by `transpose` into memory of at most SCRATCH bytes, a slab of channels
   after the other; for a result only if there are bins enough to pay for it.
b) What is left, few channels or few boxes, is a thread per bin (`gather`) or per pixel (`to_maps`).
c) Every route of a result has the order of sums of the others, and so has every route of a gradient to the maps: a
   choice changes time and not a bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..arguments.layout import name_of
from ..cpu import _separable
from . import device, stream
from . import job as jobs

WARP = 32
SCRATCH = 256 << 20  # bytes at most, of maps or gradients whose channels are brought together
FEW_CHANNELS = 16  # below, most lanes of a warp would have none
PIXELS_PER_BIN = 6  # pixels of the maps per bin up to which bringing channels together pays: an estimate, not measured
BINS_AT_ONCE = 64  # of a block of `pixels`, about
CHANNELS_AT_ONCE = 4  # of a thread of `gather` and `to_maps`
SUMMED_AT_ONCE = 2048  # items of a block of `to_boxes`
SHARED = 48 << 10  # bytes that a block has on every GPU without being asked for
MOST_PIXELS = 1 << 21  # bins of a box for `pixels`, whose pieces are one axis of a grid
MOST_BLOCKS = 1 << 16  # of gather along a box, and of what walks with a stride

force: str | None = None  # a route by name, for measurements and tests: gather, pixels, transposed, to_maps, to_pixels

_WORDS = {1: "cyroi::UInt8", 2: "cyroi::UInt16", 4: "float", 8: "double"}  # what is copied as it is


def forward(job: Any, maps: Any, result: Any, real: str, scratch: stream.Scratch) -> None:
    """Writes `result` of the planned boxes. Both are planar views (n, c, y, x)."""
    channels, bins = maps.shape[1], math.prod(result.shape[2:])
    together = _together(maps)
    narrow = len(maps) > 0 and _narrow(maps, result) and bins <= MOST_PIXELS
    pays = len(result) * bins * PIXELS_PER_BIN >= len(maps) * math.prod(maps.shape[2:])
    route = force or ("gather" if not narrow or channels < FEW_CHANNELS else "pixels" if together else "transposed")
    if route == "transposed" and narrow and (force or pays) and _slab(maps, False)[0] > 0:
        for image, first, part in _parts(job, maps, False, scratch):
            _pixels(job, part, result[:, first : first + part.shape[1]], real, image, True)
    elif route == "pixels" and narrow and together:
        _pixels(job, maps, result, real, 0, False)
    else:
        _gather(job, maps, result, real)


def to_maps(job: Any, grad: Any, maps: Any, real: str, more: bool, scratch: stream.Scratch) -> None:
    """Writes the gradient to the maps, or adds to it. Planar views."""
    job = _strided(job, maps, grad)
    job.more = more
    together, narrow = _together(grad), len(grad) > 0 and _narrow(maps, grad)
    route = force or ("to_pixels" if maps.shape[1] >= FEW_CHANNELS and narrow else "to_maps")
    if route == "to_pixels" and narrow and together:
        return _to_pixels(job, grad, maps, real, False)
    if route == "to_pixels" and narrow and _slab(grad, True)[0] > 0:
        for _, first, part in _parts(job, grad, True, scratch):
            _to_pixels(job, part, maps[:, first : first + part.shape[1]], real, True)
        return None
    tiles = -(-maps.shape[2] // 8) * -(-maps.shape[3] // WARP)
    blocks = tiles * -(-maps.shape[1] // CHANNELS_AT_ONCE) * len(maps)
    return _launch("to_maps", "to_maps", _types(real, maps, grad), blocks, 256, 0, job)


def to_boxes(job: Any, maps: Any, grad: Any, real: str, scratch: stream.Scratch) -> Any:
    """The gradient to the boxes: (boxes, 4), y1 x1 y2 x2, float64, in `scratch`."""
    job = _strided(job, maps, grad)
    boxes, items = len(grad), math.prod(grad.shape[1:])
    job.pieces = pieces = -(-items // SUMMED_AT_ONCE)
    job.channels_first = _together(maps)
    sums = scratch.take("sums", (boxes, pieces, 4), np.float64)
    totals = scratch.take("totals", (boxes, 4), np.float64)
    job.sums, job.totals = sums.data.ptr, totals.data.ptr
    macros = _types(real, maps, grad)
    _launch("to_boxes", "to_boxes", macros, (boxes, min(pieces, MOST_BLOCKS - 1)), 256, 0, job)
    _launch("to_boxes", "add_up", macros, -(-boxes * 4 // 256), 256, 0, job)
    return totals


def store_sums(job: Any, sums: Any, order: Sequence[int], target: Any) -> None:
    """Stores rows (L, 4) of sums into (L, 4) or (L, 5) of any floating dtype, columns as `order` says."""
    if len(sums) == 0:
        return
    job = job.copy()
    job.boxes, job.sums, job.bins = len(sums), sums.data.ptr, target.data.ptr
    job.bin_step.n, job.bin_step.c = (stride // target.itemsize for stride in target.strides)
    job.columns = target.shape[1] - 4
    job.number = _separable.ELEMENTS[name_of(target.dtype)]
    job.source.side = order
    _launch("to_boxes", "store_sums", {"CYROI_REAL": "float"}, -(-len(sums) // 256), 256, 0, job)


# --- what kernels are launched with ---


def _gather(job: Any, maps: Any, result: Any, real: str) -> None:
    job = _strided(job, maps, result)
    job.channels_first = _together(maps)
    items = -(-result.shape[1] // CHANNELS_AT_ONCE) * math.prod(result.shape[2:])
    threads = 256 if items > 128 else 128 if items > 64 else 64
    grid = (min(-(-items // threads), MOST_BLOCKS), min(len(result), MOST_BLOCKS - 1))
    _launch("gather", "gather", _types(real, maps, result), grid, threads, 0, job)


def _pixels(job: Any, maps: Any, result: Any, real: str, image: int, padded: bool) -> None:
    """`pixels` of maps whose channels lie together, which are those of images from `image` on."""
    job = _strided(job, maps, result)
    job.image0, job.map_images = image, len(maps)
    rows, columns = result.shape[2:]
    vector = _vector(maps, padded)
    staged = job.bin_step.c != 1
    of_bin = WARP * vector * result.itemsize if staged else 0
    piece = min(columns * max(1, BINS_AT_ONCE // columns), BINS_AT_ONCE, rows * columns)
    job.piece = piece = min(piece, SHARED // of_bin - 1) if staged else piece
    shared = (piece | 1) * of_bin
    job.store_vectors = not staged and _aligned(result, vector)
    grid = (len(result) * -(-maps.shape[1] // (WARP * vector)), -(-rows * columns // piece))
    warps = min(8, -(-piece // min(columns, 8)))
    _launch("pixels", "pixels", _types(real, maps, result, vector), grid, WARP * warps, shared, job)


def _to_pixels(job: Any, grad: Any, maps: Any, real: str, padded: bool) -> None:
    job = _strided(job, maps, grad)
    vector, warps = _vector(grad, padded), 4
    job.store_vectors = _aligned(maps, vector)
    across, down = -(-maps.shape[3] // 8), -(-maps.shape[2] // warps)
    blocks = across * down * -(-maps.shape[1] // (WARP * vector)) * len(maps)
    _launch("to_pixels", "to_pixels", _types(real, maps, grad, vector), blocks, WARP * warps, 0, job)


def _parts(job: Any, array: Any, whole: bool, scratch: stream.Scratch) -> Iterator[tuple[int, int, Any]]:
    """Copies of planar maps or gradients, channels together, in parts of at most SCRATCH bytes.

    With the first image and the first channel of each. whole: all images are in each part.
    """
    images, channels, height, width = array.shape
    slab, at_once = _slab(array, whole)
    for image in range(0, images, at_once):
        for first in range(0, channels, slab):
            part = array[image : image + at_once, first : first + slab]
            pitch = -(-part.shape[1] // WARP) * WARP
            copy = scratch.take("slab", (len(part), height, width, pitch), array.dtype)
            copy = copy.transpose(0, 3, 1, 2)[:, : part.shape[1]]
            _transpose(job, part, copy)
            yield image, first, copy


def _slab(array: Any, whole: bool) -> tuple[int, int]:
    """How many channels, a multiple of all that a warp takes, of how many images fit into SCRATCH; none: 0 channels.

    Of channels that one load of a warp takes if need be, rather than of those of a vector for each lane.
    """
    of_channel = max(1, math.prod(array.shape[2:])) * array.itemsize
    for unit in (WARP * _most_in_vector(array), WARP):
        channels = SCRATCH // (of_channel * len(array)) // unit * unit
        if channels > 0:
            return channels, len(array)
    images = 0 if whole else SCRATCH // (of_channel * WARP)
    return (WARP, images) if images > 0 else (0, 1)


def _transpose(job: Any, source: Any, target: Any) -> None:
    job = _strided(job, source, target)
    job.images, job.channels, job.op.height, job.op.width = source.shape
    tiles = -(-math.prod(source.shape[2:]) // WARP) * -(-source.shape[1] // WARP) * len(source)
    macros = {"CYROI_REAL": "float", "CYROI_MAP": _WORDS[source.itemsize]}
    _launch("transpose", "transpose", macros, min(tiles, MOST_BLOCKS), 256, 0, job)


def _strided(job: Any, maps: Any, bins: Any) -> Any:
    """A copy of the job for these planar arrays, one of maps and one of what has an element per bin."""
    job = job.copy()
    jobs.place(job, "maps", "map_step", maps)
    jobs.place(job, "bins", "bin_step", bins)
    job.channels, job.images = maps.shape[1], len(maps)
    job.image0, job.map_images = 0, len(maps)
    job.narrow_offsets = _narrow(maps, bins)
    return job


def _types(real: str, maps: Any, bins: Any, vector: int = 1) -> dict[str, str]:
    macros = {
        "CYROI_REAL": real,
        "CYROI_MAP": jobs.TYPES[name_of(maps.dtype)],
        "CYROI_BIN": jobs.TYPES[name_of(bins.dtype)],
    }
    return macros | ({"CYROI_VECTOR": str(vector)} if vector > 1 else {})


def _launch(file: str, name: str, macros: dict[str, str], grid: Any, threads: int, shared: int, job: Any) -> None:
    stream.launch(device.kernel(file, macros), name, grid, threads, shared, job)


# --- what is known of arrays ---


def _together(array: Any) -> bool:
    """Whether the channels of a pixel, or of a bin, follow each other."""
    return bool(array.strides[1] == array.itemsize)


def _narrow(*arrays: Any) -> bool:
    """Whether offsets within an image, and within a box of the result, fit 31 bits."""
    return all(
        sum((size - 1) * abs(stride) for size, stride in zip(array.shape[1:], array.strides[1:], strict=True))
        < array.itemsize << 31
        and math.prod(array.shape[1:]) < 1 << 31
        for array in arrays
    )


def _most_in_vector(array: Any) -> int:
    """Channels of a lane: 16 bytes, and at most 4."""
    return min(4, 16 // int(array.itemsize))


def _vector(array: Any, padded: bool) -> int:
    """Channels that a lane loads at once: as many as leave few lanes idle, and lie in aligned groups.

    padded: there is memory behind the last channel of a pixel, up to a multiple of a warp.
    """
    channels = array.shape[1]
    for vector in (4, 2):
        taken = -(-channels // (WARP * vector)) * WARP * vector
        if vector <= _most_in_vector(array) and 4 * taken <= 5 * channels and _aligned(array, vector, padded):
            return vector
    return 1


def _aligned(array: Any, vector: int, padded: bool = False) -> bool:
    """Whether all channels of every pixel can be read or written in vectors."""
    size = vector * array.itemsize
    apart = (array.strides[axis] for axis in (0, 2, 3) if array.shape[axis] > 1)
    whole = padded or array.shape[1] % vector == 0
    return _together(array) and whole and array.data.ptr % size == 0 and all(stride % size == 0 for stride in apart)
