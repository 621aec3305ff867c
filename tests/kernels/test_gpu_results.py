"""Law: results on the GPU have the same bits on every route and in every order of threads; gradients to the maps, and
values of bins of few columns, have those of the CPU.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from cyroi.cpu import _targets
from support import gpu_laws
from support.laws import assert_same_bits, stored
from support.operators import OPERATORS
from support.targets import on_gpu
from support.written import plain

if not gpu_laws.is_here():
    pytest.skip("no CuPy or no C++ compiler: python -m pip install --group gpu", allow_module_level=True)

from cyroi.gpu import routes
from support.cuda import backend, cases

needs_fma = pytest.mark.skipif(
    _targets.target == "baseline", reason="without fused multiply-add the CPU rounds more often"
)
EVERY_OPERATOR = pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: f"gpu-{operator.name}")


def calls(operator, **changes):
    """In both layouts, of few and of many channels, with maps that lie in either order."""
    rng = np.random.default_rng(11)
    for layout in ("NCHW", "NHWC"):
        for channels in (3, 40):
            for dtype in (np.float32, np.float64):
                shape = (2, channels, 19, 33)
                yield operator.call(rng, dtype=dtype, layout=layout, shape=shape, boxes=30, **changes)


def gradient(operator, call, wrt="maps", dtype=None):
    """The call of a gradient, whose values are of the maps' type or of this one."""
    shape = operator.expected(**call).shape
    g = np.random.default_rng(12).standard_normal(shape).astype(dtype or call[operator.maps].dtype)
    return operator.backward_call(call, g, operator.maps if wrt == "maps" else wrt)


@needs_fma
@EVERY_OPERATOR
def test_the_gradient_to_the_maps_has_the_bits_of_the_cpu(operator):
    for call in calls(operator):
        asked = gradient(operator, call)
        with on_gpu():
            result = operator.backward(**asked)
        assert_same_bits(result, plain(operator.backward)(**asked))


@needs_fma
@EVERY_OPERATOR
def test_bins_of_few_columns_have_the_bits_of_the_cpu(operator):
    few = {"sampling_ratio": 2} if operator.name == "roi_align" else {}
    for call in calls(operator, **few):
        with on_gpu():
            result = operator.function(**call)
        assert_same_bits(result, plain(operator.function)(**call))


@EVERY_OPERATOR
def test_every_route_has_the_same_bits(operator, monkeypatch):
    for call in calls(operator):
        asked, made = gradient(operator, call), {}
        for way, function, arguments in (("forward", operator.function, call), ("to maps", operator.backward, asked)):
            names = ("gather", "pixels", "transposed") if way == "forward" else ("to_maps", "to_pixels")
            for name in names:
                monkeypatch.setattr(routes, "force", name)
                with on_gpu():
                    made[name] = function(**arguments)
                assert_same_bits(made[name], made[names[0]])


@pytest.mark.parametrize("case", cases.CASES, ids=lambda name: f"gpu {name}")
def test_every_order_of_threads_has_the_same_bits(case, monkeypatch):
    made = []
    for order in (0, 1, 2, 3, 4):
        monkeypatch.setattr(backend, "ORDERS", (order,))
        with on_gpu():
            made.append(cases.outcome(case))
    assert all(outcome == made[0] for outcome in made)


@EVERY_OPERATOR
@pytest.mark.parametrize("wrt", ["maps", "boxes"])
def test_gradients_are_rounded_once(operator, wrt):
    for call in list(calls(operator))[::3]:
        asked = gradient(operator, call, wrt, np.float32)
        with on_gpu():
            wide = operator.backward(**asked, out=np.empty(operator.backward(**asked).shape))
            for scale in (1e-6, 1.0, 1e6):  # far below, within and above the range of float16
                scaled = asked | {"grad_output": asked["grad_output"] * np.float32(scale)}
                operator.backward(**scaled, out=wide)
                for dtype in map(np.dtype, (np.float32, np.float16, ml_dtypes.bfloat16)):
                    out = np.empty(wide.shape, dtype)
                    assert_same_bits(operator.backward(**scaled, out=out), stored(wide, dtype))
