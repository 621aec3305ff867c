/* The route of a gradient: as in the forward pass (route.h), and how its work is cut. Compiled once. */
#ifndef CYROI_CPU_CALL_GRADIENT_ROUTE_H
#define CYROI_CPU_CALL_GRADIENT_ROUTE_H

#include "call/gradient_job.h"
#include "call/route.h"

namespace cyroi {

/* The route pixels instead of fused. */
inline void go_by_pixels(GradientJob& g /* IN and OUT */) {
    g.route = PIXELS;
    g.row_channels = 1;
}

/* What follows from the route; planes as in the forward pass. */
inline void describe_gradient(const Array& maps, const Array& grad, const Cache& cache, GradientJob& g /* OUT */) {
    describe_crops(grad, g, g.grad);
    g.planes = planes_at_once(g, g.grad.contiguous && !g.grad.plain, cache.own);
    g.images = maps.shape[0];
    g.columns = maps.shape[3];
    g.groups = g.run_items = g.channel_cuts = g.bands = 1;
}

/* To the maps: strides, route, and how images are cut into regions, at least two for each thread. */
inline bool describe_to_maps(const Array& maps, const Array& grad, const Cache& cache, int threads, GradientJob& g) {
    if (!describe_maps(maps, g)) return false;
    if (g.route == FUSED && g.maps.x != g.channels) go_by_pixels(g); /* what lies between pixels is not ours to write */
    describe_gradient(maps, grad, cache, g);
    g.to_maps = maps.data;
    g.zero = true;
    const index wanted = threads > 1 ? 2 * threads : 1;
    const index share = g.channels * g.images / wanted;
    if (g.route == PLANES) g.planes = larger<index>(1, smaller(g.planes, share));
    if (g.route == PIXELS) g.planes = smaller(g.planes, (share / kPixelStep + 1) * kPixelStep);
    g.channel_cuts = (g.channels + g.planes - 1) / g.planes;
    /* Each band walks through all boxes. Bytes bound the time of an item, between whose looks for signals it runs. */
    const index row = g.route == FUSED ? g.row_elements : g.columns * g.planes;
    const index for_signals = row * g.rows * element_size(g.maps_element) / kRegionBytes + 1;
    const index for_threads = smaller(wanted / (g.images * g.channel_cuts), g.rows / kRegionRows);
    g.bands = smaller(larger(for_signals, for_threads), g.rows);
    return true;
}

/* To the boxes. */
inline bool describe_to_boxes(const Array& maps, const Array& grad, const Cache& cache, GradientJob& g) {
    if (!describe_maps(maps, g)) return false;
    if (g.route == FUSED) { /* which route a call takes decides about the last bits of its sums */
        const bool near = g.channels <= g.maps.x && g.maps.x <= kMostPixelForBoxes;
        if (g.channels > kFusedForBoxes || !near) go_by_pixels(g);
        g.gathered = false;
        g.pixel = g.maps.x;
        g.row_elements = (maps.shape[3] - 1) * g.pixel + g.row_channels;
    }
    describe_gradient(maps, grad, cache, g);
    g.to_maps = nullptr;
    g.zero = false;
    g.planes = smaller(kGroup, g.planes);
    g.groups = (g.channels + kGroup - 1) / kGroup;
    g.run_items = g.route == PIXELS ? 1 : g.groups;
    return true;
}

}  // namespace cyroi

#endif
