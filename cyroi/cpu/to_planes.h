/* The gradient to the maps on the routes planes and fused: rows of a map, in vectors.
 *
 *     map[y] += sum over bin rows p of Ay[p, y] * spread[p]       (p ascending; spread: windows.h)
 *
 * For a few windows at a time, the rows of the gradient are spread over them into a buffer in L1; then each map row that the
 * box reaches is read, changed and written once, with all bin rows that reach it. */
#ifndef CYROI_CPU_TO_PLANES_H
#define CYROI_CPU_TO_PLANES_H

#include "gradient_rows.h"

namespace cyroi {

/* Lines [first, last) of the y axis, all of one batch; p0: the first row of bins of that. */
template <class A>
struct LineRange {
    const Lines<A, 1>& y;
    index first, last;
    int p0;
};

/* Adds to V whole windows of a plane. */
template <int V, class A>
CYROI_KERNEL void add_lines(const LineRange<A>& range, const Window* windows, const A* spread, A* plane, index stride) {
    typedef Lanes<A> L;
    const index lanes = L::count, next = kWindows * lanes;
    A* at[V];
    CYROI_UNROLL for (int v = 0; v < V; ++v) at[v] = plane + windows[v].column;
    const Share<A, 1>* share = range.y.share + range.y.begin(range.first);
    for (index i = range.first; i < range.last; ++i) {
        const Line line = range.y.line[i];
        const Share<A, 1>* const end = range.y.share + line.end;
        const index row = line.pixel * stride;
        typename L::Vector sum[V];
        CYROI_UNROLL for (int v = 0; v < V; ++v) sum[v] = L::load(at[v] + row);
        do {
            const A* from = spread + (share->bin - range.p0) * next;
            const typename L::Vector w = L::set(share->weight[0]);
            CYROI_UNROLL for (int v = 0; v < V; ++v) sum[v] = L::fma(w, L::load(from + v * lanes), sum[v]);
        } while (++share != end);
        CYROI_UNROLL for (int v = 0; v < V; ++v) L::store(at[v] + row, sum[v]);
    }
}

/* Adds to a window that is a part of a vector. */
template <class A>
inline void add_lines_part(const LineRange<A>& range, const Window& w, const A* spread, A* plane, index stride) {
    typedef Lanes<A> L;
    for (index i = range.first; i < range.last; ++i) {
        A* at = plane + w.column + range.y.line[i].pixel * stride;
        typename L::Vector sum = L::load_part(at, w.elements);
        for (int s = range.y.begin(i); s < range.y.line[i].end; ++s) {
            const Share<A, 1>& share = range.y.share[s];
            const typename L::Vector row = L::load(spread + (share.bin - range.p0) * kWindows * L::count);
            sum = L::fma(L::set(share.weight[0]), row, sum);
        }
        L::store_part(at, sum, w.elements);
    }
}

template <class A>
inline void add_whole_windows(const LineRange<A>& range, const Window* windows, index count, const A* spread, A* plane,
                              index stride) {
    static_assert(kWindows <= 4, "every number of windows has a case");
    switch (count) {
        case 0: return;
        case 1: return add_lines<1>(range, windows, spread, plane, stride);
        case 2: return add_lines<2>(range, windows, spread, plane, stride);
        case 3: return add_lines<(kWindows > 2 ? 3 : 2)>(range, windows, spread, plane, stride);
        default: return add_lines<(kWindows > 2 ? 4 : 2)>(range, windows, spread, plane, stride);
    }
}

/* Only the first and the last of the windows may be parts. */
template <class A>
inline void add_windows(const LineRange<A>& range, const Window* windows, index count, const A* spread, A* plane,
                        index stride) {
    const index lanes = Lanes<A>::count;
    if (windows->elements < lanes) {
        add_lines_part(range, *windows, spread, plane, stride);
        ++windows, --count, spread += lanes;
    }
    if (count > 0 && windows[count - 1].elements < lanes) {
        --count;
        add_lines_part(range, windows[count], spread + count * lanes, plane, stride);
    }
    add_whole_windows(range, windows, count, spread, plane, stride);
}

/* Some channels of an image and some of its rows: what a thread has to itself. */
struct Region {
    index image, c0, c1, y0, y1;
};

/* Adds box k to a region of planes. */
template <class A>
inline void add_to_planes(const GradientJob& g, index k, const Region& region) {
    const Job& job = g.job;
    const Lines<A, 1> y = y_lines<A, 1>(g, k);
    A* map = static_cast<A*>(const_cast<void*>(job.map_data)) + region.image * job.maps.n;
    alignas(64) A spread[kBatch * kWindows * Lanes<A>::count];
    A room[kRowRoom];
    for (index i = 0, j; i < y.count; i = j) {
        const int batch = y.line[i].batch;
        for (j = i; j < y.count && y.line[j].batch == batch;) ++j;
        index first = i, last = j;
        while (first < last && y.line[first].pixel < region.y0) ++first;
        while (first < last && y.line[last - 1].pixel >= region.y1) --last;
        if (first == last) continue;
        const index p0 = batch * g.batch, p_count = smaller(g.batch, job.bins_y - p0);
        const LineRange<A> range = {y, first, last, static_cast<int>(p0)};
        for (index c = region.c0; c < region.c1; c += job.row_channels) {
            const GradientRows<A> rows = gradient_rows(job, k, c, p0, p_count, room);
            each_windows<A, 1>(g, k, [&](const Window* windows, index count) {
                spread_rows<1>(g, k, windows, count, rows, p_count, spread);
                add_windows(range, windows, count, spread, map + c * job.maps.c, job.maps.y);
            });
        }
    }
}

template <class A>
inline void clear_planes(const Job& job, const Region& region) {
    A* map = static_cast<A*>(const_cast<void*>(job.map_data)) + region.image * job.maps.n;
    for (index c = region.c0; c < region.c1; c += job.row_channels) {
        A* plane = map + c * job.maps.c;
        if (job.maps.y == job.row_elements) {
            std::fill_n(plane + region.y0 * job.maps.y, (region.y1 - region.y0) * job.row_elements, A(0));
        } else {
            for (index y = region.y0; y < region.y1; ++y) std::fill_n(plane + y * job.maps.y, job.row_elements, A(0));
        }
    }
}

}  // namespace cyroi

#endif
