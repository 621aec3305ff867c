/* Sums over taps, in the one order that all routes of a result share: ascending, in partial sums of kPartial taps, which
 * are added in order, as the CPU adds up rows (cpu/forward/combine.h).
 *
 * Compiled as device code, and by the host for tests. */
#ifndef CYROI_GPU_SUMS_H
#define CYROI_GPU_SUMS_H

#include "job.h"

namespace cyroi {

enum { kPartial = 16 };

/* Where sums of products start from. Not 0: the first product is then what it is, the sign of its zero included, as on
 * the CPU, which starts with it. */
__device__ inline A no_sum() {
    return static_cast<A>(-0.0f);
}

/* sum[c] = the sum of weight * value of C channels over taps; value(pixel, values): of all of them. */
template <int C, class F>
__device__ inline void sum_taps(const TapList<A>& taps, A (&sum)[C] /* OUT */, F value) {
    for (int c = 0; c < C; ++c) sum[c] = no_sum();
    for (int begin = 0; begin < taps.count; begin += kPartial) {
        A part[C], v[C];
        for (int c = 0; c < C; ++c) part[c] = no_sum();
        const int end = smaller(begin + static_cast<int>(kPartial), static_cast<int>(taps.count));
        for (int t = begin; t < end; ++t) {
            value(taps.pixel[t], v);
            for (int c = 0; c < C; ++c) part[c] = fused(taps.weight[t], v[c], part[c]);
        }
        for (int c = 0; c < C; ++c) sum[c] += part[c];
    }
}

}  // namespace cyroi

#endif
