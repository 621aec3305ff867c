/* Lanes: the vectors of one SIMD target. Intrinsics stand here and in the files of lanes/, one per target, and nowhere
 * else.
 *
 * `Lanes<A>` for A = float, double gives vectors of `count` elements, and
 *
 *     load, load_part     all elements, or the first n (the others are not read and become 0), from every storage type
 *                         (elements.h) whose arithmetic is A
 *     store, store_part   all lanes as A; the first n lanes as any storage type
 *     stream              all lanes of floats to a multiple of the vector's size, past the caches; only where `streams`
 *     set, mul, add, fma  fma(a, b, c) = a * b + c, fused where the target has fused multiply-add, on every lane alike
 *     only                only(a, where): a where `where` is not 0, else +0, also where a is not finite
 *     sum                 of all lanes, by halves
 *     sum_each            the same for the first n of eight vectors
 *     Bins, Few           vectors with a lane for each of Bins::count or Few::count bins. Their Places<R> say where
 *                         each lane finds an element in a row of R vectors, and multiply and add those elements
 *
 *     permutes            the target has Bins; others pick elements from memory that stays in L1, and do not use them
 *     whole               loading a part of a vector costs much more than loading all of it
 *
 * Numbers of a target:
 *
 *     kRegisters          how many vectors a kernel can hold
 *     kVectorsAtOnce      vectors of a row that are combined at once (combined_rows.h)
 *     kTogether           combined rows whose bins are formed together (buffered_rows.h)
 *
 * Decisions
 * a) The target is chosen by the compiler's own macros, because each target is a module compiled with its own flags
 *    (setup.py). Nothing here tests the CPU at run time.
 * b) fma_one is the scalar fma of the target. Within one target all routes of the executor give the same bits, with or
 *    without vectors; between targets with and without fused multiply-add the last bit may differ.
 * c) A negative place marks a lane that a step leaves alone. AVX-512 turns it into a mask register, AVX2 into the mask
 *    of a blend, which looks at the sign only. A weight of 0 would not do: it turns infinity into NaN.
 *
 * Compiled per SIMD target. */
#ifndef CYROI_CPU_LANES_H
#define CYROI_CPU_LANES_H

#include <cstring>

#include "cyroi/elements.h"

#if defined(__AVX512F__) && defined(__AVX512VL__) && defined(__AVX512DQ__) && defined(__AVX512BW__)
#define CYROI_AVX512 1
#if defined(__GNUC__) && !defined(__clang__)
/* gcc warns of its own intrinsics, thousands of times: they leave an operand open that no lane is taken from
 * (_mm512_undefined_ps, bug 105593). Only of what stands in its header; the same kernels with AVX2 are not spared. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif
#elif defined(__AVX2__) && (defined(__FMA__) || defined(_MSC_VER))
#define CYROI_AVX2 1
#include <immintrin.h>
#elif (defined(__aarch64__) && !defined(__AARCH64EB__)) || defined(_M_ARM64) /* bytes are looked up by their number */
#define CYROI_NEON 1
#include <arm_neon.h>

#include <cmath>
#endif

/* Vectors in arrays stay in registers only if the loops over them are unrolled entirely. */
#if defined(__clang__)
#define CYROI_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define CYROI_UNROLL _Pragma("GCC unroll 16")
#else
#define CYROI_UNROLL
#endif

/* KERNEL: stays a function, whose vectors do not compete with those of its callers for registers. INLINE: the body of a
 * kernel's loop. */
#if defined(__GNUC__)
#define CYROI_KERNEL __attribute__((noinline))
#define CYROI_INLINE inline __attribute__((always_inline))
#elif defined(_MSC_VER)
#define CYROI_KERNEL __declspec(noinline)
#define CYROI_INLINE __forceinline
#else
#define CYROI_KERNEL
#define CYROI_INLINE inline
#endif

namespace cyroi {

template <class A>
inline A fma_one(A a, A b, A c) {
    return a * b + c;
}

#if defined(CYROI_AVX512) || defined(CYROI_AVX2)
template <>
inline float fma_one(float a, float b, float c) {
    return _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(a), _mm_set_ss(b), _mm_set_ss(c)));
}
template <>
inline double fma_one(double a, double b, double c) {
    return _mm_cvtsd_f64(_mm_fmadd_sd(_mm_set_sd(a), _mm_set_sd(b), _mm_set_sd(c)));
}
#elif defined(CYROI_NEON)
template <>
inline float fma_one(float a, float b, float c) {
    return std::fma(a, b, c);
}
template <>
inline double fma_one(double a, double b, double c) {
    return std::fma(a, b, c);
}
#endif

/* Reads the cache line at p. Not a prefetch instruction: for planes that come from memory it won nothing where a load
 * did, probably because it is dropped where the page is not in the CPU's tables. */
inline void fetch(const void* p) {
    const volatile char* line = static_cast<const volatile char*>(p);
    (void)*line;
}

/* Says that the cache line at p will be read soon. It may be dropped, as those are that come in bursts. */
inline void expect(const void* p) {
#if defined(__GNUC__)
    __builtin_prefetch(p);
#else
    (void)p;
#endif
}

/* After the last stream() of a work item: its lines are written before what this thread writes next. */
inline void finish_streams() {
#if defined(CYROI_AVX512) || defined(CYROI_AVX2)
    _mm_sfence();
#endif
}

template <class A>
struct Lanes;

/* Of a target without permutations. */
struct NoBins {
    static const int count = 1;
};

/* The sum of `count` values (a power of two) by halves. */
template <class A>
inline A sum_by_halves(A* values, int count) {
    for (int half = count / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; ++i) values[i] += values[i + half];
    }
    return values[0];
}

#if defined(CYROI_AVX512) || defined(CYROI_AVX2)
/* The sums of eight vectors of eight floats, each by halves. */
inline __m256 sums_of_eight(const __m256 (&v)[8]) {
    __m256 quarter[4], pair[2]; /* of v[i] and v[i + 1]; of v[i] ... v[i + 3] as 0 2 1 3 */
    CYROI_UNROLL for (int i = 0; i < 4; ++i) {
        quarter[i] = _mm256_add_ps(_mm256_permute2f128_ps(v[2 * i], v[2 * i + 1], 0x20),
                                   _mm256_permute2f128_ps(v[2 * i], v[2 * i + 1], 0x31));
    }
    CYROI_UNROLL for (int i = 0; i < 2; ++i) {
        const __m256d a = _mm256_castps_pd(quarter[2 * i]), b = _mm256_castps_pd(quarter[2 * i + 1]);
        pair[i] = _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(a, b)), _mm256_castpd_ps(_mm256_unpackhi_pd(a, b)));
    }
    const __m256 sums =
        _mm256_add_ps(_mm256_shuffle_ps(pair[0], pair[1], 0x88), _mm256_shuffle_ps(pair[0], pair[1], 0xdd));
    return _mm256_permutevar8x32_ps(sums, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}
#endif

/* Conversion on store for lanes that have no instructions for it. */
template <class L, class A>
struct StoreOneByOne {
    template <class O, class V>
    static void store_part(O* p, const V& v, index n) {
        A all[L::count];
        L::store(all, v);
        for (index i = 0; i < n; ++i) store_one(p + i, all[i]);
    }
};

}  // namespace cyroi

#if defined(CYROI_AVX512)
#include "lanes/avx512.h"
#elif defined(CYROI_AVX2)
#include "lanes/avx2.h"
#elif defined(CYROI_NEON)
#include "lanes/neon.h"
#else
#include "lanes/plain.h"
#endif

#endif
