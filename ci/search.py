"""A search for wrong values: random calls, each on every SIMD target, into memory that holds something else.

    python ci/search.py --calls 200000 [--seed 0] [--oracle 0.05]

Both operators and both gradients, eight storage types, layouts, views, sizes of cpu/call/sizes.h and beyond, one and
two threads, results kept in the caches and past them. A result goes into memory filled in two ways, which must agree to
the bit: what was not written differs. All targets must agree, give or take rounding, and a share of the calls equals
the float64 oracle. The first call that does not is printed as arguments of `check`, and ends the search.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from ml_dtypes import bfloat16

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import cyroi
from cyroi.cpu import _separable, _targets

from support import sizes  # isort: skip
from support.laws import TOLERANCE, stored  # isort: skip
from support.operators import LAYOUTS, OPERATORS, Call, Operator  # isort: skip

FLOATS = [np.float32, np.float64, np.float16, bfloat16]
STORED = [*FLOATS, np.uint8, np.int8, np.uint16, np.int16]
BITS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
MOST_ELEMENTS = 150_000  # of maps, and of a result
MOST_SAMPLES = 300_000  # that the oracle is asked for
TARGETS = [name for name in _targets.TARGETS if _targets.supported[name]]
LENGTHS = sorted({n for numbers, _ in sizes.CALLS.values() for n in numbers() if n <= 4000})


def use(target: str, past_caches: bool) -> None:
    module = import_module(f"cyroi.cpu._{target}")
    _separable.use_target(module.table)
    _separable.use_caches(_targets.cache(2), 1 if past_caches else _targets.cache(3))


# --- random calls ---


def length(rng: np.random.Generator, most: int) -> int:
    """A size of sizes.h, a small number, or any."""
    kind = rng.integers(3)
    if kind == 0:
        return int(min(most, rng.choice(LENGTHS)))
    return int(rng.integers(1, min(most, 24) + 1) if kind == 1 else np.exp(rng.uniform(0, np.log(most))))


def pair(rng: np.random.Generator, most: int) -> tuple[int, int]:
    """Height and width, of which at most one is long."""
    long, short = length(rng, most), int(rng.integers(1, 12))
    return (long, short) if rng.random() < 0.3 else (short, long)


def random_boxes(rng: np.random.Generator, count: int, h: float, w: float) -> np.ndarray:
    """x1 y1 x2 y2 of every kind: whole maps, parts, points, beyond the map, reversed, on pixels."""
    low, high = np.sort(rng.uniform(0, 1, (2, count, 2)), axis=0)
    kind = rng.integers(6, size=(count, 1))
    low, high = np.where(kind == 0, 0, low), np.where(kind == 0, 1, high)
    high = np.where(kind == 1, low + rng.uniform(0, 0.02, (count, 2)), high)
    low, high = np.where(kind == 2, low - 0.3, low), np.where(kind == 2, high + 0.4, high)
    low, high = np.where(kind == 3, high, low), np.where(kind == 3, low, high)
    corners = np.concatenate([low, high], 1) * [w, h, w, h]
    return np.where(kind == 4, np.round(corners), corners)


def random_call(rng: np.random.Generator) -> tuple[Operator, Call]:
    operator = OPERATORS[rng.integers(2)]
    h, w = pair(rng, 4000)
    channels = min(int(rng.choice([1, 1, 2, 3, 3, 4, 5, 8, 16, 17, 33, 64, 257])), max(1, MOST_ELEMENTS // (h * w)))
    images = min(int(rng.integers(1, 4)), max(1, MOST_ELEMENTS // (h * w * channels)))
    bins = pair(rng, 3000)
    boxes = min(int(rng.integers(1, 7)), max(1, MOST_ELEMENTS // (bins[0] * bins[1] * channels)))
    call = operator.make(rng, (images, channels, h, w), boxes)
    scale = call.get("spatial_scale", 1.0)
    corners = random_boxes(rng, boxes, h / scale, w / scale)
    if operator.name == "crop_and_resize":
        corners = (corners / [w, h, w, h])[:, [1, 0, 3, 2]]
        call["snap_edges"] = bool(rng.integers(2))
    layout = str(rng.choice(list(LAYOUTS)))
    maps = rng.standard_normal((images, channels, h, w)) * 60
    dtype = np.dtype(STORED[rng.integers(len(STORED))] if rng.random() < 0.5 else FLOATS[rng.integers(2)])
    call[operator.maps] = view(rng, stored(maps, dtype).transpose(LAYOUTS[layout]))
    call |= {"boxes": corners.astype(rng.choice([np.float32, np.float64])), operator.size: bins, "layout": layout}
    return operator, call


def view(rng: np.random.Generator, array: np.ndarray) -> np.ndarray:
    """The same values in memory of some order, with or without gaps."""
    kind = rng.integers(4)
    if kind == 0:
        return np.pad(array, 1)[1:-1, 1:-1, 1:-1, 1:-1]
    if kind == 1:
        return np.ascontiguousarray(array[:, ::-1, ::-1])[:, ::-1, ::-1]
    return np.ascontiguousarray(array) if kind == 2 else np.array(array, order="K")


# --- what must hold ---


def into(function: Any, call: Call, shape: tuple[int, ...], dtype: Any, strided: bool) -> np.ndarray:
    """The result, once it is the same in memory that held something else."""
    bits = BITS[np.dtype(dtype).itemsize]
    room = np.empty([n + strided for n in shape], dtype)[tuple(slice(strided, None) for _ in shape)]
    results = []
    for fill in (0x55, 0xAA):
        room.view(bits)[...] = np.frombuffer(bytes([fill]) * room.itemsize, bits)[0]
        function(**call, out=room)
        results.append(np.array(room).view(bits))
    unwritten = results[0] != results[1]
    assert not unwritten.any(), f"{unwritten.sum()} elements of {unwritten.size} were not written"
    return results[0].view(dtype)


def agree(a: np.ndarray, b: np.ndarray, slack: Any) -> None:
    """Equal but for `slack` in what was computed, once stored; NaN and infinity alike."""
    a, b = a.astype(float), b.astype(float)
    np.testing.assert_array_equal(np.isnan(a), np.isnan(b))
    same = (a == b) | np.isnan(a)
    with np.errstate(invalid="ignore"):
        near = same | (abs(a - b) <= slack)
    assert near.all(), f"{(~near).sum()} values differ, by up to {np.nanmax(np.where(near, 0, abs(a - b)))}"


def step(values: np.ndarray, dtype: Any) -> np.ndarray:
    """The distance to the next value of a storage type."""
    if np.dtype(dtype).kind in "iu":
        return np.ones(values.shape)
    digits, lowest = {"float64": (52, -1022), "float32": (23, -126), "float16": (10, -14), "bfloat16": (7, -126)}[
        np.dtype(dtype).name
    ]
    return np.ldexp(1.0, np.maximum(np.frexp(values.astype(float))[1] - 1, lowest) - digits)


def samples(operator: Operator, call: Call) -> float:
    """About how many samples the oracle looks at."""
    bins = float(np.prod(call[operator.size])) * len(call["boxes"]) * call[operator.maps].shape["NCHW".index("C")]
    if operator.name == "crop_and_resize" or call["sampling_ratio"] > 0:
        return bins * max(1, call.get("sampling_ratio", 1)) ** 2
    corners = call["boxes"] * call["spatial_scale"]
    grids = np.ceil(abs(corners[:, 2:] - corners[:, :2]) / np.array(call[operator.size])[::-1]) + 1
    return bins * float(grids.prod(1).max())


def check(seed: list[int], share: float) -> str:
    """One call, on all targets; gives its kind."""
    rng = np.random.default_rng(seed)
    operator, call = random_call(rng)
    planar = np.empty(call[operator.maps].shape).transpose(np.argsort(LAYOUTS[call["layout"]])).shape
    maps, largest = call[operator.maps], float(abs(call[operator.maps].astype(float)).max())
    kind = str(rng.choice(["forward", "maps", "boxes"], p=[0.5, 0.25, 0.25]))
    call["num_threads"], strided, past = int(rng.integers(1, 3)), bool(rng.random() < 0.3), bool(rng.random() < 0.3)
    bins = call[operator.size]
    shape = tuple(np.array((len(call["boxes"]), planar[1], *bins))[list(LAYOUTS[call["layout"]])])
    out_dtype = STORED[rng.integers(len(STORED))] if kind == "forward" else FLOATS[rng.integers(4)]
    computed = np.dtype(np.float64 if maps.dtype == np.float64 else np.float32)
    function, oracle, slack = operator.function, operator.oracle, TOLERANCE[computed] * largest
    if kind != "forward":
        g = rng.standard_normal(shape).astype(FLOATS[rng.integers(4)])
        wrt = operator.maps if kind == "maps" else "boxes"
        call = operator.backward_call(call, view(rng, g), wrt)
        function, oracle = operator.backward, operator.oracle_backward
        shape = maps.shape if kind == "maps" else call["boxes"].shape
        sums = abs(g.astype(float)).sum()
        unit = call.get("spatial_scale", max(planar[2:]))
        slack = TOLERANCE[computed] * sums * (1 if kind == "maps" else 4 * largest * unit)
    results = []
    for target in TARGETS:
        use(target, past)
        results.append(into(function, call, shape, out_dtype, strided))
    for result in results[1:]:
        agree(results[0], result, 2 * slack + step(results[0], out_dtype))
    if rng.random() < share and samples(operator, call | {operator.size: bins}) <= MOST_SAMPLES:
        plain = {name: value for name, value in call.items() if name != "num_threads"}
        expected = oracle(**plain)
        agree(results[0], stored(expected, out_dtype), slack + step(stored(expected, out_dtype), out_dtype))
        kind += ", oracle"
    return f"{operator.name} {kind}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--oracle", type=float, default=0.05, help="share of the calls that the oracle checks")
    options = parser.parse_args()
    print(f"cyroi {cyroi.__version__}, targets {', '.join(TARGETS)}, seed {options.seed}")
    kinds: Counter[str] = Counter()
    for i in range(options.calls):
        try:
            kinds[check([options.seed, i], options.oracle)] += 1
        except Exception:
            print(f"check([{options.seed}, {i}], {options.oracle})")
            raise
    for kind, count in sorted(kinds.items()):
        print(f"{count:8} {kind}")
    print(f"{options.calls} calls, all of them right on {len(TARGETS)} targets")


if __name__ == "__main__":
    main()
