"""Law: where threads cannot be had, a call goes on with fewer and gives the same bits; the process lives on.

The system refuses them by limits of memory, of processes and of a stack's size: GNU OpenMP ends the process there. The
child of a fork() does not have its parent's: GNU OpenMP waits for them forever there.
"""

from __future__ import annotations

import pytest

from cyroi.arguments import threads
from support.processes import GNU, LARGE, LINUX, run

pytestmark = [
    pytest.mark.skipif(not LINUX, reason="the limits and /proc are Linux'"),
    pytest.mark.skipif(threads.most() < 2, reason="one thread is all that a call may use here"),
]

SETUP = """
import os, resource, threading, time
import numpy as np, cyroi
from cyroi.cpu import _driver, _host

_driver.use_patience(0)  # teams, also where another process slows them down
maps = np.random.default_rng(0).random((1, 32, 100, 100), np.float32)
boxes = np.tile(np.float32([[0, 0, 0, 100, 100]]), (40, 1))
gradient = np.random.default_rng(1).random((40, 32, 7, 7), np.float32)
out = {"forward": np.empty_like(gradient), "maps": np.empty_like(maps), "boxes": np.empty_like(boxes)}
def forward(threads):
    return cyroi.roi_align(maps, boxes, 7, out=out["forward"], num_threads=threads)
def to_maps(threads):
    return cyroi.roi_align_backward(gradient, maps, boxes, out=out["maps"], num_threads=threads)
def to_boxes(threads):
    return cyroi.roi_align_backward(gradient, maps, boxes, wrt="boxes", out=out["boxes"], num_threads=threads)
def os_threads():
    return len(os.listdir("/proc/self/task"))
def used():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
def limit(kind, soft):  # returns the soft limit that was
    was, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (soft, hard))
    return was
def be_nobody():  # root may have any number of processes
    if os.getuid() == 0:
        os.setuid(65534)
def may_start_a_thread():
    try:
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
    except RuntimeError:
        return False
    return True
"""
CALLS = ("forward", "to_maps", "to_boxes")
# LLVM's takes memory of its own for each thread, and version 16 ends a process that has changed its user.
gnu = pytest.mark.skipif(not GNU, reason="only GNU OpenMP gets along with what is left")
ALONE = {"OPENBLAS_NUM_THREADS": "1"}  # nobody else's threads are counted


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    "stack",
    [
        {},
        {"OMP_STACKSIZE": "64M"},
        {"OMP_STACKSIZE": " 65536 "},
        {"OMP_STACKSIZE": "67108864 b"},
        {"OMP_STACKSIZE": "nonsense", "GOMP_STACKSIZE": "65536 K"},
    ],
    ids=lambda stack: " ".join(stack.values()) or "default",
)
def test_where_there_is_no_memory_for_a_stack(call, stack):
    code = f"""
serial = {call}(1).copy()
room = (32 if "OMP_STACKSIZE" in os.environ else 2) << 20
was = limit(resource.RLIMIT_AS, used() + room)
same, alone = np.array_equal({call}(2), serial), os_threads()
limit(resource.RLIMIT_AS, was)
print(same, alone, np.array_equal({call}(2), serial), os_threads())
"""
    assert run(SETUP + code, **ALONE, **stack).split() == ["True", "1", "True", "2"]


@gnu
@pytest.mark.parametrize("call", CALLS)
def test_where_there_is_memory_for_some_stacks(call):
    code = f"""
_host.set_threads(8, 0)
serial = {call}(1).copy()
was = limit(resource.RLIMIT_AS, used() + (240 << 20))
same, some = np.array_equal({call}(8), serial), os_threads()
limit(resource.RLIMIT_AS, was)
print(same, some, np.array_equal({call}(8), serial), os_threads())
"""
    assert run(SETUP + code, OMP_STACKSIZE="64M", **ALONE).split() == ["True", "4", "True", "8"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("size", ["100G", "100000G"])
def test_where_no_stack_of_that_size_can_be_had(call, size):
    code = f"serial = {call}(1).copy()\nprint(np.array_equal({call}(2), serial), os_threads())"
    same, threads = run(SETUP + code, OMP_STACKSIZE=size, **ALONE).split()
    assert same == "True"
    assert threads in ("1", "2")  # a machine with that much memory, or one that promises any, gives it


@gnu
@pytest.mark.parametrize("call", CALLS)
def test_where_no_process_may_be_added(call):
    code = f"""
serial = {call}(1).copy()
be_nobody()
was = limit(resource.RLIMIT_NPROC, 1)
refused = not may_start_a_thread()
same, alone = np.array_equal({call}(2), serial), os_threads()
limit(resource.RLIMIT_NPROC, was)
print(refused, same, alone, np.array_equal({call}(2), serial), os_threads())
"""
    refused, *rest = run(SETUP + code, **ALONE).split()
    if refused == "False":
        pytest.skip("this user may start any number of processes")
    assert rest == ["True", "1", "True", "2"]


@gnu
def test_where_one_process_may_be_added_and_is_needed_again_and_again():
    # A thread that was tried is counted until the system has buried it, which is later than its join.
    code = """
_host.set_threads(3, 0)
serial = forward(1).copy()
be_nobody()
forward(2)
allowed = 1  # processes; others of this user count too
limit(resource.RLIMIT_NPROC, allowed)
while not may_start_a_thread() and allowed < 10_000:
    allowed += 1
    limit(resource.RLIMIT_NPROC, allowed)
same = grown = 0
for _ in range(200):
    same += np.array_equal(forward(3), serial)
    grown += os_threads() == 3
    forward(2)
    time.sleep(0.001)  # for OpenMP to end the third
print(same, grown)
"""
    same, grown = map(int, run(SETUP + code, OMP_WAIT_POLICY="passive", **ALONE).split())
    assert same == 200
    assert grown > 0


# fork() of C runs no hook of Python: neither os.register_at_fork nor what threading does.
C_FORK = """
import ctypes, signal, time, warnings
fork = {"os.fork": os.fork, "C": ctypes.PyDLL(None).fork}["%s"]
expected = large_call(num_threads=2)
gradient = cyroi.roi_align_backward(expected, maps, boxes, num_threads=2)
def child():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        same = np.array_equal(large_call(num_threads=2), expected)
        same &= np.array_equal(cyroi.roi_align_backward(expected, maps, boxes, num_threads=2), gradient)
        same &= np.array_equal(large_call(), expected)
    return same and os_threads() == 1 and [w.category for w in caught] == [RuntimeWarning]
def result(pid):
    for _ in range(1000):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "hangs"
def cycle(work):
    pid = fork()
    if pid == 0:
        os._exit(0 if work() else 1)
    return result(pid)
print(cycle(child), cycle(lambda: cycle(child) == 0), np.array_equal(large_call(num_threads=2), expected), os_threads())
"""


@pytest.mark.parametrize("fork", ["os.fork", "C"])
def test_every_fork_is_heard_of_and_grandchildren_too(fork):
    out = run(LARGE + C_FORK % fork, PYTHONWARNINGS="ignore::DeprecationWarning", OPENBLAS_NUM_THREADS="1")
    assert out.split() == ["0", "0", "True", "2"]
