/* The routes planes and fused: output rows, block by block (blocks.h).
 *
 *   register_block    the columns of the block in registers, its bins picked out by permutations; the loops over
 *                     channels and output rows are inside, so that the tables stay in registers too
 *   memory_block      the same for targets without permutations, by way of a row in memory
 *   wide_block        one bin that has many taps or spans many columns, tap by tap or vector by vector
 *   empty_block       bins without a sample inside */
#ifndef CYROI_CPU_ROWS_H
#define CYROI_CPU_ROWS_H

#include "blocks.h"
#include "sums.h"

namespace cyroi {

/* --- a block of bins in registers ----------------------------------------------------------------------------------- */

/* Writes the first n lanes to elements [first, first + n) of an output row. */
template <class A>
inline void store_elements(const Job& job, index first, index n, typename Lanes<A>::Vector v, A* row) {
    if (job.out_contiguous) return Lanes<A>::store_part(row + first, v, n);
    A values[Lanes<A>::count];
    Lanes<A>::store(values, v);
    for (index e = 0; e < n; ++e) {
        const index element = first + e;
        row[element / job.row_channels * job.out.x + element % job.row_channels * job.out.c] = values[e];
    }
}

/* All rows of one block, for all channels. R: vectors that its columns fill. S: column taps, whose tables then stay in
 * registers; 0: block.slots of them, read anew for each row. */
template <int R, int S, class A>
inline void register_block(const Part<A>& part, const Block& block, const Tables<A>& tables) {
    typedef Lanes<A> L;
    const Job& job = part.job;
    const index tail = block.columns - (R - 1) * L::count;
    const typename L::Vector fill = L::set(part.fill());
    typename L::Index at[S ? S : 1];
    typename L::Vector weight[S ? S : 1];
    for (int s = 0; s < S; ++s) {
        at[s] = L::load_index(tables.at + s * L::count);
        weight[s] = L::load(tables.weight + s * L::count);
    }
    for (index c = 0; c < part.channels; c += job.row_channels) {
        const A* map = part.map + c * job.maps.c + block.column;
        A* out = part.out + c * job.out.c;
        for (index p = part.p0; p < part.p1; ++p) {
            const TapList<A> y = part.y[p];
            typename L::Vector sum = fill;
            if (y.count > 0) {
                typename L::template Table<R> row;
                combine<R>(map, job.maps.y, y, tail, row.v);
                row.keep();
                for (int s = 0; s < (S ? S : block.slots); ++s) {
                    const typename L::Index i = S ? at[S ? s : 0] : L::load_index(tables.at + s * L::count);
                    const typename L::Vector w = S ? weight[S ? s : 0] : L::load(tables.weight + s * L::count);
                    const typename L::Vector v = row.look_up(i);
                    sum = L::pick(i, sum, s == 0 ? L::mul(w, v) : L::fma(w, v, sum));
                }
            }
            store_elements(job, block.first, block.elements, sum, out + p * job.out.y);
        }
    }
}

/* The same without permutations: the combined row is kept in memory and the bins are read from it one by one. */
template <int R, class A>
inline void memory_block(const Part<A>& part, const Block& block) {
    typedef Lanes<A> L;
    const Job& job = part.job;
    const index tail = block.columns - (R - 1) * L::count;
    const index q0 = block.first / job.row_channels, q1 = q0 + block.elements / job.row_channels;
    for (index c = 0; c < part.channels; c += job.row_channels) {
        for (index p = part.p0; p < part.p1; ++p) {
            const TapList<A> y = part.y[p];
            typename L::template Table<R> row;
            if (y.count > 0) {
                combine<R>(part.map + c * job.maps.c + block.column, job.maps.y, y, tail, row.v);
                row.keep();
            }
            for (index q = q0; q < q1; ++q) {
                const TapList<A> x = part.x[q];
                A* bin = part.out + c * job.out.c + p * job.out.y + q * job.out.x;
                for (index channel = 0; channel < job.row_channels; ++channel) {
                    const index offset = channel - block.column;
                    A value = part.fill();
                    if (y.count > 0 && x.count > 0) {
                        value = x.weight[0] * row.memory[x.pixel[0] * job.maps.x + offset];
                        for (index s = 1; s < x.count; ++s) {
                            value = fma_one(x.weight[s], row.memory[x.pixel[s] * job.maps.x + offset], value);
                        }
                    }
                    bin[channel * job.out.c] = value;
                }
            }
        }
    }
}

/* Chooses between the two at compile time, so that a target without permutations need not have them. */
template <bool permutes>
struct BlockOf {
    template <int R, class A>
    static void run(const Part<A>& part, const Block& block, const Tables<A>& tables) {
        switch (block.slots) {
            case 1: return register_block<R, 1>(part, block, tables);
            case 2: return register_block<R, 2>(part, block, tables);
            case 3: return register_block<R, 3>(part, block, tables);
            case 4: return register_block<R, 4>(part, block, tables);
            default: return register_block<R, 0>(part, block, tables);
        }
    }
};
template <>
struct BlockOf<false> {
    template <int R, class A>
    static void run(const Part<A>& part, const Block& block, const Tables<A>&) {
        memory_block<R>(part, block);
    }
};

/* --- a bin too wide for registers, or with many taps ----------------------------------------------- */

/* partial += weight * column for the columns of R vectors, of the last one `tail` columns. */
template <int R, class A>
inline void add_columns(const A* map, index stride, const TapList<A>& y, const A* weight, index tail,
                        typename Lanes<A>::Vector& partial) {
    typedef Lanes<A> L;
    typename L::Vector row[R];
    combine<R>(map, stride, y, tail, row);
    for (int r = 0; r < R - 1; ++r) partial = L::fma(L::load(weight + r * L::count), row[r], partial);
    partial = L::fma(L::load_part(weight + (R - 1) * L::count, tail), row[R - 1], partial);
}

/* Partial sums of a bin whose columns are consecutive elements: up to four vectors of columns at a time. */
template <class A>
inline A consecutive_element(const A* map, index stride, const TapList<A>& y, const TapList<A>& x) {
    typedef Lanes<A> L;
    typename L::Vector partial = L::set(0);
    map += x.pixel[0];
    for (index j = 0; j < x.count; j += 4 * L::count) {
        const index n = smaller<index>(4 * L::count, x.count - j), vectors = (n + L::count - 1) / L::count;
        const index tail = n - (vectors - 1) * L::count;
        switch (vectors) {
            case 1: add_columns<1>(map + j, stride, y, x.weight + j, tail, partial); break;
            case 2: add_columns<2>(map + j, stride, y, x.weight + j, tail, partial); break;
            case 3: add_columns<3>(map + j, stride, y, x.weight + j, tail, partial); break;
            default: add_columns<4>(map + j, stride, y, x.weight + j, tail, partial); break;
        }
    }
    A values[L::count];
    L::store(values, partial);
    return sum_by_halves(values, L::count);
}

/* Any bin; `pixel` elements from a column to the next. */
template <class A>
inline A scattered_element(const A* map, index stride, index pixel, const TapList<A>& y, const TapList<A>& x) {
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

template <class A>
inline void wide_block(const Part<A>& part, const Block& block) {
    const Job& job = part.job;
    const index q = block.first / job.row_channels;
    const TapList<A> x = part.x[q];
    const bool consecutive =
        job.maps.x == 1 && x.count > kSlots && x.pixel[x.count - 1] - x.pixel[0] == static_cast<int>(x.count) - 1;
    for (index c = 0; c < part.channels; ++c) {
        for (index p = part.p0; p < part.p1; ++p) {
            const TapList<A> y = part.y[p];
            const A* map = part.map + c * job.maps.c;
            A value = part.fill();
            if (y.count > 0) {
                value = consecutive ? consecutive_element(map, job.maps.y, y, x)
                                    : scattered_element(map, job.maps.y, job.maps.x, y, x);
            }
            part.out[c * job.out.c + p * job.out.y + q * job.out.x] = value;
        }
    }
}

template <class A>
inline void empty_block(const Part<A>& part, const Block& block) {
    const Job& job = part.job;
    for (index c = 0; c < part.channels; c += job.row_channels) {
        for (index p = part.p0; p < part.p1; ++p) {
            A* row = part.out + c * job.out.c + p * job.out.y;
            for (index e = 0; e < block.elements; e += Lanes<A>::count) {
                store_elements(job, block.first + e, smaller<index>(Lanes<A>::count, block.elements - e),
                               Lanes<A>::set(part.fill()), row);
            }
        }
    }
}

template <class A>
inline void box_blocks(const Part<A>& part, const Arrays<A>& arrays) {
    const Cut& cut = part.job.cuts[part.k];
    for (index b = 0; b < cut.blocks; ++b) {
        const Block& block = part.job.blocks[part.k * part.job.bins_x + b];
        const Tables<A> tables = tables_of(arrays, cut.table + block.table);
        switch (block.vectors) {
            case kEmpty: empty_block(part, block); break;
            case kWide: wide_block(part, block); break;
            case 1: BlockOf<Lanes<A>::permutes>::template run<1>(part, block, tables); break;
            case 2: BlockOf<Lanes<A>::permutes>::template run<2>(part, block, tables); break;
            case 3: BlockOf<Lanes<A>::permutes>::template run<3>(part, block, tables); break;
            default: BlockOf<Lanes<A>::permutes>::template run<4>(part, block, tables); break;
        }
    }
}

}  // namespace cyroi

#endif
