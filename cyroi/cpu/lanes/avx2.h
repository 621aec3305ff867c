/* AVX2 with fused multiply-add and half-float conversion: 8 floats or 4 doubles, 16 registers. Included by lanes.h.
 *
 * Masked loads and stores are slow on many CPUs (a masked store takes 12 cycles on Zen 4), so whole vectors are loaded
 * where the row allows it, and parts are stored in pieces of 4, 2 and 1. */
namespace cyroi {

static const int kRegisters = 16, kTogether = 2, kVectorsAtOnce = 8;

inline void store_first(float* p, __m256 a, index n) {
    if (n == 8) return _mm256_storeu_ps(p, a);
    __m128 rest = _mm256_castps256_ps128(a);
    if (n & 4) {
        _mm_storeu_ps(p, rest);
        rest = _mm256_extractf128_ps(a, 1);
        p += 4;
    }
    if (n & 2) {
        _mm_storel_pi(reinterpret_cast<__m64*>(p), rest);
        rest = _mm_movehl_ps(rest, rest);
        p += 2;
    }
    if (n & 1) _mm_store_ss(p, rest);
}

/* Where the lanes of one step find their element among R vectors (blocks.h); a negative place, of a lane that the step
 * leaves alone, has the sign that a blend looks at. */
struct FloatBins {
    typedef __m256 Vector;
    static const int count = 8;
    static Vector set(float a) { return _mm256_set1_ps(a); }
    static Vector load(const float* p) { return _mm256_loadu_ps(p); }
    static void store_part(float* p, Vector a, index n) { store_first(p, a, n); }
    static Vector lanes(Vector a) { return a; }

    template <int R>
    struct Places {
        __m256i at;

        explicit Places(const int* p) : at(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))) {}
        Vector element(const Vector (&v)[R]) const {
            const Vector a = _mm256_permutevar8x32_ps(v[0], at);
            if (R == 1) return a;
            const Vector bit3 = _mm256_castsi256_ps(_mm256_slli_epi32(at, 28));
            const Vector low = _mm256_blendv_ps(a, _mm256_permutevar8x32_ps(v[R > 1 ? 1 : 0], at), bit3);
            if (R == 2) return low;
            const Vector c = _mm256_permutevar8x32_ps(v[R > 2 ? 2 : 0], at);
            const Vector high = R == 3 ? c : _mm256_blendv_ps(c, _mm256_permutevar8x32_ps(v[R - 1], at), bit3);
            return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(at, 27)));
        }
        Vector mul(const Vector (&v)[R], Vector weight, Vector otherwise) const {
            return _mm256_blendv_ps(_mm256_mul_ps(weight, element(v)), otherwise, _mm256_castsi256_ps(at));
        }
        Vector fma(const Vector (&v)[R], Vector weight, Vector total) const {
            return _mm256_blendv_ps(_mm256_fmadd_ps(weight, element(v), total), total, _mm256_castsi256_ps(at));
        }
    };
};

template <>
struct Lanes<float> {
    typedef __m256 Vector;
    typedef int Integer;
    static const int count = 8;
    static const bool permutes = true, whole = true, streams = true;

    static Vector set(float a) { return _mm256_set1_ps(a); }
    static Vector mul(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
    static Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
    static Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
    static Vector only(Vector a, Vector where) { return _mm256_and_ps(a, _mm256_cmp_ps(where, set(0), _CMP_NEQ_UQ)); }
    static float sum(Vector a) {
        const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
        const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
        return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
    }

    static void sum_each(const Vector (&v)[8], index n, float* sums) { store_first(sums, sums_of_eight(v), n); }

    static Vector load(const float* p) { return _mm256_loadu_ps(p); }
    static Vector load(const Float16* p) { return _mm256_cvtph_ps(load_16(p)); }
    static Vector load(const BFloat16* p) { return upper(_mm256_cvtepu16_epi32(load_16(p))); }
    static Vector load(const UInt16* p) { return _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(load_16(p))); }
    static Vector load(const Int16* p) { return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(load_16(p))); }
    static Vector load(const UInt8* p) { return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(load_8(p))); }
    static Vector load(const Int8* p) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(load_8(p))); }

    static Vector load_part(const float* p, index n) {
        if (n == count) return load(p);
        const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), lane));
    }
    template <class S>
    static Vector load_part(const S* p, index n) {
        if (n == count) return load(p);
        S all[count] = {};
        std::memcpy(all, p, static_cast<size_t>(n) * sizeof(S));
        return load(all);
    }

    static void store(float* p, Vector a) { _mm256_storeu_ps(p, a); }
    static void stream(float* p, Vector a) { _mm256_stream_ps(p, a); }
    static void store_part(float* p, Vector a, index n) { store_first(p, a, n); }
    static void store_part(double* p, Vector a, index n) {
        alignas(32) float all[count];
        _mm256_store_ps(all, a);
        for (index i = 0; i < n; ++i) p[i] = all[i];
    }
    static void store_part(Float16* p, Vector a, index n) {
        store_narrow(p, _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), n);
    }
    static void store_part(BFloat16* p, Vector a, index n) {
        const __m256i bits = _mm256_castps_si256(a);
        const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
        const __m256i even = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
        const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
        const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
        store_narrow(p, low_words(_mm256_srli_epi32(_mm256_blendv_epi8(even, quiet, nan), 16)), n);
    }
    static void store_part(UInt16* p, Vector a, index n) { store_narrow(p, low_words(whole_in(a, 0, 65535)), n); }
    static void store_part(Int16* p, Vector a, index n) { store_narrow(p, low_words(whole_in(a, -32768, 32767)), n); }
    static void store_part(UInt8* p, Vector a, index n) { store_narrow(p, low_bytes(whole_in(a, 0, 255)), n); }
    static void store_part(Int8* p, Vector a, index n) { store_narrow(p, low_bytes(whole_in(a, -128, 127)), n); }

    typedef FloatBins Few;
    typedef FloatBins Bins;

  private:
    static __m128i load_16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
    static __m128i load_8(const void* p) { return _mm_loadl_epi64(static_cast<const __m128i*>(p)); }
    static Vector upper(__m256i a) { return _mm256_castsi256_ps(_mm256_slli_epi32(a, 16)); }
    static __m256i whole_in(Vector a, float low, float high) {
        const Vector number = _mm256_and_ps(a, _mm256_cmp_ps(a, a, _CMP_ORD_Q));
        const Vector inside = _mm256_min_ps(_mm256_max_ps(number, set(low)), set(high));
        return _mm256_cvtps_epi32(_mm256_round_ps(inside, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    }
    static __m128i low_words(__m256i a) {
        const __m256i low = _mm256_and_si256(a, _mm256_set1_epi32(0xffff));
        return _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    }
    static __m128i low_bytes(__m256i a) {
        const __m128i words = low_words(_mm256_and_si256(a, _mm256_set1_epi32(0xff)));
        return _mm_packus_epi16(words, words);
    }
    /* The first n elements of one or two bytes. The whole register holds `count` of the latter only, and the compiler
     * has to see that it is not written where there is room for half of it. */
    template <class O>
    static void store_narrow(O* p, __m128i a, index n) {
        const index bytes = n * static_cast<index>(sizeof(O));
        if (sizeof(O) == 2 && n == count) return _mm_storeu_si128(reinterpret_cast<__m128i*>(p), a);
        if (bytes == 8) return _mm_storel_epi64(reinterpret_cast<__m128i*>(p), a);
        alignas(16) char all[16];
        _mm_store_si128(reinterpret_cast<__m128i*>(all), a);
        std::memcpy(p, all, static_cast<size_t>(bytes));
    }
};

template <>
struct Lanes<double> : StoreOneByOne<Lanes<double>, double> {
    typedef __m256d Vector;
    typedef long long Integer;
    typedef NoBins Few;
    typedef NoBins Bins;
    static const int count = 4;
    static const bool permutes = false, whole = true,
                      streams = true; /* there is no permutation of doubles by a variable */
    using StoreOneByOne<Lanes<double>, double>::store_part;

    static Vector set(double a) { return _mm256_set1_pd(a); }
    static Vector mul(Vector a, Vector b) { return _mm256_mul_pd(a, b); }
    static Vector add(Vector a, Vector b) { return _mm256_add_pd(a, b); }
    static Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_pd(a, b, c); }
    static Vector only(Vector a, Vector where) { return _mm256_and_pd(a, _mm256_cmp_pd(where, set(0), _CMP_NEQ_UQ)); }
    static double sum(Vector a) {
        const __m128d b = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
        return _mm_cvtsd_f64(_mm_add_sd(b, _mm_unpackhi_pd(b, b)));
    }

    static void sum_each(const Vector (&v)[8], index n, double* sums) {
        for (index i = 0; i < n; ++i) sums[i] = sum(v[i]);
    }

    static Vector load(const double* p) { return _mm256_loadu_pd(p); }
    static Vector load_part(const double* p, index n) {
        if (n == count) return load(p);
        const __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3);
        return _mm256_maskload_pd(p, _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), lane));
    }
    static void store(double* p, Vector a) { _mm256_storeu_pd(p, a); }
    static void store_part(double* p, Vector a, index n) {
        if (n == count) return store(p, a);
        alignas(32) double all[count];
        _mm256_store_pd(all, a);
        for (index i = 0; i < n; ++i) p[i] = all[i];
    }
};

}  // namespace cyroi
