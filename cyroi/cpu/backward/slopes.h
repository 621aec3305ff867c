/* What the gradient to the boxes reads of a box: the taps of its y axis with their derivatives, and its bases.
 *
 * A base is a number that is taken off every pixel of a box and channel. The derivatives of a bin's taps add up to 0
 * along their axis, in every convention: a sample that moves takes from one pixel what it gives to the next, and others
 * have none. So a base changes no gradient, but it changes what is rounded: products with pixels that are all near 10^6
 * cancel but for their rounding errors, which were 3 % of the gradient; products with what is left of them do not.
 *
 * Decisions
 * a) The base is the median of three pixels, those of the first, the middle and the last tap and line: known before any
 *    sum, and a matter of the box and its channel alone (not of a box's pieces, whose sums join). One pixel would be
 *    nearer at hand, but one that is far from all others, such as a mark for missing data in a corner that has no part in
 *    any derivative, would then cost all others their digits.
 * b) It is taken off where pixels are loaded. What was weighed and added up is rounded already, and a base that is taken
 *    off afterwards leaves those errors.
 * c) Beyond most_base, and where a pixel is not finite, 0 stands for it: differences are then finite where pixels are.
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

/* Where the pixels lie that make the base of a box: elements from the first one of a map or plane. */
struct BasePixels {
    index first, middle, last;
};

template <class A>
inline BasePixels base_pixels(const GradientJob& g, index k) {
    const BoxPlan& box = g.boxes[k];
    const int* const rows = g.pixels + box.taps;
    const Lines<A, 3> x = x_lines<A, 3>(g, k);
    const auto at = [&](index t, index j) { return rows[t] * g.maps.y + x.line[j].pixel * g.maps.x; };
    return BasePixels{at(0, 0), at(box.y_count / 2, x.count / 2), at(box.y_count - 1, x.count - 1)};
}

/* 2^100 and 2^960: less than half a unit in the last place of the largest number. */
template <class A>
inline A most_base() {
    return static_cast<A>(sizeof(A) == 4 ? 1.2676506002282294e30 : 9.7453140114e288);
}

template <class A, class S>
inline A bounded(const S& pixel) {
    const A value = static_cast<A>(value_of(pixel)), most = most_base<A>();
    return value > -most && value < most ? value : 0;
}

/* The base that the pixels make, with the other sign: it is added. map: the first pixel of their map or plane. */
template <class A, class S>
inline A minus_base(const S* map, const BasePixels& at) {
    const A a = bounded<A>(map[at.first]), b = bounded<A>(map[at.middle]), c = bounded<A>(map[at.last]);
    return -larger(smaller(a, b), smaller(larger(a, b), c)); /* the one in the middle */
}

template <class S>
inline void expect_bases(const S* map, const BasePixels& at) {
    expect(map + at.first);
    expect(map + at.middle);
    expect(map + at.last);
}

/* Fused: what is added to a vector that begins with channel 0, and to one pixel more, so that a vector which begins with
 * another channel finds its own there (Window::phase). */
template <class A, class S>
inline void read_bases(const GradientJob& g, const S* map, const BasePixels& at, A* to /* OUT */) {
    static_assert(Lanes<A>::count + kMostPixelForBoxes <= kPixelChannels, "a vector and a pixel have room");
    for (index i = 0, c = 0; i < Lanes<A>::count + g.maps.x; ++i, c = c + 1 < g.maps.x ? c + 1 : 0) {
        to[i] = c < g.row_channels ? minus_base<A>(map + c, at) : 0;
    }
}

}  // namespace cyroi

#endif
