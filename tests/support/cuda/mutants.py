"""Errors that are planted in the GPU's kernels: each is a copy of them with one change."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from . import device


class Mutant(NamedTuple):
    file: str
    old: str
    new: str
    at: int = -1  # which of those that stand there; -1: it stands there once
    header: str = ""  # that the text stands in; none: in the file itself


def barriers() -> Iterator[tuple[str, Mutant]]:
    """Every barrier of every kernel, taken away."""
    for path in sorted(device.KERNELS.glob("*.cu")):
        for barrier in ("__syncthreads();", "__syncwarp();"):
            for i in range(path.read_text().count(barrier)):
                yield f"{path.stem} without {barrier[:-3]} {i}", Mutant(path.stem, barrier, ";", i)


# Barriers without which nothing changes, and why.
SPARE = {
    "plan without __syncwarp 0": "the lanes have just met; for a device, it orders memory",
    "plan without __syncwarp 1": "the lanes have just met; for a device, it orders memory",
}

PLANTED: dict[str, Mutant] = {
    "a row of 32 bins is planned and no more": Mutant("plan", "p0 < bins;", "p0 < kWarp;"),
    "taps of a bin begin where those of the one before do": Mutant("plan", "return sum - n;", "return sum;"),
    "a sum over 16 lanes": Mutant("plan", "d < kWarp; d *= 2", "d < kWarp / 2; d *= 2"),
    "an extent of half the lanes": Mutant("plan", "int d = kWarp / 2; d > 0;", "int d = kWarp / 4; d > 0;"),
    "room is not looked at": Mutant("plan", "if (total > plan.room) return false;", ""),
    "a bad box is not noticed": Mutant("plan", "if (!(v - v == 0)) good = false;", ""),
    "an image that is not there": Mutant("plan", "n < static_cast<double>(job.images)", "n <= 9"),
    "a box far away": Mutant("plan", "v > from.most ||", ""),
    "a bad box is planned": Mutant("plan", "if (flags & (BAD | FULL)) axis.clear();", ""),
    "boxes of every type are planned in each": Mutant("plan", "!= (sizeof(G) == 4)) return;", "> 1) return;"),
    "boxes of all images": Mutant("plan", "image >= 0 && image < n", "image >= 0 && image <= n"),
    "boxes in no order": Mutant(
        "plan", "below + listed + __popc(all & ((1u << lane) - 1))", "below + listed + 31 - lane"
    ),
    "a pixel that is not the last": Mutant("plan", "pixel <= last; pixel += kWarp", "pixel < last; pixel += kWarp"),
    "columns before rows": Mutant("gather", "sum_taps(x, sum,", "sum_taps(y, sum,"),
    "one partial sum of all": Mutant("gather", "begin += kPartial) {", "begin += 1 << 30) {", header="sums.h"),
    "a channel too many": Mutant("gather", "smaller(channels - channel, static_cast<int>(kAtOnce))", "kAtOnce"),
    "only the first boxes": Mutant(
        "gather", "k < job.boxes; k += gridDim.y", "k < smaller<index>(job.boxes, 7); k += gridDim.y"
    ),
    "what is outside is 0": Mutant("gather", "static_cast<A>(job.fill)", "0"),
    "zero is where sums begin": Mutant("gather", "sum[c] = no_sum();", "sum[c] = 0;", header="sums.h"),
    "a piece of bins that loses one": Mutant(
        "pixels", "begin + static_cast<int>(job.piece), bins)", "begin + static_cast<int>(job.piece), bins - 1)"
    ),
    "rows of the bin before": Mutant("pixels", "if (bin == first || q == 0) {", "if (bin == first) {"),
    "four rows and no more": Mutant("pixels", "y.count <= kFewRows", "y.count <= 1000"),
    "a stage of rows without a gap": Mutant(
        "pixels", "const int row = (end - begin) | 1;", "const int row = (end - begin) - 1;"
    ),
    "a slab further": Mutant("pixels", "% slabs) * kWarp * V, c = c0", "% slabs) * kWarp, c = c0"),
    "vectors where channels end": Mutant("pixels", "walk.job.store_vectors && walk.mine", "walk.mine"),
    "a tile of the same pixels": Mutant("transpose", "tile[lane][i];", "tile[i][lane];"),
    "a tile's last row": Mutant(
        "transpose", "c0 + i < job.channels && p < points", "c0 + i < job.channels - 1 && p < points"
    ),
    "boxes beside the tile": Mutant("to_maps", "e.first_x < at.x0 + kTileX", "e.first_x < at.x0"),
    "256 boxes and no more": Mutant(
        "to_maps", "from < last; from += kTileThreads", "from < smaller(last, 256); from += kTileThreads"
    ),
    "boxes by warps": Mutant("to_maps", "before += w < warp ? counts[w] : 0;", "before += w > warp ? counts[w] : 0;"),
    "what earlier boxes left is lost": Mutant("to_maps", "job.more && mine", "false && mine"),
    "boxes in the reverse order": Mutant(
        "to_pixels", "__ffs(static_cast<int>(hits)) - 1", "31 - __clz(static_cast<int>(hits))"
    ),
    "boxes to the left": Mutant("to_pixels", "at.x0 + kAcross > e.first_x", "at.x0 > e.first_x"),
    "seven pixels of eight": Mutant(
        "to_pixels",
        "if (i >= count || channels <= 0) continue;",
        "if (i >= 7 || i >= count || channels <= 0) continue;",
    ),
    "no base": Mutant("to_boxes", "return larger(smaller(a, b), smaller(larger(a, b), c));", "return 0;"),
    "half of a warp's sum": Mutant("to_boxes", "int d = kWarp / 2; d > 0; d /= 2", "int d = kWarp / 4; d > 0; d /= 2"),
    "one piece": Mutant("to_boxes", "n < job.pieces; ++n", "n < 1; ++n"),
    "a column of zeros": Mutant("to_boxes", "i < job.columns ? 0 :", ""),
    "sides swapped": Mutant("to_boxes", "found[kY1]);", "found[kY2]);"),
    "an element in every other row": Mutant("convert", "y = rows % job.op.height", "y = rows / 2 % job.op.height"),
    "integers that no double holds": Mutant("convert", "!is_exact(source)", "false"),
}


def plant(folder: Path, mutant: Mutant) -> None:
    """The kernels with this change, in a new folder."""
    shutil.copytree(device.KERNELS, folder)
    path = folder / (mutant.header or f"{mutant.file}.cu")
    parts = path.read_text().split(mutant.old)
    assert len(parts) == 2 if mutant.at < 0 else len(parts) > mutant.at + 1, f"{len(parts) - 1} times: {mutant.old}"
    at = max(mutant.at, 0) + 1
    path.write_text(mutant.new.join([mutant.old.join(parts[:at]), mutant.old.join(parts[at:])]))
