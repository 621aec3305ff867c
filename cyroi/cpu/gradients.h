/* The kernels of both gradients of one SIMD target as a table of functions, like kernels.h. */
#ifndef CYROI_CPU_GRADIENTS_H
#define CYROI_CPU_GRADIENTS_H

#include "box_sums.h"
#include "to_maps.h"

namespace cyroi {

struct GradientKernels {
    int lanes;
    void (*turn)(const GradientJob&, index);
    void (*fill)(const GradientJob&, index);
    index (*scratch)(const GradientJob&); /* bytes that a thread needs for ... */
    void (*run)(const GradientJob&, index, char*);
};

struct GradientTarget {
    GradientKernels to_maps[2]; /* computed in float, in double */
    GradientKernels to_boxes[ELEMENT_COUNT];
};

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
    const Job& job = g.job;
    const BoxPlan& box = job.boxes[k];
    Share<A, 1>* shares = static_cast<Share<A, 1>*>(g.shares);
    Turned& turned = g.turned[k];
    turned = Turned();
    turned.y_lines = turn(y_bins<A>(job, k), job.bins_y, g.batch, shares + box.taps, g.lines + box.taps);
    turned.x_lines = turn(x_bins<A>(job, k), job.bins_x, job.bins_x, shares + box.taps_x, g.lines + box.taps_x);
    if (turned.x_lines == 0) turned.y_lines = 0;
    find_rows(g.lines + box.taps, turned);
    if (job.route != PIXELS) measure_windows<A, 1>(g, k, turned);
}

template <class A>
inline void turn_for_boxes(const GradientJob& g, index k) {
    const Job& job = g.job;
    const BoxPlan& box = job.boxes[k];
    Turned& turned = g.turned[k];
    turned = Turned();
    turned.y_lines = box.y_count;
    turned.x_lines = turn(x_bins<A>(job, k), static_cast<const A*>(g.by_lo) + box.taps_x,
                          static_cast<const A*>(g.by_hi) + box.taps_x, job.bins_x,
                          static_cast<Share<A, 3>*>(g.shares) + box.taps_x, g.lines + box.taps_x);
    if (job.route != PIXELS) measure_windows<A, 3>(g, k, turned);
}

template <class A>
inline GradientKernels kernels_to_maps() {
    return GradientKernels{Lanes<A>::count, turn_for_maps<A>, fill_windows<A, 1>, map_scratch<A>, run_region<A>};
}

template <class S>
inline GradientKernels kernels_to_boxes() {
    typedef typename Arithmetic<S>::Type A;
    return GradientKernels{Lanes<A>::count, turn_for_boxes<A>, fill_windows<A, 3>, box_scratch<A>, run_boxes<S>};
}

inline const GradientTarget* gradient_target() {
    static const GradientTarget table = {
        {kernels_to_maps<float>(), kernels_to_maps<double>()},
        {kernels_to_boxes<float>(), kernels_to_boxes<double>(), kernels_to_boxes<Float16>(),
         kernels_to_boxes<BFloat16>(), kernels_to_boxes<UInt8>(), kernels_to_boxes<Int8>(), kernels_to_boxes<UInt16>(),
         kernels_to_boxes<Int16>()}};
    return &table;
}

}  // namespace cyroi

#endif
