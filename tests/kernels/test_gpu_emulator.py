"""The emulator that runs the GPU's kernels: what CUDA defines it does, what CUDA leaves open or forbids is seen."""

from __future__ import annotations

import faulthandler
import os

import numpy as np
import pytest

cuda = pytest.importorskip("support.cuda.device", reason="no CuPy: python -m pip install --group gpu")
if cuda.compiler() is None:
    pytest.skip("no C++ compiler on the path", allow_module_level=True)

ORDERS = (0, 1, 2, 3)
LEFT = -1  # what a lane wrote before

KERNELS = r"""
namespace cyroi {
struct Job {
    int* out;
    int* count;
    int number, zero;
};
}  // namespace cyroi
using cyroi::Job;

__device__ inline int flat(dim3 at, dim3 of) {
    return static_cast<int>((at.z * of.y + at.y) * of.x + at.x);
}

__device__ inline int number_of_thread() {
    return flat(blockIdx, gridDim) * static_cast<int>(blockDim.x * blockDim.y * blockDim.z) + flat(threadIdx, blockDim);
}

CYROI_KERNEL(numbers) {
    job.out[number_of_thread()] = number_of_thread();
}

CYROI_KERNEL(ranks) {
    job.out[number_of_thread()] = atomicAdd(job.count, 1);
}

CYROI_KERNEL(turned) {
    CYROI_SHARED(int, all);
    __shared__ int first;
    const int me = threadIdx.x, n = blockDim.x;
    if (me == 0) first = 100 * blockIdx.x;
    all[me] = me;
#ifndef WITHOUT_BARRIER
    __syncthreads();
#endif
    job.out[n * blockIdx.x + me] = static_cast<int>(static_cast<unsigned>(first) + all[n - 1 - me]);
}

CYROI_KERNEL(lanes) {
    const int me = threadIdx.x;
    int* const out = job.out + 8 * me;
    out[0] = __shfl_sync(~0u, 10 * me, (me + 3) % 32);
    out[1] = __shfl_up_sync(~0u, 10 * me, 4);
    out[2] = __shfl_down_sync(~0u, 10 * me, 4);
    out[3] = __shfl_xor_sync(~0u, 10 * me, 9);
    out[4] = static_cast<int>(__ballot_sync(~0u, me % 3 == 0));
    out[5] = static_cast<int>(2 * __shfl_sync(~0u, 0.25 * me, 31 - me % 32));
    /* Halves of a warp go their own ways. */
    if (me % 2) {
        out[6] = __shfl_sync(0xaaaaaaaau, me, (me + 2) % 32);
    } else {
        out[6] = static_cast<int>(__ballot_sync(0x55555555u, me % 4 == 0));
    }
    out[7] = __ffs(me) * 100 + __popc(me) * 10 + (me ? 31 - __clz(me) : 0);
}

CYROI_KERNEL(leaving) {
    const int me = threadIdx.x;
    if (me % 32 >= 20) return;
    job.out[2 * me] = __shfl_sync(~0u, me, job.number);
    job.out[2 * me + 1] = static_cast<int>(__ballot_sync(~0u, 1));
    __syncthreads();
}

CYROI_KERNEL(unwritten) {
    CYROI_SHARED(int, all);
    __shared__ int one;
    __shared__ double two;
    job.out[3 * blockIdx.x] = one;
    job.out[3 * blockIdx.x + 1] = two != two || two > 1e300;
    job.out[3 * blockIdx.x + 2] = all[5];
    one = all[5] = 7;
    two = 7;
}

/* --- what must not be --- */

CYROI_KERNEL(nothing) {}
CYROI_KERNEL(half_a_barrier) {
    if (threadIdx.x < 16) __syncthreads();
    __syncwarp();
}
CYROI_KERNEL(two_barriers) {
    if (threadIdx.x < 16) {
        __syncthreads();
    } else {
        __syncthreads();
    }
}
CYROI_KERNEL(two_ways) {
    if (threadIdx.x < 16) {
        __syncwarp();
    } else {
        __ballot_sync(~0u, 1);
    }
}
CYROI_KERNEL(two_masks) {
    __syncwarp(threadIdx.x < 16 ? ~0u : 0xfffffffeu);
}
CYROI_KERNEL(not_in_the_mask) {
    __syncwarp(0xfffffffeu);
}
CYROI_KERNEL(nowhere) {
    if (threadIdx.x == 5) *reinterpret_cast<int*>(16) = 1;
}
CYROI_KERNEL(nowhere_after_a_barrier) {
    __syncthreads();
    if (threadIdx.x == 5) job.out[0] = *reinterpret_cast<int*>(16);
}
CYROI_KERNEL(past_shared) {
    CYROI_SHARED(int, all);
    all[threadIdx.x] = 1;
}
CYROI_KERNEL(deep) {
    volatile char large[1 << 18];
    for (int i = (1 << 18) - 1; i >= 0; i -= 64) large[i] = 1;
}
CYROI_KERNEL(divided) {
    job.out[0] = job.number / job.zero;
}
CYROI_KERNEL(misaligned) {
    job.out[0] = *reinterpret_cast<int*>(reinterpret_cast<char*>(job.out) + threadIdx.x);
}
CYROI_KERNEL(too_large) {
    job.out[0] = static_cast<int>(3e10f + job.zero);
}
CYROI_KERNEL(overflow) {
    job.out[0] = (0x7fffffff - job.number) + (1 + job.zero);
}
CYROI_KERNEL(reads) {
    job.out[0] = job.out[job.number];
}
CYROI_KERNEL(past_the_end) {
    job.out[job.number] = 1;
}
"""

JOB = np.dtype([("out", "<u8"), ("count", "<u8"), ("number", "<i4"), ("zero", "<i4")])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "own.cu").write_text(KERNELS)
    return folder


@pytest.fixture(scope="module")
def kernels(folder):
    return cuda.Kernel("own", {}, folder)


@pytest.fixture(params=ORDERS, ids=lambda order: f"order {order}")
def order(request, monkeypatch):
    monkeypatch.setattr(cuda.Kernel, "order", request.param)
    return request.param


def job_of(out, number=0):
    count = cuda.upload(np.zeros(1, np.int32))
    return np.array((out.data.ptr, count.data.ptr, number, 0), JOB), count


def run(kernels, name, size, grid, threads, shared=0, number=0):
    out = cuda.upload(np.full(size, LEFT, np.int32))
    job, _count = job_of(out, number)
    cuda.launch(kernels, name, grid, threads, shared, job)
    return cuda.download(out)


@pytest.mark.parametrize(
    ("grid", "threads"), [(1, 1), (3, 33), ((2, 3, 4), (4, 3, 2)), ((1, 1, 5), (1, 40)), (2, 1024), (np.int64(3), 32)]
)
def test_every_thread_of_every_block_runs_once(kernels, order, grid, threads):
    size = int(np.prod(grid) * np.prod(threads))
    assert run(kernels, "numbers", size, grid, threads).tolist() == list(range(size))


def test_orders_differ_and_can_be_repeated(kernels, monkeypatch):
    ranks = {}
    for order in ORDERS:
        monkeypatch.setattr(cuda.Kernel, "order", order)
        ranks[order] = run(kernels, "ranks", 5 * 32, 5, 32).tolist()
        assert ranks[order] == run(kernels, "ranks", 5 * 32, 5, 32).tolist()
        assert sorted(ranks[order]) == sorted(ranks[0])
    assert ranks[0] == list(range(160))
    assert ranks[1] == ranks[0][::-1]
    assert len({tuple(found) for found in ranks.values()}) == len(ORDERS)
    assert np.argsort(ranks[2])[0] // 32 != np.argsort(ranks[3])[0] // 32  # blocks begin elsewhere too


@pytest.mark.parametrize("threads", [1, 31, 64, 200])
def test_a_barrier_parts_what_is_before_it_from_what_is_after(kernels, order, threads):
    found = run(kernels, "turned", 3 * threads, 3, threads, 4 * threads)
    expected = 100 * np.arange(3)[:, np.newaxis] + np.arange(threads)[::-1]
    assert found.reshape(3, threads).tolist() == expected.tolist()


def test_a_missing_barrier_is_seen(folder, order):
    found = run(cuda.Kernel("own", {"WITHOUT_BARRIER": "1"}, folder), "turned", 64, 1, 64, 4 * 64)
    assert found.tolist() != list(range(64))[::-1]
    assert (abs(found) > 1 << 30).any()  # poison


def test_lanes_give_and_get(kernels, order):
    me = np.arange(64)
    lane = me % 32
    found = run(kernels, "lanes", 8 * 64, 1, 64).reshape(64, 8)
    warp = me - lane
    assert found[:, 0].tolist() == (10 * (warp + (me + 3) % 32)).tolist()
    assert found[:, 1].tolist() == (10 * np.where(lane >= 4, me - 4, me)).tolist()
    assert found[:, 2].tolist() == (10 * np.where(lane < 28, me + 4, me)).tolist()
    assert found[:, 3].tolist() == (10 * (me ^ 9)).tolist()
    ballots = [np.uint32(sum(1 << i for i in range(32) if (first + i) % 3 == 0)).astype(np.int32) for first in (0, 32)]
    assert found[:, 4].tolist() == np.repeat(ballots, 32).tolist()
    assert found[:, 5].tolist() == ((warp + 31 - lane) // 2).tolist()
    assert found[1::2, 6].tolist() == (warp + (lane + 2) % 32)[1::2].tolist()
    assert set(found[::2, 6].tolist()) == {0x11111111}
    first = [(int(i) & -int(i)).bit_length() for i in me]
    count, last = [int(i).bit_count() for i in me], [max(int(i).bit_length() - 1, 0) for i in me]
    assert found[:, 7].tolist() == [100 * a + 10 * b + c for a, b, c in zip(first, count, last, strict=True)]


def test_lanes_that_left_are_not_waited_for_and_give_nothing(kernels, order):
    found = run(kernels, "leaving", 2 * 50, 1, 50, number=3).reshape(50, 2)
    for first, lanes in ((0, 20), (32, 18)):
        assert set(found[first : first + lanes, 0].tolist()) == {first + 3}
        assert set(found[first : first + lanes, 1].tolist()) == {(1 << lanes) - 1}
    assert (found[20:32] == LEFT).all()
    assert (run(kernels, "leaving", 2 * 50, 1, 50, number=25)[:40:2] == int(cuda.POISON)).all()


def test_shared_memory_is_poison_in_every_block(kernels, order):
    assert run(kernels, "unwritten", 9, 3, 1, 64).tolist() == 3 * [int(cuda.POISON), 1, int(cuda.POISON)]


def test_new_memory_is_poison():
    for dtype in (np.float32, np.float64, np.int32):
        found = cuda.download(cuda.empty((3, 5), dtype))
        assert found.shape == (3, 5)
        assert (np.isnan(found) | (np.abs(found) > 1e6)).all()


@pytest.mark.parametrize(
    ("name", "threads", "shared", "message"),
    [
        ("half_a_barrier", 32, 0, "deadlock: thread 0 of 32 waits in line"),
        ("half_a_barrier", 64, 0, "deadlock"),
        ("two_barriers", 64, 0, r"threads meet at __syncthreads\(\) of line"),
        ("two_ways", 32, 0, "lanes of a warp meet in different ways"),
        ("two_masks", 32, 0, "lanes of a warp meet in different ways"),
        ("not_in_the_mask", 32, 0, "lane 0 is not in its own mask"),
        ("nowhere", 32, 0, r"thread \(5, 0, 0\) of block \(., 0, 0\): no memory at address 0x10"),
        ("nowhere_after_a_barrier", 32, 0, r"thread \(5, 0, 0\) of block"),
        ("past_shared", 65, 256, "no memory at address"),
        ("deep", 1, 0, "no memory at address"),
        ("divided", 1, 0, "division by zero"),
        ("misaligned", 2, 0, "undefined behaviour"),
        ("too_large", 1, 0, "undefined behaviour"),
        ("overflow", 1, 0, "undefined behaviour"),
        ("nothing", 1025, 0, "at most 1024 threads; got 1025"),
        ("nothing", 0, 0, "at most 1024 threads; got 0"),
        ("nothing", 1, 1 << 18, "at most 232448 bytes of shared memory"),
        ("missing", 1, 0, "no kernel has this name"),
    ],
)
def test_what_must_not_be_is_an_error_and_the_next_launch_is_as_ever(kernels, order, name, threads, shared, message):
    enabled = faulthandler.is_enabled()  # which has handlers of its own, and must not be called
    with pytest.raises(cuda.Fault, match=message):
        run(kernels, name, 1, 3, threads, shared)
    assert faulthandler.is_enabled() == enabled
    assert run(kernels, "turned", 64, 1, 64, 4 * 64).tolist() == list(range(64))[::-1]


@pytest.mark.parametrize("grid", [(1, 65536), (1, 1, 65536), 1 << 31])
def test_a_grid_that_no_device_takes_is_an_error(kernels, grid):
    with pytest.raises(cuda.Fault, match="blocks cannot be launched"):
        run(kernels, "nothing", 1, grid, 1)


def test_no_blocks_are_no_launch(kernels):
    run(kernels, "missing", 1, 0, 1)


def test_a_job_of_another_size_is_an_error(kernels):
    with pytest.raises(cuda.Fault, match="the job has 8 bytes where kernels expect 24"):
        cuda.launch(kernels, "nothing", 1, 1, 0, np.zeros((), np.uint64))


@pytest.mark.parametrize("number", [-1, 10])
def test_a_store_beside_an_array_is_an_error(kernels, number):
    run(kernels, "past_the_end", 10, 1, 1, number=number % 9)
    with pytest.raises(cuda.Fault, match="writes past an end of an array of 40 bytes"):
        run(kernels, "past_the_end", 10, 1, 1, number=number)
    run(kernels, "nothing", 1, 1, 1)  # it is said once


@pytest.mark.skipif(cuda.sanitizer() is None, reason="the sanitizer is loaded by ci/emulator.sh alone")
def test_the_sanitizer_sees_what_is_read_beside_an_array(kernels):
    for number in (-1, 0, 9, 10):
        child = os.fork()  # which it ends
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            run(kernels, "reads", 10, 1, 1, number=number)
            os._exit(0)
        assert (os.waitpid(child, 0)[1] == 0) == (0 <= number < 10)


def test_what_does_not_compile_is_an_error(tmp_path):
    (tmp_path / "own.cu").write_text("CYROI_KERNEL(nothing) { nonsense(); }")
    with pytest.raises(cuda.Fault, match="nonsense"):
        cuda.Kernel("own", {}, tmp_path)


def test_what_was_compiled_is_found_again(folder, kernels, monkeypatch):
    monkeypatch.setattr("subprocess.run", None)
    cuda.Kernel("own", {}, folder)
    with pytest.raises(TypeError):
        cuda.Kernel("own", {"ANOTHER": "1"}, folder)


@pytest.mark.parametrize("dtype", [np.float32, np.int8, "bfloat16"])
def test_arrays_lie_where_those_of_the_host_lie(dtype):
    dtype = np.dtype(pytest.importorskip("ml_dtypes").bfloat16 if dtype == "bfloat16" else dtype)
    whole = np.arange(120).reshape(4, 5, 6).astype(dtype)
    for view in (whole, whole[::-1, 1:3, ::-2], whole.T, whole[1:1], whole[2, 3, 4, ...]):
        array = cuda.on_device(view)
        assert array.shape == view.shape
        assert array.strides == view.strides
        assert array.dtype == view.dtype
        back = cuda.on_host(array)
        assert back.__array_interface__["data"][0] == view.__array_interface__["data"][0] or not view.size
        np.testing.assert_array_equal(back, view)
    copy = cuda.on_host(cuda.upload(whole))
    whole[...] = 0
    assert copy[3, 4, 5] == 119
