"""Law: where something is missing that a GPU needs, a call with an array there says in one sentence what, and what to
install; calls on the CPU, and `import cyroi`, do not notice.
"""

from __future__ import annotations

import textwrap

import pytest

from support.processes import run

# What a tensor of another library on a CUDA device looks like from here.
CALL = """
import numpy as np, cyroi
class Tensor:
    shape, ndim, dtype = (1, 1, 4, 4), 4, "float32"
    def __dlpack__(self, **options):
        raise BufferError("no memory there")
    def __dlpack_device__(self):
        return (2, 0)
on_cpu = cyroi.roi_align(np.ones((1, 1, 4, 4), np.float32), [[0, 0, 0, 2, 2]], 2)
assert (on_cpu == 1).all()
try:
    cyroi.roi_align(Tensor(), [[0, 0, 0, 2, 2]], 2)
except Exception as error:
    print(type(error).__name__, error, sep="|")
again = cyroi.roi_align(np.ones((1, 1, 4, 4), np.float32), [[0, 0, 0, 2, 2]], 2)
assert (again == on_cpu).all()
config = cyroi.show_config()
print(config["cupy"], config["gpus"], config["gpu_cache"], sep="|")
"""

# As much of CuPy as is asked before it is known that there is a GPU.
CUPY = """
import types
__version__ = VERSION
class ndarray:
    pass
class CUDARuntimeError(RuntimeError):
    pass
def count():
    if COUNT < 0:
        raise CUDARuntimeError("cudaErrorInsufficientDriver: too old or none")
    return COUNT
def from_dlpack(tensor):
    count()
    return tensor.__dlpack__()
asarray = from_dlpack
runtime = types.SimpleNamespace(
    CUDARuntimeError=CUDARuntimeError, is_hip=HIP, getDeviceCount=count, driverGetVersion=lambda: DRIVER,
    runtimeGetVersion=lambda: 13020,
    getDeviceProperties=lambda n: {"name": b"NVIDIA H200", "major": 9, "minor": n},
)
cuda = types.SimpleNamespace(runtime=runtime)
"""


def said(tmp_path, cupy=None, call=CALL):
    """What the call says, as type and text, and what show_config says. cupy: what there is in place of CuPy."""
    if cupy is None:
        call = "import sys; sys.modules['cupy'] = None\n" + call
    else:
        (tmp_path / "cupy.py").write_text(cupy)
        call = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n" + call
    error, config = run(call, CYROI_CACHE_DIR=str(tmp_path / "cache")).splitlines()
    return *error.split("|"), config.split("|")


def fake(version="14.2.0", count=-1, driver=0, hip=False):
    head = f"VERSION, COUNT, DRIVER, HIP = {version!r}, {count}, {driver}, {hip}\n"
    return head + textwrap.dedent(CUPY)


INSTALL = 'pip install "cyroi[cuda13]", or "cyroi[cuda12]" where the driver is older than 580'


def test_without_cupy(tmp_path):
    kind, text, config = said(tmp_path)
    assert (kind, text) == ("ImportError", f"arrays on a GPU need CuPy, which is not installed: {INSTALL}")
    assert config == ["None", "None", str(tmp_path / "cache")]


@pytest.mark.parametrize("version", ["13.5.1", "12.3.0", "9.0.0b1"])
def test_with_a_cupy_that_is_too_old(tmp_path, version):
    kind, text, config = said(tmp_path, fake(version))
    assert kind == "ImportError"
    assert text == f"arrays on a GPU need CuPy 13.6 or newer, and {version} is here: {INSTALL}"
    assert config[:2] == [version, "None"]


def test_with_a_cupy_that_cannot_be_imported(tmp_path):
    kind, text, config = said(tmp_path, "raise ImportError('libcudart.so.13: cannot open shared object file')")
    assert kind == "ImportError"
    assert text.startswith("arrays on a GPU need CuPy, which cannot be imported here: libcudart.so.13: cannot open")
    assert config[:2] == ["None", "None"]


@pytest.mark.parametrize("count", [-1, 0])
def test_without_a_driver_or_a_gpu(tmp_path, count):
    kind, text, config = said(tmp_path, fake(count=count))
    if count < 0:
        assert kind == "RuntimeError"
        assert text.startswith("CuPy finds no GPU to work on; is NVIDIA's driver installed? It says: cudaErrorInsuff")
    else:  # nobody can have such an array, so it is no tensor of a GPU either
        assert kind == "TypeError"
    assert config[:2] == ["14.2.0", "None"]


def test_with_a_cupy_for_a_newer_driver(tmp_path):
    kind, text, _ = said(tmp_path, fake(driver=12040))
    assert kind == "RuntimeError"
    assert text == (
        "NVIDIA's driver here is made for CUDA 12 and this CuPy for CUDA 13: uninstall cupy-cuda13x and pip install"
        ' "cyroi[cuda12]", or install a newer driver'
    )


def test_with_a_cupy_for_gpus_of_another_maker(tmp_path):
    kind, text, _ = said(tmp_path, fake(hip=True))
    assert (kind, text) == ("RuntimeError", f"this CuPy is built for ROCm, and cyroi's kernels are for CUDA: {INSTALL}")


def test_what_the_tensors_own_library_says_is_passed_on(tmp_path):
    kind, text, config = said(tmp_path, fake("15.0.0rc1", count=2))
    assert kind == "TypeError"
    assert text == "input cannot be read as a CuPy array; __main__.Tensor says: no memory there"
    names = ["NVIDIA H200 (compute capability 9.0)", "NVIDIA H200 (compute capability 9.1)"]
    assert config[:2] == ["15.0.0rc1", str(names)]


NVRTC = """
import types, cyroi
from cyroi.gpu import device
def missing():
    raise RuntimeError("no libnvrtc.so.13")
cuda = types.SimpleNamespace(
    runtime=types.SimpleNamespace(getDevice=lambda: 0, runtimeGetVersion=lambda: 13020),
    nvrtc=types.SimpleNamespace(getVersion=missing),
)
device.cupy = types.SimpleNamespace(cuda=cuda)
try:
    device.kernel("plan", {})
except Exception as error:
    print(type(error).__name__, error, sep="|")
print("no|config")
"""


def test_without_nvrtc(tmp_path):
    kind, text, _ = said(tmp_path, fake(count=1), NVRTC)
    assert kind == "RuntimeError"
    assert text == (
        'NVRTC, which compiles the kernels, is missing: pip install "cyroi[cuda13]"; CuPy says: no libnvrtc.so.13'
    )


def test_import_and_calls_on_the_cpu_do_not_look_for_cupy(tmp_path):
    (tmp_path / "cupy.py").write_text("raise SystemError('imported')")
    code = f"""
import sys; sys.path.insert(0, {str(tmp_path)!r})
import numpy as np, cyroi
maps, boxes = np.ones((1, 1, 4, 4), np.float32), [[0, 0, 0, 2, 2]]
result = cyroi.roi_align(maps, boxes, 2, validate=False)
cyroi.roi_align_backward(result, maps, boxes, wrt=("input", "boxes"))
cyroi.crop_and_resize(maps[0, 0], [[0, 0, 1, 1]], crop_size=2)
print([name for name in sys.modules if "cupy" in name or "cyroi.gpu" in name])
"""
    assert run(code).strip() == "[]"
