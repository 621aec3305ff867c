/* The gradient to the maps: work items, each of them a region of the maps that belongs to one thread.
 *
 * A region is some channels and a band of rows of one image. Its item zeroes it, which brings it into the cache,
 * and then adds all boxes of the image in the user's order.
 *
 * Decisions
 * a) For each pixel the sum runs over boxes, then over rows of bins (ascending), one fused multiply-add each, of what
 *    the bins of the row give to its column (ascending). Nothing in this order depends on regions, chunks, batches,
 *    windows, routes or other channels, so neither do the bits. No two items write the same pixel: no atomics, no
 *    copies of the map.
 * b) A chunk of boxes that is not the first goes on with what the one before left. Outputs beyond a tile of bins come
 *    tile by tile: then all boxes of the first tile come before those of the second.
 * c) What a box adds where a column is reached by none of its bins, but lies in a window, is weight times 0: nothing. A
 *    pixel of weight 0 gets nothing either, not even 0 times infinity, because it is no tap.
 *
 * Compiled per SIMD target. */
#ifndef CYROI_CPU_BACKWARD_TO_MAPS_H
#define CYROI_CPU_BACKWARD_TO_MAPS_H

#include "backward/maps_pixels.h"

namespace cyroi {

inline Region region_of(const GradientJob& g, index item) {
    const index of_image = g.channel_cuts * g.bands, cut = item % of_image / g.bands, band = item % g.bands;
    return Region{item / of_image, cut * g.planes, smaller(g.channels, (cut + 1) * g.planes), g.rows * band / g.bands,
                  g.rows * (band + 1) / g.bands};
}

/* Bytes of what a thread works in. */
template <class A>
inline index map_scratch(const GradientJob& g) {
    return static_cast<index>(sizeof(MapScratch<A>) - (g.grad.plain ? sizeof(A) * kRowRoom : 0));
}

template <class A>
inline void run_region(const GradientJob& g, index item, char* memory) {
    MapScratch<A>& scratch = *reinterpret_cast<MapScratch<A>*>(memory);
    const Region region = region_of(g, item);
    const bool pixels = g.route == PIXELS;
    if (g.zero) pixels ? clear_pixels<A>(g, region) : clear_planes<A>(g, region);
    for (index i = g.first[region.image]; i < g.first[region.image + 1]; ++i) {
        const index k = g.order[i];
        const Turned& turned = g.turned[k];
        if (turned.last_row < region.y0 || turned.first_row >= region.y1) continue;
        const index next = i + 1 < g.first[region.image + 1] ? g.order[i + 1] : k;
        pixels ? add_to_pixels<A>(g, k, region, scratch) : add_to_planes<A>(g, k, next, region, scratch);
    }
}

}  // namespace cyroi

#endif
