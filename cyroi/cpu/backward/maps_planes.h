/* The gradient to the maps on the routes planes and fused: rows of a map, in vectors.
 *
 *     map[y] += sum over bin rows p of Ay[p, y] * spread[p]       (p ascending; spread: windows.h)
 *
 * For a few windows at a time, the rows of the gradient are spread over them into a buffer in L1; then each map row
 * that the box reaches is read, changed and written once, with all bin rows that reach it.
 *
 * Compiled per SIMD target. */
#ifndef CYROI_CPU_BACKWARD_MAPS_PLANES_H
#define CYROI_CPU_BACKWARD_MAPS_PLANES_H

#include <algorithm>

#include "backward/gradient_rows.h"

namespace cyroi {

/* Shares of the y axis: all of some lines of one batch, whose first row of bins is p0. */
template <class A>
struct ShareRange {
    const Share<A, 1>* first;
    const Share<A, 1>* end;
    int p0;
};

/* Adds to V whole windows of a plane. */
template <int V, class A>
CYROI_KERNEL void add_lines(const ShareRange<A>& range, const Window* windows, const A* spread, A* plane,
                            index stride) {
    typedef Lanes<A> L;
    const index lanes = L::count, next = kWindows * lanes;
    A* at[V];
    CYROI_UNROLL for (int v = 0; v < V; ++v) at[v] = plane + windows[v].column;
    const Share<A, 1>* const end = range.end;
    const int p0 = range.p0;
    for (const Share<A, 1>* share = range.first; share != end;) {
        const int pixel = share->pixel;
        const index row = pixel * stride;
        typename L::Vector sum[V];
        CYROI_UNROLL for (int v = 0; v < V; ++v) sum[v] = L::load(at[v] + row);
        do {
            const A* from = spread + (share->bin - p0) * next;
            const typename L::Vector w = L::set(share->weight[0]);
            CYROI_UNROLL for (int v = 0; v < V; ++v) sum[v] = L::fma(w, L::load(from + v * lanes), sum[v]);
        } while (++share != end && share->pixel == pixel);
        CYROI_UNROLL for (int v = 0; v < V; ++v) L::store(at[v] + row, sum[v]);
    }
}

/* Adds to rows that are shorter than a vector. */
template <class A>
CYROI_KERNEL void add_lines_part(const ShareRange<A>& range, const Window& w, const A* spread, A* plane, index stride) {
    typedef Lanes<A> L;
    for (const Share<A, 1>* share = range.first; share != range.end;) {
        const int pixel = share->pixel;
        A* at = plane + w.column + pixel * stride;
        typename L::Vector sum = L::load_part(at, w.elements);
        do {
            const typename L::Vector row = L::load(spread + (share->bin - range.p0) * kWindows * L::count);
            sum = L::fma(L::set(share->weight[0]), row, sum);
        } while (++share != range.end && share->pixel == pixel);
        L::store_part(at, sum, w.elements);
    }
}

template <class A>
inline void add_whole_windows(const ShareRange<A>& range, const Window* windows, index count, const A* spread, A* plane,
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

/* Windows that overlap must not be in registers at once: only the first and the last one do that. */
template <class A>
inline void add_windows(const ShareRange<A>& range, const Window* windows, index count, const A* spread, A* plane,
                        index stride) {
    const index lanes = Lanes<A>::count, last = count - 1;
    if (windows->elements < lanes) return add_lines_part(range, *windows, spread, plane, stride);
    if (last > 0 && windows[0].column + lanes > windows[1].column) {
        add_lines<1>(range, windows, spread, plane, stride);
        return add_windows(range, windows + 1, last, spread + lanes, plane, stride);
    }
    if (last > 0 && windows[last - 1].column + lanes > windows[last].column) {
        add_lines<1>(range, windows + last, spread + last * lanes, plane, stride);
        --count;
    }
    add_whole_windows(range, windows, count, spread, plane, stride);
}

/* Some channels of an image and some of its rows: what a thread has to itself. */
struct Region {
    index image, c0, c1, y0, y1;
};

/* The memory that a thread works in. What is converted has its room last: a call that converts nothing goes without. */
template <class A>
struct MapScratch {
    alignas(64) A spread[kBatch * kWindows * Lanes<A>::count];
    alignas(64) A room[kRowRoom];
};

/* Adds box k to a region of planes; next: the box to come. */
template <class A>
inline void add_to_planes(const GradientJob& g, index k, index next, const Region& region, MapScratch<A>& scratch) {
    const Lines<A, 1> y = y_lines<A, 1>(g, k);
    A* map = static_cast<A*>(g.to_maps) + region.image * g.maps.n;
    A* const spread = scratch.spread;
    const char* const ahead = grad_row(g, next, 0, 0);
    for (index i = 0, j; i < y.count; i = j) {
        const int batch = y.line[i].batch;
        for (j = y.line[y.count - 1].batch == batch ? y.count : i; j < y.count && y.line[j].batch == batch;) ++j;
        index first = i, last = j;
        while (first < last && y.line[first].pixel < region.y0) ++first;
        while (first < last && y.line[last - 1].pixel >= region.y1) --last;
        if (first == last) continue;
        const index p0 = batch * g.batch, p_count = smaller(g.batch, g.bins_y - p0);
        const ShareRange<A> range = {y.share + y.begin(first), y.share + y.line[last - 1].end, static_cast<int>(p0)};
        for (index c = region.c0; c < region.c1; c += g.row_channels) {
            if (next != k) expect_rows(g, ahead + c * g.grad.c);
            const GradientRows<A> rows = read_rows(g, k, c, p0, p_count, scratch.room);
            each_windows<A, 1>(g, k, [&](const Window* windows, index count) {
                spread_rows<1, false>(g, k, windows, count, rows, p_count, spread);
                add_windows(range, windows, count, spread, map + c * g.maps.c, g.maps.y);
            });
        }
    }
}

template <class A>
inline void clear_planes(const GradientJob& g, const Region& region) {
    A* map = static_cast<A*>(g.to_maps) + region.image * g.maps.n;
    for (index c = region.c0; c < region.c1; c += g.row_channels) {
        A* plane = map + c * g.maps.c;
        if (g.maps.y == g.row_elements) {
            std::fill_n(plane + region.y0 * g.maps.y, (region.y1 - region.y0) * g.row_elements, A(0));
        } else {
            for (index y = region.y0; y < region.y1; ++y) std::fill_n(plane + y * g.maps.y, g.row_elements, A(0));
        }
    }
}

}  // namespace cyroi

#endif
