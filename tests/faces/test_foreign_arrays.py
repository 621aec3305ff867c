"""Law: arrays of other libraries are read as NumPy reads them, or one sentence says what to do instead.

Stand-ins speak the protocols; torch itself is asked where it is installed.
"""

from __future__ import annotations

import numpy as np
import pytest

import cyroi
from cyroi.reference import classic
from support.laws import assert_same_bits

MAPS = np.random.default_rng(0).standard_normal((2, 3, 8, 9)).astype(np.float32)
CORNERS = np.array([[0, 1, 1, 5, 6], [1, 0.5, 2, 4.25, 7]])


class Dlpack:
    """An array that speaks DLPack and nothing else."""

    requires_grad = False

    def __init__(self, array, device=(1, 0)):
        self.array, self.device = array, device

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device


class Tensor(Dlpack):
    """A tensor of a library with its own words."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("a riddle")


class Graph(Tensor):
    requires_grad = True


class OnlyCuda:
    __cuda_array_interface__ = {"shape": (1,)}  # noqa: RUF012


def test_arrays_that_speak_dlpack(operator):
    call = operator.call(np.random.default_rng(0))
    expected = operator.function(**call)
    for name in (operator.maps, "boxes", operator.index):
        assert_same_bits(operator.function(**(call | {name: Dlpack(call[name])})), expected)
    gradient = operator.backward_call(call, Dlpack(expected), operator.maps)
    assert_same_bits(
        operator.backward(**gradient), operator.backward(**operator.backward_call(call, expected, operator.maps))
    )
    per_image = [Dlpack(np.ones((1, 4), np.float32)) for _ in range(len(MAPS))]
    assert cyroi.roi_align(MAPS, per_image, 2).shape == (2, 3, 2, 2)


BESIDE = r"must lie in the memory of the CPU, where (input|image|grad_output) lies: "


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda a: Graph(a), r"must be detached .* tensor\.detach\(\).*_backward.*Graph with requires_grad"),
        (lambda a: Dlpack(a, (8, 0)), r"must lie in the memory of the CPU.*tensor\.cpu\(\).*DLPack type 8"),
        (lambda a: Tensor(a), r"cannot be read as a NumPy array; .*Tensor says: a riddle"),
    ],
    ids=["graph", "dlpack only", "riddle"],
)
def test_what_no_array_can_stand_for_gets_a_sentence(operator, made, says):
    call = operator.call(np.random.default_rng(0))
    for name in (operator.maps, "boxes", operator.index):
        with pytest.raises(TypeError, match=f"^{name} {says}"):
            operator.function(**(call | {name: made(call[name])}))
    with pytest.raises(TypeError, match=f"^grad_output {says}"):
        operator.backward(**operator.backward_call(call, made(operator.function(**call)), operator.maps))
    with pytest.raises(TypeError, match=rf"^boxes\[0\] {says}"):
        cyroi.roi_align(MAPS, [made(CORNERS[:, 1:]), made(CORNERS[:, 1:])], 2)
    with pytest.raises(TypeError, match=r"^input cannot be read as a NumPy array; .* says: a riddle"):
        cyroi.roi_align([[Tensor(MAPS)]], CORNERS, 2)


@pytest.mark.parametrize(
    "made",
    [lambda a: Tensor(a, (2, 0)), lambda a: Dlpack(a, (2, 0)), lambda a: OnlyCuda()],
    ids=["tensor", "dlpack", "cuda"],
)
def test_what_lies_on_a_device_beside_maps_that_do_not(operator, made):
    """Without CuPy and without a GPU: neither is asked."""
    call = operator.call(np.random.default_rng(0))
    grad = operator.function(**call)
    for name in ("boxes", operator.index):
        with pytest.raises(TypeError, match=rf"^{name} {BESIDE}.*array\.get\(\); got a .* on a device"):
            operator.function(**(call | {name: made(call[name])}))
        with pytest.raises(TypeError, match=f"^{name} {BESIDE}"):
            operator.backward(**operator.backward_call(call | {name: made(call[name])}, grad, operator.maps))
    with pytest.raises(TypeError, match=f"^{operator.maps} {BESIDE}"):
        operator.backward(**operator.backward_call(call | {operator.maps: made(call[operator.maps])}, grad, "boxes"))
    with pytest.raises(TypeError, match=rf"^boxes\[1\] {BESIDE}"):
        cyroi.roi_align(MAPS, [CORNERS[:1, 1:], made(CORNERS[1:, 1:])], 2)
    with pytest.raises(TypeError, match=f"^{operator.maps} must lie in the memory of the CPU: "):
        getattr(classic, operator.name)(**(call | {operator.maps: made(call[operator.maps])}))


def test_tensors_of_torch():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    maps, boxes = torch.from_numpy(MAPS), torch.tensor(CORNERS, dtype=torch.float32)
    expected = cyroi.roi_align(MAPS, CORNERS.astype(np.float32), 2)
    assert_same_bits(cyroi.roi_align(maps, boxes, 2), expected)
    assert_same_bits(cyroi.roi_align(maps, [boxes[:1, 1:], boxes[1:, 1:]], 2), expected)
    for wrong in (maps.clone().requires_grad_(), maps.bfloat16(), maps.to("meta"), maps.to_sparse()):
        with pytest.raises(TypeError, match=r"^input "):
            cyroi.roi_align(wrong, boxes, 2)


class OnHost:
    """A tensor whose class could lie on a device and which does not, as torch's of the CPU."""

    def __init__(self, array):
        self.array = array

    @property
    def __cuda_array_interface__(self):
        raise AttributeError("it lies in the memory of the CPU")

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array, dtype)


def test_whether_a_tensor_lies_on_a_device_is_asked_of_it_and_not_of_its_class(operator):
    call = operator.call(np.random.default_rng(0))
    wrapped = call | {name: OnHost(call[name]) for name in (operator.maps, "boxes", operator.index)}
    assert np.array_equal(operator.function(**wrapped), operator.function(**call))


def test_an_array_of_one_number_is_no_number(operator):
    """Not even where its library would make one of it."""

    class OneNumber:
        ndim = 1

        def __float__(self):
            return 1.0

    name = "spatial_scale" if operator.name == "roi_align" else "extrapolation_value"
    with pytest.raises(TypeError, match=f"{name} must be a real number"):
        operator.function(**operator.call(np.random.default_rng(0)) | {name: OneNumber()})
