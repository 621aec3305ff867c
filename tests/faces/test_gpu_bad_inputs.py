"""Law: what is wrong with a call is wrong on a device too, in the same words, and no error writes to out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cyroi
from support.bad_calls import ME, ROWS, good
from support.on_gpu import counted, here, moved, once, there
from support.operators import BY_NAME

pytestmark = pytest.mark.usefixtures("gpu")

ON_HOST, ON_DEVICE = "boxes here", "boxes there"


def can_lie_there(value: Any) -> bool:
    """Whether CuPy has arrays of this kind."""
    return type(value) is np.ndarray and (
        value.dtype.kind in "iufc" and value.dtype != np.longdouble and value.ndim > 0
    )


# Arrays that CuPy cannot have are refused before they could get there. `out` of these rows is one of NumPy's.
FORWARD = [row for row in ROWS if "out" not in row[4] and all(map(can_lie_there, [row[4].get("input", np.ones(1))]))]
FORWARD = [row for row in FORWARD if can_lie_there(row[4].get("image", np.ones(1)))]
BACKWARD = [row for row in FORWARD if row[2] is not ME and not {"output_size", "crop_size"} & set(row[4])]


def raised(error, function, call):
    with pytest.raises(error) as caught:
        once(function, **call)
    return str(caught.value)


def placed(call: dict[str, Any], where: str) -> dict[str, Any]:
    """On the device: all arrays, or all but boxes and what belongs to them."""
    names = ["input", "image", "grad_output", "out"]
    for name in ("boxes", "batch_indices", "box_indices") if where == ON_DEVICE else ():
        value = call.get(name)
        parts = value if isinstance(value, list) else [value]
        if all(map(can_lie_there, parts)):
            names.append(name)
    return moved(call, *names)


@pytest.mark.parametrize("where", [ON_HOST, ON_DEVICE])
@pytest.mark.parametrize(("name", "number", "error", "argument", "changes"), FORWARD)
def test_forward(name, number, error, argument, changes, where):
    operator = BY_NAME[name]
    call = good(name) | changes
    out = np.full((1, 4, 2, 2) if name == "roi_align" else (1, 2, 2, 4), -7.0, np.float32)
    # Of another shape `out` is wrong, which is found before a kernel finds what else is.
    call |= {} if error is ME or operator.maps in changes else {"out": out}
    found = raised(error, operator.function, placed(call, where))
    if error is not ME:  # in the words of whoever has no memory
        assert found == raised(error, operator.function, call)
    assert argument in found
    assert (out == -7.0).all()


@pytest.mark.parametrize("wrt", ["maps", "boxes"])
@pytest.mark.parametrize("where", [ON_HOST, ON_DEVICE])
@pytest.mark.parametrize(("name", "number", "error", "argument", "changes"), BACKWARD)
def test_backward(name, number, error, argument, changes, where, wrt):
    operator = BY_NAME[name]
    wrt = operator.maps if wrt == "maps" else wrt
    call = good(name) | changes
    maps = call[operator.maps]
    channels = maps.shape[1] if name == "roi_align" and maps.ndim == 4 else 4
    shape = (1, channels, 2, 2) if name == "roi_align" else (1, 2, 2, 4)
    call = operator.backward_call(call, np.ones(shape, "f4"), wrt)
    fits = type(call[wrt]) is np.ndarray and call[wrt].size > 0 and "batch_indices" not in call
    out = np.full(call[wrt].shape if fits else 1, -7.0, np.float32)
    call |= {"out": out} if fits else {}
    found = raised(error, operator.backward, placed(call, where))
    assert found == raised(error, operator.backward, call)
    assert argument in found
    assert (out == -7.0).all()


# --- values that only a kernel sees ---

MAPS = np.zeros((2, 4, 8, 8), np.float32)
GOOD = np.array([[0, 1, 1, 5, 5], [1, 2, 2, 6, 6], [0, 0, 0, 3, 3]])
BAD = {
    "nan": (3, np.nan), "inf": (1, -np.inf), "negative image": (0, -1), "no such image": (0, 2),
    "half an image": (0, 0.5), "image nan": (0, np.nan), "image inf": (0, np.inf),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("bad", BAD)
def test_a_bad_box_of_many(bad, dtype):
    """The row that the message names is the first bad one, as on the CPU; a call waits for one word, then for boxes."""
    boxes = np.tile(GOOD, (20, 1)).astype(dtype)
    for row in (41, 50):
        boxes[row, BAD[bad][0]] = BAD[bad][1]
    out = np.full((60, 4, 2, 2), -7, np.float32)
    for function, call in (
        (cyroi.roi_align, {"input": MAPS, "output_size": 2, "out": out}),
        (cyroi.roi_align_backward, {"grad_output": out, "input": MAPS}),
        (cyroi.roi_align_backward, {"grad_output": out, "input": MAPS, "wrt": "boxes"}),
    ):
        call |= {"boxes": boxes}
        with pytest.raises((ValueError, IndexError)) as expected:
            once(function, **call)
        with counted("read_flags") as waits:
            found = raised(expected.type, function, placed(call, ON_DEVICE))
        assert found == str(expected.value)
        assert "row 41" in found
        assert len(waits) == 1
    assert (out == -7).all()


def test_a_bad_box_of_a_list():
    boxes = [GOOD[:, 1:].astype(np.float32), np.array([[1, 1, 2, 2], [1, np.inf, 3, 3]])]
    call = {"input": MAPS, "boxes": boxes, "output_size": 2}
    found = raised(ValueError, cyroi.roi_align, placed(call, ON_DEVICE))
    assert found == raised(ValueError, cyroi.roi_align, call)
    assert found.startswith("boxes[1] must be finite")
    assert found.endswith("row 1")


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
@pytest.mark.parametrize("mixed", [False, True])
def test_integers_that_no_float64_holds(mixed, dtype):
    boxes = [np.full((1, 4), 2**53 + 1, dtype), np.ones((1, 4), np.float32 if mixed else dtype)]
    for call in (
        {"input": MAPS, "boxes": boxes, "output_size": 2},
        {"input": MAPS[0], "boxes": boxes[0], "output_size": 2},
        {"input": np.full((1, 1, 2, 2), 2**53 + 1, dtype), "boxes": np.ones((1, 5)), "output_size": 2},
    ):
        found = raised(ValueError, cyroi.roi_align, placed(call, ON_DEVICE))
        assert found == raised(ValueError, cyroi.roi_align, call)
        assert "2**53" in found


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64])
def test_indices_of_every_integer_type(dtype):
    boxes = GOOD[:, 1:].astype(np.float32)
    maps = np.random.default_rng(0).standard_normal((2, 1, 8, 8)).astype(np.float32)
    for images, error in ([0, 1, 0], None), ([0, 1, 2], IndexError), ([0, np.iinfo(dtype).max, 1], IndexError):
        call = {"input": maps, "boxes": boxes, "batch_indices": np.array(images, dtype), "output_size": 2}
        for names in (("input", "batch_indices"), ("input", "boxes"), ("input", "boxes", "batch_indices")):
            if error is None:
                np.testing.assert_array_equal(
                    here(once(cyroi.roi_align, **moved(call, *names))), once(cyroi.roi_align, **call)
                )
            else:
                assert raised(error, cyroi.roi_align, moved(call, *names)) == raised(error, cyroi.roi_align, call)


def test_images_that_a_float_does_not_count():
    """2048 and what follows is the same as its neighbours in float16: no image, where float32 has one."""
    maps, box = np.zeros((3000, 1, 2, 2), np.float32), np.array([[2048, 0, 0, 1, 1]])
    call = {"input": maps, "boxes": box.astype(np.float16), "output_size": 1}
    found = raised(ValueError, cyroi.roi_align, placed(call, ON_DEVICE))
    assert found == raised(ValueError, cyroi.roi_align, call)
    once(cyroi.roi_align, **placed(call | {"boxes": box.astype(np.float32)}, ON_DEVICE))


def test_boxes_that_change_while_a_call_reads_them(monkeypatch):
    """The kernel found one bad, and the host finds none: an error all the same, for results are not written."""
    from cyroi.gpu import device

    boxes = GOOD.astype(np.float32)
    boxes[1, 1] = np.nan
    on_device = there(boxes)

    def download(array):
        boxes[1, 1] = 0
        return here(array).copy()

    monkeypatch.setattr(device, "download", download)
    assert "must not be changed" in raised(
        ValueError, cyroi.roi_align, {"input": there(MAPS), "boxes": on_device, "output_size": 2}
    )
