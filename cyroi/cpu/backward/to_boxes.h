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
 * b) A base is taken off every pixel of a box and channel where it is loaded (slopes.h), in every loop and type alike.
 * c) A tap has a part in a derivative where its derivative is not 0, or where it has a weight and the other axis moves.
 *    The quick loops multiply the others by 0, which tells only where the map or the gradient is not finite. So sums
 *    that are not finite are formed again by the same loops with `exact`, which leave them out: NaN and infinity reach
 *    what they have a part in, and such a box takes less than three times as long.
 *
 * Compiled per SIMD target. */
#ifndef CYROI_CPU_BACKWARD_TO_BOXES_H
#define CYROI_CPU_BACKWARD_TO_BOXES_H

#include "backward/maps_pixels.h"
#include "backward/slopes.h"

namespace cyroi {

/* Sums over lanes that are not added up yet: y1 x1 y2 x2. */
template <class A>
struct LaneSums {
    typename Lanes<A>::Vector at[4];
};

/* Windows of a box and what was spread over them; reach: see find_reach, where the sums are exact; bases: see read_bases,
 * where channels lie together, else NULL. */
template <class A>
struct SpreadWindows {
    const Window* windows;
    const A* spread;
    const A* reach;
    const A* bases;

    const A* row(index p, int v) const { return spread + (p * kWindows + v) * 3 * Lanes<A>::count; }
    typename Lanes<A>::Vector reached(int v, int n) const {
        return Lanes<A>::load(reach + (v * 3 + n) * Lanes<A>::count);
    }
};

/* One tap row of the map: V windows of it, whose columns are those of the spread rows. */
template <int V, bool exact, class A, class S>
CYROI_INLINE void contract_tap(const S* const (&column)[V], index row, const SpreadWindows<A>& x, const SlopeList<A>& y,
                               index t, const typename Lanes<A>::Vector (&base)[V],
                               const typename Lanes<A>::Vector (&spread)[V], typename Lanes<A>::Vector (&combined)[V],
                               LaneSums<A>& sums) {
    typedef Lanes<A> L;
    const A weight = y.weight[t], by_lo = y.by_lo[t], by_hi = y.by_hi[t];
    const typename L::Vector w = L::set(weight);
    typename L::Vector product = L::set(0);
    CYROI_UNROLL for (int v = 0; v < V; ++v) {
        const bool whole = V > 1; /* a row that is shorter than a vector is one window */
        const S* at = column[v] + row;
        const typename L::Vector value = L::add(whole ? L::load(at) : L::load_part(at, x.windows[v].elements), base[v]);
        if (!exact || weight != 0) combined[v] = L::fma(w, value, combined[v]);
        product = L::fma(exact ? L::only(value, x.reached(v, 0)) : value, spread[v], product);
    }
    if (!exact || by_lo != 0) sums.at[0] = L::fma(L::set(by_lo), product, sums.at[0]);
    if (!exact || by_hi != 0) sums.at[2] = L::fma(L::set(by_hi), product, sums.at[2]);
}

/* Rows [p0, p0 + rows) of bins and V windows of one channel; of_plane: its base, see minus_base. */
template <int V, bool exact, class S, class A>
CYROI_KERNEL void contract_windows(const SlopeBins<A>& bins, index p0, index rows, const SpreadWindows<A>& all,
                                   const S* map, index stride, A of_plane, LaneSums<A>& into) {
    typedef Lanes<A> L;
    const SpreadWindows<A> x = all; /* copies stay in registers */
    const SlopeBins<A> y = bins;
    const index lanes = L::count;
    const S* column[V];
    typename L::Vector base[V];
    CYROI_UNROLL for (int v = 0; v < V; ++v) {
        column[v] = map + x.windows[v].column;
        base[v] = x.bases ? L::load(x.bases + x.windows[v].phase) : L::set(of_plane);
    }
    LaneSums<A> sums = into;
    for (index p = 0, begin = y.begin(p0), end; p < rows; ++p, begin = end) {
        end = y.begin(p0 + p + 1);
        if (begin == end) continue;
        const SlopeList<A> taps = y.list(begin, end);
        const A* from = x.row(p, 0);
        typename L::Vector row[V], combined[V];
        CYROI_UNROLL for (int v = 0; v < V; ++v) {
            row[v] = L::load(from + v * 3 * lanes);
            combined[v] = L::set(0);
        }
        for (index t = 0; t < taps.count; ++t) {
            contract_tap<V, exact>(column, taps.pixel[t] * stride, x, taps, t, base, row, combined, sums);
        }
        if (exact && !has_weight(taps)) continue;
        CYROI_UNROLL for (int v = 0; v < V; ++v) {
            CYROI_UNROLL for (int n = 1; n < 3; ++n) {
                const typename L::Vector value = exact ? L::only(combined[v], x.reached(v, n)) : combined[v];
                sums.at[2 * n - 1] = L::fma(L::load(from + (v * 3 + n) * lanes), value, sums.at[2 * n - 1]);
            }
        }
    }
    into = sums;
}

template <bool exact, class S, class A>
inline void contract_some(const SlopeBins<A>& y, index p0, index rows, const SpreadWindows<A>& x, index count,
                          const S* map, index stride, A of_plane, LaneSums<A>& sums) {
    switch (count) {
        case 1: return contract_windows<1, exact>(y, p0, rows, x, map, stride, of_plane, sums);
        case 2: return contract_windows<2, exact>(y, p0, rows, x, map, stride, of_plane, sums);
        case 3: return contract_windows<(kWindows > 2 ? 3 : 2), exact>(y, p0, rows, x, map, stride, of_plane, sums);
        default: return contract_windows<(kWindows > 2 ? 4 : 2), exact>(y, p0, rows, x, map, stride, of_plane, sums);
    }
}

/* The memory that a thread works in. What is converted has its room last: a call that converts nothing goes without. */
template <class A>
struct BoxScratch {
    alignas(64) A spread[kBoxBatch * kWindows * 3 * Lanes<A>::count];
    A reach[kWindows * 3 * Lanes<A>::count];
    A base[kPixelChannels];                                /* of channels that lie together, see slopes.h */
    LaneSums<A> sums[2][kPixelChannels / Lanes<A>::count]; /* quick and exact */
    alignas(64) A room[kRowRoom];
};

/* Box k, channel c (fused: and all others), the run's share of its taps; at: see minus_base. */
template <bool exact, class S, class A>
CYROI_KERNEL void contract_plane(const GradientJob& g, const Run& run, index k, index c, const BasePixels& at,
                                 BoxScratch<A>& scratch, LaneSums<A>& sums) {
    const SlopeBins<A> y = y_slopes<A>(g, k, run);
    const S* map = map_of<S>(g, k, c);
    const A of_plane = g.route == FUSED ? 0 : minus_base<A>(map, at);
    for (index p = 0; p < g.bins_y; p += g.batch) {
        const index rows = smaller(g.batch, g.bins_y - p);
        if (!y.any(p, rows)) continue;
        const GradientRows<A> from = read_rows(g, k, c, p, rows, scratch.room);
        each_windows<A, 3>(g, k, [&](const Window* windows, index count) {
            spread_rows<3, exact>(g, k, windows, count, from, rows, scratch.spread);
            if (exact) find_reach<3>(g, k, windows, count, scratch.reach);
            const SpreadWindows<A> x = {windows, scratch.spread, scratch.reach,
                                        g.route == FUSED ? scratch.base : nullptr};
            contract_some<exact>(y, p, rows, x, count, map, g.maps.y, of_plane, sums);
        });
    }
}

/* Which of the numbers of a column's shares is not 0 in any of them; all, where that does not matter. */
template <bool exact, class A>
inline void column_reach(const Share<A, 3>* share, const Share<A, 3>* end, bool (&reach)[3] /* OUT */) {
    for (int n = 0; n < 3; ++n) reach[n] = !exact;
    for (; exact && share != end; ++share) {
        for (int n = 0; n < 3; ++n) reach[n] = reach[n] || share->weight[n] != 0;
    }
}

/* Route pixels: V vectors of channels of one column of the map, for a row of bins; a single one has n channels. base: of
 * each channel, to be added. */
template <int V, bool exact, class S, class A>
CYROI_INLINE void contract_column(const SlopeList<A>& y, const Share<A, 3>* share, const Share<A, 3>* end, const A* row,
                                  index bin, const S* column, index stride, const typename Lanes<A>::Vector (&base)[V],
                                  index n, LaneSums<A> (&sums)[V]) {
    typedef Lanes<A> L;
    bool reach[3];
    column_reach<exact>(share, end, reach);
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
            if (exact && share->weight[i] == 0) continue;
            const typename L::Vector w = L::set(share->weight[i]);
            CYROI_UNROLL for (int v = 0; v < V; ++v) spread[i][v] = L::fma(w, value[v], spread[i][v]);
        }
    }
    for (index t = 0; t < y.count; ++t) {
        const S* from = column + y.pixel[t] * stride;
        const typename L::Vector w = L::set(y.weight[t]), lo = L::set(y.by_lo[t]), hi = L::set(y.by_hi[t]);
        const bool weighs = !exact || y.weight[t] != 0;
        const bool lo_moves = !exact || (reach[0] && y.by_lo[t] != 0),
                   hi_moves = !exact || (reach[0] && y.by_hi[t] != 0);
        CYROI_UNROLL for (int v = 0; v < V; ++v) {
            const typename L::Vector value =
                L::add(V > 1 ? L::load(from + v * L::count) : L::load_part(from, n), base[v]);
            const typename L::Vector product = L::mul(value, spread[0][v]);
            if (weighs) combined[v] = L::fma(w, value, combined[v]);
            if (lo_moves) sums[v].at[0] = L::fma(lo, product, sums[v].at[0]);
            if (hi_moves) sums[v].at[2] = L::fma(hi, product, sums[v].at[2]);
        }
    }
    if (exact && !has_weight(y)) return;
    CYROI_UNROLL for (int v = 0; v < V; ++v) {
        if (reach[1]) sums[v].at[1] = L::fma(spread[1][v], combined[v], sums[v].at[1]);
        if (reach[2]) sums[v].at[3] = L::fma(spread[2][v], combined[v], sums[v].at[3]);
    }
}

/* V vectors of channels of a row of bins; row: its bins, map: row 0, column 0. Each row has sums of its own, so that a lane
 * does not add up a whole box in one go: of 700 x 900 pixels, that left twenty times the error. */
template <int V, bool exact, class S, class A>
CYROI_KERNEL void contract_row(const SlopeList<A>& y, const Lines<A, 3>& x, const A* row, index bin, const S* map,
                               const Strides& strides, const A* bases, index n, LaneSums<A>* into) {
    typedef Lanes<A> L;
    LaneSums<A> sums[V];
    typename L::Vector base[V];
    CYROI_UNROLL for (int v = 0; v < V; ++v) {
        CYROI_UNROLL for (int s = 0; s < 4; ++s) sums[v].at[s] = L::set(0);
        base[v] = L::load(bases + v * L::count);
    }
    for (index j = 0; j < x.count; ++j) {
        contract_column<V, exact>(y, x.share + x.begin(j), x.share + x.line[j].end, row, bin,
                                  map + x.line[j].pixel * strides.x, strides.y, base, n, sums);
    }
    CYROI_UNROLL for (int v = 0; v < V; ++v) {
        CYROI_UNROLL for (int s = 0; s < 4; ++s) into[v].at[s] = L::add(into[v].at[s], sums[v].at[s]);
    }
}

/* Channels [c, c + count) of box k, the run's share of its taps; a LaneSums for each vector of channels. */
template <bool exact, class S, class A>
inline void contract_pixels(const GradientJob& g, const Run& run, index k, index c, index count, const A* base, A* room,
                            LaneSums<A>* sums) {
    const int V = kRegisters / 16;
    const index lanes = Lanes<A>::count;
    const SlopeBins<A> y = y_slopes<A>(g, k, run);
    const Lines<A, 3> x = x_lines<A, 3>(g, k);
    const S* map = map_of<S>(g, k, c);
    for (index p = 0; p < g.bins_y; ++p) {
        const SlopeList<A> taps = y.list(y.begin(p), y.begin(p + 1));
        if (taps.count == 0) continue;
        if (g.grad.plain) {
            const GradientBins<A> from = read_bins(g, k, c, lanes, p, 1, room);
            fetch_bins(from.data + p * from.y, g.bins_x, from.x, count);
        }
        for (index i = 0; i < count;) {
            const index n = smaller(lanes, count - i);
            const GradientBins<A> from = read_bins(g, k, c + i, n, p, 1, room);
            const A* row = from.data + p * from.y;
            if (g.grad.plain && i + V * lanes <= count) {
                contract_row<V, exact>(taps, x, row, from.x, map + i, g.maps, base + i, n, sums + i / lanes);
                i += V * lanes;
            } else {
                contract_row<1, exact>(taps, x, row, from.x, map + i, g.maps, base + i, n, sums + i / lanes);
                i += lanes;
            }
        }
    }
}

}  // namespace cyroi

#endif
