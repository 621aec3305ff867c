/* Dense bins out of combined rows: bins with too many column taps for tables, which are consecutive columns.
 *
 * A bin is a product of its columns, which lie in the buffer (buffer.h), with its weights: vectors of both, a partial
 * sum per lane, then the sum of all lanes by halves, for eight bins at once where the target can.
 *
 * Decision: all combined rows take a bin before the next bin, so that its weights are loaded once for all of them. */
#ifndef CYROI_CPU_FORWARD_DENSE_H
#define CYROI_CPU_FORWARD_DENSE_H

#include "forward/register_rows.h"

namespace cyroi {

/* Adds n products of consecutive elements to the partial sums. */
template <class A>
CYROI_INLINE void add_products(const A* row, const A* weight, index n, typename Lanes<A>::Vector& partial) {
    typedef Lanes<A> L;
    index j = 0;
    for (; j + L::count <= n; j += L::count) partial = L::fma(L::load(weight + j), L::load(row + j), partial);
    if (j < n) partial = L::fma(L::load_part(weight + j, n - j), L::load_part(row + j, n - j), partial);
}

/* A dense bin whose columns are `pixel` elements apart. */
template <class A>
inline A strided_element(const A* row, index pixel, const TapList<A>& x) {
    A partial[Lanes<A>::count] = {};
    for (index j = 0; j < x.count; ++j) {
        A& sum = partial[j % Lanes<A>::count];
        sum = fma_one(x.weight[j], row[j * pixel], sum);
    }
    return sum_by_halves(partial, Lanes<A>::count);
}

/* One bin of a dense block and its channels, where the columns are not consecutive elements. */
template <class S, class A>
inline void strided_bin(const Part<S>& part, const Block& block, const A* row, char* out) {
    const Job& job = part.job;
    const index q = block.first / job.row_channels;
    for (index channel = 0; channel < job.row_channels; ++channel) {
        store_value(part.out, strided_element(row + channel, job.pixel, part.x[q]),
                    out + q * part.out.x + channel * part.out.c);
    }
}

/* The bins of a dense block for G rows. rows[g]: column `block.column`. */
template <int G, class S, class A>
CYROI_INLINE void dense_bins(const Part<S>& part, const Block& block, const A* const (&rows)[G],
                             char* const (&out)[G]) {
    typedef Lanes<A> L;
    static_assert(kDenseBins == 8, "sum_each takes eight vectors");
    typename L::Vector partial[G][kDenseBins];
    for (index i = 0; i < block.elements; ++i) {
        const TapList<A> x = part.x[block.first + i];
        const index offset = x.pixel[0] - block.column;
        typename L::Vector sum[G];
        CYROI_UNROLL for (int g = 0; g < G; ++g) sum[g] = L::set(0);
        index j = 0;
        for (; j + L::count <= x.count; j += L::count) {
            const typename L::Vector w = L::load(x.weight + j);
            CYROI_UNROLL for (int g = 0; g < G; ++g) sum[g] = L::fma(w, L::load(rows[g] + offset + j), sum[g]);
        }
        if (j < x.count) {
            const index n = x.count - j;
            const typename L::Vector w = L::load_part(x.weight + j, n);
            CYROI_UNROLL for (int g = 0; g < G; ++g) {
                sum[g] = L::fma(w, L::load_part(rows[g] + offset + j, n), sum[g]);
            }
        }
        CYROI_UNROLL for (int g = 0; g < G; ++g) partial[g][i] = sum[g];
    }
    for (int g = 0; g < G; ++g) {
        for (index i = block.elements; i < kDenseBins; ++i) partial[g][i] = L::set(0);
        if (part.out.plain) {
            L::sum_each(partial[g], block.elements, reinterpret_cast<A*>(out[g]) + block.first);
        } else {
            A sums[kDenseBins];
            L::sum_each(partial[g], block.elements, sums);
            for (index i = 0; i < block.elements; ++i)
                store_value(part.out, sums[i], out[g] + (block.first + i) * part.out.x);
        }
    }
}

}  // namespace cyroi

#endif
