/* The gradient to the boxes: from the sums of lanes to those of a box, and the work items. See to_boxes.h.
 * Compiled per SIMD target. */
#ifndef CYROI_CPU_BACKWARD_BOX_SUMS_H
#define CYROI_CPU_BACKWARD_BOX_SUMS_H

#include "backward/to_boxes.h"

namespace cyroi {

/* The four sums of a box, once lanes are added up; false if one of them is not finite. */
template <class A>
inline bool add_up(const LaneSums<A>& lanes, double (&sums)[4] /* OUT */) {
    bool finite = true;
    for (int s = 0; s < 4; ++s) {
        sums[s] = static_cast<double>(Lanes<A>::sum(lanes.at[s]));
        finite = finite && sums[s] - sums[s] == 0;
    }
    return finite;
}

template <class A>
inline void clear(LaneSums<A>& lanes) {
    for (int s = 0; s < 4; ++s) lanes.at[s] = Lanes<A>::set(0);
}

/* Planes and fused: the sums of box k and channel c; false if one of them is not finite. at: of its base. */
template <bool exact, class S, class A>
CYROI_INLINE bool sum_plane(const GradientJob& g, const Run& run, index k, index c, const BasePixels& at,
                            BoxScratch<A>& scratch, double (&sums)[4] /* OUT */) {
    LaneSums<A> lanes;
    clear(lanes);
    contract_plane<exact, S>(g, run, k, c, at, scratch, lanes);
    return add_up(lanes, sums);
}

/* The same, leaving out what has no part; a function of its own, because its twin is called for every plane. */
template <class S, class A>
CYROI_KERNEL void sum_plane_exactly(const GradientJob& g, const Run& run, index k, index c, const BasePixels& at,
                                    BoxScratch<A>& scratch, double (&sums)[4] /* OUT */) {
    sum_plane<true, S>(g, run, k, c, at, scratch, sums);
}

/* Planes and fused: a run of boxes and a group of channels, a few planes at a time. */
template <class S, class A>
inline void run_planes(const GradientJob& g, const Run& run, index group, BoxScratch<A>& scratch) {
    const index last = smaller(g.channels, (group + 1) * kGroup);
    for (index c0 = group * kGroup; c0 < last; c0 += g.planes) {
        for (index i = run.first; i < run.last; ++i) {
            const index k = g.order[i];
            double* const total = sums_of(g, run, i, group);
            if (g.turned[k].y_lines == 0 || g.turned[k].x_lines == 0) continue;
            const char* const ahead = grad_row(g, g.order[smaller(i + 1, run.last - 1)], 0, 0);
            const BasePixels at = base_pixels<A>(g, k);
            if (g.route == FUSED) read_bases(g, map_of<S>(g, k, 0), at, scratch.base);
            for (index c = c0; c < smaller(last, c0 + g.planes); c += g.row_channels) {
                if (i + 1 < run.last) expect_rows(g, ahead + c * g.grad.c);
                if (c + 1 < last) expect_bases(map_of<S>(g, k, c + 1), at);
                double sums[4];
                if (!sum_plane<false, S>(g, run, k, c, at, scratch, sums))
                    sum_plane_exactly<S>(g, run, k, c, at, scratch, sums);
                for (int s = 0; s < 4; ++s) total[s] += sums[s];
            }
        }
    }
}

/* Pixels: channels [c0, c0 + count) of box order[i], at most kPixelChannels, added to its sums. */
template <class S, class A>
inline void add_channels(const GradientJob& g, const Run& run, index i, index c0, index count, BoxScratch<A>& scratch) {
    const index lanes = Lanes<A>::count, k = g.order[i];
    LaneSums<A>* const quick = scratch.sums[0];
    LaneSums<A>* const exact = scratch.sums[1];
    bool formed = false; /* the exact sums, from the first vector on that needs them */
    for (index c = 0; c < count; c += lanes) clear(quick[c / lanes]);
    const S* const map = map_of<S>(g, k, c0);
    const BasePixels at = base_pixels<A>(g, k);
    for (index c = 0; c < count; ++c) scratch.base[c] = minus_base<A>(map + c, at);
    for (index c = count; c % lanes; ++c) scratch.base[c] = 0; /* lanes that are added up too */
    contract_pixels<false, S>(g, run, k, c0, count, scratch.base, scratch.room, quick);
    for (index c = 0; c < count; c += lanes) {
        double sums[4];
        if (!add_up(quick[c / lanes], sums)) {
            if (!formed) {
                for (index v = c; v < count; v += lanes) clear(exact[v / lanes]);
                contract_pixels<true, S>(g, run, k, c0 + c, count - c, scratch.base + c, scratch.room,
                                         exact + c / lanes);
                formed = true;
            }
            add_up(exact[c / lanes], sums);
        }
        double* const total = sums_of(g, run, i, (c0 + c) / kGroup);
        for (int s = 0; s < 4; ++s) total[s] += sums[s];
    }
}

/* Pixels: a run of boxes, with all of their channels, which lie together. */
template <class S, class A>
inline void run_pixels(const GradientJob& g, const Run& run, BoxScratch<A>& scratch) {
    static_assert(kGroup % Lanes<A>::count == 0, "a vector of channels lies in one group");
    const index channels = g.channels;
    for (index i = run.first; i < run.last; ++i) {
        const Turned& turned = g.turned[g.order[i]];
        if (turned.y_lines == 0 || turned.x_lines == 0) continue;
        for (index c = 0; c < channels; c += kPixelChannels) {
            add_channels<S>(g, run, i, c, smaller(kPixelChannels, channels - c), scratch);
        }
    }
}

/* A run of boxes and, but on the route pixels, a group of channels, in `memory` of its thread. */
template <class S>
inline void run_boxes(const GradientJob& g, index item, char* memory) {
    typedef BoxScratch<typename Arithmetic<S>::Type> Memory;
    Memory& scratch = *reinterpret_cast<Memory*>(memory);
    if (g.route == PIXELS) return run_pixels<S>(g, g.runs[item], scratch);
    run_planes<S>(g, g.runs[item / g.groups], item % g.groups, scratch);
}

/* Bytes of what a thread works in. */
template <class A>
inline index box_scratch(const GradientJob& g) {
    return static_cast<index>(sizeof(BoxScratch<A>) - (g.grad.plain ? sizeof(A) * kRowRoom : 0));
}

}  // namespace cyroi

#endif
