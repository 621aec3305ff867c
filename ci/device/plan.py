"""Plans, turned taps and conversions on a real GPU, compared bit for bit with the same headers on the CPU.

    python ci/device/plan.py prepare FOLDER [--target 90]    here: needs g++, NumPy and NVRTC (dependency group gpu)
    python ci/device/plan.py check FOLDER                    there: needs NumPy and an NVIDIA driver, nothing else

`prepare` makes random boxes, runs `device.cu` as the C++ compiler builds it, and leaves inputs, results and machine
code for the GPU in FOLDER; `check` runs that code on them. So the two machines need share neither a compiler nor this
package. A driver that does not take the code gets it from the NVRTC beside it, if there is one.

NaN is equal to NaN: a GPU keeps no payload when it converts between float and double.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCE = HERE / "device.cu"
INCLUDE = ROOT / "cyroi" / "include"
BOXES = 250
NUMBERS = 1 << 16
FILL = 0xA5  # of memory that is written, so that what stays unwritten is compared as well

TILE = np.dtype([(name, "<i8") for name in ("first_y", "first_x", "bins_y", "bins_x")])
OPERATOR = np.dtype(
    [("convention", "<i4"), ("aligned", "?"), ("sampling_ratio", "<i8"), ("spatial_scale", "<f8"), ("snap_edges", "?")]
    + [(name, "<i8") for name in ("height", "width", "bins_y", "bins_x")]
    + [("tile", TILE)],
    align=True,
)
WORK = np.dtype([("op", OPERATOR), ("boxes", "<i8"), ("taps", "<i8"), ("batch", "<i8")], align=True)
PLAN = np.dtype("8<i8")
IMAGE, ROW, TAPS, TAPS_X, Y_COUNT, X_COUNT, X_FIRST, X_SPAN = range(8)  # its fields
ELEMENTS = {"float16": "u2", "bfloat16": "u2", "uint8": "u1", "int8": "i1", "uint16": "u2", "int16": "i2"}
ROI_ALIGN, CROP_BILINEAR, CROP_NEAREST = range(3)
# bins, size of the map, tile, bins in a batch: ordinary, one bin, more bins than pixels, a tile inside a large output
SHAPES = (
    ((7, 7), (50, 84), (0, 0, 7, 7), 7),
    ((1, 2), (31, 1), (0, 0, 1, 2), 1),
    ((40, 33), (9, 14), (0, 0, 40, 33), 16),
    ((300, 200), (120, 90), (250, 3, 50, 21), 8),
)
CONVENTIONS = (
    *(
        (ROI_ALIGN, aligned, ratio, scale, False)
        for aligned in (False, True)
        for ratio, scale in ((0, 0.25), (2, 0.3), (3, 1))
    ),
    (CROP_BILINEAR, False, 0, 1, False),
    (CROP_BILINEAR, False, 0, 1, True),
    (CROP_NEAREST, False, 0, 1, False),
)


def share(real: str, numbers: int) -> np.dtype:
    return np.dtype([("pixel", "<i4"), ("bin", "<i4"), ("weight", real, (numbers,))])


LINE = np.dtype([("pixel", "<i4"), ("batch", "<i4"), ("end", "<i4")])


def random_boxes(rng: np.random.Generator, work: np.ndarray, geometry: str) -> np.ndarray:
    """y1 x1 y2 x2: most near the map, some reversed, at whole coordinates, empty, huge, or far away."""
    op = work["op"]
    size = np.array([op["height"], op["width"]]) / op["spatial_scale"]
    if op["convention"] != ROI_ALIGN:
        size = np.ones(2)
    low = rng.uniform(-0.3, 1.1, (BOXES, 2)) * size
    high = low + rng.uniform(-0.1, 0.9, (BOXES, 2)) ** 3 * size * rng.choice([1, 1, 1, 3], (BOXES, 1))
    boxes = np.concatenate([low, high], axis=1)
    kind = rng.integers(0, 20, BOXES)
    boxes[kind == 0] = boxes[kind == 0][:, [2, 3, 0, 1]]
    boxes[kind == 1] = np.rint(boxes[kind == 1])
    boxes[kind == 2, 2:] = boxes[kind == 2, :2]
    boxes[kind == 3] *= rng.choice([1e-44, 1e-39, 1e3, 1e7, 1e12, 1e30], (np.sum(kind == 3), 1))
    return boxes.astype(geometry)


def works() -> Iterator[tuple[np.ndarray, str, str]]:
    """Every kind of work, with the types of the geometry and of the weights."""
    types = (("f4", "f4"), ("f8", "f4"), ("f8", "f8"))
    for (geometry, real), shape, convention in itertools.product(types, SHAPES, CONVENTIONS):
        work = np.zeros((), WORK)
        op = work["op"]
        op["convention"], op["aligned"], op["sampling_ratio"], op["spatial_scale"], op["snap_edges"] = convention
        (op["bins_y"], op["bins_x"]), (op["height"], op["width"]), op["tile"], work["batch"] = shape
        work["boxes"] = BOXES
        yield work, geometry, real


def results(work: np.ndarray, real: str) -> dict[str, np.ndarray]:
    """Memory for what plan_... writes, in the order of its arguments."""
    boxes, taps = int(work["boxes"]), int(work["taps"])
    bins = int(work["op"]["tile"]["bins_y"] + work["op"]["tile"]["bins_x"])
    memory = {
        "plans": np.empty((boxes, 3), PLAN),
        "ends": np.empty((boxes, 3, bins), "<i4"),
        "pixels": np.empty((2, taps), "<i4"),
        "numbers": np.empty((4, taps), real),
        "shares": np.empty(taps, share(real, 1)),
        "slopes": np.empty(taps, share(real, 3)),
        "lines": np.empty((2, taps), LINE),
        "counts": np.empty((boxes, 2), "<i8"),
    }
    for array in memory.values():
        array.reshape(-1).view(np.uint8)[...] = FILL
    return memory


class Host:
    """The functions of device.cu as the C++ compiler builds them."""

    def __init__(self, folder: Path, compiler: str = "g++") -> None:
        library = folder / "device.so"
        options = ["-std=c++14", "-O2", "-ffp-contract=off", "-shared", "-fPIC", f"-I{INCLUDE}"]
        subprocess.run([compiler, "-x", "c++", *options, SOURCE, "-o", library], check=True)
        self.library = ctypes.CDLL(str(library))

    def run(self, name: str, first: np.ndarray, *arrays: np.ndarray) -> None:
        kind = ctypes.c_longlong
        if first.dtype == WORK:  # passed by value, and of a size that the ABI passes as bytes on the stack
            kind = type("Work", (ctypes.Structure,), {"_fields_": [("all", ctypes.c_int64 * (WORK.itemsize // 8))]})
        value = kind.from_buffer_copy(first.tobytes())
        getattr(self.library, name)(value, *(ctypes.c_void_p(array.ctypes.data) for array in arrays))


class Gpu:
    """The same functions on the first GPU, by the driver's own interface."""

    def __init__(self, code: bytes) -> None:
        self.driver = ctypes.CDLL("libcuda.so.1")
        device, context, self.module = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_void_p()
        self.call("cuInit", 0)
        self.call("cuDeviceGet", ctypes.byref(device), 0)
        name = ctypes.create_string_buffer(100)
        self.call("cuDeviceGetName", name, 100, device)
        self.name = name.value.decode()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxSetCurrent", context)
        self.call("cuModuleLoadData", ctypes.byref(self.module), code)

    def call(self, name: str, *arguments: Any) -> None:
        code = getattr(self.driver, name)(*arguments)
        if code != 0:
            raise RuntimeError(f"{name} gave {code}")

    def run(self, name: str, first: np.ndarray, *arrays: np.ndarray) -> None:
        function = ctypes.c_void_p()
        self.call("cuModuleGetFunction", ctypes.byref(function), self.module, name.encode())
        places = []
        for array in arrays:
            place = ctypes.c_uint64()
            self.call("cuMemAlloc_v2", ctypes.byref(place), ctypes.c_size_t(max(array.nbytes, 1)))
            if array.nbytes:
                self.call("cuMemcpyHtoD_v2", place, ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes))
            places.append(place)
        value = ctypes.create_string_buffer(first.tobytes(), first.nbytes)
        pointers = [ctypes.addressof(argument) for argument in (value, *places)]
        table = (ctypes.c_void_p * len(pointers))(*pointers)
        self.call("cuLaunchKernel", function, 16, 1, 1, 64, 1, 1, 0, None, table, None)
        self.call("cuCtxSynchronize")
        for place, array in zip(places, arrays, strict=True):
            if array.nbytes:
                self.call("cuMemcpyDtoH_v2", ctypes.c_void_p(array.ctypes.data), place, ctypes.c_size_t(array.nbytes))
            self.call("cuMemFree_v2", place)


def plan(machine: Host | Gpu, work: np.ndarray, boxes: np.ndarray, real: str) -> dict[str, np.ndarray]:
    """Everything that is planned for `boxes`; sets the taps of `work`."""
    geometry = boxes.dtype.str[1:]
    capacity = np.zeros(len(boxes), "<i8")
    machine.run(f"capacity_{geometry}", work, boxes, capacity)
    places = np.cumsum(capacity) - capacity
    work["taps"] = capacity.sum()
    memory = results(work, real)
    machine.run(f"plan_{geometry}_{real}", work, boxes, places, *memory.values())
    return {"capacity": capacity, **memory}


def conversions() -> Iterator[tuple[str, list[np.ndarray]]]:
    """Arguments of every convert_...: elements and numbers of all kinds, and memory for what becomes of them."""
    rng = np.random.default_rng(1)
    bits = {
        "f4": rng.integers(0, 1 << 32, NUMBERS, "u4").view("f4"),
        "f8": rng.integers(0, 1 << 63, NUMBERS).view("f8"),
    }
    ties = np.arange(NUMBERS // 2, dtype="u4") << 16 | 0x8000  # halfway between bfloat16 numbers, and float16 ones
    for real, numbers in bits.items():
        numbers[::4] = (rng.integers(-140000, 140000, NUMBERS // 4) / 2).astype(real)
        numbers[1::4] = (rng.standard_normal(NUMBERS // 4) * 2.0 ** rng.integers(-30, 17, NUMBERS // 4)).astype(real)
        with np.errstate(invalid="ignore"):  # signalling NaNs among them
            numbers[2::4] = np.concatenate([ties.view("f4")[::4], (ties >> 3 << 12).view("f4")[::4]])
    floats = {"float32": ("f4", ("f4", "f8")), "float64": ("f8", ("f8",))}
    for name, (kind, reals) in (floats | {name: (kind, ("f4", "f8")) for name, kind in ELEMENTS.items()}).items():
        step = NUMBERS >> 8 * np.dtype(kind).itemsize or 1
        elements = bits[kind] if kind in bits else (np.arange(NUMBERS) // step).astype(kind)
        for real in reals:
            yield f"convert_{name}_{real}", [elements, np.zeros(NUMBERS, real), bits[real], np.zeros(NUMBERS, kind)]


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def is_nan(array: np.ndarray, name: str) -> np.ndarray:
    """Which of the values, or elements of the type that `name` begins with, are NaN."""
    if array.dtype.kind == "f":
        return np.isnan(array)
    least = {"float16": 0x7C00, "bfloat16": 0x7F80}.get(name, 0xFFFF)
    return (array & 0x7FFF if least < 0xFFFF else np.zeros_like(array, "i4")) > least


def device_code(target: int) -> bytes:
    sys.path.insert(0, str(ROOT / "tests"))
    from support import nvrtc

    library = nvrtc.find_library()
    assert library is not None, "needs the dependency group gpu"
    options = ["-std=c++14", "--fmad=false", f"-I{INCLUDE}"]
    return nvrtc.Compiler(library).compile(SOURCE.read_text(), f"sm_{target}", options).cubin


def prepare(folder: Path, target: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "device.cubin").write_bytes(device_code(target))
    arrays: dict[str, np.ndarray] = {}
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as built:
        host = Host(Path(built))
        for i, (work, geometry, real) in enumerate(works()):
            arrays[f"{i}/boxes"] = random_boxes(rng, work, geometry)
            for name, array in plan(host, work, arrays[f"{i}/boxes"], real).items():
                arrays[f"{i}/{name}"] = array.reshape(-1).view(np.uint8)
        for name, arguments in conversions():
            host.run(name, np.int64(NUMBERS), *arguments)
            arrays[f"{name}/values"], arrays[f"{name}/stored"] = arguments[1], arguments[3]
    np.savez_compressed(folder / "plan.npz", **arrays)
    print(f"{len(arrays)} arrays, {sum(path.stat().st_size for path in folder.iterdir()) / 2**20:.1f} MiB in {folder}")


def check(folder: Path, target: int) -> bool:
    expected = np.load(folder / "plan.npz")
    try:
        gpu = Gpu((folder / "device.cubin").read_bytes())
    except RuntimeError as error:
        print(f"the code that was carried is not taken ({error}); compiling it here", flush=True)
        gpu = Gpu(device_code(target))
    right = wrong = boxes = taps = 0
    for i, (work, _, real) in enumerate(works()):
        planned = plan(gpu, work, expected[f"{i}/boxes"], real)
        boxes, taps = boxes + BOXES, taps + int(planned["plans"][:, 1, Y_COUNT : X_COUNT + 1].sum())
        for name, array in planned.items():
            if same(array.reshape(-1).view(np.uint8), expected[f"{i}/{name}"]):
                right += 1
            else:
                wrong += 1
                print(f"DIFFERENT {name} of case {i}: {work['op']} {real}", flush=True)
    for name, arguments in conversions():
        gpu.run(name, np.int64(NUMBERS), *arguments)
        for what, array in (("values", arguments[1]), ("stored", arguments[3])):
            other, kind = expected[f"{name}/{what}"], name.split("_")[1] if what == "stored" else ""
            bits = f"u{array.dtype.itemsize}"
            differ = array.view(bits) != other.view(bits)
            count = int(np.sum(differ & ~(is_nan(array, kind) & is_nan(other, kind))))
            right, wrong = right + (count == 0), wrong + (count > 0)
            if count:
                print(f"DIFFERENT {what} of {name}: {count} of {NUMBERS}", flush=True)
    print(f"{gpu.name}: {boxes} boxes, {taps} taps; {right} arrays equal in every bit, {wrong} not")
    print("VERDICT:", "the GPU plans as the CPU does" if wrong == 0 and right > 0 else "THE GPU DIFFERS")
    return wrong == 0 and right > 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("prepare", "check"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--target", type=int, default=90, help="compute capability, 90 for sm_90")
    arguments = parser.parse_args()
    if arguments.step == "prepare":
        prepare(arguments.folder, arguments.target)
    else:
        sys.exit(0 if check(arguments.folder, arguments.target) else 1)


if __name__ == "__main__":
    main()
