/* NEON, which is part of every aarch64: two registers make a vector, of 8 floats or 4 doubles. Included by lanes.h.
 *
 * Decisions
 * a) A look-up finds bytes among two or four registers and gives 0 where a number is too high. So the elements of two
 *    vectors cost one look-up, and those of two others a second one whose result is added bit by bit.
 * b) All bytes of a negative place are too high for every look-up. Its lane adds -0 * 0 = -0, which leaves any sum as it is:
 *    0, -0, infinity and NaN. That costs nothing per channel, for the weight of -0 is put in once for all of them.
 * c) Conversions to whole numbers and narrower ones saturate, and NaN becomes 0: nothing is clamped beforehand. */
namespace cyroi {

/* The rows of a kernel take half of the registers: two make a vector, and a quarter of this number of vectors is in use. */
static const int kRegisters = 32, kTogether = 2, kVectorsAtOnce = 8;

/* N registers. */
template <int N>
struct Floats {
    float32x4_t q[N];
};
struct Doubles {
    float64x2_t q[2];
};

inline float32x4_t load_first(const float* p, index n) {
    if (n >= 4) return vld1q_f32(p);
    float32x4_t a = vdupq_n_f32(0);
    if (n > 1) a = vcombine_f32(vld1_f32(p), vget_low_f32(a));
    if (n == 1) a = vld1q_lane_f32(p, a, 0);
    if (n == 3) a = vld1q_lane_f32(p + 2, a, 2);
    return a;
}
inline void store_first(float* p, float32x4_t a, index n) {
    if (n >= 4) return vst1q_f32(p, a);
    if (n > 1) vst1_f32(p, vget_low_f32(a));
    if (n == 1) vst1q_lane_f32(p, a, 0);
    if (n == 3) vst1q_lane_f32(p + 2, a, 2);
}

/* 4 * N bins. Their sums take half the time where one register holds them. */
template <int N>
struct FloatBins {
    typedef Floats<N> Vector;
    static const int count = 4 * N;
    static Vector set(float a) {
        Vector v;
        CYROI_UNROLL for (int i = 0; i < N; ++i) v.q[i] = vdupq_n_f32(a);
        return v;
    }
    static Vector load(const float* p) {
        Vector v;
        CYROI_UNROLL for (int i = 0; i < N; ++i) v.q[i] = vld1q_f32(p + 4 * i);
        return v;
    }
    static void store_part(float* p, const Vector& a, index n) {
        CYROI_UNROLL for (int i = 0; i < N; ++i) store_first(p + 4 * i, a.q[i], n - 4 * i);
    }
    static Floats<2> lanes(const Vector& a) { return Floats<2>{{a.q[0], a.q[N - 1]}}; }

    template <int R>
    struct Places {
        uint8x16_t bytes[N];
        uint32x4_t none[N];

        explicit Places(const int* p) {
            CYROI_UNROLL for (int i = 0; i < N; ++i) {
                const int32x4_t at = vld1q_s32(p + 4 * i);
                const int32x4_t four = vmlaq_s32(vdupq_n_s32(0x03020100), at, vdupq_n_s32(0x04040404));
                bytes[i] = vreinterpretq_u8_s32(four);
                none[i] = vcltzq_s32(at);
            }
        }
        Vector mul(const Floats<2> (&v)[R], const Vector& weight, const Vector& otherwise) const {
            Vector sum;
            CYROI_UNROLL for (int i = 0; i < N; ++i) {
                sum.q[i] = vbslq_f32(none[i], otherwise.q[i], vmulq_f32(weight.q[i], element(v, bytes[i])));
            }
            return sum;
        }
        Vector fma(const Floats<2> (&v)[R], const Vector& weight, const Vector& total) const {
            Vector sum;
            CYROI_UNROLL for (int i = 0; i < N; ++i) {
                const float32x4_t w = vbslq_f32(none[i], vdupq_n_f32(-0.0f), weight.q[i]);
                sum.q[i] = vfmaq_f32(total.q[i], w, element(v, bytes[i]));
            }
            return sum;
        }

      private:
        static float32x4_t element(const Floats<2> (&v)[R], uint8x16_t at) {
            uint8x16_t found = R == 1 ? of_one(v[0], at) : of_two(v[0], v[R > 1 ? 1 : 0], at);
            if (R > 2) {
                const uint8x16_t above = vsubq_u8(at, vdupq_n_u8(64));
                found = vorrq_u8(found, R == 3 ? of_one(v[R - 1], above) : of_two(v[R > 2 ? 2 : 0], v[R - 1], above));
            }
            return vreinterpretq_f32_u8(found);
        }
        static uint8x16_t of_one(const Floats<2>& a, uint8x16_t at) {
            const uint8x16x2_t table = {{vreinterpretq_u8_f32(a.q[0]), vreinterpretq_u8_f32(a.q[1])}};
            return vqtbl2q_u8(table, at);
        }
        static uint8x16_t of_two(const Floats<2>& a, const Floats<2>& b, uint8x16_t at) {
            const uint8x16x4_t table = {{vreinterpretq_u8_f32(a.q[0]), vreinterpretq_u8_f32(a.q[1]),
                                         vreinterpretq_u8_f32(b.q[0]), vreinterpretq_u8_f32(b.q[1])}};
            return vqtbl4q_u8(table, at);
        }
    };
};

template <>
struct Lanes<float> {
    typedef Floats<2> Vector;
    typedef int Integer;
    typedef FloatBins<1> Few;
    typedef FloatBins<2> Bins;
    static const int count = 8;
    static const bool permutes = true, whole = true, streams = false;

    static Vector set(float a) { return Bins::set(a); }
    static Vector mul(const Vector& a, const Vector& b) {
        return Vector{{vmulq_f32(a.q[0], b.q[0]), vmulq_f32(a.q[1], b.q[1])}};
    }
    static Vector add(const Vector& a, const Vector& b) {
        return Vector{{vaddq_f32(a.q[0], b.q[0]), vaddq_f32(a.q[1], b.q[1])}};
    }
    static Vector fma(const Vector& a, const Vector& b, const Vector& c) {
        return Vector{{vfmaq_f32(c.q[0], a.q[0], b.q[0]), vfmaq_f32(c.q[1], a.q[1], b.q[1])}};
    }
    static Vector only(const Vector& a, const Vector& where) {
        const float32x4_t zero = vdupq_n_f32(0);
        return Vector{
            {vbslq_f32(vceqzq_f32(where.q[0]), zero, a.q[0]), vbslq_f32(vceqzq_f32(where.q[1]), zero, a.q[1])}};
    }
    static float sum(const Vector& a) {
        const float32x4_t four = vaddq_f32(a.q[0], a.q[1]);
        return vaddv_f32(vadd_f32(vget_low_f32(four), vget_high_f32(four)));
    }

    static void sum_each(const Vector (&v)[8], index n, float* sums) {
        float32x4_t pair[4]; /* two sums of each of two vectors */
        CYROI_UNROLL for (int i = 0; i < 4; ++i) {
            const float64x2_t a = vreinterpretq_f64_f32(vaddq_f32(v[2 * i].q[0], v[2 * i].q[1]));
            const float64x2_t b = vreinterpretq_f64_f32(vaddq_f32(v[2 * i + 1].q[0], v[2 * i + 1].q[1]));
            pair[i] = vaddq_f32(vreinterpretq_f32_f64(vzip1q_f64(a, b)), vreinterpretq_f32_f64(vzip2q_f64(a, b)));
        }
        Bins::store_part(sums, Vector{{vpaddq_f32(pair[0], pair[1]), vpaddq_f32(pair[2], pair[3])}}, n);
    }

    static Vector load(const float* p) { return Bins::load(p); }
    static Vector load(const Float16* p) {
        const uint16x8_t bits = load_16(p);
        return Vector{{vcvt_f32_f16(vreinterpret_f16_u16(vget_low_u16(bits))),
                       vcvt_f32_f16(vreinterpret_f16_u16(vget_high_u16(bits)))}};
    }
    static Vector load(const BFloat16* p) {
        const uint16x8_t bits = load_16(p);
        return Vector{{vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(bits), 16)),
                       vreinterpretq_f32_u32(vshll_n_u16(vget_high_u16(bits), 16))}};
    }
    static Vector load(const UInt16* p) { return of_words(load_16(p)); }
    static Vector load(const Int16* p) { return of_words(vreinterpretq_s16_u16(load_16(p))); }
    static Vector load(const UInt8* p) { return of_words(vmovl_u8(vld1_u8(p))); }
    static Vector load(const Int8* p) { return of_words(vmovl_s8(vld1_s8(p))); }

    static Vector load_part(const float* p, index n) {
        if (n == count) return load(p);
        return Vector{{load_first(p, n), load_first(p + 4, n - 4)}};
    }
    template <class S>
    static Vector load_part(const S* p, index n) {
        if (n == count) return load(p);
        S all[count] = {};
        std::memcpy(all, p, static_cast<size_t>(n) * sizeof(S));
        return load(all);
    }

    static void store(float* p, const Vector& a) { Bins::store_part(p, a, count); }
    static void stream(float* p, const Vector& a) { store(p, a); }
    static void store_part(float* p, const Vector& a, index n) { Bins::store_part(p, a, n); }
    static void store_part(double* p, const Vector& a, index n) {
        float all[count];
        store(all, a);
        for (index i = 0; i < n; ++i) p[i] = all[i];
    }
    static void store_part(Float16* p, const Vector& a, index n) {
        const uint16x4_t low = vreinterpret_u16_f16(vcvt_f16_f32(a.q[0]));
        store_words(p, vcombine_u16(low, vreinterpret_u16_f16(vcvt_f16_f32(a.q[1]))), n);
    }
    static void store_part(BFloat16* p, const Vector& a, index n) {
        store_words(p, vcombine_u16(rounded_upper(a.q[0]), rounded_upper(a.q[1])), n);
    }
    static void store_part(UInt16* p, const Vector& a, index n) {
        store_words(p, vcombine_u16(vqmovun_s32(vcvtnq_s32_f32(a.q[0])), vqmovun_s32(vcvtnq_s32_f32(a.q[1]))), n);
    }
    static void store_part(Int16* p, const Vector& a, index n) { store_words(p, vreinterpretq_u16_s16(words(a)), n); }
    static void store_part(UInt8* p, const Vector& a, index n) { store_bytes(p, vqmovun_s16(words(a)), n); }
    static void store_part(Int8* p, const Vector& a, index n) {
        store_bytes(p, vreinterpret_u8_s8(vqmovn_s16(words(a))), n);
    }

  private:
    static uint16x8_t load_16(const void* p) { return vld1q_u16(static_cast<const UInt16*>(p)); }
    static Vector of_words(uint16x8_t a) {
        return Vector{{vcvtq_f32_u32(vmovl_u16(vget_low_u16(a))), vcvtq_f32_u32(vmovl_u16(vget_high_u16(a)))}};
    }
    static Vector of_words(int16x8_t a) {
        return Vector{{vcvtq_f32_s32(vmovl_s16(vget_low_s16(a))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(a)))}};
    }
    /* Whole numbers, halves to even. */
    static int16x8_t words(const Vector& a) {
        return vcombine_s16(vqmovn_s32(vcvtnq_s32_f32(a.q[0])), vqmovn_s32(vcvtnq_s32_f32(a.q[1])));
    }
    static uint16x4_t rounded_upper(float32x4_t a) {
        const uint32x4_t bits = vreinterpretq_u32_f32(a);
        const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
        const uint32x4_t even = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd);
        const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
        return vshrn_n_u32(vbslq_u32(vceqq_f32(a, a), even, quiet), 16);
    }
    static void store_words(void* p, uint16x8_t a, index n) {
        if (n == count) return vst1q_u16(static_cast<UInt16*>(p), a);
        UInt16 all[count];
        vst1q_u16(all, a);
        std::memcpy(p, all, static_cast<size_t>(n) * sizeof *all);
    }
    static void store_bytes(void* p, uint8x8_t a, index n) {
        if (n == count) return vst1_u8(static_cast<UInt8*>(p), a);
        UInt8 all[count];
        vst1_u8(all, a);
        std::memcpy(p, all, static_cast<size_t>(n));
    }
};

template <>
struct Lanes<double> : StoreOneByOne<Lanes<double>, double> {
    typedef Doubles Vector;
    typedef long long Integer;
    typedef NoBins Few;
    typedef NoBins Bins;
    static const int count = 4;
    static const bool permutes = false, whole = true, streams = false;
    using StoreOneByOne<Lanes<double>, double>::store_part;

    static Vector set(double a) { return Vector{{vdupq_n_f64(a), vdupq_n_f64(a)}}; }
    static Vector mul(const Vector& a, const Vector& b) {
        return Vector{{vmulq_f64(a.q[0], b.q[0]), vmulq_f64(a.q[1], b.q[1])}};
    }
    static Vector add(const Vector& a, const Vector& b) {
        return Vector{{vaddq_f64(a.q[0], b.q[0]), vaddq_f64(a.q[1], b.q[1])}};
    }
    static Vector fma(const Vector& a, const Vector& b, const Vector& c) {
        return Vector{{vfmaq_f64(c.q[0], a.q[0], b.q[0]), vfmaq_f64(c.q[1], a.q[1], b.q[1])}};
    }
    static Vector only(const Vector& a, const Vector& where) {
        const float64x2_t zero = vdupq_n_f64(0);
        return Vector{
            {vbslq_f64(vceqzq_f64(where.q[0]), zero, a.q[0]), vbslq_f64(vceqzq_f64(where.q[1]), zero, a.q[1])}};
    }
    static double sum(const Vector& a) { return vaddvq_f64(vaddq_f64(a.q[0], a.q[1])); }

    static void sum_each(const Vector (&v)[8], index n, double* sums) {
        for (index i = 0; i < n; ++i) sums[i] = sum(v[i]);
    }

    static Vector load(const double* p) { return Vector{{vld1q_f64(p), vld1q_f64(p + 2)}}; }
    static Vector load_part(const double* p, index n) {
        if (n == count) return load(p);
        double all[count] = {};
        for (index i = 0; i < n; ++i) all[i] = p[i];
        return load(all);
    }
    static void store(double* p, const Vector& a) {
        vst1q_f64(p, a.q[0]);
        vst1q_f64(p + 2, a.q[1]);
    }
    static void store_part(double* p, const Vector& a, index n) {
        if (n == count) return store(p, a);
        double all[count];
        store(all, a);
        for (index i = 0; i < n; ++i) p[i] = all[i];
    }
};

}  // namespace cyroi
