/* Elements: the types in which maps and results are stored, and their conversion one by one.
 *
 * Decisions
 * a) A kernel computes in float, or in double where the maps are double: `Arithmetic<S>::Type`. Converting an element
 *    on load is exact for every type here, so storage never changes what is computed, only what was stored.
 * b) The two 16-bit floats are structs around their bits: no compiler is asked for types of its own, and overloads tell
 *    them from each other and from uint16.
 * c) Storing rounds half to even, once. Integers saturate and take NaN as 0; floats overflow to infinity, and a NaN
 *    stays a (quiet) NaN. A double goes to 16 bits by way of a float rounded to odd, so that it is not rounded twice.
 * d) Everything is done with integers where subnormals are about: whoever sets the CPU to flush them cannot change it.
 * e) A GPU converts float16 in one instruction, exactly and subnormals included; a NaN loses its payload there.
 * f) Bits are copied by the compiler's own memcpy, which needs no header: `memcpy` in CUDA, where it is declared from
 *    the start, `__builtin_memcpy` in GCC and clang. MSVC has neither, but defines what a union reads back.
 *
 * Compiled per SIMD target, by the host once for sizes and names, and as device code. */
#ifndef CYROI_ELEMENTS_H
#define CYROI_ELEMENTS_H

#include "cyroi/config.h"

namespace cyroi {

enum Element { FLOAT32 = 0, FLOAT64, FLOAT16, BFLOAT16, UINT8, INT8, UINT16, INT16, ELEMENT_COUNT };

CYROI_HD inline index element_size(int element) {
    return element == FLOAT64 ? 8 : element == FLOAT32 ? 4 : element == UINT8 || element == INT8 ? 1 : 2;
}

struct Float16 {
    unsigned short bits;
};
struct BFloat16 {
    unsigned short bits;
};
typedef unsigned char UInt8;
typedef signed char Int8;
typedef unsigned short UInt16;
typedef short Int16;

/* The type in which maps of S are computed with. */
template <class S>
struct Arithmetic {
    typedef float Type;
};
template <>
struct Arithmetic<double> {
    typedef double Type;
};

template <class To, class From>
CYROI_HD inline To same_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "bits are neither added nor dropped");
#if defined(_MSC_VER) && !defined(__clang__) && !defined(__CUDACC__)
    union {
        From from;
        To to;
    } bits = {from};
    return bits.to;
#else
    To to;
#if defined(__CUDACC__)
    memcpy(&to, &from, sizeof to);
#else
    __builtin_memcpy(&to, &from, sizeof to);
#endif
    return to;
#endif
}

/* From storage. */

CYROI_HD inline double value_of(double s) {
    return s;
}
CYROI_HD inline float value_of(float s) {
    return s;
}
CYROI_HD inline float value_of(UInt8 s) {
    return s;
}
CYROI_HD inline float value_of(Int8 s) {
    return s;
}
CYROI_HD inline float value_of(UInt16 s) {
    return s;
}
CYROI_HD inline float value_of(Int16 s) {
    return s;
}
CYROI_HD inline float value_of(BFloat16 s) {
    return same_bits<float>(static_cast<unsigned>(s.bits) << 16);
}
CYROI_HD inline float value_of(Float16 s) {
#if defined(__CUDA_ARCH__)
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(s.bits));
    return value;
#else
    const unsigned sign = (s.bits & 0x8000u) << 16, rest = s.bits & 0x7fffu;
    if (rest < 0x0400u) { /* zero and subnormals: a whole number of 2**-24 */
        const float magnitude = static_cast<float>(rest) * 5.9604644775390625e-8f;
        return same_bits<float>(same_bits<unsigned>(magnitude) | sign);
    }
    const unsigned quiet = rest > 0x7c00u ? 0x400000u : 0u; /* as hardware does, which never gives a signalling NaN */
    const unsigned exponent = rest < 0x7c00u ? 112u << 23 : 224u << 23;
    return same_bits<float>(((rest << 13) + exponent) | quiet | sign);
#endif
}

/* To storage. */

/* The float next to d that is d itself or has an odd last bit. */
CYROI_HD inline float rounded_to_odd(double d) {
    const float f = static_cast<float>(d);
    const unsigned bits = same_bits<unsigned>(f);
    if (d != d || static_cast<double>(f) == d || (bits & 1u)) return f;
    const bool away = (d > static_cast<double>(f)) == (f > 0 || (f == 0 && d > 0));
    return same_bits<float>(away ? bits + 1 : bits - 1);
}
CYROI_HD inline float rounded_to_odd(float f) {
    return f;
}

CYROI_HD inline void store_one(double* p, double v) {
    *p = v;
}
CYROI_HD inline void store_one(float* p, double v) {
    *p = static_cast<float>(v);
}
CYROI_HD inline void store_one(float* p, float v) {
    *p = v;
}

template <class A>
CYROI_HD inline void store_one(BFloat16* p, A v) {
    const unsigned bits = same_bits<unsigned>(rounded_to_odd(v));
    const unsigned rounded = v != v ? (bits | 0x400000u) : bits + 0x7fffu + ((bits >> 16) & 1u);
    p->bits = static_cast<unsigned short>(rounded >> 16);
}

template <class A>
CYROI_HD inline void store_one(Float16* p, A v) {
#if defined(__CUDA_ARCH__)
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(p->bits) : "f"(rounded_to_odd(v)));
#else
    const unsigned bits = same_bits<unsigned>(rounded_to_odd(v));
    const unsigned sign = (bits >> 16) & 0x8000u, rest = bits & 0x7fffffffu;
    unsigned packed;
    if (rest > 0x7f800000u) { /* NaN keeps what its payload has room for */
        packed = 0x7e00u | ((rest >> 13) & 0x3ffu);
    } else if (rest >= 0x47800000u) { /* 2**16 and more */
        packed = 0x7c00u;
    } else if (rest >= 0x38800000u) { /* normal: what is rounded up may carry into the exponent, up to infinity */
        packed = (rest + 0xfffu + ((rest >> 13) & 1u) - (112u << 23)) >> 13;
    } else if (rest >= 0x33000000u) { /* subnormal, at least half of the smallest */
        const unsigned shift = 126u - (rest >> 23), significand = (rest & 0x7fffffu) | 0x800000u;
        const unsigned below = significand & ((1u << shift) - 1u), midway = 1u << (shift - 1);
        packed = significand >> shift;
        packed += below > midway || (below == midway && (packed & 1u));
    } else {
        packed = 0;
    }
    p->bits = static_cast<unsigned short>(packed | sign);
#endif
}

/* The whole number next to v, halves to even, within [low, high]; NaN is 0. */
template <class A>
CYROI_HD inline int whole(A v, int low, int high) {
    if (!(v > static_cast<A>(low))) return v != v ? 0 : low;
    if (v >= static_cast<A>(high)) return high;
    const int down = static_cast<int>(v) - (v < static_cast<A>(static_cast<int>(v)));
    const A above = v - static_cast<A>(down); /* exact: |v| < 2**16 */
    return down + (above > static_cast<A>(0.5) || (above == static_cast<A>(0.5) && (down & 1)));
}

template <class A>
CYROI_HD inline void store_one(UInt8* p, A v) {
    *p = static_cast<UInt8>(whole(v, 0, 255));
}
template <class A>
CYROI_HD inline void store_one(Int8* p, A v) {
    *p = static_cast<Int8>(whole(v, -128, 127));
}
template <class A>
CYROI_HD inline void store_one(UInt16* p, A v) {
    *p = static_cast<UInt16>(whole(v, 0, 65535));
}
template <class A>
CYROI_HD inline void store_one(Int16* p, A v) {
    *p = static_cast<Int16>(whole(v, -32768, 32767));
}
CYROI_HD inline void store_one(double* p, float v) {
    *p = v;
}

/* use(O()) with the type O of elements that `element` names. */
template <class F>
CYROI_HD inline void with_element(int element, F use) {
    switch (element) {
        case FLOAT32: return use(float());
        case FLOAT64: return use(double());
        case FLOAT16: return use(Float16());
        case BFLOAT16: return use(BFloat16());
        case UINT8: return use(UInt8());
        case INT8: return use(Int8());
        case UINT16: return use(UInt16());
        default: return use(Int16());
    }
}

}  // namespace cyroi

#endif
