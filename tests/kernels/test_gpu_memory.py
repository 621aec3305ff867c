"""Law: what a call on a GPU works in is bounded, had before anything is written, and kept by a captured graph."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

pytest.importorskip("cupy", reason="no CuPy: python -m pip install --group gpu")

import cyroi
from cyroi.gpu import again, device, plans, routes, stream
from support.cuda import device as emulated
from support.on_gpu import counted, gpu, here, moved, once, there  # noqa: F401
from support.operators import BY_NAME, OPERATORS

pytestmark = pytest.mark.usefixtures("gpu")

ON_DEVICE = ("input", "image", "boxes", "batch_indices", "box_indices", "grad_output")


def all_calls(operator, **changes):
    """A forward call and its gradients, everything on the device, with what the CPU gives."""
    call = operator.call(np.random.default_rng(5), **changes)
    result = once(operator.function, **call)
    yield operator.function, call, result
    grad = np.random.default_rng(6).standard_normal(result.shape).astype(result.dtype)
    for wrt in (operator.maps, "boxes"):
        backward = operator.backward_call(call, grad, wrt)
        yield operator.backward, backward, once(operator.backward, **backward)


def small(monkeypatch, scratch=20_000, plan=6_000):
    """Several parts of boxes, and several slabs of channels."""
    monkeypatch.setattr(routes, "SCRATCH", scratch)
    monkeypatch.setattr(plans, "MOST_BYTES", plan)
    return scratch + plan


class Living:
    """Bytes that the device has given and nobody gave back: at most, since `begin`."""

    def __init__(self, monkeypatch):
        make = device.empty
        self.begin()

        def empty(shape, dtype):
            array = make(shape, dtype)
            self.peak = max(self.peak, now() - self.before)
            return array

        monkeypatch.setattr(device, "empty", empty)

    def begin(self):
        self.before, self.peak = now(), 0


def now():
    return sum(memory.size for memory in emulated.living)


LARGE = {"shape": (3, 90, 9, 11), "boxes": 40}


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_memory_is_bounded_the_first_time_and_later(operator, layout, monkeypatch):
    bound, living = small(monkeypatch), Living(monkeypatch)
    for function, call, expected in all_calls(operator, layout=layout, **LARGE):
        arguments = moved(call, *ON_DEVICE)
        for _ in range(4):
            living.begin()
            found = once(function, **arguments)
            sums = 40 * 32 * 8 if call.get("wrt") == "boxes" else 0  # docs/gpu.md: 32 bytes a box and piece
            assert 0 < living.peak <= expected.nbytes + bound + sums + 3000
            np.testing.assert_allclose(here(found), expected, rtol=0, atol=2e-5 * max(1, np.abs(expected).max()))
            del found


@pytest.mark.parametrize("kind", ["ordinary", "list", "unaligned", "int32", "out of int32", "half precision in parts"])
@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_a_captured_graph_keeps_all_that_it_works_in(operator, kind, monkeypatch):
    made, kept, make = [], [], device.empty

    def empty(shape, dtype):
        made.append(make(shape, dtype))
        return made[-1]

    monkeypatch.setattr(device, "empty", empty)
    monkeypatch.setattr(device, "capturing", lambda: True)
    monkeypatch.setattr(device, "keep", lambda array: kept.append(array))
    if kind == "half precision in parts":
        small(monkeypatch, plan=3000)
    dtype = np.float16 if kind == "half precision in parts" else np.float32
    for function, call, _ in all_calls(operator, shape=(2, 40, 9, 11), dtype=dtype):
        arguments = moved(call, *ON_DEVICE)
        if kind == "list":
            if operator.name != "roi_align":
                return
            corners = call["boxes"]
            arguments = {name: value for name, value in arguments.items() if name != "batch_indices"}
            arguments["boxes"] = [there(corners[:3]), there(corners[3:])]
        if kind == "unaligned":
            raw = np.zeros(call[operator.maps].nbytes + 1, np.uint8)
            arguments[operator.maps] = there(raw[1:].view(dtype).reshape(call[operator.maps].shape))
        if kind == "int32" and "wrt" not in call:
            arguments[operator.maps] = there(np.zeros(call[operator.maps].shape, np.int32))
        if kind == "out of int32" and "wrt" not in call:
            arguments["dtype"] = np.int32
        made.clear()
        once(function, **arguments)
        assert made
        held = {array.data.ptr for array in kept}
        assert all(array.data.ptr in held for array in made)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_where_memory_is_short_out_is_as_it_was_and_the_argument_is_named(operator, monkeypatch):
    small(monkeypatch)
    make = device.empty
    for function, call, expected in all_calls(operator, **LARGE):
        arguments = moved(call, *ON_DEVICE)
        for nth in itertools.count(1):
            made = [0]

            def empty(shape, dtype, made=made, nth=nth):
                made[0] += 1
                if made[0] == nth:
                    raise MemoryError("none is left")
                return make(shape, dtype)

            out = np.full(expected.shape, 7, expected.dtype)
            again.forget()
            with monkeypatch.context() as short:
                short.setattr(device, "empty", empty)
                try:
                    once(function, **arguments, out=there(out))
                    break
                except MemoryError as error:
                    said = str(error)
            assert (out == 7).all()
            assert said.startswith(("output_size", "crop_size", "input", "image", "boxes"))
        assert nth > 2


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("channels", [1, 16, 40])
@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_no_boxes_and_no_images(operator, channels, layout):
    for function, call, expected in all_calls(operator, layout=layout, shape=(2, channels, 5, 6), boxes=0):
        for names in (ON_DEVICE, ("input", "image", "grad_output")):
            found = here(once(function, **moved(call, *names)))
            assert found.shape == expected.shape
            assert not found.any()
    empty = operator.call(np.random.default_rng(0), layout=layout, shape=(1, channels, 5, 6), boxes=2)
    empty[operator.maps] = empty[operator.maps][:0]
    found = once(operator.function, **moved(empty, *ON_DEVICE), validate=False)
    assert np.isnan(here(found)).all()  # no image is theirs


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_a_block_has_no_more_shared_memory_than_every_gpu_gives(operator):
    for dtype, size in itertools.product((np.float64, np.float32, np.uint8), (1, 7, 8, 16, 70)):
        call = operator.call(np.random.default_rng(0), shape=(1, 128, 9, 9), boxes=40) | {operator.size: size}
        with counted("launch") as launches:
            found = once(operator.function, **moved(call, *ON_DEVICE), dtype=dtype)
        assert [launch[1] for launch in launches] == ["plan", "transpose", "pixels"]
        assert max(launch[4] for launch in launches) <= 48 << 10
        np.testing.assert_allclose(here(found), once(operator.function, **call, dtype=dtype), atol=1.01, rtol=1e-5)


def test_pixels_that_begin_at_any_channel_of_another_are_not_read_in_vectors():
    """Columns one element apart, as channels are: no vector of a pixel is aligned, but that of the first."""
    memory = np.random.default_rng(0).standard_normal((1, 9, 400)).astype(np.float32)
    maps = np.lib.stride_tricks.sliding_window_view(memory, 128, axis=2)[:, :, :20].transpose(0, 3, 1, 2)
    assert maps.strides[1] == maps.strides[3] == 4
    call = {"input": maps, "boxes": np.array([[0, 1, 1, 8, 7]], np.float32), "output_size": 3}
    found = once(cyroi.roi_align, **moved(call, *ON_DEVICE))
    np.testing.assert_allclose(here(found), once(cyroi.roi_align, **call), atol=1e-5)
    assert not routes._aligned(there(maps), 4)
    assert routes._aligned(there(np.zeros((2, 3, 4, 8), np.float32).transpose(0, 3, 1, 2)), 4)


def test_bins_are_numbered_beyond_31_bits(tmp_path):
    """Where a thread of `gather` works, of 50000 x 50000 bins."""
    (tmp_path / "own.cu").write_text(
        f'#include "{emulated.KERNELS}/gather.cu"\nnamespace cyroi {{\n'
        "CYROI_KERNEL(where) {\n"
        "    const Item at = item_of<index>(job, 2300000000LL);\n"
        "    int* out = reinterpret_cast<int*>(job.maps);\n"
        "    out[0] = at.p, out[1] = at.q, out[2] = at.channel;\n}\n}\n"
    )
    from cyroi.gpu.job import Job

    out = device.empty((3,), np.int32)
    job = Job(channels=1)
    job.maps, job.op.bins_y, job.op.bins_x = out.data.ptr, 50_000, 50_000
    device.launch(emulated.Kernel("own", {}, tmp_path), "where", 1, 1, 0, job)
    assert here(out).tolist() == [46_000, 0, 0]


def test_more_memory_of_a_name_takes_the_place_of_less(monkeypatch):
    living, scratch = Living(monkeypatch), stream.Scratch()
    scratch.take("plan", (1000,), np.uint8)
    assert scratch.take("plan", (30, 100), np.float64).shape == (30, 100)
    scratch.take("plan", (10,), np.float32)
    assert living.peak == now() - living.before == 24_000


# --- what others write meanwhile ---


def test_boxes_are_listed_by_what_was_planned(monkeypatch):
    """Indices that change between the two kernels: the gradient is that of the indices that were planned."""
    operator = BY_NAME["roi_align"]
    call = operator.call(np.random.default_rng(0), shape=(3, 4, 9, 9), boxes=9)
    grad = np.ones(once(operator.function, **call).shape, np.float32)
    backward = operator.backward_call(call, grad, "input")
    expected = once(operator.backward, **backward)
    indices, launch = backward["batch_indices"], device.launch

    def changing(kernel, name, *arguments):
        if name == "list_boxes":
            indices[:] = 77
        launch(kernel, name, *arguments)

    monkeypatch.setattr(device, "launch", changing)
    arguments = moved(backward, "input", "boxes", "grad_output") | {"batch_indices": there(indices)}
    assert np.array_equal(here(once(operator.backward, **arguments)), expected)
    assert (indices == 77).all()


@pytest.mark.parametrize("gradient", [False, True])
def test_a_box_that_goes_bad_after_its_check_costs_no_other_one_anything(gradient, monkeypatch):
    small(monkeypatch, plan=3000)
    operator = BY_NAME["roi_align"]
    call = operator.call(np.random.default_rng(0), shape=(1, 4, 9, 9), boxes=30)
    result = once(operator.function, **call)
    boxes, read = call["boxes"].copy(), device.read_flags

    def reading(array):
        found = read(array)
        boxes[25, 2] = np.nan
        return found

    monkeypatch.setattr(device, "read_flags", reading)
    if not gradient:
        found = here(once(operator.function, **moved(call, "input") | {"boxes": there(boxes)}))
        assert np.isnan(found[25]).all()
        np.testing.assert_allclose(np.delete(found, 25, 0), np.delete(result, 25, 0), atol=1e-5)
        return
    grad = np.random.default_rng(1).standard_normal(result.shape).astype(np.float32)
    without = np.where(np.arange(30)[:, None, None, None] == 25, 0, grad).astype(np.float32)
    expected = once(operator.backward, **operator.backward_call(call, without, "input"))
    backward = moved(operator.backward_call(call, grad, "input"), "input", "grad_output")
    found = here(once(operator.backward, **backward | {"boxes": there(boxes)}))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_parts_that_appear_with_the_check_round_once(monkeypatch):
    """Room turns out to be short, so one part becomes several: a gradient in float16 is still stored at the end."""
    monkeypatch.setattr(plans, "MOST_BYTES", 40_000)
    room = plans.room
    monkeypatch.setattr(plans, "room", lambda *given: room(*given) if given[-1] else 2)
    operator = BY_NAME["roi_align"]
    call = operator.call(np.random.default_rng(0), shape=(1, 3, 20, 20), boxes=60, dtype=np.float16)
    call |= {"sampling_ratio": 3, "spatial_scale": 1.0}
    grad = np.random.default_rng(1).standard_normal(once(operator.function, **call).shape).astype(np.float16)
    backward = operator.backward_call(call, grad, "input")
    found = here(once(operator.backward, **moved(backward, *ON_DEVICE)))
    assert np.array_equal(found, once(operator.backward, **backward))
