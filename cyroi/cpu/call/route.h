/* The route of a call: in which order its maps are walked through, and where its results go on the way.
 * Compiled once. */
#ifndef CYROI_CPU_CALL_ROUTE_H
#define CYROI_CPU_CALL_ROUTE_H

#include "call/array.h"
#include "call/job.h"

namespace cyroi {

/* Bytes. */
struct Cache {
    index own;    /* that a core has to itself */
    index result; /* a result of this size and more is not worth keeping in the caches */
};

/* How many channels share a pass over the boxes, so that their planes stay in a cache of so many bytes. staged: whether
 * results are formed by whole rows. */
inline index planes_at_once(const MapsJob& job, bool staged, index cache) {
    if (job.route == FUSED || (job.route == PIXELS && staged)) return job.channels;
    if (job.route == PIXELS) return smaller(job.channels, kPixelChannels);
    const index row = job.maps.y < 0 ? -job.maps.y : job.maps.y;
    const index plane = larger<index>(1, job.rows * row * element_size(job.maps_element));
    return smaller(job.channels, larger<index>(1, smaller(kMostPlanes, cache / kCacheShare / plane)));
}

/* Whether results go past the caches. */
inline bool is_streamed(const Job& job, const Array& out, index least) {
    const index size = element_size(out.element), bins = job.route == PLANES ? 1 : job.channels;
    const index row = out.shape[3] * bins * size, plane = row * out.shape[2];
    const bool whole = job.route != PLANES || out.strides[1] == plane; /* rows of a box follow each other */
    const index bytes = job.route != PLANES ? row : (whole ? plane * job.planes : row);
    const bool large = out.shape[0] * out.shape[1] * plane >= least;
    return job.out.contiguous && out.strides[2] == row && large && bytes >= kLeastStream;
}

/* Crops from bin (y, x) on, where a tile begins. */
template <class Byte>
inline void set_tile(const Array& array, index y, index x, Crops<Byte>& crops /* OUT: data */) {
    crops.data = array.data + y * array.strides[2] + x * array.strides[3];
}

/* How crops lie that are computed from maps by this route. */
template <class Byte>
inline void describe_crops(const Array& array, const MapsJob& job, Crops<Byte>& crops /* OUT */) {
    const index stored = element_size(array.element);
    const int computed = job.maps_element == FLOAT64 ? FLOAT64 : FLOAT32;
    const index size = element_size(computed), *step = array.strides;
    const bool together = step[1] == stored || job.channels == 1;
    const bool in_row = step[3] == job.row_channels * stored && (job.row_channels == 1 || together);
    const bool contiguous = job.route == PIXELS ? together : in_row;
    const bool whole = step[0] % size == 0 && step[1] % size == 0 && step[2] % size == 0 && step[3] % size == 0;
    const bool plain = contiguous && array.element == computed && whole;
    crops = Crops<Byte>{array.data, step[0], step[1], step[2], step[3], array.element, contiguous, plain};
}

/* Strides, route (executor.h) and what follows from them; false if no stride of the maps is one element.
 *
 * The stride of an axis of length 1 means nothing: x takes 1 there. */
inline bool describe_maps(const Array& maps, MapsJob& job /* OUT */) {
    const index size = element_size(maps.element);
    static const double nothing = 0; /* a pointer to an array without elements may be null, or lead nowhere */
    const bool empty = is_empty(maps);
    job.maps = empty ? Strides{0, 0, 0, 1}
                     : Strides{maps.strides[0] / size, maps.strides[1] / size, maps.strides[2] / size,
                               maps.shape[3] > 1 ? maps.strides[3] / size : 1};
    job.map_data = empty ? static_cast<const void*>(&nothing) : maps.data;
    job.maps_element = maps.element;
    job.channels = maps.shape[1];
    job.rows = maps.shape[2];
    if (job.maps.x == 1) {
        job.route = PLANES;
    } else if (job.maps.c != 1 && job.channels > 1) {
        return false;
    } else {
        const index wide = maps.element == FLOAT64 ? 2 : 1; /* a bin of all channels fits a vector */
        job.route = job.channels * wide <= kFusedChannels ? FUSED : PIXELS;
    }
    job.row_channels = job.route == FUSED ? job.channels : 1;
    job.gathered =
        job.route == FUSED && job.maps.x != job.channels && (job.maps.x < job.channels || job.maps.x > kMaxFusedPixel);
    job.pixel = job.gathered ? job.channels : job.maps.x;
    job.row_elements = (maps.shape[3] - 1) * job.pixel + job.row_channels;
    return true;
}

/* The forward pass; false as above. */
inline bool describe(const Array& maps, const Array& out, double fill, const Cache& cache, Job& job /* OUT */) {
    if (!describe_maps(maps, job)) return false;
    describe_crops(out, job, job.out);
    job.fill = fill;
    job.planes = planes_at_once(job, job.out.contiguous && !job.out.plain, cache.own);
    job.streams = is_streamed(job, out, cache.result);
    return true;
}

}  // namespace cyroi

#endif
