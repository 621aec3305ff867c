"""Law: good manners at run time. Threads, fork, signals, the GIL, and what happens inside parallel regions."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import cyroi
from cyroi.arguments import threads
from support.operators import BY_NAME
from support.processes import LARGE, LINUX, run
from support.written import plain

ROOT = Path(__file__).parents[2]

# A call that takes many seconds in small memory: 10**5 whole-map boxes on 8 maps of 512 x 512.
LONG = """
import numpy as np, cyroi
maps = np.ones((1, 8, 512, 512), np.float32)
boxes = np.tile(np.float32([[0, 0, 0, 512, 512]]), (100_000, 1))
def long_call(**options):
    return cyroi.roi_align(maps, boxes, 1, **options)
"""


def test_the_gil_is_released_during_a_call():
    turns, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            turns[0] += 1

    rng = np.random.default_rng(0)
    call = BY_NAME["roi_align"].call(rng, shape=(1, 64, 128, 128), boxes=1)
    call |= {"boxes": np.tile(np.float32([[0, 0, 128, 128]]), (200, 1)), "batch_indices": np.zeros(200, int)}
    call |= {"spatial_scale": 1.0, "sampling_ratio": 0, "output_size": 7}
    thread = threading.Thread(target=count)
    thread.start()
    while not turns[0]:
        time.sleep(0.001)
    before = turns[0]
    plain(cyroi.roi_align)(**call, num_threads=1)  # the checks of a second call run in Python, which shares the GIL
    during = turns[0] - before
    stop.set()
    thread.join()
    assert during > 1000


@pytest.mark.skipif(not LINUX, reason="counts threads in /proc")
def test_small_calls_stay_on_the_calling_thread_and_large_ones_do_not():
    code = LARGE + "cyroi.roi_align(maps, [[0, 1, 2, 8, 9]], 7, num_threads=2); print(os_threads())\n"
    code += "large_call(num_threads=2); print(os_threads())"
    small, large = map(int, run(code, OPENBLAS_NUM_THREADS="1").split())
    assert small == 1
    assert large == min(2, threads.most())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_works_and_runs_serially():
    code = (
        LARGE
        + """
import signal, warnings
boxes = boxes[:40]  # still enough for two threads, and a child can be forked the more often
expected = large_call()
warned = [RuntimeWarning] if cyroi.show_config()["openmp"] else []  # a serial build loses nothing by a fork
for cycle in range(100):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)  # a hang ends the child
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            same = np.array_equal(large_call(), expected) and np.array_equal(large_call(num_threads=2), expected)
            large_call(num_threads=2)
        good = same and os_threads() == 1 and [w.category for w in caught] == warned
        os._exit(0 if good else 1)
    assert os.waitpid(pid, 0)[1] == 0, cycle
print("ok")
"""
    )
    assert run(code, PYTHONWARNINGS="ignore::DeprecationWarning").strip() == "ok"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_child_forked_during_a_call_of_another_thread_works():
    code = (
        LONG
        + """
import os, signal, threading, time
threading.Thread(target=long_call, daemon=True).start()
time.sleep(0.3)
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    os._exit(0 if cyroi.roi_align(maps, boxes[:50], 7).shape == (50, 8, 7, 7) else 1)
print(os.waitpid(pid, 0)[1], flush=True)
os._exit(0)
"""
    )
    assert run(code, PYTHONWARNINGS="ignore::DeprecationWarning").strip() == "0"


# Calls that would take from many seconds to hours, in little memory, each long for another reason.
LONG_CALLS = {
    "many boxes": "cyroi.roi_align(maps, boxes, 1, num_threads={threads})",
    "a long output row": "cyroi.crop_and_resize(image, [[0, 0, 1, 1]], None, (1, 10**9), out=far(1, 10**9))",
    "a long output column": "cyroi.crop_and_resize(image, [[0, 0, 1, 1]], None, (10**9, 1), out=far(10**9, 1))",
    "many samples": "cyroi.roi_align(maps[:, :1], boxes[:3], (1, 10**6), sampling_ratio=4096)",
    "a gradient to the maps": "cyroi.roi_align_backward(ones, maps.shape, boxes, num_threads={threads})",
    "a gradient to the boxes": "cyroi.roi_align_backward(ones, maps, boxes, wrt='boxes', num_threads={threads})",
    "a gradient to the boxes, NHWC": "cyroi.roi_align_backward(ones.reshape(-1, 1, 1, 8), maps.reshape(1, 512, 512, 8),"
    " boxes, wrt='boxes', layout='NHWC', num_threads={threads})",
    "a gradient to the maps, NHWC": "cyroi.roi_align_backward(ones.reshape(-1, 1, 1, 8), (1, 512, 512, 8), boxes,"
    " layout='NHWC', num_threads={threads})",
    "a gradient to the boxes that is not finite": "cyroi.roi_align_backward(ones * np.nan, maps, boxes, wrt='boxes',"
    " num_threads={threads})",
    "the gradient to the boxes of a huge one": "again(cyroi.roi_align_backward, np.full((1, 128, 128, 128), np.nan,"
    " np.float32), np.ones((1, 1500, 1500, 128), np.uint8), [[0, 0, 0, 1500, 1500]], layout='NHWC', wrt='boxes')",
    "the gradient to the maps of a huge box": "again(cyroi.roi_align_backward, np.ones((1, 7, 7, 64), np.float32),"
    " (1, 2000, 2000, 64), [[0, 0, 0, 2000, 2000]], layout='NHWC', out=np.empty((1, 2000, 2000, 64), np.float32))",
}
FAR = """
ones = np.ones((len(boxes), 8, 1, 1), np.float32)
image = maps[0, 0, :64, :64]
def far(height, width):  # pages of a new array cost memory as they are written; a call that is interrupted writes few
    return np.empty((1, height, width), np.float32)
def again(function, *args, **kwargs):  # calls of some tenths of a second, of which one is interrupted
    for _ in range(50):
        function(*args, **kwargs)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
@pytest.mark.parametrize("num_threads", [1, 2])
@pytest.mark.parametrize("call", LONG_CALLS)
def test_ctrl_c_ends_a_long_call_soon_and_the_next_call_is_right(call, num_threads):
    code = (
        LONG
        + FAR
        + f"""
import os, signal, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background may begin without
sent = []
def interrupt():
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
threading.Timer(0.3, interrupt).start()
try:
    {LONG_CALLS[call].format(threads=num_threads)}
    print("the call was not interrupted")
except KeyboardInterrupt:
    late = time.monotonic() - sent[0]
    print("interrupted", late < 1.5, float(cyroi.roi_align(maps, boxes[:3], 1).sum()))
"""
    )
    # 0.2 s is the promise; 1.5 s leaves room for a loaded machine and is still far below the length of the calls.
    assert run(code, CYROI_NUM_THREADS=str(num_threads)).split() == ["interrupted", "True", "24.0"]


def test_calls_from_many_python_threads_give_the_same_bits(operator):
    call = operator.call(np.random.default_rng(7), shape=(2, 16, 64, 64), boxes=200)
    call[operator.size] = (7, 7)
    expected = operator.function(**call, num_threads=1)
    results = [None] * 8

    def work(i):
        for _ in range(5):
            results[i] = operator.function(**call, num_threads=2)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(results))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        np.testing.assert_array_equal(result, expected)


def parallel_regions(source: str) -> list[str]:
    """The block after each `#pragma omp parallel`."""
    regions = []
    for match in re.finditer(r"#pragma omp parallel\b", source):
        start = source.index("{", match.end())
        depth = 0
        for end in range(start, len(source)):
            depth += {"{": 1, "}": -1}.get(source[end], 0)
            if depth == 0:
                break
        regions.append(source[start:end])
    return regions


FORBIDDEN = re.compile(
    r"\bPy\w+\(|\b__Pyx_\w*(Raise|GIL|ERR|INCREF|DECREF)\w*|\b(malloc|calloc|realloc|free|new|throw)\b"
)


@pytest.mark.parametrize("module", ["_driver", "_classic"])
def test_nothing_allocates_raises_or_takes_the_gil_inside_a_parallel_region(tmp_path, module):
    generated = tmp_path / f"{module}.cpp"
    source = ROOT / "cyroi" / "cpu" / f"{module}.pyx"
    directives = ["-X", "boundscheck=False,wraparound=False,initializedcheck=False,cdivision=True"]  # as in setup.py
    command = [sys.executable, "-m", "cython", "-3", "--cplus", *directives, "-o", generated, source]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    regions = parallel_regions(re.sub(r"/\*.*?\*/", "", generated.read_text(), flags=re.S))
    assert regions
    assert "omp parallel if" not in generated.read_text()  # takes memory for a team of one, or ends the process
    for region in regions:
        assert not FORBIDDEN.findall(region)
    outside = {"c_api.h", "arguments.h", "compact.h", "teams.h"}  # what is had before a region opens
    for header in (path for path in (ROOT / "cyroi").rglob("*.h") if path.name not in outside):
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        assert not FORBIDDEN.findall(text), header


def test_the_region_check_finds_what_is_forbidden():
    source = "#pragma omp parallel\n{ for (;;) { PyGILState_Ensure(); } }\n{ malloc(1); }"
    assert [bool(FORBIDDEN.search(region)) for region in parallel_regions(source)] == [True]
    assert all(FORBIDDEN.search(text) for text in ("x = malloc(3)", "__Pyx_RaiseError()", "p = new int", "throw 1"))
