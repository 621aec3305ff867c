/* The routes planes and fused where the columns of a block of bins fit registers (blocks.h), and two kinds of blocks
 * that have no tables.
 *
 *   register_rows     for each output row, a few channels at a time: the tap rows are combined in registers, and the
 *                     bins are picked out of them by permutations
 *   scattered_block   one bin whose few taps lie far apart, element by element
 *   empty_block       bins without a sample inside
 *
 * Decisions
 * a) The loop over output rows is outside, that over channels inside: the taps of a row are looked at once for all
 *    channels, and their number, which differs from row to row, is guessed wrong by the CPU once per row.
 * b) As many channels as the registers hold are combined at once. They share each table that is loaded and each
 *    weight, and their sums do not wait for one another.
 *
 * Compiled per SIMD target. */
#ifndef CYROI_CPU_FORWARD_REGISTER_ROWS_H
#define CYROI_CPU_FORWARD_REGISTER_ROWS_H

#include "forward/blocks.h"
#include "forward/combine.h"
#include "forward/part.h"
#include "forward/store.h"

namespace cyroi {

/* sum[g] = the bins of a block, a lane of B each, picked out of the R vectors row[g] of channel g. */
template <class B, int R, int G, class A>
CYROI_INLINE void pick_bins(const Tables<A>& tables, int slots, A fill, const typename Lanes<A>::Vector (&row)[G][R],
                            typename B::Vector (&sum)[G]) {
    {
        const typename B::template Places<R> places(tables.at);
        const typename B::Vector w = B::load(tables.weight), otherwise = B::set(fill);
        CYROI_UNROLL for (int g = 0; g < G; ++g) sum[g] = places.mul(row[g], w, otherwise);
    }
    for (int s = 1; s < slots; ++s) {
        const typename B::template Places<R> places(tables.at + s * B::count);
        const typename B::Vector w = B::load(tables.weight + s * B::count);
        CYROI_UNROLL for (int g = 0; g < G; ++g) sum[g] = places.fma(row[g], w, sum[g]);
    }
}

/* Writes the bins of a block to an output row. */
template <class B, class A, class S>
CYROI_INLINE void store_bins(const Part<S>& part, const Block& block, typename B::Vector sum, char* row) {
    A* to = reinterpret_cast<A*>(row) + block.first;
    if (part.out.plain) return B::store_part(to, sum, block.elements);
    store_elements<A>(part, block.first, block.elements, B::lanes(sum), row);
}

/* One output row of a block, for G channels from c on. */
template <class B, int R, int G, class S, class A>
CYROI_INLINE void register_row(const Part<S>& part, const Block& block, const Tables<A>& tables, index c, index p) {
    typedef Lanes<A> L;
    const Job& job = part.job;
    const TapList<A> y = part.y[p];
    const Source<S> from = {part.map + c * job.maps.c + block.column, job.maps.y, job.maps.c,
                            block.columns - (R - 1) * L::count};
    typename B::Vector sum[G];
    if (y.count > 0) {
        typename L::Vector row[G][R];
        combine<R, G>(from, y, row);
        pick_bins<B, R, G>(tables, block.slots, part.fill(), row, sum);
    } else {
        CYROI_UNROLL for (int g = 0; g < G; ++g) sum[g] = B::set(part.fill());
    }
    char* out = part.row(c, p);
    CYROI_UNROLL for (int g = 0; g < G; ++g) store_bins<B, A>(part, block, sum[g], out + g * part.out.c);
}

/* Channels [c, part.channels) of an output row: G at a time, then half as many, down to one. */
template <class B, int R, int G, class S, class A>
CYROI_INLINE void register_channels(const Part<S>& part, const Block& block, const Tables<A>& tables, index c,
                                    index p) {
    for (; c + G <= part.channels; c += G) register_row<B, R, G>(part, block, tables, c, p);
    if (G > 1) register_channels<B, R, (G > 1 ? G / 2 : 1)>(part, block, tables, c, p);
}

template <class B, int R, class S>
CYROI_KERNEL void register_rows(const Part<S>& part, const Block& block) {
    typedef typename Arithmetic<S>::Type A;
    const int G = R <= kRegisters / 16 ? 4 : (R <= kRegisters / 8 ? 2 : 1);
    const Tables<A> tables = tables_of<A>(part.job, part.k).from(block.table);
    for (index p = part.p0; p < part.p1; ++p) {
        if (part.job.row_channels == 1) {
            register_channels<B, R, G>(part, block, tables, 0, p);
        } else {
            register_row<B, R, 1>(part, block, tables, 0, p);
        }
    }
}

/* Chooses at compile time, so that a target without permutations need not have Bins. */
template <bool permutes>
struct RegistersOf {
    template <class B, class S>
    static void with(const Part<S>& part, const Block& block) {
        switch (block.vectors) {
            case 1: return register_rows<B, 1>(part, block);
            case 2: return register_rows<B, 2>(part, block);
            case 3: return register_rows<B, 3>(part, block);
            default: return register_rows<B, 4>(part, block);
        }
    }
    template <class S>
    static void run(const Part<S>& part, const Block& block) {
        typedef Lanes<typename Arithmetic<S>::Type> L;
        block.lanes == L::Few::count ? with<typename L::Few>(part, block) : with<typename L::Bins>(part, block);
    }
};
template <>
struct RegistersOf<false> {
    template <class S>
    static void run(const Part<S>&, const Block&) {} /* boxes of such targets are buffered */
};

/* Any bin that has taps; `pixel` elements from a column to the next. */
template <class S, class A>
inline A scattered_element(const S* map, index stride, index pixel, const TapList<A>& y, const TapList<A>& x) {
    if (x.count <= kSlots) {
        A sum = x.weight[0] * combine_one(map + x.pixel[0] * pixel, stride, y);
        for (index j = 1; j < x.count; ++j) {
            sum = fma_one(x.weight[j], combine_one(map + x.pixel[j] * pixel, stride, y), sum);
        }
        return sum;
    }
    A partial[Lanes<A>::count] = {};
    for (index j = 0; j < x.count; ++j) {
        A& sum = partial[j % Lanes<A>::count];
        sum = fma_one(x.weight[j], combine_one(map + x.pixel[j] * pixel, stride, y), sum);
    }
    return sum_by_halves(partial, Lanes<A>::count);
}

template <class S>
inline void scattered_block(const Part<S>& part, const Block& block) {
    typedef typename Arithmetic<S>::Type A;
    const Job& job = part.job;
    const index q = block.first / job.row_channels;
    const TapList<A> x = part.x[q];
    for (index c = 0; c < part.channels; ++c) {
        for (index p = part.p0; p < part.p1; ++p) {
            const TapList<A> y = part.y[p];
            const S* map = part.map + c * job.maps.c;
            const A value = y.count > 0 ? scattered_element(map, job.maps.y, job.maps.x, y, x) : part.fill();
            store_value(part.out, value, part.row(c, p) + q * part.out.x);
        }
    }
}

/* The fill value into elements [first, last) of an output row. */
template <class S>
inline void fill_elements(const Part<S>& part, index first, index last, char* row) {
    typedef typename Arithmetic<S>::Type A;
    typedef Lanes<A> L;
    const typename L::Vector fill = L::set(part.fill());
    for (index e = first; e < last; e += L::count) {
        store_elements<A>(part, e, smaller<index>(L::count, last - e), fill, row);
    }
}

template <class S>
inline void empty_block(const Part<S>& part, const Block& block) {
    for (index c = 0; c < part.channels; c += part.job.row_channels) {
        for (index p = part.p0; p < part.p1; ++p) {
            fill_elements(part, block.first, block.first + block.elements, part.row(c, p));
        }
    }
}

}  // namespace cyroi

#endif
