"""Law: the C functions may be called from any thread, several at a time, and keep to the thread policy of Python."""

from __future__ import annotations

import os
import sys
import threading

import numpy as np
import pytest

from cyroi.arguments import threads
from support.c_face import BAD_INDEX, OK, arguments, case, invoke, name_of
from support.operators import BY_NAME
from support.processes import run
from support.written import plain


def test_several_user_threads_at_once(operator):
    call, expected, _ = case(operator, shape=(2, 16, 64, 64), boxes=100)
    outs = [np.full_like(expected, np.nan) for _ in range(8)]
    codes = [None] * len(outs)

    def work(i):
        c = arguments(operator, call, outs[i], num_threads=1 + i % 3)
        codes[i] = {invoke(name_of(operator), c) for _ in range(5)}

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(outs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [{OK}] * len(outs)
    for out in outs:
        np.testing.assert_array_equal(out, expected)


def test_another_thread_that_changes_the_boxes_cannot_lead_a_call_astray():
    """Indices flip between right and wrong while calls run: each call is right or refused."""
    operator = BY_NAME["crop_and_resize"]
    call, expected, c = case(operator, shape=(2, 1, 8, 8), boxes=2000)
    good, bad = call["box_indices"].copy(), np.full(2000, 2**40)
    stop = threading.Event()

    def flip():
        while not stop.is_set():
            call["box_indices"][...] = bad
            call["box_indices"][...] = good

    thread = threading.Thread(target=flip)
    thread.start()
    codes = [plain(invoke)(name_of(operator), c) for _ in range(300)]  # a second call may be refused
    stop.set()
    thread.join()
    assert set(codes) <= {OK, BAD_INDEX}
    assert invoke(name_of(operator), c) == OK
    np.testing.assert_array_equal(c["out"], expected)


THREADS = """
import os, numpy as np, cyroi
from support import c_face
f = c_face.function("roi_align_float")
maps, boxes = np.ones((1, 64, 128, 128), np.float32), np.tile(np.float32([[1, 2, 100, 90]]), (200, 1))
out, shape = np.empty((200, 64, 7, 7), np.float32), c_face.sizes(maps.shape)
def call(num_threads):
    out[...] = 0
    code = f(maps.ctypes.data, shape.ctypes.data, None, boxes.ctypes.data, None, 200, 7, 7, 1.0, 2, 1, 0,
             out.ctypes.data, None, num_threads)
    return code == 0 and bool((abs(out - 1) < 1e-6).all())
def os_threads():
    return len(os.listdir("/proc/self/task"))
"""
SHOW = "print(call({wish}), os_threads())"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts threads in /proc")
@pytest.mark.parametrize(
    ("wish", "environment", "expected"),
    [
        (1, {}, 1),
        (2, {}, 2),
        (2**31 - 1, {}, 256),
        (0, {"CYROI_NUM_THREADS": "1"}, 1),
        (0, {"OMP_NUM_THREADS": "1"}, 1),
        (-1, {"CYROI_NUM_THREADS": "2", "OMP_NUM_THREADS": "1"}, 2),
        (2, {"CYROI_NUM_THREADS": "1"}, 2),
        (0, {"CYROI_NUM_THREADS": "1000000"}, 256),
    ],
)
def test_the_number_of_threads_follows_the_policy_of_python(wish, environment, expected):
    out = run(THREADS + SHOW.format(wish=wish), OPENBLAS_NUM_THREADS="1", **environment)
    assert out.split() == ["True", str(min(expected, threads.most()))]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no CPU affinity")
def test_affinity_bounds_the_threads():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n" + THREADS + SHOW.format(wish=8)
    assert run(code, OPENBLAS_NUM_THREADS="1").split() == ["True", "1"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_child_runs_serially():
    child = """
import signal
assert call(2)
for _ in range(20):
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)  # a hang ends the child
        os._exit(0 if call(2) and call(0) and os_threads() == 1 else 1)
    assert os.waitpid(pid, 0)[1] == 0
print("ok")
"""
    assert run(THREADS + child, PYTHONWARNINGS="ignore::DeprecationWarning").strip() == "ok"
