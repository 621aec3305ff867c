"""Law: a call of a kind that was made twice is its launches and nothing else, and has its result."""

from __future__ import annotations

import threading

import numpy as np
import pytest

pytest.importorskip("cupy", reason="no CuPy: python -m pip install --group gpu")

import cyroi
from cyroi import _engine
from cyroi.gpu import again, device, plans, routes, stream
from support.cuda.device import extent, on_memory
from support.on_gpu import counted, gpu, here, once, there  # noqa: F401
from support.operators import BY_NAME, OPERATORS

pytestmark = pytest.mark.usefixtures("gpu")

ON_DEVICE = ("input", "image", "boxes", "batch_indices", "box_indices", "grad_output")


def calls(operator, seed=0, **changes):
    """A call and the gradients that belong to it: function, arguments, and the expected result, by direction."""
    rng = np.random.default_rng(seed)
    call = operator.call(np.random.default_rng(7), **changes)  # numbers and names of all seeds are the same
    call[operator.size] = tuple(map(int, call[operator.size]))
    call[operator.maps] = rng.standard_normal(call[operator.maps].shape).astype(call[operator.maps].dtype)
    call["boxes"] = call["boxes"] + rng.uniform(-0.01, 0.01, call["boxes"].shape).astype(call["boxes"].dtype)
    result = once(operator.function, **call)
    grad = rng.standard_normal(result.shape).astype(result.dtype)
    yield operator.function, call, result
    for wrt in (operator.maps, "boxes", (operator.maps, "boxes")):
        backward = operator.backward_call(call, grad, wrt)
        yield operator.backward, backward, once(operator.backward, **backward)


def moved(call, *names):
    """The call with these arguments on the device, where memory begins at multiples of 512 bytes, as CuPy's does."""
    return call | {name: sent(call[name]) for name in names if isinstance(call.get(name), np.ndarray)}


def sent(array):
    """A copy of the same strides."""
    low, high = extent(array.shape, array.itemsize, array.strides)
    memory = device.empty((high - low,), np.uint8)
    copy = on_memory(memory, memory.data.ptr - low, array.shape, array.dtype, array.strides)
    here(copy)[...] = array
    return copy


def both(expected):
    return list(expected) if isinstance(expected, tuple) else [expected]


def assert_same(found, expected):
    for one, right in zip(both(found), both(expected), strict=True):
        scale = np.abs(right).max(initial=1)
        np.testing.assert_allclose(here(one), right, rtol=0, atol=(1e-5 if one.dtype == np.float32 else 1e-12) * scale)


@pytest.fixture
def only_launches(monkeypatch):
    """From when it is called on, whatever makes a call from its start fails."""

    def begin():
        def fail(*args, **kwargs):
            raise AssertionError("the call was made from its start")

        monkeypatch.setattr(_engine, "apply", fail)
        monkeypatch.setattr(_engine, "differentiate", fail)

    return begin


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
@pytest.mark.parametrize("channels", [3, 40])
def test_the_third_call_of_a_kind_is_launches_alone(operator, dtype, layout, channels, only_launches):
    kind = {"dtype": dtype, "layout": layout, "shape": (2, channels, 9, 11)}
    first, *later = (list(calls(operator, seed, **kind)) for seed in range(3))
    for function, call, expected in [*first, *first]:
        assert_same(once(function, **moved(call, *ON_DEVICE)), expected)
    only_launches()
    for function, call, expected in [*later[0], *later[1]]:
        assert_same(once(function, **moved(call, *ON_DEVICE)), expected)


def plain_call():
    rng = np.random.default_rng(3)
    maps = rng.standard_normal((2, 20, 8, 9)).astype(np.float32)
    boxes = np.array([[0, 1, 1, 6, 5], [1, 0, 0, 8, 7], [0, 2, 3, 4, 7]], np.float32)
    return {"input": maps, "boxes": boxes, "output_size": 3, "spatial_scale": 0.9, "sampling_ratio": 2}


def changed():
    call = plain_call()
    maps, boxes = call["input"], call["boxes"]
    wider = np.zeros((2, 20, 8, 18), np.float32)
    wider[..., ::2] = maps
    yield "dtype of the maps", {"input": maps.astype(np.float64)}
    yield "shape of the maps", {"input": maps[:, :, :7]}
    yield "strides of the maps", {"input": wider[..., ::2]}
    yield "reversed maps", {"input": maps[..., ::-1]}
    yield "layout", {"layout": "NHWC"}
    yield "channels together", {"input": np.ascontiguousarray(maps.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)}
    yield "number of boxes", {"boxes": boxes[:2]}
    yield "no boxes", {"boxes": boxes[:0]}
    yield "dtype of the boxes", {"boxes": boxes.astype(np.float64)}
    yield "dtype of the same size", {"boxes": boxes.astype(np.int32)}
    yield "strides of the boxes", {"boxes": np.repeat(boxes, 2, axis=1)[:, ::2]}
    yield "indices apart", {"boxes": boxes[:, 1:].copy(), "batch_indices": boxes[:, 0].astype(np.int64)}
    yield "output size", {"output_size": 4}
    yield "output height and width", {"output_size": (3, 2)}
    yield "scale", {"spatial_scale": 1.1}
    yield "sampling ratio", {"sampling_ratio": 0}
    yield "aligned", {"aligned": True}
    yield "type of the result", {"dtype": np.float16}
    yield "dtype by name", {"dtype": "float64"}
    yield "unvalidated", {"validate": False}
    yield "single image", {"input": maps[0], "boxes": boxes[:, 1:].copy()}


@pytest.mark.parametrize("change", [change for _, change in changed()], ids=[name for name, _ in changed()])
def test_another_kind_of_call_is_another_call(change):
    first, other = plain_call(), plain_call() | change
    for call in (first, other) * 4:
        expected = once(cyroi.roi_align, **call)
        found = once(cyroi.roi_align, **moved(call, *ON_DEVICE))
        assert found.dtype == expected.dtype
        tolerance = 1e-3 if found.dtype == np.float16 else 1e-6
        np.testing.assert_allclose(here(found), expected, rtol=tolerance, atol=tolerance)
    assert len(again._programs) == 2


def test_what_is_not_aligned_as_before_is_another_kind():
    call = plain_call()
    memory = np.zeros(call["input"].size + 8, np.float32)
    for offset in range(9):
        maps = here(sent(memory))[offset : offset + call["input"].size].reshape(call["input"].shape)
        once(cyroi.roi_align, **moved(call, "boxes") | {"input": there(maps)})
    assert len(again._programs) == 8


@pytest.mark.parametrize(("name", "value"), [("force", "gather"), ("SCRATCH", 10_000)])
def test_other_routes_are_other_calls(name, value, monkeypatch):
    call = moved(plain_call(), *ON_DEVICE)
    for _ in range(2):
        once(cyroi.roi_align, **call)
    with counted("launch") as launches:
        once(cyroi.roi_align, **call)
        before = [launch[1] for launch in launches]
        monkeypatch.setattr(routes, name, value)
        once(cyroi.roi_align, **call)
        assert [launch[1] for launch in launches][len(before) :] != before


@pytest.mark.parametrize(
    ("name", "value"),
    [("output_size", 3.0), ("output_size", (3, 3.0)), ("sampling_ratio", 2.0), ("aligned", 0), ("layout", b"NCHW")],
)
def test_what_is_equal_but_of_another_type_is_refused_as_it_was(name, value):
    call = moved(plain_call(), *ON_DEVICE) | {"output_size": (3, 3)}
    for _ in range(2):
        once(cyroi.roi_align, **call)
    with pytest.raises(TypeError, match=name):
        once(cyroi.roi_align, **call | {name: value})


def test_what_is_true_is_not_1_in_a_size():
    call = moved(plain_call(), *ON_DEVICE) | {"output_size": (1, 1)}
    for _ in range(2):
        once(cyroi.roi_align, **call)
    with pytest.raises(TypeError, match="output_size"):
        once(cyroi.roi_align, **call | {"output_size": (1, True)})


def test_minus_zero_is_not_zero_and_nan_is_itself():
    operator = BY_NAME["crop_and_resize"]
    call = operator.call(np.random.default_rng(0), layout="NCHW") | {"boxes": np.full((7, 4), 5, np.float32)}
    call[operator.size] = (2, 2)
    for value in (0.0, -0.0, np.nan) * 3:
        found = once(operator.function, **moved(call, *ON_DEVICE) | {"extrapolation_value": value})
        assert np.array_equal(np.signbit(here(found)), np.full(found.shape, np.signbit(value)))
        assert np.isnan(here(found)).all() == np.isnan(value)
    assert len(again._programs) == 3


def test_bad_boxes_are_found_and_named_as_the_first_time():
    good, bad = plain_call(), plain_call()
    bad["boxes"][1, 3] = np.nan
    for _ in range(3):
        once(cyroi.roi_align, **moved(good, *ON_DEVICE))
        with pytest.raises(ValueError, match=r"boxes must be finite; got .* in row 1"):
            once(cyroi.roi_align, **moved(bad, *ON_DEVICE))
        bad["boxes"][1] = [3, 0, 0, 1, 1]
        with pytest.raises(IndexError, match=r"image indices in \[0, 2\); got 3.0 in row 1"):
            once(cyroi.roi_align, **moved(bad, *ON_DEVICE))
        bad["boxes"][1] = [1, 0, 0, np.nan, 7]
    np.testing.assert_allclose(
        here(once(cyroi.roi_align, **moved(good, *ON_DEVICE))), once(cyroi.roi_align, **good), atol=1e-6
    )


def test_a_warning_comes_every_time():
    operator = BY_NAME["crop_and_resize"]
    call = operator.call(np.random.default_rng(0), layout="NCHW")
    call[operator.size] = (2, 2)
    for _ in range(2):
        once(operator.function, **moved(call, *ON_DEVICE))
    call["boxes"] = call["boxes"] * 0 + 50
    for _ in range(3):
        with pytest.warns(UserWarning, match="normalised"):
            once(operator.function, **moved(call, *ON_DEVICE))
    photographs = {"input": np.zeros((1, 300, 200, 3), np.float32), "boxes": np.zeros((1, 5), np.float32)}
    for _ in range(3):
        with pytest.warns(UserWarning, match="NHWC"):
            once(cyroi.roi_align, **moved(photographs, *ON_DEVICE), output_size=2)


def test_an_address_that_may_be_of_two_arrays_is_not_taken_for_either(monkeypatch):
    """Boxes and indices are views of one array in one call, and of two in the next: of the same kind."""
    call = plain_call()
    boxes = np.array(call.pop("boxes"), np.float64)
    made = counting(monkeypatch)
    for apart in (False, False, True, False):
        first = here(sent(boxes))
        second = here(sent(boxes + 1)) if apart else first
        column = second.view(np.int64)[:, 0]
        column[:] = [0, 1, 0]
        arrays = {"boxes": there(first[:, 1:]), "batch_indices": there(column)}
        found = once(cyroi.roi_align, **moved(call, "input"), **arrays)
        expected = once(cyroi.roi_align, **call, boxes=first[:, 1:], batch_indices=column)
        np.testing.assert_allclose(here(found), expected, atol=1e-6)
    assert made[0] == 4


def counting(monkeypatch):
    """How many plans were made from the start."""
    made, begin = [0], plans.Plans.__init__

    def counted_begin(self, *args, **kwargs):
        made[0] += 1
        begin(self, *args, **kwargs)

    monkeypatch.setattr(plans.Plans, "__init__", counted_begin)
    return made


@pytest.mark.parametrize("reason", ["host boxes", "list of boxes", "captured"])
def test_what_is_not_remembered_is_made_from_the_start(reason, monkeypatch):
    made, call = counting(monkeypatch), plain_call()
    moving = moved(call, "input") if reason == "host boxes" else moved(call, *ON_DEVICE)
    if reason == "list of boxes":
        boxes = [call["boxes"][[0, 2], 1:].copy(), call["boxes"][1:2, 1:].copy()]
        call["boxes"], moving["boxes"] = boxes, there(boxes)
    if reason == "captured":
        for _ in range(2):
            once(cyroi.roi_align, **moving)
        monkeypatch.setattr(device, "capturing", lambda: True)
        made[0] = 0
    for _ in range(2):
        found = once(cyroi.roi_align, **moving)
        np.testing.assert_allclose(here(found), once(cyroi.roi_align, **call), atol=1e-6)
    assert made[0] == 2


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_out_is_written_and_given_back(operator, only_launches):
    every = [list(calls(operator, seed)) for seed in range(4)]
    for turn, all_of_it in enumerate(every):
        if turn == 2:
            only_launches()
        for function, call, expected in all_of_it:
            if isinstance(call.get("wrt"), tuple):
                continue
            out = sent(np.full(expected.shape, np.nan, expected.dtype))
            assert once(function, **moved(call, *ON_DEVICE), out=out) is out
            assert_same(out, expected)


@pytest.mark.parametrize("step", [1, -1])
def test_out_in_the_memory_of_an_input_is_refused_as_the_first_time(step, monkeypatch):
    made, call = counting(monkeypatch), plain_call()
    memory = sent(np.concatenate([call.pop("input").ravel(), np.zeros(540, np.float32)]))

    def called(first):
        """`out` begins at element `first` of an array whose beginning are the maps."""
        maps = memory[:2880].reshape(2, 20, 8, 9)[::step, ::step, ::step, ::step]
        out = memory[first : first + 540].reshape(3, 20, 3, 3)
        return once(cyroi.roi_align, **moved(call, "boxes"), **{"input": maps, "out": out})

    for _ in range(4):
        called(2880)
    assert made[0] == 2
    for first in (2872, 0):
        with pytest.raises(ValueError, match="out must not share memory with input"):
            called(first)


def test_a_call_that_was_captured_is_no_pattern_for_those_that_are_not(monkeypatch):
    call = plain_call()
    with monkeypatch.context() as captured:
        captured.setattr(device, "capturing", lambda: True)
        for _ in range(3):
            once(cyroi.roi_align, **moved(call, *ON_DEVICE))
    call["boxes"][0, 2] = np.inf
    for _ in range(2):
        with pytest.raises(ValueError, match="finite"):
            once(cyroi.roi_align, **moved(call, *ON_DEVICE))


def test_where_memory_is_short_the_call_from_the_start_says_so(monkeypatch):
    call = moved(plain_call(), *ON_DEVICE)
    for _ in range(2):
        once(cyroi.roi_align, **call)

    def nothing(shape, dtype):
        raise MemoryError("none")

    monkeypatch.setattr(device, "empty", nothing)
    with pytest.raises(MemoryError, match="output_size"):
        once(cyroi.roi_align, **call)


def test_no_more_kinds_are_kept_than_that(monkeypatch):
    monkeypatch.setattr(again, "MOST", 3)
    for size in range(1, 9):
        once(cyroi.roi_align, **moved(plain_call(), *ON_DEVICE) | {"output_size": size})
        assert len(again._programs) <= 3


def test_threads_share_what_is_remembered():
    """Jobs with addresses are kept: those of one thread must not become another's."""
    call = plain_call()
    for _ in range(2):
        once(cyroi.roi_align, **moved(call, *ON_DEVICE))
    inputs = [np.full_like(call["input"], i) for i in range(4)]
    wrong = []

    def work(maps):
        for _ in range(20):
            found = here(once(cyroi.roi_align, **moved(call | {"input": maps}, *ON_DEVICE)))
            if not np.array_equal(found.round(3), np.full_like(found, maps.flat[0])):
                wrong.append(maps.flat[0])

    threads = [threading.Thread(target=work, args=(maps,)) for maps in inputs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_call_inside_of_a_call_is_not_noted():
    assert stream.local.tape is None
    with counted("launch") as launches:
        for _ in range(3):
            once(cyroi.roi_align, **moved(plain_call(), *ON_DEVICE))
    assert [launch[1] for launch in launches] == ["plan", "transpose", "pixels"] * 3
    assert stream.local.tape is None
    assert not again.inside()


def test_what_is_new_each_time_is_not_noted(monkeypatch):
    noted = []
    monkeypatch.setattr(again, "_noted", lambda *args: noted.append(args))
    for count in (1, 2, 3):
        once(cyroi.roi_align, **moved(plain_call() | {"boxes": plain_call()["boxes"][:count]}, *ON_DEVICE))
    assert noted == []
