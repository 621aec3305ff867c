/* What the gradient to the boxes reads of a box: the taps of its y axis with their derivatives, and its bases.
 *
 * A base is a number that is taken off every pixel of a box and channel. The derivatives of a bin's taps add up to 0
 * along their axis, in every convention: a sample that moves takes from one pixel what it gives to the next, and others
 * have none. So a base changes no gradient, but it changes what is rounded: products with pixels that are all near 10^6
 * cancel but for their rounding errors, which were 3 % of the gradient; products with what is left of them do not.
 *
 * Decisions
 * a) The base is the pixel of the first tap and the first line: known before any sum, a matter of the box and its channel
 *    alone (not of a box's pieces, whose sums join), and read next anyway. That in the middle of the box halves what is
 *    left of a slope and costs 2 % more time.
 * b) It is taken off where pixels are loaded. What was weighed and added up is rounded already, and a base that is taken
 *    off afterwards leaves those errors.
 * c) Beyond kMostBase, and where the pixel is not finite, the base is 0: differences are then finite where pixels are,
 *    and a pixel that has no part in a gradient does not spoil it.
 *
 * Compiled per SIMD target. */
#ifndef CYROI_CPU_BACKWARD_SLOPES_H
#define CYROI_CPU_BACKWARD_SLOPES_H

#include "backward/gradient_rows.h"

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

/* The bins of the y axis of a box, as far as their taps lie in [t0, t1). */
template <class A>
struct SlopeBins {
    SlopeList<A> taps; /* of the box */
    const int* ends;
    index t0, t1;

    /* Taps before bin p. */
    index begin(index p) const { return p ? smaller(larger<index>(ends[p - 1], t0), t1) : t0; }
    bool any(index p, index rows) const { return begin(p) < begin(p + rows); }
    /* Taps [from, to). */
    SlopeList<A> list(index from, index to) const {
        return SlopeList<A>{taps.pixel + from, taps.weight + from, taps.by_lo + from, taps.by_hi + from, to - from};
    }
};

template <class A>
inline SlopeBins<A> y_slopes(const GradientJob& g, index k, const Run& run) {
    const BoxPlan& box = g.boxes[k];
    const index at = box.taps;
    const SlopeList<A> taps = {g.pixels + at, static_cast<const A*>(g.weights) + at,
                               static_cast<const A*>(g.by_lo) + at, static_cast<const A*>(g.by_hi) + at, box.y_count};
    return SlopeBins<A>{taps, g.ends + k * (g.bins_y + g.bins_x), run.t0, smaller(run.t1, box.y_count)};
}

template <class A>
inline bool has_weight(const SlopeList<A>& taps) {
    for (index t = 0; t < taps.count; ++t) {
        if (taps.weight[t] != 0) return true;
    }
    return false;
}

template <class S>
inline const S* map_of(const GradientJob& g, index k, index c) {
    return static_cast<const S*>(g.map_data) + g.boxes[k].image * g.maps.n + c * g.maps.c;
}

/* Where the pixels lie that are the bases of box k: elements from the first one of a map or plane. */
template <class A>
inline index base_pixel(const GradientJob& g, index k) {
    return g.pixels[g.boxes[k].taps] * g.maps.y + x_lines<A, 3>(g, k).line[0].pixel * g.maps.x;
}

/* The base that a pixel makes, with the other sign: it is added. */
template <class A, class S>
inline A minus_base(const S& pixel) {
    const A value = static_cast<A>(value_of(pixel)), most = static_cast<A>(kMostBase);
    return value > -most && value < most ? -value : 0;
}

/* Fused: what is added to a vector that begins with channel 0, and to one pixel more, so that a vector which begins with
 * another channel finds its own there (Window::phase). */
template <class A, class S>
inline void read_bases(const GradientJob& g, const S* pixel, A* to /* OUT */) {
    static_assert(Lanes<A>::count + kMostPixelForBoxes <= kPixelChannels, "a vector and a pixel have room");
    for (index i = 0, c = 0; i < Lanes<A>::count + g.maps.x; ++i, c = c + 1 < g.maps.x ? c + 1 : 0) {
        to[i] = c < g.row_channels ? minus_base<A>(pixel[c]) : 0;
    }
}

}  // namespace cyroi

#endif
