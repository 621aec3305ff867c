/* A planned box once its taps are turned (cyroi/turned.h), for both gradients. Compiled per SIMD target. */
#ifndef CYROI_CPU_BACKWARD_TURNING_H
#define CYROI_CPU_BACKWARD_TURNING_H

#include "backward/windows.h"

namespace cyroi {

/* The first and last row among lines of several batches. */
inline void find_rows(const Line* lines, Turned& turned /* OUT */) {
    turned.first_row = turned.y_lines > 0 ? lines[0].pixel : 0;
    turned.last_row = -1;
    for (index i = 0; i < turned.y_lines; ++i) {
        turned.first_row = smaller(turned.first_row, lines[i].pixel);
        turned.last_row = larger(turned.last_row, lines[i].pixel);
    }
}

/* Turns the planned taps of box k; its windows are counted only. */
template <class A>
inline void turn_for_maps(const GradientJob& g, index k) {
    const BoxPlan& box = g.boxes[k];
    Share<A, 1>* shares = static_cast<Share<A, 1>*>(g.shares);
    Turned& turned = g.turned[k];
    turned = Turned();
    turned.y_lines = turn(y_bins<A>(g, k), g.bins_y, g.batch, shares + box.taps, g.lines + box.taps);
    turned.x_lines = turn(x_bins<A>(g, k), g.bins_x, g.bins_x, shares + box.taps_x, g.lines + box.taps_x);
    if (turned.x_lines == 0) turned.y_lines = 0;
    find_rows(g.lines + box.taps, turned);
    if (g.route != PIXELS) measure_windows<A, 1>(g, k, turned);
}

template <class A>
inline void turn_for_boxes(const GradientJob& g, index k) {
    const BoxPlan& box = g.boxes[k];
    Turned& turned = g.turned[k];
    turned = Turned();
    turned.y_lines = box.y_count;
    turned.x_lines =
        turn(x_bins<A>(g, k), static_cast<const A*>(g.by_lo) + box.taps_x, static_cast<const A*>(g.by_hi) + box.taps_x,
             g.bins_x, static_cast<Share<A, 3>*>(g.shares) + box.taps_x, g.lines + box.taps_x);
    if (g.route != PIXELS) measure_windows<A, 3>(g, k, turned);
}

}  // namespace cyroi

#endif
