/* Blocks: an output row cut into runs of bins that one vector holds and whose columns four vectors hold.
 *
 * The cut depends on the box alone, so it is made once per box and used for every channel and output row. For the lanes
 * of a block the column taps become tables: in slot s, lane l finds the element of its tap number s (relative to the
 * block's first column) and its weight; an index of -1 says that the lane's bin has no tap number s.
 *
 * Decisions
 * a) Greedy from the first bin on; a bin that has more than kSlots taps, or that spans more than four vectors, is
 *    a block of its own, without tables ("wide"). Bins without any tap join every block; a block of such bins alone is
 *    "empty" and reads nothing.
 * b) Where a target loads whole vectors much faster than parts, the columns of a block are widened to whole vectors within
 *    the row, if the row is long enough. No bin looks at the columns that this adds.
 * c) On the fused route an element is a bin and a channel, and all channels of a bin share a block. */
#ifndef CYROI_CPU_BLOCKS_H
#define CYROI_CPU_BLOCKS_H

#include "job.h"
#include "lanes.h"

namespace cyroi {

static const index kSlots = 16; /* taps per bin that a table holds */
static const int kEmpty = 0, kWide = -1;

/* Tables of one block, or of all. */
template <class A>
struct Tables {
    const typename Lanes<A>::Integer* at;
    const A* weight;
};

template <class A>
inline Tables<A> tables_of(const Arrays<A>& arrays, index slot) {
    const index offset = slot * Lanes<A>::count;
    return Tables<A>{static_cast<const typename Lanes<A>::Integer*>(arrays.at) + offset, arrays.slot_weights + offset};
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
    return (c.high - c.low) * job.maps.x + job.row_channels;
}

/* The block that begins with bin q. */
template <class A>
inline Block next_block(const Job& job, const Bins<A>& x, index q, index table) {
    static_assert(MAX_FUSED_CHANNELS <= Lanes<A>::count, "one bin of an image must fit a vector");
    const index lanes = Lanes<A>::count;
    Columns columns = {0, -1};
    index last = q, slots = 0;
    for (; last < job.bins_x && (last + 1 - q) * job.row_channels <= lanes; ++last) {
        const TapList<A> taps = x[last];
        const Columns joined = join(columns, taps);
        if (taps.count > kSlots || (joined.any() && span_of(job, joined) > 4 * lanes)) break;
        columns = joined;
        slots = larger(slots, taps.count);
    }
    Block block = Block();
    block.first = q * job.row_channels;
    block.table = table;
    block.elements = larger<index>(last - q, 1) * job.row_channels;
    block.slots = static_cast<int>(slots);
    if (last == q) {
        block.vectors = kWide;
    } else if (columns.any()) {
        block.column = columns.low * job.maps.x;
        block.columns = span_of(job, columns);
        block.vectors = static_cast<int>((block.columns + lanes - 1) / lanes);
        if (Lanes<A>::whole && block.vectors * lanes <= job.row_elements) {
            block.columns = block.vectors * lanes;
            block.column = smaller(block.column, job.row_elements - block.columns);
        }
    }
    return block;
}

template <class A>
inline void fill_tables(const Job& job, const Bins<A>& x, const Block& block, typename Lanes<A>::Integer* at,
                        A* weight) {
    typedef typename Lanes<A>::Integer Integer;
    for (index i = 0; i < block.slots * Lanes<A>::count; ++i) {
        at[i] = -1;
        weight[i] = 0;
    }
    for (index e = 0; e < block.elements; ++e) {
        const TapList<A> taps = x[(block.first + e) / job.row_channels];
        const index channel = (block.first + e) % job.row_channels;
        for (index s = 0; s < taps.count; ++s) {
            at[s * Lanes<A>::count + e] = static_cast<Integer>(taps.pixel[s] * job.maps.x + channel - block.column);
            weight[s * Lanes<A>::count + e] = taps.weight[s];
        }
    }
}

/* Room that the tables of a box may need, in slots. */
inline index slot_capacity(index bins_x) {
    return bins_x * kSlots;
}

/* Cuts the rows of box k into blocks, at most bins_x of them. */
template <class A>
inline Cut cut_box(const Job& job, const A* weights, index k, Block* blocks /* OUT */) {
    const Bins<A> x = x_bins(job, weights, k);
    Cut cut = Cut();
    for (index q = 0; q < job.bins_x; q += blocks[cut.blocks - 1].elements / job.row_channels) {
        const Block block = next_block(job, x, q, cut.slots);
        if (Lanes<A>::permutes && block.vectors > 0) cut.slots += block.slots;
        blocks[cut.blocks++] = block;
    }
    return cut;
}

/* Fills the tables of box k, whose place among all tables is known by now. */
template <class A>
inline void fill_box(const Job& job, const A* weights, index k, void* at /* OUT */, A* slot_weights /* OUT */) {
    const Bins<A> x = x_bins(job, weights, k);
    const Cut& cut = job.cuts[k];
    for (index b = 0; b < cut.blocks && cut.slots > 0; ++b) {
        const Block& block = job.blocks[k * job.bins_x + b];
        const index offset = (cut.table + block.table) * Lanes<A>::count;
        if (block.vectors > 0) {
            fill_tables(job, x, block, static_cast<typename Lanes<A>::Integer*>(at) + offset, slot_weights + offset);
        }
    }
}

}  // namespace cyroi

#endif
