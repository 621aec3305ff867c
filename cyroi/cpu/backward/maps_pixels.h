/* The gradient to the maps on the route pixels: pixel after pixel, in vectors of channels.
 *
 * Decision: each pixel that a box reaches is read, changed and written once. What its bins give is formed anew for
 * each, along x and then along y, in the order of the other routes: four products per bin where interpolation is
 * linear, which is no more than a buffer would cost.
 *
 * Compiled per SIMD target. */
#ifndef CYROI_CPU_BACKWARD_MAPS_PIXELS_H
#define CYROI_CPU_BACKWARD_MAPS_PIXELS_H

#include <algorithm>

#include "backward/maps_planes.h"

namespace cyroi {

/* The gradient of the result of one box, channels contiguous. */
template <class A>
struct GradientBins {
    const A* data; /* first channel of row 0, bin 0 */
    index y, x;    /* elements from a row to the next, from a bin to the next */
};

/* Adds V vectors of channels of all bins that reach a pixel, the last one of n channels. */
template <int V, class A>
CYROI_INLINE void add_pixel(const Share<A, 1>* y, const Share<A, 1>* y_end, const Share<A, 1>* x,
                            const Share<A, 1>* x_end, const A* data, const GradientBins<A>& from, index n, A* pixel) {
    typedef Lanes<A> L;
    const index lanes = L::count;
    typename L::Vector sum[V];
    CYROI_UNROLL for (int v = 0; v < V - 1; ++v) sum[v] = L::load(pixel + v * lanes);
    sum[V - 1] = L::load_part(pixel + (V - 1) * lanes, n);
    for (; y != y_end; ++y) {
        const A* row = data + y->bin * from.y;
        typename L::Vector spread[V];
        CYROI_UNROLL for (int v = 0; v < V; ++v) spread[v] = L::set(0);
        for (const Share<A, 1>* s = x; s != x_end; ++s) {
            const A* bin = row + s->bin * from.x;
            const typename L::Vector w = L::set(s->weight[0]);
            CYROI_UNROLL for (int v = 0; v < V; ++v) {
                const A* at = bin + v * lanes;
                const typename L::Vector value = v == V - 1 ? L::load_part(at, n) : L::load(at);
                spread[v] = L::fma(value, w, spread[v]);
            }
        }
        const typename L::Vector w = L::set(y->weight[0]);
        CYROI_UNROLL for (int v = 0; v < V; ++v) sum[v] = L::fma(w, spread[v], sum[v]);
    }
    CYROI_UNROLL for (int v = 0; v < V - 1; ++v) L::store(pixel + v * lanes, sum[v]);
    L::store_part(pixel + (V - 1) * lanes, sum[V - 1], n);
}

/* Reads a row of bins whole, before they are looked at one by one: a stream from memory is faster than its pieces. */
template <class A>
inline void fetch_bins(const A* row, index bins, index next, index channels) {
    for (index q = 0; q < bins; ++q, row += next) {
        for (index c = 0; c < channels; c += 64 / static_cast<index>(sizeof(A))) fetch(row + c);
    }
}

/* Adds `channels` of all bins of a box to the lines [first, last) of the y axis. */
template <class A>
CYROI_KERNEL void add_bins(const Lines<A, 1>& y, index first, index last, const Lines<A, 1>& x,
                           const GradientBins<A>& from, index channels, A* map, const GradientJob& g) {
    const int many = kRegisters / 4; /* vectors at once */
    const index lanes = Lanes<A>::count;
    int fetched = -1; /* the last row of bins */
    for (index i = first; i < last; ++i) {
        const Share<A, 1>*const ys = y.share + y.begin(i), *const y_end = y.share + y.line[i].end;
        A* row = map + y.line[i].pixel * g.maps.y;
        for (const Share<A, 1>* s = ys; s != y_end && g.grad.plain; ++s) {
            if (s->bin <= fetched) continue;
            fetched = s->bin;
            fetch_bins(from.data + s->bin * from.y, g.bins_x, from.x, channels);
        }
        for (index j = 0; j < x.count; ++j) {
            const Share<A, 1>*const xs = x.share + x.begin(j), *const x_end = x.share + x.line[j].end;
            A* pixel = row + x.line[j].pixel * g.maps.x;
            index c = 0;
            for (; c + many * lanes <= channels; c += many * lanes) {
                add_pixel<many>(ys, y_end, xs, x_end, from.data + c, from, lanes, pixel + c);
            }
            for (; c < channels; c += lanes) {
                add_pixel<1>(ys, y_end, xs, x_end, from.data + c, from, smaller(lanes, channels - c), pixel + c);
            }
        }
    }
}

template <class A>
struct ReadChannels {
    const char* bin;
    index channel; /* bytes from a channel to the next */
    index n;
    A* to;

    template <class O>
    void operator()(O) const {
        for (index c = 0; c < n; ++c) to[c] = static_cast<A>(value_of(*reinterpret_cast<const O*>(bin + c * channel)));
    }
};

/* Channels [c, c + n) of the bins of rows [p0, p0 + rows) of box k: where they lie, or converted into `room`. */
template <class A>
inline GradientBins<A> read_bins(const GradientJob& g, index k, index c, index n, index p0, index rows, A* room) {
    const index size = static_cast<index>(sizeof(A));
    if (g.grad.plain) {
        const A* first = reinterpret_cast<const A*>(grad_row(g, k, c, 0));
        return GradientBins<A>{first, g.grad.y / size, g.grad.x / size};
    }
    for (index p = 0; p < rows; ++p) {
        const char* row = grad_row(g, k, c, p0 + p);
        for (index q = 0; q < g.bins_x; ++q) {
            A* to = room + (p * g.bins_x + q) * n;
            with_element(g.grad.element, ReadChannels<A>{row + q * g.grad.x, g.grad.c, n, to});
        }
    }
    return GradientBins<A>{room - p0 * g.bins_x * n, g.bins_x * n, n};
}

/* Adds box k to a region of pixels. */
template <class A>
inline void add_to_pixels(const GradientJob& g, index k, const Region& region, MapScratch<A>& scratch) {
    const Lines<A, 1> y = y_lines<A, 1>(g, k), x = x_lines<A, 1>(g, k);
    A* map = static_cast<A*>(g.to_maps) + region.image * g.maps.n;
    const index lanes = Lanes<A>::count;
    for (index i = 0, j; i < y.count; i = j) {
        const int batch = y.line[i].batch;
        for (j = y.line[y.count - 1].batch == batch ? y.count : i; j < y.count && y.line[j].batch == batch;) ++j;
        index first = i, last = j;
        while (first < last && y.line[first].pixel < region.y0) ++first;
        while (first < last && y.line[last - 1].pixel >= region.y1) --last;
        if (first == last) continue;
        const index p0 = batch * g.batch, rows = smaller(g.batch, g.bins_y - p0);
        for (index c = region.c0, n; c < region.c1; c += n) { /* what is converted has room for a vector of channels */
            n = smaller(g.grad.plain ? region.c1 - c : lanes, region.c1 - c);
            const GradientBins<A> bins = read_bins(g, k, c, n, p0, rows, scratch.room);
            add_bins(y, first, last, x, bins, n, map + c, g);
        }
    }
}

template <class A>
inline void clear_pixels(const GradientJob& g, const Region& region) {
    A* map = static_cast<A*>(g.to_maps) + region.image * g.maps.n;
    const bool whole = g.maps.x == region.c1 - region.c0; /* pixels follow each other */
    for (index y = region.y0; y < region.y1; ++y) {
        A* row = map + y * g.maps.y;
        if (whole) {
            std::fill_n(row, g.columns * g.maps.x, A(0));
        } else {
            for (index x = 0; x < g.columns; ++x)
                std::fill_n(row + x * g.maps.x + region.c0, region.c1 - region.c0, A(0));
        }
    }
}

}  // namespace cyroi

#endif
