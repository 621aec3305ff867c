/* Sums over tap rows, which all routes of the executor share.
 *
 * Decision: rows are summed in ascending order within blocks of kPartialRows taps, and the blocks' sums in ascending order.
 * The rounding error of n taps grows with kPartialRows + n / kPartialRows instead of n, and every route gets the same bits. */
#ifndef CYROI_CPU_FORWARD_COMBINE_H
#define CYROI_CPU_FORWARD_COMBINE_H

#include "call/job.h"
#include "lanes/lanes.h"

namespace cyroi {

/* Where combine() reads: G rows of R vectors, one for each of G channels. */
template <class S>
struct Source {
    const S* map;
    index row;     /* elements from a row to the next */
    index channel; /* ... from a channel to the next */
    index tail;    /* elements of the last vector */
};

/* sum[g][r] = the taps' sum of weight * row of channel g, for R vectors of a row. */
template <int R, int G, class S, class A>
CYROI_INLINE void combine_partial(const Source<S>& from, const TapList<A>& taps,
                                  typename Lanes<A>::Vector (&sum)[G][R]) {
    typedef Lanes<A> L;
    const S* row = from.map + taps.pixel[0] * from.row;
    typename L::Vector w = L::set(taps.weight[0]);
    CYROI_UNROLL for (int g = 0; g < G; ++g) {
        CYROI_UNROLL for (int r = 0; r < R - 1; ++r) sum[g][r] = L::mul(w, L::load(row + r * L::count));
        sum[g][R - 1] = L::mul(w, L::load_part(row + (R - 1) * L::count, from.tail));
        row += from.channel;
    }
    for (index t = 1; t < taps.count; ++t) {
        row = from.map + taps.pixel[t] * from.row;
        w = L::set(taps.weight[t]);
        CYROI_UNROLL for (int g = 0; g < G; ++g) {
            CYROI_UNROLL for (int r = 0; r < R - 1; ++r) sum[g][r] = L::fma(w, L::load(row + r * L::count), sum[g][r]);
            sum[g][R - 1] = L::fma(w, L::load_part(row + (R - 1) * L::count, from.tail), sum[g][R - 1]);
            row += from.channel;
        }
    }
}

/* The same for any number of taps, at least one. */
template <int R, int G, class S, class A>
CYROI_INLINE void combine(const Source<S>& from, const TapList<A>& taps, typename Lanes<A>::Vector (&sum)[G][R]) {
    combine_partial<R, G>(from, taps.part(0, smaller(taps.count, kPartialRows)), sum);
    for (index b = kPartialRows; b < taps.count; b += kPartialRows) {
        typename Lanes<A>::Vector partial[G][R];
        combine_partial<R, G>(from, taps.part(b, smaller(taps.count, b + kPartialRows)), partial);
        CYROI_UNROLL for (int g = 0; g < G; ++g) {
            CYROI_UNROLL for (int r = 0; r < R; ++r) sum[g][r] = Lanes<A>::add(sum[g][r], partial[g][r]);
        }
    }
}

/* The same for a single element. */
template <class S, class A>
inline A combine_one(const S* base, index stride, const TapList<A>& taps) {
    A total = 0;
    for (index b = 0; b < taps.count; b += kPartialRows) {
        A sum = taps.weight[b] * value_of(base[taps.pixel[b] * stride]);
        for (index t = b + 1; t < smaller(taps.count, b + kPartialRows); ++t) {
            sum = fma_one<A>(taps.weight[t], value_of(base[taps.pixel[t] * stride]), sum);
        }
        total = b == 0 ? sum : total + sum;
    }
    return total;
}

}  // namespace cyroi

#endif
