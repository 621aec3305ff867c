/* The routes planes and fused, by way of a row in memory that stays in L1.
 *
 * For each output row, all columns of a run of blocks ("segment") are combined once, in vectors, into a buffer,
 * whatever the bins make of them. Then the bins are formed out of the buffer: blocks of bins by permutations of vectors
 * loaded from it, dense bins as products of vectors with their weights. So no column is combined twice, and a bin may
 * be of any width.
 *
 * Decisions
 * a) kTogether rows are combined before their bins are formed. They share every table that is loaded, and what was just
 *    written to the buffer has left the store queue when it is read back in other pieces than it was written.
 * b) A dense bin wider than the buffer takes it in pieces of whole vectors; its partial sums, a lane each, go on. */
#ifndef CYROI_CPU_FORWARD_BUFFERED_ROWS_H
#define CYROI_CPU_FORWARD_BUFFERED_ROWS_H

#include "forward/combined_rows.h"
#include "forward/dense.h"

namespace cyroi {

/* Blocks [block, end) out of G combined rows, which begin with column `column`. */
template <class A>
struct BlockSeries {
    const Block* block;
    const Block* end;
    index column;
    const RowBuffer<A>* rows;
};

/* Bins by permutations. The blocks of a run fill as many vectors each, so that nothing is looked up from one to the
 * next but their places and tables. */
template <bool permutes>
struct BufferedOf {
    template <class B, int R, int G, class S, class A>
    static CYROI_KERNEL void pick(const Part<S>& part, const BlockSeries<A>& series, char* const (&out)[G]) {
        typedef Lanes<A> L;
        const Tables<A> tables = tables_of<A>(part.job, part.k);
        const RowBuffer<A>* const rows = series.rows;
        const A fill = part.fill();
        const bool plain = part.out.plain;
        for (const Block* block = series.block; block != series.end; ++block) {
            const index at = block->column - series.column;
            typename L::Vector row[G][R];
            typename B::Vector sum[G];
            CYROI_UNROLL for (int g = 0; g < G; ++g) {
                CYROI_UNROLL for (int r = 0; r < R; ++r) row[g][r] = L::load(rows[g].row + at + r * L::count);
            }
            pick_bins<B, R, G>(tables.from(block->table), block->slots, fill, row, sum);
            CYROI_UNROLL for (int g = 0; g < G; ++g) {
                if (plain) {
                    B::store_part(reinterpret_cast<A*>(out[g]) + block->first, sum[g], block->elements);
                } else {
                    store_elements<A>(part, block->first, block->elements, B::lanes(sum[g]), out[g]);
                }
            }
        }
    }
    template <class B, int G, class S, class A>
    static void with(const Part<S>& part, const BlockSeries<A>& series, char* const (&out)[G]) {
        switch (series.block->vectors) {
            case 1: return pick<B, 1, G>(part, series, out);
            case 2: return pick<B, 2, G>(part, series, out);
            case 3: return pick<B, 3, G>(part, series, out);
            default: return pick<B, 4, G>(part, series, out);
        }
    }
    template <int G, class S, class A>
    static void bins(const Part<S>& part, const BlockSeries<A>& series, char* const (&out)[G]) {
        typedef Lanes<A> L;
        if (series.block->lanes == L::Few::count) return with<typename L::Few, G>(part, series, out);
        with<typename L::Bins, G>(part, series, out);
    }
};

/* Without permutations, bin by bin: each tap for all rows, whose sums do not wait for one another. */
template <>
struct BufferedOf<false> {
    template <int G, class S, class A>
    static void bins(const Part<S>& part, const BlockSeries<A>& series, char* const (&out)[G]) {
        const Job& job = part.job;
        const Block& last = *(series.end - 1);
        const index q0 = series.block->first / job.row_channels, q1 = (last.first + last.elements) / job.row_channels;
        for (index q = q0; q < q1; ++q) {
            const TapList<A> x = part.x[q];
            for (index channel = 0; channel < job.row_channels; ++channel) {
                A value[G];
                CYROI_UNROLL for (int g = 0; g < G; ++g) value[g] = part.fill();
                for (index s = 0; s < x.count; ++s) {
                    const index at = x.pixel[s] * job.pixel + channel - series.column;
                    CYROI_UNROLL for (int g = 0; g < G; ++g) {
                        const A element = series.rows[g].row[at];
                        value[g] = s == 0 ? x.weight[s] * element : fma_one(x.weight[s], element, value[g]);
                    }
                }
                const index offset = q * part.out.x + channel * part.out.c;
                CYROI_UNROLL for (int g = 0; g < G; ++g) {
                    if (part.out.plain) {
                        *reinterpret_cast<A*>(out[g] + offset) = value[g];
                    } else {
                        store_value(part.out, value[g], out[g] + offset);
                    }
                }
            }
        }
    }
};

/* The blocks from b on, below `last`, that are picked as b is. */
inline index series_end(const Block* blocks, index b, index last) {
    index end = b + 1;
    while (end < last && blocks[end].vectors == blocks[b].vectors && blocks[end].lanes == blocks[b].lanes) ++end;
    return end;
}

/* All bins of a segment, for G combined rows. */
template <int G, class S, class A>
inline void segment_bins(const Part<S>& part, const Segment& segment, const RowBuffer<A>* buffers,
                         char* const (&out)[G]) {
    const Block* const blocks = blocks_of(part.job, part.k);
    for (index b = segment.first, end; b < segment.last; b = end) {
        const Block& block = blocks[b];
        end = block.vectors > 0 ? series_end(blocks, b, segment.last) : b + 1;
        if (block.vectors > 0) {
            const BlockSeries<A> series = {blocks + b, blocks + end, segment.column, buffers};
            BufferedOf<Lanes<A>::permutes>::template bins<G>(part, series, out);
            continue;
        }
        const A* rows[G];
        for (int g = 0; g < G; ++g) rows[g] = buffers[g].row + (block.column - segment.column);
        if (block.vectors == kDense && part.job.pixel == 1) {
            dense_bins<G>(part, block, rows, out);
        } else if (block.vectors == kDense) {
            for (int g = 0; g < G; ++g) strided_bin(part, block, rows[g], out[g]);
        } else {
            for (int g = 0; g < G; ++g) fill_elements(part, block.first, block.first + block.elements, out[g]);
        }
    }
}

template <class S>
inline void run_segment(const Part<S>& part, const Segment& segment) {
    typedef typename Arithmetic<S>::Type A;
    const Job& job = part.job;
    const Block* blocks = blocks_of(job, part.k);
    const index first = blocks[segment.first].first;
    const index last = blocks[segment.last - 1].first + blocks[segment.last - 1].elements;
    const int G = kTogether;
    RowBuffer<A>* const buffers = part.scratch->rows;
    if (job.gathered) part.scratch->gathered.forget();
    char* out[G];
    int pending = 0;
    for (index p = part.p0; p < part.p1; ++p) {
        const TapList<A> y = part.y[p];
        for (index c = 0; c < part.channels; c += job.row_channels) {
            out[pending] = part.row(c, p);
            if (y.count == 0) {
                fill_elements(part, first, last, out[pending]);
                continue;
            }
            if (job.gathered) {
                combine_gathered(part, y, segment, part.scratch->gathered, buffers[pending].row);
            } else {
                const S* map = part.map + c * job.maps.c + segment.column;
                combine_row(map, job.maps.y, y, segment.columns, buffers[pending].row);
            }
            if (++pending == G) {
                segment_bins<G>(part, segment, buffers, out);
                pending = 0;
            }
        }
    }
    for (int g = 0; g < pending; ++g) {
        char* const one[1] = {out[g]};
        segment_bins<1>(part, segment, buffers + g, one);
    }
}

/* A dense bin that is wider than the buffer: a block of this kind has no other bin. */
template <class S>
inline void long_bin(const Part<S>& part, const Block& block) {
    typedef typename Arithmetic<S>::Type A;
    typedef Lanes<A> L;
    const Job& job = part.job;
    const index q = block.first / job.row_channels, most = RowBuffer<A>::room;
    const TapList<A> x = part.x[q];
    A* const row = part.scratch->rows[0].row;
    for (index p = part.p0; p < part.p1; ++p) {
        const TapList<A> y = part.y[p];
        for (index c = 0; c < part.channels; ++c) {
            const S* map = part.map + c * job.maps.c + block.column;
            A value = part.fill();
            if (y.count > 0 && job.maps.x == 1) {
                typename L::Vector partial = L::set(0);
                for (index j = 0; j < x.count; j += most) {
                    const index n = smaller(most, x.count - j);
                    combine_row(map + j, job.maps.y, y, n, row);
                    add_products(row, x.weight + j, n, partial);
                }
                value = L::sum(partial);
            } else if (y.count > 0) {
                value = scattered_element(map - block.column, job.maps.y, job.maps.x, y, x);
            }
            store_value(part.out, value, part.row(c, p) + q * part.out.x);
        }
    }
}

/* Adds `block` to the segment if the buffer then still holds all of its columns. */
template <class A>
inline bool join_segment(const Block& block, Segment& segment) {
    if (block.columns > 0) {
        const bool empty = segment.columns == 0;
        const index low = empty ? block.column : smaller(segment.column, block.column);
        const index end = block.column + block.columns;
        const index high = empty ? end : larger(segment.column + segment.columns, end);
        if (high - low > RowBuffer<A>::room) return false;
        segment.column = low;
        segment.columns = high - low;
    }
    ++segment.last;
    return true;
}

/* The segment from where loads do not cross cache lines; with whole vectors of columns, where loading a part of one is
 * slow and the row is long enough. */
template <class A>
inline Segment aligned(const Job& job, Segment segment) {
    const index end = segment.column + segment.columns;
    segment.column = aligned_column<A>(job, segment.column);
    segment.columns = end - segment.column;
    const index columns = vectors_of<A>(segment.columns) * Lanes<A>::count;
    if (!Lanes<A>::whole || job.gathered || columns > job.row_elements) return segment;
    segment.columns = columns;
    segment.column = smaller(segment.column, job.row_elements - columns);
    return segment;
}

inline bool fits_segment(const Block& block) {
    return block.vectors != kScattered && block.vectors != kLong;
}

/* All blocks of a buffered box but the scattered ones. */
template <class S>
inline void buffered_blocks(const Part<S>& part) {
    typedef typename Arithmetic<S>::Type A;
    const Block* blocks = blocks_of(part.job, part.k);
    const index count = part.job.cuts[part.k].blocks;
    for (index b = 0; b < count;) {
        if (!fits_segment(blocks[b])) {
            if (blocks[b].vectors == kLong) long_bin(part, blocks[b]);
            ++b;
            continue;
        }
        Segment segment = {b, b + 1, blocks[b].column, blocks[b].columns}; /* no block is wider than the buffer */
        while (segment.last < count && fits_segment(blocks[segment.last]) &&
               join_segment<A>(blocks[segment.last], segment)) {
        }
        if (segment.columns > 0) {
            run_segment(part, aligned<A>(part.job, segment));
        } else {
            for (index i = b; i < segment.last; ++i) empty_block(part, blocks[i]);
        }
        b = segment.last;
    }
}

}  // namespace cyroi

#endif
