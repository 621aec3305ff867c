"""The proof that calls write all of their results: it fails where they do not, and no test goes without it."""

from __future__ import annotations

import ast
import ctypes
import inspect
import warnings
from pathlib import Path

import numpy as np
import pytest
from ml_dtypes import bfloat16

import cyroi
from support import c_face, processes, written
from support.operators import BY_NAME, OPERATORS
from support.written import plain, twice
from support.wrong_writes import STEADY, WRITES, into_out, unless_out

FLOATS = [np.dtype(t) for t in (np.float32, np.float64, np.float16, bfloat16)]
DTYPES = [*FLOATS, np.dtype(np.uint8), np.dtype(np.int16)]
# What is called: an operator, and what its gradient is asked for; None: the operator itself.
CALLS = [(name, wrt) for name in BY_NAME for wrt in (None, "maps", "boxes", "both")] + [("roi_align", "list of boxes")]


def good(name, wrt, dtype):
    """The plain function and a call of it, with maps and gradients of this dtype and boxes near it."""
    operator = BY_NAME[name]
    call = operator.call(np.random.default_rng(1), shape=(2, 3, 9, 12), boxes=5)
    call |= {"method": "bilinear"} if "method" in call else {}
    call["boxes"] = call["boxes"].astype(np.float32 if dtype not in FLOATS or dtype == bfloat16 else dtype)
    call[operator.maps] = (50 * call[operator.maps]).astype(dtype)
    if wrt is None:
        return plain(operator.function), call
    g = np.random.default_rng(2).standard_normal(operator.oracle(**call).shape).astype(dtype)
    asked = {"maps": operator.maps, "both": ("boxes", operator.maps)}.get(wrt, "boxes")
    call = operator.backward_call(call, g, asked)
    if wrt == "list of boxes":
        images = np.sort(call.pop("batch_indices"))
        call["boxes"] = [call["boxes"][images == image] for image in range(2)]
    return plain(operator.backward), call


def given(function, call, dtype):
    """The call with an `out` of this dtype, which holds numbers."""
    result = function(**call)
    made = [np.full(array.shape, 99, dtype) for array in written.arrays(result)]
    return call | {"out": made if isinstance(result, list) else made[0]}


# --- it fails on wrong functions ---


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda dtype: dtype.name)
@pytest.mark.parametrize(("name", "wrt"), CALLS)
def test_a_wrong_function_is_seen_by_a_call_without_out(name, wrt, dtype):
    function, call = good(name, wrt, dtype)
    twice(function)(**call)
    for wrong in [into_out(function, write) for write in (WRITES | STEADY).values()] + [unless_out(function)]:
        with pytest.raises(AssertionError, match=r"elements (were not written|differ)"):
            twice(wrong)(**call)


@pytest.mark.parametrize(
    ("name", "wrt", "dtype"),
    [(*one, dtype) for one in CALLS if one[1] != "both" for dtype in (FLOATS if one[1] else DTYPES)],
)
def test_a_wrong_function_is_seen_by_a_call_with_out(name, wrt, dtype):
    function, call = good(name, wrt, np.dtype(np.float32) if wrt else dtype)
    twice(function)(**given(function, call, dtype))
    for write in WRITES.values():
        with pytest.raises(AssertionError, match=r"elements (were not written|differ)"):
            twice(into_out(function, write))(**given(function, call, dtype))


@pytest.mark.parametrize(
    ("name", "wrt", "dtype"),
    [(*one, dtype) for one in CALLS if one[1] != "both" for dtype in (FLOATS[:2] if one[1] else DTYPES)],
)
def test_another_last_bit_in_out_is_seen_where_a_new_result_has_its_type(name, wrt, dtype):
    function, call = good(name, wrt, dtype)
    for asked in (call, given(function, call, dtype if dtype in FLOATS else np.float32)):
        with pytest.raises(AssertionError, match=r"1 of .* elements differ"):
            twice(into_out(function, STEADY["another last bit"]))(**asked)


COPIES = """
import numpy as np
from support.written import twice

right = np.random.default_rng(5).random(SIZE, np.float32)

def wrong(out):
    out = np.empty(SIZE, np.float32) if out is None else out
    scratch = np.empty(SIZE, np.float32)
    scratch[:-1] = right[:-1]
    out[...] = scratch
    return out

seen = 0
for _ in range(20):
    try:
        twice(wrong)(out=np.zeros(SIZE, ">f4"))
    except AssertionError:
        seen += 1
print(seen)
"""


@pytest.mark.parametrize("size", [5, 500, 20_000])  # the last: 80 kB; from 128 kB on, memory may come from the system
def test_what_is_copied_from_memory_that_was_not_written_is_seen(size):
    """By way of scratch: no poison is left in `out`, so it depends on which memory comes back that was freed.

    That is up to the allocator and to what ran before: in this process, any test may have.
    """
    assert int(processes.run(COPIES.replace("SIZE", str(size)))) > 0


def test_a_result_that_is_not_out_is_seen(operator):
    def wrong(out=None, **call):
        return plain(operator.function)(**call, out=out).copy()

    with pytest.raises(AssertionError, match="the result is not out"):
        twice(wrong)(**operator.call(np.random.default_rng(0)))


@pytest.mark.parametrize("write", WRITES | STEADY)
@pytest.mark.parametrize("dtype", c_face.DTYPES)
def test_a_wrong_function_in_c_is_seen(operator, monkeypatch, dtype, write):
    _, expected, arguments = c_face.case(operator, dtype)
    name, right = c_face.name_of(operator, dtype), c_face.function
    assert c_face.invoke(name, arguments) == c_face.OK

    def wrong(*passed):
        place = list(arguments).index("out")
        out = np.frombuffer((ctypes.c_char * expected.nbytes).from_address(passed[place]), dtype)
        out = out.reshape(expected.shape)
        before = out.copy()
        code = right(name)(*passed)
        (WRITES | STEADY)[write](out, before)
        return code

    monkeypatch.setattr(c_face, "function", lambda _: wrong)
    with pytest.raises(AssertionError, match=r"elements (were not written|differ)"):
        c_face.invoke(name, arguments)


# --- it changes nothing else ---


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda dtype: dtype.name)
def test_the_poison_is_a_signalling_nan(dtype):
    array = np.empty(1, dtype)
    written.fill(array, 0)
    pattern, infinity = (int(written.bits(a)[0]) for a in (array, np.array([np.inf], dtype)))
    digits = {"float32": 23, "float64": 52, "float16": 10, "bfloat16": 7}[dtype.name]
    assert pattern != infinity
    assert not (pattern ^ infinity) >> (digits - 1)  # its sign, its exponent, and the digit that makes a NaN quiet


@pytest.mark.parametrize("dtype", [*DTYPES, np.dtype(">f4"), np.dtype(">i2")], ids=str)
def test_what_lies_between_the_elements_of_out_is_left_alone(operator, dtype):
    call = operator.call(np.random.default_rng(3))
    shape = operator.function(**call).shape
    memory = np.full([2 * n + 1 for n in shape], 7, dtype)
    out = memory[tuple(slice(1, None, 2) for _ in shape)][::-1]
    assert operator.function(**call, out=out) is out
    np.testing.assert_array_equal(out, plain(operator.function)(**call, out=np.empty(shape, dtype)))
    out[...] = 7
    assert (memory == 7).all()


def test_what_is_raised_or_refused_is_left_alone():
    calls = []

    def fails(**call):
        calls.append(call)
        raise KeyError("my own trouble")

    with pytest.raises(KeyError, match="my own trouble"):
        twice(fails)(a=1)
    assert calls == [{"a": 1}]
    assert twice(lambda: calls.append({}))() is None
    assert calls == [{"a": 1}, {}]


def test_a_warning_is_given_once(operator):
    def warns(**call):
        warnings.warn("once", RuntimeWarning, stacklevel=1)
        return plain(operator.function)(**call)

    with pytest.warns(RuntimeWarning) as caught:
        twice(warns)(**operator.call(np.random.default_rng(4)))
    assert len(caught) == 1


# --- no test goes without it ---

TESTS = Path(__file__).parents[1]
PLAIN = {
    "laws/test_snapshots.py": {
        "test_every_array_is_asked_for_once",
        "test_a_list_that_changes_during_the_call_has_the_gradient_of_its_first_contents",
    },
    "kernels/test_gpu_results.py": {  # of the CPU, beside those of the GPU's backend
        "test_the_gradient_to_the_maps_has_the_bits_of_the_cpu",
        "test_bins_of_few_columns_have_the_bits_of_the_cpu",
    },
    "kernels/test_memory.py": {"test_a_call_allocates_little_beside_its_result"},
    "kernels/test_run_time.py": {"test_the_gil_is_released_during_a_call"},
    "faces/test_hints.py": {  # warnings say where they come from, which `twice` is not
        "test_boxes_in_pixels",
        "test_the_warning_changes_no_value",
        "test_it_comes_once_per_place_of_call",
        "test_photographs_in_the_layout_of_maps",
        "test_photographs_of_planes_in_the_layout_of_images",
    },
    "support/on_gpu.py": {"once"},  # results on a device are no NumPy arrays
    "faces/test_limits.py": {""},  # codes of the C face, and results into NaN
    "faces/test_c_api_threads.py": {"test_another_thread_that_changes_the_boxes_cannot_lead_a_call_astray"},
}
HELPERS = {"support/written.py", "support/c_face.py", "project/test_written.py"}
FUNCTIONS = [function for operator in OPERATORS for function in (operator.function, operator.backward)]
MODULES = {inspect.getmodule(plain(function).__code__).__name__ for function in FUNCTIONS}  # not the public one
ONCE = {"c_face.function", "c_face.invoke_once"}
OTHER_WAYS = MODULES | ONCE | {f"support.{name}" for name in ONCE}


def test_the_functions_of_the_package_are_those_that_call_twice():
    for operator in OPERATORS:
        for function in (operator.function, operator.backward):
            assert function is getattr(cyroi, function.__name__)
            assert plain(function) is not function
            assert inspect.signature(function) == inspect.signature(plain(function))
            assert function.__doc__ == plain(function).__doc__
    assert {function.__name__ for o in OPERATORS for function in (o.function, o.backward)} == set(written.NAMES)


def goes_around(node):
    """Whether this takes a function as it is without `twice`, or something that has it."""
    if isinstance(node, ast.Call):
        return getattr(node.func, "attr", getattr(node.func, "id", "")) == "plain"
    if isinstance(node, ast.Attribute):
        return ast.unparse(node) in OTHER_WAYS
    if isinstance(node, ast.ImportFrom):
        return not OTHER_WAYS.isdisjoint({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return isinstance(node, ast.Import) and not OTHER_WAYS.isdisjoint(alias.name for alias in node.names)


def around(tree):
    """The functions of a file that go around the proof; "" for the file itself."""
    of_functions = {
        node.name: {inner for inner in ast.walk(node) if goes_around(inner)}
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }
    elsewhere = {node for node in ast.walk(tree) if goes_around(node)}.difference(*of_functions.values())
    return {name for name, nodes in of_functions.items() if nodes} | ({""} if elsewhere else set())


def test_those_that_call_once_are_named_here():
    found = {path.relative_to(TESTS).as_posix(): around(ast.parse(path.read_text())) for path in TESTS.rglob("*.py")}
    assert {name: names for name, names in found.items() if names and name not in HELPERS} == PLAIN


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n  g(written.plain(cyroi.roi_align))",
        "def f():\n  from cyroi.operators.roi_align import roi_align",
        "def f():\n  from cyroi.operators import roi_align_backward",
        "def f():\n  return cyroi.operators.crop_and_resize.crop_and_resize",
        "def f():\n  import cyroi.operators.roi_align",
        "def f():\n  from support.c_face import invoke_once",
        "def f():\n  return c_face.function",
    ],
)
def test_ways_around_are_found(text):
    assert around(ast.parse(text)) == {"f"}
    assert around(ast.parse(text.partition("\n")[2].strip().removeprefix("return "))) == {""}
