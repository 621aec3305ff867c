/* The route of a gradient: as in the forward pass (route.h), and how its work is cut. */
#ifndef CYROI_CPU_CALL_GRADIENT_ROUTE_H
#define CYROI_CPU_CALL_GRADIENT_ROUTE_H

#include "call/gradient_job.h"
#include "call/route.h"

namespace cyroi {

/* The route pixels instead of fused. */
inline void go_by_pixels(const Array& maps, const Array& grad, Job& job /* IN and OUT */) {
    job.route = PIXELS;
    job.row_channels = 1;
    job.out.contiguous = grad.strides[1] == element_size(grad.element) || job.channels == 1;
    job.out.plain = is_plain(job, maps);
}

/* Strides, route, and how images are cut into regions: at least two for each thread. */
inline bool describe_maps(const Array& maps, const Array& grad, const Cache& cache, int threads, GradientJob& g) {
    Job& job = g.job;
    if (!describe(maps, grad, 0, cache, job)) return false;
    if (job.route == FUSED && job.maps.x != job.channels) { /* what lies between pixels is not ours to write */
        go_by_pixels(maps, grad, job);
    }
    g.images = maps.shape[0];
    g.columns = maps.shape[3];
    const index wanted = threads > 1 ? 2 * threads : 1;
    const index share = job.channels * g.images / wanted;
    if (job.route == PLANES) job.planes = larger<index>(1, smaller(job.planes, share));
    if (job.route == PIXELS) job.planes = smaller(job.planes, (share / kPixelBlock + 1) * kPixelBlock);
    g.blocks = (job.channels + job.planes - 1) / job.planes;
    /* Each band walks through all boxes. Bytes bound the time of an item, between whose looks for signals it runs. */
    const index row = job.route == FUSED ? job.row_elements : g.columns * job.planes;
    const index for_signals = row * job.rows * element_size(job.maps_element) / kRegionBytes + 1;
    const index for_threads = smaller(wanted / (g.images * g.blocks), job.rows / kRegionRows);
    g.bands = smaller(larger(for_signals, for_threads), job.rows);
    return true;
}

inline bool describe_boxes(const Array& maps, const Array& grad, const Cache& cache, GradientJob& g) {
    Job& job = g.job;
    if (!describe(maps, grad, 0, cache, job)) return false;
    if (job.route == FUSED) { /* which route a call takes decides about the last bits of its sums */
        const bool near = job.channels <= job.maps.x && job.maps.x <= kMostPixelForBoxes;
        if (job.channels > kFusedForBoxes || !near) go_by_pixels(maps, grad, job);
        job.gathered = false;
        job.pixel = job.maps.x;
        job.row_elements = (maps.shape[3] - 1) * job.pixel + job.row_channels;
    }
    g.images = maps.shape[0];
    g.columns = maps.shape[3];
    job.planes = smaller(kGroup, job.planes);
    g.groups = (job.channels + kGroup - 1) / kGroup;
    g.parts = job.route == PIXELS ? 1 : g.groups;
    return true;
}

}  // namespace cyroi

#endif
