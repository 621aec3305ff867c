"""The functions of `cyroi.__pyx_capi__` by way of ctypes, which releases the GIL while they run."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

import cyroi

# Types in the signatures -> ctypes.
TYPES = {"Py_ssize_t": ctypes.c_ssize_t, "double": ctypes.c_double, "int": ctypes.c_int}
METHODS = {"bilinear": 0, "nearest": 1}
LAYOUTS = {"NCHW": 0, "NHWC": 1}
DTYPES = {np.float32: "float", np.float64: "double"}
OK, NULL_POINTER, BAD_SIZE, BAD_STRIDES, BAD_ARGUMENT, BAD_BOX, BAD_INDEX, OVERLAP, NO_MEMORY = range(9)


def signature(name: str) -> str:
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return get_name(cyroi.__pyx_capi__[name]).decode()


def function(name: str) -> Any:
    """The C function of that name; arrays are passed as their addresses, None is NULL."""
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    text = signature(name)
    result, arguments = text.rstrip(")").split(" (")
    types = [TYPES.get(argument, ctypes.c_void_p) for argument in arguments.split(", ")]
    return ctypes.CFUNCTYPE(TYPES[result], *types)(get_pointer(cyroi.__pyx_capi__[name], text.encode()))


def arguments(operator: Any, call: dict[str, Any], out: np.ndarray, num_threads: int = 1) -> dict[str, Any]:
    """The arguments in C, in order, of a call in Python whose arrays are of one dtype; `out` is N C H W or N H W C."""
    maps, boxes, indices = call[operator.maps], call["boxes"], call[operator.index]
    height, width = call[operator.size]
    if operator.name == "roi_align":
        own = {"spatial_scale": call["spatial_scale"], "sampling_ratio": call["sampling_ratio"]}
        own["aligned"] = call["aligned"]
    else:
        own = {"method": METHODS[call["method"]], "extrapolation_value": call["extrapolation_value"]}
    return {
        "maps": maps, "shape": sizes(maps.shape), "strides": sizes(maps.strides), "boxes": boxes, "indices": indices,
        "count": len(boxes), "height": height, "width": width, **own, "layout": LAYOUTS[call["layout"]],
        "out": out, "out_strides": sizes(out.strides), "num_threads": num_threads,
    }  # fmt: skip


def sizes(values: Any) -> np.ndarray:
    return np.array(values, np.intp)


def invoke(name: str, arguments: dict[str, Any]) -> int:
    """The code that the function gives."""
    plain = [value.ctypes.data if isinstance(value, np.ndarray) else value for value in arguments.values()]
    return function(name)(*plain)


def name_of(operator: Any, dtype: Any = np.float32) -> str:
    return f"{operator.name}_{DTYPES[dtype]}"


def case(
    operator: Any, dtype: Any = np.float32, seed: int = 0, **options: Any
) -> tuple[Any, np.ndarray, dict[str, Any]]:
    """A call in Python, its result, and the arguments of the same call in C with an `out` full of NaN."""
    call = operator.call(np.random.default_rng(seed), dtype=dtype, **options)
    expected = operator.function(**call)
    return call, expected, arguments(operator, call, np.full_like(expected, np.nan))


def run(code: str, **environment: str) -> str:
    """Standard output of a fresh interpreter that can import this module; fails on a crash, a hang or an error."""
    env = {k: v for k, v in os.environ.items() if k not in ("CYROI_NUM_THREADS", "OMP_NUM_THREADS")}
    path = [str(Path(__file__).parent), *filter(None, [env.get("PYTHONPATH")])]
    env |= {"PYTHONPATH": os.pathsep.join(path)} | environment
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout
