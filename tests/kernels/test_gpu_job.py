"""What Python and the GPU's kernels tell each other is the same on both sides: structs, sizes and numbers."""

from __future__ import annotations

import ctypes
import re

import numpy as np
import pytest

from cyroi.cpu import _separable

cuda = pytest.importorskip("support.cuda.device", reason="no CuPy: python -m pip install --group gpu")
if cuda.compiler() is None:
    pytest.skip("no C++ compiler on the path", allow_module_level=True)

from cyroi.gpu import job  # noqa: E402


def fields(struct, path="", offset=0):
    """Name, offset and size of each field of a struct, and of the structs in it."""
    for name, kind in struct._fields_:
        field = getattr(struct, name)
        yield f"{path}{name}", offset + field.offset, field.size
        if issubclass(kind, ctypes.Structure):
            yield from fields(kind, f"{path}{name}.", offset + field.offset)


class Swapped(ctypes.Structure):
    """A job of which two neighbours have changed places."""

    _fields_ = tuple(
        job.Job._fields_[{"columns": i + 1, "number": i - 1}.get(name, i)]
        for i, (name, _) in enumerate(job.Job._fields_)
    )


SIZES = {
    "cyroi::Extent": job.EXTENT, "cyroi::Range": job.RANGE, "cyroi::Line": job.LINE,
    "cyroi::Share<float, 1>": job.SHARE["float"], "cyroi::Share<double, 1>": job.SHARE["double"],
}  # fmt: skip
NUMBERS = (
    {"cyroi::BAD": job.BAD, "cyroi::FAR": job.FAR, "cyroi::FULL": job.FULL}
    | {f"cyroi::{name.upper()}": number for name, number in job.NUMBERS.items()}
    | {f"cyroi::{name}": getattr(_separable, name) for name in ("ROI_ALIGN", "CROP_BILINEAR", "CROP_NEAREST")}
)
TYPES = {name: np.dtype(name).itemsize for name in job.TYPES if name != "bfloat16"} | {"bfloat16": 2}


def found_by_the_compiler(folder, expressions):
    """What these are in C++."""
    lines = "\n".join(f"    out[{i}] = static_cast<long long>({text});" for i, text in enumerate(expressions))
    (folder / "own.cu").write_text(
        f'#include "{cuda.KERNELS}/job.h"\n'
        f"CYROI_KERNEL(found) {{\n    long long* out = reinterpret_cast<long long*>(job.maps);\n{lines}\n}}\n"
    )
    out = cuda.empty((len(expressions),), np.int64)
    made = job.Job()
    made.maps = out.data.ptr
    cuda.launch(cuda.Kernel("own", {}, folder), "found", 1, 1, 0, made)
    return cuda.download(out).tolist()


@pytest.mark.parametrize(("struct", "same"), [(job.Job, True), (Swapped, False)], ids=["job", "swapped"])
def test_fields_lie_where_the_kernels_look(tmp_path, struct, same):
    known = list(fields(struct))
    offsets = [f"__builtin_offsetof(cyroi::Job, {name})" for name, _, _ in known]
    sizes = [f"sizeof(static_cast<cyroi::Job*>(nullptr)->{name})" for name, _, _ in known]
    size, *found = found_by_the_compiler(tmp_path, ["sizeof(cyroi::Job)", *offsets, *sizes])
    assert size == ctypes.sizeof(struct)
    there = list(zip(found[: len(known)], found[len(known) :], strict=True))
    assert (there == [field[1:] for field in known]) == same


def test_no_field_of_the_struct_is_left_out():
    text = re.sub(r"/\*.*?\*/", "", (cuda.KERNELS / "job.h").read_text(), flags=re.DOTALL)
    for struct in (job.Job, job.Source, job.AxisPlan, job.Strides):
        body = re.search(rf"struct {struct.__name__} \{{(.*?)\n\}};", text, re.DOTALL)[1]
        declared = re.findall(r"(\w+)(?:\[\w+\])?(?=[,;])", body)
        assert declared == [name for name, _ in struct._fields_]


def test_sizes_and_numbers_are_those_of_the_kernels(tmp_path):
    expected = {f"sizeof({name})": size for name, size in SIZES.items()} | NUMBERS
    expected |= {f"sizeof({job.TYPES[name]})": size for name, size in TYPES.items()}
    assert found_by_the_compiler(tmp_path, list(expected)) == list(expected.values())
