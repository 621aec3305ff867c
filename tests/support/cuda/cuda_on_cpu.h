/* Runs CUDA kernels on the CPU, for tests: each thread of a block is a fiber, and a barrier is a switch to another one.
 *
 * Decisions
 * a) Blocks run one after the other and threads from barrier to barrier, in one thread of the system, so a run can be
 *    repeated. `order` is 0 for threads and blocks as they are numbered, 1 for the reverse, a warp as far as it can go
 *    before another one; else a seed that shuffles all threads anew between barriers. Where a barrier is missing,
 *    results depend on it.
 * b) What a device leaves undefined is poison here: shared memory before a block writes it, and what is shuffled from a
 *    lane that takes no part. What it forbids is an error: threads that meet at different barriers or never, an address
 *    out of all memory, more threads or shared memory than there are.
 * c) An error ends the launch, which gives its text. Fibers are dropped as they stand: kernels own nothing.
 * d) A fiber has a stack from its first step to its last, so threads that never wait run one after the other on the
 *    same stack, which stays in the cache. A switch saves six registers; elsewhere than on x86-64 it is ucontext's.
 * e) Nothing of C++'s library is included, which would take most of the time of compiling a kernel; nor <string.h>,
 *    whose index() hides cyroi::index.
 * f) A kernel's file is included in a namespace without a name, see device.py: what is inline or a template would have
 *    its shared memory in sections of its own, and two libraries of kernels would share it. */
#ifndef CYROI_TESTS_CUDA_ON_CPU_H
#define CYROI_TESTS_CUDA_ON_CPU_H

#include "block.h"

extern "C" {
float fmaf(float, float, float) noexcept;
double fma(double, double, double) noexcept;
}

#define __host__
#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static __attribute__((section("cuda_shared")))

#define CYROI_KERNEL(name)                                                              \
    static void name(cyroi::Job job);                                                   \
    static void run_##name(const void* job) {                                           \
        name(*static_cast<const cyroi::Job*>(job));                                     \
    }                                                                                   \
    static cuda_on_cpu::Kernel kernel_##name = {#name, run_##name, sizeof(cyroi::Job)}; \
    static void name(cyroi::Job job)
#define CYROI_SHARED(T, name) T* const name = reinterpret_cast<T*>(cuda_on_cpu::block.shared)

namespace cuda_on_cpu {

template <class T>
static T shuffle(unsigned mask, T value, int source, int line) {
    static_assert(sizeof(T) <= 8, "only up to 8 bytes are shuffled");
    unsigned long long bits = 0;
    __builtin_memcpy(&bits, &value, sizeof value);
    bits = meet_lanes(SHUFFLE, mask, bits, source, line);
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

}  // namespace cuda_on_cpu

/* --- what kernels call --- */

#define threadIdx (cuda_on_cpu::block.running->index)
#define blockIdx (cuda_on_cpu::block.index)
#define blockDim (cuda_on_cpu::block.dim)
#define gridDim (cuda_on_cpu::block.grid)

static inline void __syncthreads(int line = __builtin_LINE()) {
    cuda_on_cpu::meet_block(line);
}
static inline void __syncwarp(unsigned mask = ~0u, int line = __builtin_LINE()) {
    cuda_on_cpu::meet_lanes(cuda_on_cpu::SYNCWARP, mask, 0, 0, line);
}
static inline unsigned __ballot_sync(unsigned mask, int predicate, int line = __builtin_LINE()) {
    return static_cast<unsigned>(cuda_on_cpu::meet_lanes(cuda_on_cpu::BALLOT, mask, predicate != 0, 0, line));
}
template <class T>
static T __shfl_sync(unsigned mask, T value, int lane, int line = __builtin_LINE()) {
    return cuda_on_cpu::shuffle(mask, value, lane, line);
}
template <class T>
static T __shfl_up_sync(unsigned mask, T value, unsigned by, int line = __builtin_LINE()) {
    const int me = cuda_on_cpu::block.running->lane, from = me - static_cast<int>(by);
    return cuda_on_cpu::shuffle(mask, value, from < 0 ? me : from, line);
}
template <class T>
static T __shfl_down_sync(unsigned mask, T value, unsigned by, int line = __builtin_LINE()) {
    const int me = cuda_on_cpu::block.running->lane, from = me + static_cast<int>(by);
    return cuda_on_cpu::shuffle(mask, value, from >= cuda_on_cpu::kLanes ? me : from, line);
}
template <class T>
static T __shfl_xor_sync(unsigned mask, T value, int by, int line = __builtin_LINE()) {
    return cuda_on_cpu::shuffle(mask, value, cuda_on_cpu::block.running->lane ^ by, line);
}

static inline int __ffs(int bits) {
    return __builtin_ffs(bits);
}
static inline int __clz(int bits) {
    return bits == 0 ? 32 : __builtin_clz(static_cast<unsigned>(bits));
}
static inline int __popc(unsigned bits) {
    return __builtin_popcount(bits);
}
template <class T>
static T __ldg(const T* at) {
    return *at;
}
/* The second argument is converted to what the first one points at. */
template <class T>
struct Same {
    typedef T Type;
};
template <class T>
static T atomicOr(T* at, typename Same<T>::Type bits) {
    const T old = *at;
    *at = old | bits;
    return old;
}
template <class T>
static T atomicAdd(T* at, typename Same<T>::Type value) {
    const T old = *at;
    *at = old + value;
    return old;
}

#endif
