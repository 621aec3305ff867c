/* Sums over tap rows, and what one work item sees: the parts that all routes of the executor share.
 *
 * Decision: rows are summed in ascending order within blocks of kBlock taps, and the blocks' sums in ascending order. The
 * rounding error of n taps grows with kBlock + n / kBlock instead of n, and every route gets the same bits. */
#ifndef CYROI_CPU_SUMS_H
#define CYROI_CPU_SUMS_H

#include "job.h"
#include "lanes.h"

namespace cyroi {

static const index kBlock = 16; /* tap rows summed before their sum joins the total */

/* sum[r] = the taps' sum of weight * row, for R vectors of a row; of the last one, `tail` elements. */
template <int R, class A>
inline void combine_block(const A* base, index stride, const TapList<A>& taps, index tail,
                          typename Lanes<A>::Vector (&sum)[R]) {
    typedef Lanes<A> L;
    const A* row = base + taps.pixel[0] * stride;
    typename L::Vector w = L::set(taps.weight[0]);
    for (int r = 0; r < R - 1; ++r) sum[r] = L::mul(w, L::load(row + r * L::count));
    sum[R - 1] = L::mul(w, L::load_part(row + (R - 1) * L::count, tail));
    for (index t = 1; t < taps.count; ++t) {
        row = base + taps.pixel[t] * stride;
        w = L::set(taps.weight[t]);
        for (int r = 0; r < R - 1; ++r) sum[r] = L::fma(w, L::load(row + r * L::count), sum[r]);
        sum[R - 1] = L::fma(w, L::load_part(row + (R - 1) * L::count, tail), sum[R - 1]);
    }
}

/* The same for any number of taps, at least one. */
template <int R, class A>
inline void combine(const A* base, index stride, const TapList<A>& taps, index tail,
                    typename Lanes<A>::Vector (&sum)[R]) {
    combine_block<R>(base, stride, taps.part(0, smaller(taps.count, kBlock)), tail, sum);
    for (index b = kBlock; b < taps.count; b += kBlock) {
        typename Lanes<A>::Vector block[R];
        combine_block<R>(base, stride, taps.part(b, smaller(taps.count, b + kBlock)), tail, block);
        for (int r = 0; r < R; ++r) sum[r] = Lanes<A>::add(sum[r], block[r]);
    }
}

/* The same for a single element. */
template <class A>
inline A combine_one(const A* base, index stride, const TapList<A>& taps) {
    A total = 0;
    for (index b = 0; b < taps.count; b += kBlock) {
        A sum = taps.weight[b] * base[taps.pixel[b] * stride];
        for (index t = b + 1; t < smaller(taps.count, b + kBlock); ++t) {
            sum = fma_one(taps.weight[t], base[taps.pixel[t] * stride], sum);
        }
        total = b == 0 ? sum : total + sum;
    }
    return total;
}

/* One box, some of its channels and output rows. */
template <class A>
struct Part {
    const Job& job;
    index k; /* number of the box in the chunk */
    Bins<A> y, x;
    index channels;
    index p0, p1;
    const A* map; /* IN: first channel, pixel (0, 0) */
    A* out;       /* OUT: first channel, bin (0, 0) */

    A fill() const { return static_cast<A>(job.fill); }
};

}  // namespace cyroi

#endif
