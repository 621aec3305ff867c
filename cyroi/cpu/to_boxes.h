/* The gradient to the boxes: derivatives of taps, contracted with the gradient of the result.
 *
 *     d/d y1 = sum over p and x of (dAy1[p] . map)[x] * spread[p, x]                    (y2 likewise)
 *     d/d x1 = sum over p and x of (Ay[p] . map)[x] * (dAx1 . grad_output[p])[x]        (x2 likewise)
 *
 * On the routes planes and fused, a row of the gradient is spread three times over the windows of the map's row
 * (windows.h): with the weights and with both derivatives. Each tap row is read once and serves all four sums. On the
 * route pixels the same is done with a lane per channel.
 *
 * Decisions
 * a) The sums of a box run over kGroup channels at a time, channel by channel, each summed up by one thread in a fixed
 *    order; the sums of channels, of groups and of tiles are added in order, in double. So neither threads nor runs
 *    change a bit. Routes may: they sum up columns and channels in another order.
 * b) A tap has a part in a derivative where its derivative is not 0, or where it has a weight and the other axis moves.
 *    The quick loops multiply the others by 0, which tells only where the map is not finite. So a sum that is not
 *    finite is formed again, in double, by a loop that leaves them out: NaN and infinity reach what they have a part
 *    in. */
#ifndef CYROI_CPU_TO_BOXES_H
#define CYROI_CPU_TO_BOXES_H

#include "to_pixels.h"

namespace cyroi {

/* Taps of one bin, with their derivatives. */
template <class A>
struct SlopeList {
    const int* pixel;
    const A* weight;
    const A* by_lo;
    const A* by_hi;
    index count;
};

/* The bins of one axis of box k; first: its first tap. */
template <class A>
struct SlopeBins {
    const GradientJob& g;
    index first;
    const int* ends;

    SlopeList<A> operator[](index p) const {
        const index begin = p ? ends[p - 1] : 0, at = first + begin;
        return SlopeList<A>{g.job.pixels + at, static_cast<const A*>(g.job.weights) + at,
                            static_cast<const A*>(g.by_lo) + at, static_cast<const A*>(g.by_hi) + at, ends[p] - begin};
    }
};

template <class A>
inline SlopeBins<A> y_slopes(const GradientJob& g, index k) {
    return SlopeBins<A>{g, g.job.boxes[k].taps, g.job.ends + k * (g.job.bins_y + g.job.bins_x)};
}

template <class A>
inline SlopeBins<A> x_slopes(const GradientJob& g, index k) {
    return SlopeBins<A>{g, g.job.boxes[k].taps_x, g.job.ends + k * (g.job.bins_y + g.job.bins_x) + g.job.bins_y};
}

/* Sums over lanes that are not added up yet: y1 x1 y2 x2. */
template <class A>
struct LaneSums {
    typename Lanes<A>::Vector at[4];
};

/* One tap row of the map: V windows of it, whose columns are those of the spread rows. */
template <int V, class A, class S>
CYROI_INLINE void contract_tap(const S* const (&column)[V], index row, const Window* windows, const SlopeList<A>& y,
                               index t, const typename Lanes<A>::Vector (&spread)[V],
                               typename Lanes<A>::Vector (&combined)[V], LaneSums<A>& sums) {
    typedef Lanes<A> L;
    const typename L::Vector w = L::set(y.weight[t]);
    typename L::Vector product = L::set(0);
    CYROI_UNROLL for (int v = 0; v < V; ++v) {
        const bool whole = v > 0 && v < V - 1; /* the first and the last may be parts of vectors */
        const S* at = column[v] + row;
        const typename L::Vector value = whole ? L::load(at) : L::load_part(at, windows[v].elements);
        combined[v] = L::fma(w, value, combined[v]);
        product = L::fma(value, spread[v], product);
    }
    sums.at[0] = L::fma(L::set(y.by_lo[t]), product, sums.at[0]);
    sums.at[2] = L::fma(L::set(y.by_hi[t]), product, sums.at[2]);
}

/* Rows [p0, p0 + rows) of bins and V windows of one channel. */
template <int V, class S, class A>
CYROI_KERNEL void contract_windows(const SlopeBins<A>& y, index p0, index rows, const Window* windows, const A* spread,
                                   const S* map, index stride, LaneSums<A>& into) {
    typedef Lanes<A> L;
    const index lanes = L::count;
    const S* column[V];
    CYROI_UNROLL for (int v = 0; v < V; ++v) column[v] = map + windows[v].column;
    LaneSums<A> sums = into;
    for (index p = 0; p < rows; ++p) {
        const SlopeList<A> taps = y[p0 + p];
        if (taps.count == 0) continue;
        const A* from = spread_at<A, 3>(const_cast<A*>(spread), p, 0);
        typename L::Vector row[V], combined[V];
        CYROI_UNROLL for (int v = 0; v < V; ++v) {
            row[v] = L::load(from + v * 3 * lanes);
            combined[v] = L::set(0);
        }
        for (index t = 0; t < taps.count; ++t) {
            contract_tap<V>(column, taps.pixel[t] * stride, windows, taps, t, row, combined, sums);
        }
        CYROI_UNROLL for (int v = 0; v < V; ++v) {
            sums.at[1] = L::fma(L::load(from + (v * 3 + 1) * lanes), combined[v], sums.at[1]);
            sums.at[3] = L::fma(L::load(from + (v * 3 + 2) * lanes), combined[v], sums.at[3]);
        }
    }
    into = sums;
}

template <class S, class A>
inline void contract_some(const SlopeBins<A>& y, index p0, index rows, const Window* windows, index count,
                          const A* spread, const S* map, index stride, LaneSums<A>& sums) {
    switch (count) {
        case 1: return contract_windows<1>(y, p0, rows, windows, spread, map, stride, sums);
        case 2: return contract_windows<2>(y, p0, rows, windows, spread, map, stride, sums);
        case 3: return contract_windows<(kWindows > 2 ? 3 : 2)>(y, p0, rows, windows, spread, map, stride, sums);
        default: return contract_windows<(kWindows > 2 ? 4 : 2)>(y, p0, rows, windows, spread, map, stride, sums);
    }
}

template <class S>
inline const S* map_of(const Job& job, index k, index c) {
    return static_cast<const S*>(job.map_data) + job.boxes[k].image * job.maps.n + c * job.maps.c;
}

/* Box k, channel c (fused: and all others); next: the box to come. */
template <class S, class A>
inline void contract_plane(const GradientJob& g, index k, index next, index c, LaneSums<A>& sums) {
    const Job& job = g.job;
    if (next != k) expect_rows(job, next, c);
    alignas(64) A spread[kBoxBatch * kWindows * 3 * Lanes<A>::count];
    A room[kRowRoom];
    const SlopeBins<A> y = y_slopes<A>(g, k);
    const S* map = map_of<S>(job, k, c);
    for (index p = 0; p < job.bins_y; p += g.batch) {
        const index rows = smaller(g.batch, job.bins_y - p);
        const GradientRows<A> from = gradient_rows(job, k, c, p, rows, room);
        each_windows<A, 3>(g, k, [&](const Window* windows, index count) {
            spread_rows<3>(g, k, windows, count, from, rows, spread);
            contract_some(y, p, rows, windows, count, spread, map, job.maps.y, sums);
        });
    }
}

/* Route pixels: V vectors of channels of one column of the map, for a row of bins; a single one has n channels. */
template <int V, class S, class A>
CYROI_INLINE void contract_column(const SlopeList<A>& y, const Share<A, 3>* share, const Share<A, 3>* end, const A* row,
                                  index bin, const S* column, index stride, index n, LaneSums<A> (&sums)[V]) {
    typedef Lanes<A> L;
    typename L::Vector spread[3][V], combined[V];
    CYROI_UNROLL for (int v = 0; v < V; ++v) {
        spread[0][v] = spread[1][v] = spread[2][v] = combined[v] = L::set(0);
    }
    for (; share != end; ++share) {
        const A* from = row + share->bin * bin;
        typename L::Vector value[V];
        CYROI_UNROLL for (int v = 0; v < V; ++v) {
            value[v] = V > 1 ? L::load(from + v * L::count) : L::load_part(from, n);
        }
        CYROI_UNROLL for (int i = 0; i < 3; ++i) {
            const typename L::Vector w = L::set(share->weight[i]);
            CYROI_UNROLL for (int v = 0; v < V; ++v) spread[i][v] = L::fma(w, value[v], spread[i][v]);
        }
    }
    for (index t = 0; t < y.count; ++t) {
        const S* from = column + y.pixel[t] * stride;
        const typename L::Vector w = L::set(y.weight[t]), lo = L::set(y.by_lo[t]), hi = L::set(y.by_hi[t]);
        CYROI_UNROLL for (int v = 0; v < V; ++v) {
            const typename L::Vector value = V > 1 ? L::load(from + v * L::count) : L::load_part(from, n);
            const typename L::Vector product = L::mul(value, spread[0][v]);
            combined[v] = L::fma(w, value, combined[v]);
            sums[v].at[0] = L::fma(lo, product, sums[v].at[0]);
            sums[v].at[2] = L::fma(hi, product, sums[v].at[2]);
        }
    }
    CYROI_UNROLL for (int v = 0; v < V; ++v) {
        sums[v].at[1] = L::fma(spread[1][v], combined[v], sums[v].at[1]);
        sums[v].at[3] = L::fma(spread[2][v], combined[v], sums[v].at[3]);
    }
}

/* V vectors of channels of a row of bins; row: its bins, map: row 0, column 0. */
template <int V, class S, class A>
CYROI_KERNEL void contract_row(const SlopeList<A>& y, const Lines<A, 3>& x, const A* row, index bin, const S* map,
                               const Strides& strides, index n, LaneSums<A>* into) {
    LaneSums<A> sums[V];
    CYROI_UNROLL for (int v = 0; v < V; ++v) sums[v] = into[v];
    for (index j = 0; j < x.count; ++j) {
        contract_column<V>(y, x.share + x.begin(j), x.share + x.line[j].end, row, bin,
                           map + x.line[j].pixel * strides.x, strides.y, n, sums);
    }
    CYROI_UNROLL for (int v = 0; v < V; ++v) into[v] = sums[v];
}

/* Channels [c, c + count) of box k, a LaneSums for each vector of them. */
template <class S, class A>
inline void contract_pixels(const GradientJob& g, index k, index c, index count, LaneSums<A>* sums) {
    const Job& job = g.job;
    const int V = kRegisters / 16;
    const index lanes = Lanes<A>::count;
    A room[kRowRoom];
    const SlopeBins<A> y = y_slopes<A>(g, k);
    const Lines<A, 3> x = x_lines<A, 3>(g, k);
    const S* map = map_of<S>(job, k, c);
    for (index p = 0; p < job.bins_y; ++p) {
        const SlopeList<A> taps = y[p];
        if (taps.count == 0) continue;
        if (job.out.plain) {
            const GradientBins<A> from = gradient_bins(job, k, k, c, lanes, p, 1, room);
            fetch_bins(from.data + p * from.y, job.bins_x, from.x, count);
        }
        for (index i = 0; i < count;) {
            const index n = smaller(lanes, count - i);
            const GradientBins<A> from = gradient_bins(job, k, k, c + i, n, p, 1, room);
            const A* row = from.data + p * from.y;
            if (job.out.plain && i + V * lanes <= count) {
                contract_row<V>(taps, x, row, from.x, map + i, job.maps, n, sums + i / lanes);
                i += V * lanes;
            } else {
                contract_row<1>(taps, x, row, from.x, map + i, job.maps, n, sums + i / lanes);
                i += lanes;
            }
        }
    }
}

}  // namespace cyroi

#endif
