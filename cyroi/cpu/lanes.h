/* Lanes: the vectors of one SIMD target, and the only place with intrinsics.
 *
 * `Lanes<A>` for A = float, double gives vectors of `count` elements, `Index` vectors of as many indices, and
 *
 *     load, load_part     all elements, or the first n (the others are not read and become 0)
 *     store, store_part
 *     set, mul, fma       fma(a, b, c) = a * b + c, fused where the target has fused multiply-add, on every lane alike
 *     pick                where the index is negative the first vector, elsewhere the second
 *     Table<R>::look_up   element index[i] of R vectors in a row, for each lane i
 *
 * whole: loading a part of a vector costs much more than loading all of it.
 * A target without permutations (permutes = false) has no Index, pick and look_up; its tables are read from memory.
 *
 * Decisions
 * a) The target is chosen by the compiler's own macros, because each target is a module compiled with its own flags
 *    (setup.py). Nothing here tests the CPU at run time.
 * b) fma_one is the scalar fma of the target. Within one target all routes of the executor give the same bits, with or
 *    without vectors; between targets with and without fused multiply-add the last bit may differ.
 * c) A negative index marks a lane that a step leaves alone. AVX-512 turns it into a mask register, AVX2 into the mask
 *    of a blend, which looks at the sign only.
 * d) Tables live in registers where the target has a permutation for them, else in memory that stays in L1. */
#ifndef CYROI_CPU_LANES_H
#define CYROI_CPU_LANES_H

#include "cyroi/config.h"

#if defined(__AVX512F__) && defined(__AVX512VL__) && defined(__AVX512DQ__) && defined(__AVX512BW__)
#define CYROI_AVX512 1
#include <immintrin.h>
#elif defined(__AVX2__) && defined(__FMA__)
#define CYROI_AVX2 1
#include <immintrin.h>
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
#endif

template <class A>
struct Lanes;

/* The sum of `count` values (a power of two) by halves. */
template <class A>
inline A sum_by_halves(A* values, int count) {
    for (int half = count / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; ++i) values[i] += values[i + half];
    }
    return values[0];
}

#if defined(CYROI_AVX512)

inline __mmask16 first_lanes(index n) {
    return static_cast<__mmask16>((1u << n) - 1);
}

template <>
struct Lanes<float> {
    typedef __m512 Vector;
    typedef __m512i Index;
    typedef int Integer;
    static const int count = 16;
    static const bool permutes = true, whole = false;

    static Vector load(const float* p) { return _mm512_loadu_ps(p); }
    static Vector load_part(const float* p, index n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
    static void store(float* p, Vector a) { _mm512_storeu_ps(p, a); }
    static void store_part(float* p, Vector a, index n) { _mm512_mask_storeu_ps(p, first_lanes(n), a); }
    static Vector set(float a) { return _mm512_set1_ps(a); }
    static Vector mul(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
    static Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
    static Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
    static Index load_index(const int* p) { return _mm512_loadu_si512(p); }
    static Vector pick(Index i, Vector negative, Vector other) {
        return _mm512_mask_blend_ps(_mm512_movepi32_mask(i), other, negative);
    }

    template <int R>
    struct Table {
        Vector v[R];
        void keep() {}
        Vector look_up(Index i) const {
            if (R == 1) return _mm512_permutexvar_ps(i, v[0]);
            const Vector low = _mm512_permutex2var_ps(v[0], i, v[R > 1 ? 1 : 0]);
            if (R == 2) return low;
            const Vector high = _mm512_permutex2var_ps(v[R > 2 ? 2 : 0], i, v[R > 3 ? 3 : R - 1]);
            return _mm512_mask_blend_ps(_mm512_test_epi32_mask(i, _mm512_set1_epi32(32)), low, high);
        }
    };
};

template <>
struct Lanes<double> {
    typedef __m512d Vector;
    typedef __m512i Index;
    typedef long long Integer;
    static const int count = 8;
    static const bool permutes = true, whole = false;

    static Vector load(const double* p) { return _mm512_loadu_pd(p); }
    static Vector load_part(const double* p, index n) {
        return _mm512_maskz_loadu_pd(static_cast<__mmask8>(first_lanes(n)), p);
    }
    static void store(double* p, Vector a) { _mm512_storeu_pd(p, a); }
    static void store_part(double* p, Vector a, index n) {
        _mm512_mask_storeu_pd(p, static_cast<__mmask8>(first_lanes(n)), a);
    }
    static Vector set(double a) { return _mm512_set1_pd(a); }
    static Vector mul(Vector a, Vector b) { return _mm512_mul_pd(a, b); }
    static Vector add(Vector a, Vector b) { return _mm512_add_pd(a, b); }
    static Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_pd(a, b, c); }
    static Index load_index(const long long* p) { return _mm512_loadu_si512(p); }
    static Vector pick(Index i, Vector negative, Vector other) {
        return _mm512_mask_blend_pd(_mm512_movepi64_mask(i), other, negative);
    }

    template <int R>
    struct Table {
        Vector v[R];
        void keep() {}
        Vector look_up(Index i) const {
            if (R == 1) return _mm512_permutexvar_pd(i, v[0]);
            const Vector low = _mm512_permutex2var_pd(v[0], i, v[R > 1 ? 1 : 0]);
            if (R == 2) return low;
            const Vector high = _mm512_permutex2var_pd(v[R > 2 ? 2 : 0], i, v[R > 3 ? 3 : R - 1]);
            return _mm512_mask_blend_pd(_mm512_test_epi64_mask(i, _mm512_set1_epi64(16)), low, high);
        }
    };
};

#elif defined(CYROI_AVX2)

inline __m256i first_lanes(index n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline __m256i first_wide_lanes(index n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
}

template <>
struct Lanes<float> {
    typedef __m256 Vector;
    typedef __m256i Index;
    typedef int Integer;
    static const int count = 8;
    static const bool permutes = true, whole = true;

    static Vector load(const float* p) { return _mm256_loadu_ps(p); }
    static Vector load_part(const float* p, index n) {
        return n == count ? load(p) : _mm256_maskload_ps(p, first_lanes(n));
    }
    static void store(float* p, Vector a) { _mm256_storeu_ps(p, a); }
    static void store_part(float* p, Vector a, index n) {
        if (n == count) return store(p, a);
        alignas(32) float all[count];
        _mm256_store_ps(all, a);
        for (index i = 0; i < n; ++i) p[i] = all[i];
    }
    static Vector set(float a) { return _mm256_set1_ps(a); }
    static Vector mul(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
    static Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
    static Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
    static Index load_index(const int* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
    static Vector pick(Index i, Vector negative, Vector other) {
        return _mm256_blendv_ps(other, negative, _mm256_castsi256_ps(i));
    }

    template <int R>
    struct Table {
        Vector v[R];
        void keep() {}
        Vector look_up(Index i) const {
            const Vector a = _mm256_permutevar8x32_ps(v[0], i);
            if (R == 1) return a;
            const Vector bit3 = _mm256_castsi256_ps(_mm256_slli_epi32(i, 28));
            const Vector low = _mm256_blendv_ps(a, _mm256_permutevar8x32_ps(v[R > 1 ? 1 : 0], i), bit3);
            if (R == 2) return low;
            const Vector c = _mm256_permutevar8x32_ps(v[R > 2 ? 2 : 0], i);
            const Vector high = R == 3 ? c : _mm256_blendv_ps(c, _mm256_permutevar8x32_ps(v[R - 1], i), bit3);
            return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(i, 27)));
        }
    };
};

template <>
struct Lanes<double> {
    typedef __m256d Vector;
    typedef __m256i Index;
    typedef long long Integer;
    static const int count = 4;
    static const bool permutes = true, whole = true;

    static Vector load(const double* p) { return _mm256_loadu_pd(p); }
    static Vector load_part(const double* p, index n) {
        return n == count ? load(p) : _mm256_maskload_pd(p, first_wide_lanes(n));
    }
    static void store(double* p, Vector a) { _mm256_storeu_pd(p, a); }
    static void store_part(double* p, Vector a, index n) {
        if (n == count) return store(p, a);
        alignas(32) double all[count];
        _mm256_store_pd(all, a);
        for (index i = 0; i < n; ++i) p[i] = all[i];
    }
    static Vector set(double a) { return _mm256_set1_pd(a); }
    static Vector mul(Vector a, Vector b) { return _mm256_mul_pd(a, b); }
    static Vector add(Vector a, Vector b) { return _mm256_add_pd(a, b); }
    static Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_pd(a, b, c); }
    static Index load_index(const long long* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
    static Vector pick(Index i, Vector negative, Vector other) {
        return _mm256_blendv_pd(other, negative, _mm256_castsi256_pd(i));
    }

    /* AVX2 has no permutation of doubles by a variable: the table is read back from memory. A lane without a tap reads the
     * last place that its index has bits for, hence a power of two of them. */
    template <int R>
    struct Table {
        Vector v[R];
        alignas(32) double memory[(R == 3 ? 4 : R) * count];
        void keep() {
            for (int r = 0; r < R; ++r) _mm256_store_pd(memory + r * count, v[r]);
        }
        Vector look_up(Index i) const {
            const Index in_range = _mm256_and_si256(i, _mm256_set1_epi64x(R > 2 ? 15 : 4 * R - 1));
            return _mm256_i64gather_pd(memory, in_range, 8);
        }
    };
};

#else

/* Neither: vectors that the compiler cuts into the registers that it has (GCC and clang), or loops of fixed length. */
#if defined(__GNUC__)
template <class T>
struct Plain {
    typedef T Vector __attribute__((vector_size(64)));
    typedef T Unaligned __attribute__((vector_size(64), aligned(sizeof(T)), may_alias));
};
#else
template <class T>
struct Plain {
    struct Vector {
        T e[64 / sizeof(T)];
        T& operator[](index i) { return e[i]; }
        T operator[](index i) const { return e[i]; }
        Vector operator*(const Vector& b) const {
            Vector v;
            for (index i = 0; i < static_cast<index>(64 / sizeof(T)); ++i) v.e[i] = e[i] * b.e[i];
            return v;
        }
        Vector operator+(const Vector& b) const {
            Vector v;
            for (index i = 0; i < static_cast<index>(64 / sizeof(T)); ++i) v.e[i] = e[i] + b.e[i];
            return v;
        }
    };
    typedef Vector Unaligned;
};
#endif

template <class A, class I>
struct PlainLanes {
    static const int count = static_cast<int>(64 / sizeof(A));
    static const bool permutes = false, whole = true;
    typedef typename Plain<A>::Vector Vector;
    typedef typename Plain<I>::Vector Index;
    typedef I Integer;

    static Vector load(const A* p) { return *reinterpret_cast<const typename Plain<A>::Unaligned*>(p); }
    static Vector load_part(const A* p, index n) {
        if (n == count) return load(p);
        Vector v = set(0);
        for (index i = 0; i < n; ++i) v[i] = p[i];
        return v;
    }
    static void store(A* p, const Vector& v) { *reinterpret_cast<typename Plain<A>::Unaligned*>(p) = v; }
    static void store_part(A* p, const Vector& v, index n) {
        if (n == count) return store(p, v);
        for (index i = 0; i < n; ++i) p[i] = v[i];
    }
    static Vector set(A a) {
        Vector v;
        for (index i = 0; i < count; ++i) v[i] = a;
        return v;
    }
    static Vector mul(const Vector& a, const Vector& b) { return a * b; }
    static Vector add(const Vector& a, const Vector& b) { return a + b; }
    static Vector fma(const Vector& a, const Vector& b, const Vector& c) { return a * b + c; }

    /* A row of R vectors in memory that stays in L1: without permutations bins are read from it one by one. */
    template <int R>
    struct Table {
        Vector v[R];
        A memory[R * count];
        void keep() {
            for (int r = 0; r < R; ++r) store(memory + r * count, v[r]);
        }
    };
};

template <>
struct Lanes<float> : PlainLanes<float, int> {};
template <>
struct Lanes<double> : PlainLanes<double, long long> {};

#endif

}  // namespace cyroi

#endif
