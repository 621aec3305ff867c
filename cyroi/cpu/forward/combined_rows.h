/* Rows of the map, weighted and added up into memory that stays in L1, and that memory. Compiled per SIMD target.
 *
 * Decision: up to kVectorsAtOnce vectors of a row are combined at once: each tap's weight is then spread once for all of them. */
#ifndef CYROI_CPU_FORWARD_COMBINED_ROWS_H
#define CYROI_CPU_FORWARD_COMBINED_ROWS_H

#include "forward/blocks.h"
#include "forward/combine.h"
#include "forward/gather.h"
#include "forward/part.h"

namespace cyroi {

/* Elements on their way to the output, beginning as far from a cache line as they will there. */
template <class T, index count>
struct Stage {
    alignas(64) T memory[count + 64 / sizeof(T)];

    T* like(const char* to) { return memory + reinterpret_cast<size_t>(to) % 64 / sizeof(T); }
};

/* The memory that a thread works in. A call allocates it up to the last of what it uses: rows, stages, gathered rows. */
template <class A>
struct Scratch {
    RowBuffer<A> rows[kTogether];
    Stage<A, kStage> stage;
    Stage<char, kStage * 8> converted;
    GatheredRows<A> gathered;
};

/* Blocks [first, last) of a box, and the elements of the map row that they span. */
struct Segment {
    index first, last;
    index column, columns;
};

template <int R, class S, class A>
CYROI_KERNEL void combine_vectors(const S* map, index stride, const TapList<A>& y, index tail, A* to) {
    typename Lanes<A>::Vector sum[1][R];
    combine<R, 1>(Source<S>{map, stride, 0, tail}, y, sum);
    CYROI_UNROLL for (int r = 0; r < R; ++r) Lanes<A>::store(to + r * Lanes<A>::count, sum[0][r]);
}

/* At most kVectorsAtOnce vectors. */
template <int R, class S, class A>
inline void combine_some(const S* map, index stride, const TapList<A>& y, index vectors, index tail, A* to) {
    if (R == 1 || vectors == R) return combine_vectors<R>(map, stride, y, tail, to);
    combine_some<(R > 1 ? R - 1 : 1)>(map, stride, y, vectors, tail, to);
}

/* to[j] = the taps' sum of column j, for n > 0 consecutive elements of the map's rows: in stretches of about as many
 * vectors. */
template <class S, class A>
inline void combine_row(const S* map, index stride, const TapList<A>& y, index n, A* to /* OUT */) {
    const index lanes = Lanes<A>::count;
    index vectors = vectors_of<A>(n);
    for (index stretches = (vectors + kVectorsAtOnce - 1) / kVectorsAtOnce; stretches > 0; --stretches) {
        const index some = (vectors + stretches - 1) / stretches, columns = smaller(n, some * lanes);
        combine_some<kVectorsAtOnce>(map, stride, y, some, columns - (some - 1) * lanes, to);
        map += columns, to += columns, n -= columns, vectors -= some;
    }
}

/* The columns of a segment combined where pixels are gathered. Bins of many rows share few of them: each such row is
 * copied and added on its own. */
template <class S, class A>
inline void combine_gathered(const Part<S>& part, const TapList<A>& y, const Segment& segment, GatheredRows<A>& rows,
                             A* to /* OUT */) {
    const Job& job = part.job;
    const index channels = job.row_channels, columns = segment.columns / channels;
    const index pitch = static_cast<index>(sizeof(RowBuffer<A>) / sizeof(A));
    const S* map = part.map + segment.column / channels * job.maps.x;
    int where[GatheredRows<A>::count];
    if (y.count <= GatheredRows<A>::count) {
        gather_rows(map, job.maps, channels, columns, y, rows, where);
        return combine_row(rows.row[0].row, pitch, TapList<A>{where, y.weight, y.count}, segment.columns, to);
    }
    for (index x = 0; x < columns; ++x) {
        combine_vectors<1>(map + x * job.maps.x, job.maps.y, y, channels, to + x * channels);
    }
}

}  // namespace cyroi

#endif
