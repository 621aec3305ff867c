"""The functions of `cyroi.__pyx_capi__` by way of ctypes, which releases the GIL while they run.

Every call that succeeds is made again, into memory that holds what no kernel writes, and in Python: see written.py.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np

import cyroi

from .operators import BY_NAME
from .written import assert_overwrites, plain

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


def invoke_once(name: str, arguments: dict[str, Any]) -> int:
    """The code that the function gives."""
    passed = [value.ctypes.data if isinstance(value, np.ndarray) else value for value in arguments.values()]
    return function(name)(*passed)


@functools.wraps(invoke_once)
def invoke(name: str, arguments: dict[str, Any]) -> int:
    """The code that the function gives. With OK it has written all of `out`, and the bits that Python writes."""
    code = invoke_once(name, arguments)
    if code == OK and arguments["out"] is not None:
        expected = in_python(name, arguments)
        out = in_memory(arguments["out"], expected.shape, arguments["out_strides"])
        assert_overwrites(lambda: invoke_once(name, arguments), [out], [expected])
    return code


def in_memory(array: np.ndarray, shape: Any, strides: np.ndarray | None) -> np.ndarray:
    """What C sees from the address of the array's first element on."""
    return np.lib.stride_tricks.as_strided(array, shape, strides)


def in_python(name: str, arguments: dict[str, Any]) -> np.ndarray:
    """What the function in Python gives for the arguments of one in C."""
    operator = BY_NAME[name.rpartition("_")[0]]
    maps, count, shape = arguments["maps"], arguments["count"], arguments["shape"]
    dtype = next(dtype for dtype, suffix in DTYPES.items() if name.endswith(suffix))
    indices = arguments["indices"]
    call = {
        operator.maps: np.zeros(shape, dtype) if maps is None else in_memory(maps, shape, arguments["strides"]),
        "boxes": np.zeros((0, 4), dtype) if count == 0 else arguments["boxes"],
        operator.index: np.zeros(count, int) if indices is None else indices,
        operator.size: (arguments["height"], arguments["width"]),
        "layout": next(name for name, code in LAYOUTS.items() if code == arguments["layout"]),
    }
    for option in ("spatial_scale", "sampling_ratio", "aligned", "extrapolation_value"):
        call |= {option: arguments[option]} if option in arguments else {}
    if "method" in arguments:
        call["method"] = next(name for name, code in METHODS.items() if code == arguments["method"])
    return plain(operator.function)(**call)


def name_of(operator: Any, dtype: Any = np.float32) -> str:
    return f"{operator.name}_{DTYPES[dtype]}"


def case(
    operator: Any, dtype: Any = np.float32, seed: int = 0, **options: Any
) -> tuple[Any, np.ndarray, dict[str, Any]]:
    """A call in Python, its result, and the arguments of the same call in C with an `out` full of NaN."""
    call = operator.call(np.random.default_rng(seed), dtype=dtype, **options)
    expected = operator.function(**call)
    return call, expected, arguments(operator, call, np.full_like(expected, np.nan))
