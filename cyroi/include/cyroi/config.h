/* What every cyroi header shares.
 *
 * The headers in this folder, c_api.h apart, are the mathematics of the library and nothing else. They are included by
 * the CPU kernels and by CUDA code (nvcc, NVRTC), so they include nothing of the standard library, allocate nothing,
 * hold no static data and know nothing of Python, NumPy or OpenMP.
 *
 * Compiled by the host once and per SIMD target, and as device code. */
#ifndef CYROI_CONFIG_H
#define CYROI_CONFIG_H

/* Where a compiler may take NaN and infinity for impossible, the guards against bad boxes are gone, and where it may
 * reorder sums, results depend on its mood. Not asked of device compilers: their fast mathematics keeps NaN. */
#if !defined(__CUDACC__)
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || defined(__RECIPROCAL_MATH__) || defined(_M_FP_FAST) || \
    (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "cyroi cannot be compiled with -ffast-math, -Ofast, /fp:fast or parts of them: NaN would pass unnoticed"
#endif
#endif

#if defined(__CUDACC__)
#define CYROI_HD __host__ __device__
#else
#define CYROI_HD
#endif

/* For the inner loop of planning: its writer stays in registers only where all that touches it is inlined, and
 * compilers that are left to choose make planning 1.4 to 3 times as slow. Device compilers inline by themselves. */
#if defined(__CUDACC__)
#define CYROI_HD_INLINE CYROI_HD inline
#elif defined(__GNUC__) || defined(__clang__)
#define CYROI_HD_INLINE inline __attribute__((always_inline))
#elif defined(_MSC_VER)
#define CYROI_HD_INLINE __forceinline
#else
#define CYROI_HD_INLINE inline
#endif

namespace cyroi {

/* Counts and offsets. 64 bits everywhere: maps and results of more than 2**31 elements are ordinary. */
typedef long long index;

/* The values of a box, in the order in which planners get them. */
enum BoxSide { kY1 = 0, kX1, kY2, kX2, kBoxSides };

template <class T>
CYROI_HD inline T smaller(T a, T b) {
    return b < a ? b : a;
}

template <class T>
CYROI_HD inline T larger(T a, T b) {
    return a < b ? b : a;
}

}  // namespace cyroi

#endif
