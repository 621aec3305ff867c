/* Blocks: an output row cut into runs of bins that one vector holds and whose columns four vectors hold.
 *
 * The cut depends on the box alone, so it is made once per box and used for every channel and output row. For the lanes
 * of a block the column taps become tables: in slot s, lane l finds the place of its tap number s (relative to the
 * block's first column) and its weight; a place of -1 says that the lane's bin has no tap number s.
 *
 * Decisions
 * a) Greedy from the first bin on. A bin that has more than kSlots taps, or that spans more than four vectors, is a
 *    block of its own without tables: if its taps are consecutive columns and more than kSlots, "dense" where a row
 *    buffer holds them and "long" where not, else "scattered". Dense neighbours share a block as long as the buffer
 *    holds them all. Bins without any tap join every block with tables; of such bins alone it is "empty" and reads
 *    nothing.
 * b) Where a target loads whole vectors much faster than parts, the columns of a block are widened to whole vectors
 *    within the row, if the row is long enough. No bin looks at the columns that this adds.
 * c) Blocks begin where loads do not cross the borders of cache lines, unless one vector would become two by that.
 * d) A slot has as many lanes as the block's bins need, all or half (Lanes::Few): tables are read again for each plane,
 *    so they should leave room in the cache.
 * e) On the fused route an element is a bin and a channel. A block may end between the channels of a bin, on targets
 *    with permutations, so that it fills a vector.
 * f) A box is buffered (buffered_rows.h) where a bin is dense, where an output row takes many blocks, so that no column
 *    is combined twice, where pixels are gathered, and on targets without permutations. */
#ifndef CYROI_CPU_FORWARD_BLOCKS_H
#define CYROI_CPU_FORWARD_BLOCKS_H

#include "call/job.h"
#include "lanes/lanes.h"

namespace cyroi {

static const int kEmpty = 0, kScattered = -1, kDense = -2, kLong = -3;

/* A row of combined columns in memory (buffer.h): what fits it, and what vectors may reach beyond. */
template <class A>
struct RowBuffer {
    static const index room = kRowBytes / static_cast<index>(sizeof(A));
    static const index slack = 8 * Lanes<A>::count;
    static_assert(4 * Lanes<A>::count <= room, "a block with tables fits the buffer");
    static_assert(slack >= 5 * Lanes<A>::count, "a block's four vectors, and a segment that begins a vector earlier");
    alignas(64) A row[room + slack];
};

/* Tables of one block, or of all. */
template <class A>
struct Tables {
    const typename Lanes<A>::Integer* at;
    const A* weight;

    Tables from(index element) const { return Tables{at + element, weight + element}; }
};

/* Of all blocks of a box. */
template <class A>
inline Tables<A> tables_of(const Job& job, index k) {
    typedef typename Lanes<A>::Integer Place;
    const index offset = job.cuts[k].table;
    return Tables<A>{static_cast<const Place*>(job.at) + offset, static_cast<const A*>(job.slot_weights) + offset};
}

/* Lowest and highest map column of a bin. */
struct Columns {
    index low, high;
    bool any() const { return low <= high; }
};

template <class A>
inline Columns join(Columns a, const TapList<A>& x) {
    if (x.count == 0) return a;
    const Columns b = {x.pixel[0], x.pixel[x.count - 1]}; /* taps ascend */
    return a.any() ? Columns{smaller(a.low, b.low), larger(a.high, b.high)} : b;
}

inline index span_of(const Job& job, Columns c) {
    return (c.high - c.low) * job.pixel + job.row_channels;
}

/* The column at or before `column` from where vectors of every row lie within cache lines; `column` where the strides
 * of the maps forbid that. A load that crosses the border of a line costs as much as two. */
template <class A>
inline index aligned_column(const MapsJob& job, index column) {
    const index lanes = Lanes<A>::count, size = element_size(job.maps_element);
    if (job.gathered || job.maps.n % lanes || job.maps.c % lanes || job.maps.y % lanes) return column;
    const index phase = static_cast<index>(reinterpret_cast<size_t>(job.map_data) / static_cast<size_t>(size));
    return larger<index>(0, column - (column + phase) % lanes);
}

template <class A>
inline index vectors_of(index elements) {
    return (elements + Lanes<A>::count - 1) / Lanes<A>::count;
}

/* The columns that a block with tables reads, from an aligned one on where that costs no second vector. */
template <class A>
inline void set_columns(const Job& job, const Columns& columns, Block& block) {
    const index lanes = Lanes<A>::count;
    block.column = columns.low * job.pixel;
    block.columns = span_of(job, columns);
    const index aligned = aligned_column<A>(job, block.column), more = block.column - aligned;
    const index vectors = vectors_of<A>(block.columns + more);
    if (vectors == vectors_of<A>(block.columns) || (block.columns > lanes && vectors <= 4)) {
        block.column = aligned;
        block.columns += more;
    }
    block.vectors = static_cast<int>(vectors_of<A>(block.columns));
    if (Lanes<A>::whole && !job.gathered && block.vectors * lanes <= job.row_elements) {
        block.columns = block.vectors * lanes;
        block.column = smaller(block.column, job.row_elements - block.columns);
    }
}

template <class A>
inline bool is_dense(const TapList<A>& x) {
    return x.count > kSlots && x.pixel[x.count - 1] - x.pixel[0] == x.count - 1; /* taps ascend */
}

/* The block that begins with element `first`, of elements for whose bins tables have room; it may have none. */
template <class A>
inline Block table_block(const Job& job, const Bins<A>& x, index first) {
    static_assert(kFusedChannels * 4 <= Lanes<A>::count * static_cast<index>(sizeof(A)),
                  "one bin of an image must fit a vector");
    const index lanes = Lanes<A>::count;
    const index unit = Lanes<A>::permutes ? 1 : job.row_channels;
    Columns columns = {0, -1};
    Block block = Block();
    index last = first, slots = 0;
    for (; last < job.bins_x * job.row_channels && last + unit - first <= lanes; last += unit) {
        const TapList<A> taps = x[last / job.row_channels];
        const Columns joined = join(columns, taps);
        if (taps.count > kSlots || (joined.any() && span_of(job, joined) > 4 * lanes)) break;
        columns = joined;
        slots = larger(slots, taps.count);
    }
    block.elements = last - first;
    block.slots = static_cast<int>(slots);
    block.lanes = block.elements <= Lanes<A>::Few::count ? Lanes<A>::Few::count : Lanes<A>::Bins::count;
    if (columns.any()) set_columns<A>(job, columns, block);
    return block;
}

/* The kind of a bin for which tables have no room. */
template <class A>
inline int wide_kind(const Job& job, const TapList<A>& x) {
    if (!is_dense(x)) return kScattered;
    return span_of(job, join(Columns{0, -1}, x)) <= RowBuffer<A>::room ? kDense : kLong;
}

/* The block that begins with bin q, for which tables have no room. Several bins are one block only where the buffer
 * holds all of their columns. */
template <class A>
inline Block wide_block(const Job& job, const Bins<A>& x, index q) {
    const index most = smaller(kDenseSpan, RowBuffer<A>::room);
    Columns columns = join(Columns{0, -1}, x[q]);
    Block block = Block();
    block.vectors = wide_kind(job, x[q]);
    index last = q + 1;
    for (; block.vectors == kDense && job.pixel == 1 && last < job.bins_x && last - q < kDenseBins; ++last) {
        const Columns joined = join(columns, x[last]);
        if (!is_dense(x[last]) || span_of(job, joined) > most) break;
        columns = joined;
    }
    block.elements = (last - q) * job.row_channels;
    block.column = columns.low * job.pixel;
    block.columns = span_of(job, columns);
    return block;
}

template <class A>
inline Block next_block(const Job& job, const Bins<A>& x, index first, index table) {
    Block block = table_block(job, x, first);
    if (block.elements == 0) block = wide_block(job, x, first / job.row_channels);
    block.first = first;
    block.table = table;
    return block;
}

template <class A>
inline void tabulate_block(const Job& job, const Bins<A>& x, const Block& block, typename Lanes<A>::Integer* at,
                           A* weight) {
    typedef typename Lanes<A>::Integer Integer;
    for (index i = 0; i < block.slots * block.lanes; ++i) {
        at[i] = -1;
        weight[i] = 0;
    }
    for (index e = 0; e < block.elements; ++e) {
        const TapList<A> taps = x[(block.first + e) / job.row_channels];
        const index channel = (block.first + e) % job.row_channels;
        for (index s = 0; s < taps.count; ++s) {
            at[s * block.lanes + e] = static_cast<Integer>(taps.pixel[s] * job.pixel + channel - block.column);
            weight[s * block.lanes + e] = taps.weight[s];
        }
    }
}

/* The blocks of box k of the chunk. */
inline const Block* blocks_of(const Job& job, index k) {
    return job.blocks + k * block_capacity(job.bins_x);
}

/* Cuts the rows of box k into blocks, at most block_capacity() of them. */
template <class A>
inline Cut cut_box(const Job& job, index k, Block* blocks /* OUT */) {
    const Bins<A> x = x_bins<A>(job, k);
    Cut cut = Cut();
    for (index e = 0; e < job.bins_x * job.row_channels; e += blocks[cut.blocks - 1].elements) {
        const Block block = next_block(job, x, e, cut.elements);
        if (Lanes<A>::permutes && block.vectors > 0) cut.elements += block.slots * block.lanes;
        cut.buffered = cut.buffered || block.vectors == kDense || block.vectors == kLong || !Lanes<A>::permutes;
        blocks[cut.blocks++] = block;
    }
    cut.buffered = cut.buffered || cut.blocks >= kManyBlocks || job.gathered;
    return cut;
}

/* Fills the tables of box k, whose place among all tables is known by now. */
template <class A>
inline void tabulate_box(const Job& job, index k, void* at /* OUT */, void* slot_weights /* OUT */) {
    typedef typename Lanes<A>::Integer Place;
    const Bins<A> x = x_bins<A>(job, k);
    const Cut& cut = job.cuts[k];
    for (index b = 0; b < cut.blocks && cut.elements > 0; ++b) {
        const Block& block = blocks_of(job, k)[b];
        const index offset = cut.table + block.table;
        if (block.vectors > 0) {
            tabulate_block(job, x, block, static_cast<Place*>(at) + offset, static_cast<A*>(slot_weights) + offset);
        }
    }
}

}  // namespace cyroi

#endif
