/* AVX-512: 16 floats or 8 doubles, 32 registers, masks for free. Included by lanes.h. */
namespace cyroi {

static const int kRegisters = 32, kTogether = 4, kVectorsAtOnce = 6;

inline __mmask16 first_lanes(index n) {
    return static_cast<__mmask16>((1u << n) - 1);
}
inline __mmask8 first_wide_lanes(index n) {
    return static_cast<__mmask8>((1u << n) - 1);
}

inline __m512 permuted(__m512i at, __m512 a) {
    return _mm512_permutexvar_ps(at, a);
}
inline __m512 permuted(__m512i at, __m512 a, __m512 b) {
    return _mm512_permutex2var_ps(a, at, b);
}
inline __m512d permuted(__m512i at, __m512d a) {
    return _mm512_permutexvar_pd(at, a);
}
inline __m512d permuted(__m512i at, __m512d a, __m512d b) {
    return _mm512_permutex2var_pd(a, at, b);
}

/* Elements of the first two of R vectors, or of the others. */
template <int R, class V>
inline V low_element(const V (&v)[R], __m512i at) {
    return R == 1 ? permuted(at, v[0]) : permuted(at, v[0], v[R > 1 ? 1 : 0]);
}
template <int R, class V>
inline V high_element(const V (&v)[R], __m512i at) {
    return R == 3 ? permuted(at, v[R - 1]) : permuted(at, v[R > 2 ? 2 : 0], v[R - 1]);
}

/* Where the lanes of one step find their element among R vectors, and where not: the bins' steps (blocks.h).
 *
 * Two registers of the row are looked into at a time, hence two masks: `low` for elements in the first two, `high` for
 * those in the others. Bit `half` of a place tells them apart. */
template <class M>
struct Masks {
    M low, high;

    Masks(M valid, M above) : low(valid), high(0) {
        high = static_cast<M>(low & above);
        low = static_cast<M>(low & ~above);
    }
};

/* 16 bins. */
struct WideBins {
    typedef __m512 Vector;
    static const int count = 16;
    static Vector set(float a) { return _mm512_set1_ps(a); }
    static Vector load(const float* p) { return _mm512_loadu_ps(p); }
    static void store_part(float* p, Vector a, index n) { _mm512_mask_storeu_ps(p, first_lanes(n), a); }
    static __m512 lanes(Vector a) { return a; }

    template <int R>
    struct Places {
        __m512i at;
        Masks<__mmask16> in;

        explicit Places(const int* p)
            : at(_mm512_loadu_si512(p)),
              in(_knot_mask16(_mm512_movepi32_mask(at)),
                 R > 2 ? _mm512_test_epi32_mask(at, _mm512_set1_epi32(32)) : 0) {}
        Vector mul(const __m512 (&v)[R], Vector weight, Vector otherwise) const {
            const Vector sum = _mm512_mask_mul_ps(otherwise, in.low, weight, low_element(v, at));
            return R > 2 ? _mm512_mask_mul_ps(sum, in.high, weight, high_element(v, at)) : sum;
        }
        Vector fma(const __m512 (&v)[R], Vector weight, Vector total) const {
            const Vector sum = _mm512_mask3_fmadd_ps(weight, low_element(v, at), total, in.low);
            return R > 2 ? _mm512_mask3_fmadd_ps(weight, high_element(v, at), sum, in.high) : sum;
        }
    };
};

/* 8 bins: their sums take half a register and half the time. */
struct NarrowBins {
    typedef __m256 Vector;
    static const int count = 8;
    static Vector set(float a) { return _mm256_set1_ps(a); }
    static Vector load(const float* p) { return _mm256_loadu_ps(p); }
    static void store_part(float* p, Vector a, index n) {
        _mm256_mask_storeu_ps(p, static_cast<__mmask8>(first_lanes(n)), a);
    }
    static __m512 lanes(Vector a) { return _mm512_zextps256_ps512(a); }

    template <int R>
    struct Places {
        __m512i at;
        Masks<__mmask8> in;

        explicit Places(const int* p)
            : at(_mm512_zextsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))),
              in(_knot_mask8(_mm256_movepi32_mask(_mm512_castsi512_si256(at))),
                 R > 2 ? _mm256_test_epi32_mask(_mm512_castsi512_si256(at), _mm256_set1_epi32(32)) : 0) {}
        Vector mul(const __m512 (&v)[R], Vector weight, Vector otherwise) const {
            const Vector sum = _mm256_mask_mul_ps(otherwise, in.low, weight, half(low_element(v, at)));
            return R > 2 ? _mm256_mask_mul_ps(sum, in.high, weight, half(high_element(v, at))) : sum;
        }
        Vector fma(const __m512 (&v)[R], Vector weight, Vector total) const {
            const Vector sum = _mm256_mask3_fmadd_ps(weight, half(low_element(v, at)), total, in.low);
            return R > 2 ? _mm256_mask3_fmadd_ps(weight, half(high_element(v, at)), sum, in.high) : sum;
        }
        static __m256 half(__m512 a) { return _mm512_castps512_ps256(a); }
    };
};

/* 8 bins of doubles. */
struct DoubleBins {
    typedef __m512d Vector;
    static const int count = 8;
    static Vector set(double a) { return _mm512_set1_pd(a); }
    static Vector load(const double* p) { return _mm512_loadu_pd(p); }
    static void store_part(double* p, Vector a, index n) { _mm512_mask_storeu_pd(p, first_wide_lanes(n), a); }
    static __m512d lanes(Vector a) { return a; }

    template <int R>
    struct Places {
        __m512i at;
        Masks<__mmask8> in;

        explicit Places(const long long* p)
            : at(_mm512_loadu_si512(p)),
              in(_knot_mask8(_mm512_movepi64_mask(at)), R > 2 ? _mm512_test_epi64_mask(at, _mm512_set1_epi64(16)) : 0) {
        }
        Vector mul(const Vector (&v)[R], Vector weight, Vector otherwise) const {
            const Vector sum = _mm512_mask_mul_pd(otherwise, in.low, weight, low_element(v, at));
            return R > 2 ? _mm512_mask_mul_pd(sum, in.high, weight, high_element(v, at)) : sum;
        }
        Vector fma(const Vector (&v)[R], Vector weight, Vector total) const {
            const Vector sum = _mm512_mask3_fmadd_pd(weight, low_element(v, at), total, in.low);
            return R > 2 ? _mm512_mask3_fmadd_pd(weight, high_element(v, at), sum, in.high) : sum;
        }
    };
};

template <>
struct Lanes<float> {
    typedef __m512 Vector;
    typedef int Integer;
    static const int count = 16;
    static const bool permutes = true, whole = false, streams = true;

    static Vector set(float a) { return _mm512_set1_ps(a); }
    static Vector mul(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
    static Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
    static Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
    static Vector only(Vector a, Vector where) {
        return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(where, set(0), _CMP_NEQ_UQ), a);
    }
    static float sum(Vector a) {
        const __m256 b = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
        const __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
        const __m128 d = _mm_add_ps(c, _mm_movehl_ps(c, c));
        return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
    }

    static void sum_each(const Vector (&v)[8], index n, float* sums) {
        __m256 half[8];
        CYROI_UNROLL for (int i = 0; i < 8; ++i) {
            half[i] = _mm256_add_ps(_mm512_castps512_ps256(v[i]), _mm512_extractf32x8_ps(v[i], 1));
        }
        _mm256_mask_storeu_ps(sums, first_wide_lanes(n), sums_of_eight(half));
    }

    static Vector load(const float* p) { return _mm512_loadu_ps(p); }
    static Vector load(const Float16* p) { return _mm512_cvtph_ps(load_16(p)); }
    static Vector load(const BFloat16* p) { return upper(_mm512_cvtepu16_epi32(load_16(p))); }
    static Vector load(const UInt16* p) { return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(load_16(p))); }
    static Vector load(const Int16* p) { return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(load_16(p))); }
    static Vector load(const UInt8* p) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(load_8(p))); }
    static Vector load(const Int8* p) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_8(p))); }

    static Vector load_part(const float* p, index n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
    static Vector load_part(const Float16* p, index n) { return _mm512_cvtph_ps(load_16(p, n)); }
    static Vector load_part(const BFloat16* p, index n) { return upper(_mm512_cvtepu16_epi32(load_16(p, n))); }
    static Vector load_part(const UInt16* p, index n) {
        return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(load_16(p, n)));
    }
    static Vector load_part(const Int16* p, index n) {
        return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(load_16(p, n)));
    }
    static Vector load_part(const UInt8* p, index n) { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(load_8(p, n))); }
    static Vector load_part(const Int8* p, index n) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_8(p, n))); }

    static void store(float* p, Vector a) { _mm512_storeu_ps(p, a); }
    static void stream(float* p, Vector a) { _mm512_stream_ps(p, a); }
    static void store_part(float* p, Vector a, index n) { _mm512_mask_storeu_ps(p, first_lanes(n), a); }
    static void store_part(double* p, Vector a, index n) {
        const __mmask16 m = first_lanes(n);
        _mm512_mask_storeu_pd(p, static_cast<__mmask8>(m), _mm512_cvtps_pd(_mm512_castps512_ps256(a)));
        _mm512_mask_storeu_pd(p + 8, static_cast<__mmask8>(m >> 8), _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)));
    }
    static void store_part(Float16* p, Vector a, index n) {
        store_16(p, _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), n);
    }
    static void store_part(BFloat16* p, Vector a, index n) {
        const __m512i bits = _mm512_castps_si512(a);
        const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
        const __m512i even = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
        const __mmask16 nan = _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
        const __m512i rounded = _mm512_mask_or_epi32(even, nan, bits, _mm512_set1_epi32(0x400000));
        store_16(p, _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)), n);
    }
    static void store_part(UInt16* p, Vector a, index n) {
        store_16(p, _mm512_cvtepi32_epi16(whole_in(a, 0, 65535)), n);
    }
    static void store_part(Int16* p, Vector a, index n) {
        store_16(p, _mm512_cvtepi32_epi16(whole_in(a, -32768, 32767)), n);
    }
    static void store_part(UInt8* p, Vector a, index n) { store_8(p, _mm512_cvtepi32_epi8(whole_in(a, 0, 255)), n); }
    static void store_part(Int8* p, Vector a, index n) { store_8(p, _mm512_cvtepi32_epi8(whole_in(a, -128, 127)), n); }

    /* Sums of at most 8 bins, or of 16: half of the lanes cost half as much. */
    typedef NarrowBins Few;
    typedef WideBins Bins;

  private:
    static __m256i load_16(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
    static __m256i load_16(const void* p, index n) { return _mm256_maskz_loadu_epi16(first_lanes(n), p); }
    static __m128i load_8(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
    static __m128i load_8(const void* p, index n) { return _mm_maskz_loadu_epi8(first_lanes(n), p); }
    static void store_16(void* p, __m256i a, index n) { _mm256_mask_storeu_epi16(p, first_lanes(n), a); }
    static void store_8(void* p, __m128i a, index n) { _mm_mask_storeu_epi8(p, first_lanes(n), a); }
    static Vector upper(__m512i a) { return _mm512_castsi512_ps(_mm512_slli_epi32(a, 16)); }
    static __m512i whole_in(Vector a, float low, float high) {
        const Vector number = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, a, _CMP_ORD_Q), a);
        const Vector inside = _mm512_min_ps(_mm512_max_ps(number, set(low)), set(high));
        return _mm512_cvt_roundps_epi32(inside, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    }
};

template <>
struct Lanes<double> : StoreOneByOne<Lanes<double>, double> {
    typedef __m512d Vector;
    typedef long long Integer;
    static const int count = 8;
    static const bool permutes = true, whole = false, streams = true;
    using StoreOneByOne<Lanes<double>, double>::store_part;

    static Vector set(double a) { return _mm512_set1_pd(a); }
    static Vector mul(Vector a, Vector b) { return _mm512_mul_pd(a, b); }
    static Vector add(Vector a, Vector b) { return _mm512_add_pd(a, b); }
    static Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_pd(a, b, c); }
    static Vector only(Vector a, Vector where) {
        return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(where, set(0), _CMP_NEQ_UQ), a);
    }
    static double sum(Vector a) {
        const __m256d b = _mm256_add_pd(_mm512_castpd512_pd256(a), _mm512_extractf64x4_pd(a, 1));
        const __m128d c = _mm_add_pd(_mm256_castpd256_pd128(b), _mm256_extractf128_pd(b, 1));
        return _mm_cvtsd_f64(_mm_add_sd(c, _mm_unpackhi_pd(c, c)));
    }

    static void sum_each(const Vector (&v)[8], index n, double* sums) {
        for (index i = 0; i < n; ++i) sums[i] = sum(v[i]);
    }

    static Vector load(const double* p) { return _mm512_loadu_pd(p); }
    static Vector load_part(const double* p, index n) { return _mm512_maskz_loadu_pd(first_wide_lanes(n), p); }
    static void store(double* p, Vector a) { _mm512_storeu_pd(p, a); }
    static void store_part(double* p, Vector a, index n) { _mm512_mask_storeu_pd(p, first_wide_lanes(n), a); }

    typedef DoubleBins Few;
    typedef DoubleBins Bins;
};

}  // namespace cyroi
