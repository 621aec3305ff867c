/* The route of a call: in which order its maps are walked through, and where its results go on the way. */
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

/* How many channels share a pass over the boxes, so that their planes stay in a cache of so many bytes. */
inline index planes_at_once(const Job& job, index cache) {
    const bool staged = job.out.contiguous && !job.out.plain; /* by whole rows */
    if (job.route == FUSED || (job.route == PIXELS && staged)) return job.channels;
    if (job.route == PIXELS) return smaller(job.channels, kPixelChannels);
    const index row = job.maps.y < 0 ? -job.maps.y : job.maps.y;
    const index plane = larger<index>(1, job.rows * row * element_size(job.maps_element));
    return smaller(job.channels, larger<index>(1, smaller(kMostPlanes, cache / kCacheShare / plane)));
}

/* Whether results go past the caches. */
inline void describe_streams(const Array& out, index least, Job& job /* IN and OUT */) {
    const index size = element_size(out.element), bins = job.route == PLANES ? 1 : job.channels;
    const index row = out.shape[3] * bins * size, plane = row * out.shape[2];
    const bool whole = job.route != PLANES || out.strides[1] == plane; /* rows of a box follow each other */
    const index run = job.route != PLANES ? row : (whole ? plane * job.planes : row);
    const bool large = out.shape[0] * out.shape[1] * plane >= least;
    job.out.streams = job.out.contiguous && out.strides[2] == row && large && run >= kLeastRun;
}

/* The output from bin (y, x) on, where a tile begins. */
inline void set_tile(const Array& out, index y, index x, Job& job /* IN and OUT */) {
    job.out.data = out.data + y * out.strides[2] + x * out.strides[3];
}

/* Whether the kernels work on the result's memory as on their own: elements of the type that is computed with, apart by
 * whole elements. */
inline bool is_plain(const Job& job, const Array& maps) {
    const int computed = maps.element == FLOAT64 ? FLOAT64 : FLOAT32;
    const index size = element_size(computed);
    const bool whole = job.out.n % size == 0 && job.out.c % size == 0 && job.out.y % size == 0 && job.out.x % size == 0;
    return job.out.contiguous && job.out.element == computed && whole;
}

/* Strides, route (executor.h) and what follows from them; false if no stride of the maps is one element.
 *
 * The stride of an axis of length 1 means nothing: x takes 1 there. */
inline bool describe(const Array& maps, const Array& out, double fill, const Cache& cache, Job& job /* OUT */) {
    const index size = element_size(maps.element);
    static const double nothing = 0; /* a pointer to an array without elements may be null, or lead nowhere */
    const bool empty = is_empty(maps);
    job.maps = empty ? Strides{0, 0, 0, 1}
                     : Strides{maps.strides[0] / size, maps.strides[1] / size, maps.strides[2] / size,
                               maps.shape[3] > 1 ? maps.strides[3] / size : 1};
    job.out = Output{out.data,    out.strides[0], out.strides[1], out.strides[2], out.strides[3],
                     out.element, false,          false,          false};
    job.map_data = empty ? static_cast<const void*>(&nothing) : maps.data;
    job.maps_element = maps.element;
    job.channels = maps.shape[1];
    job.fill = fill;
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
    job.rows = maps.shape[2];
    job.row_elements = (maps.shape[3] - 1) * job.pixel + job.row_channels;
    const index stored = element_size(out.element);
    const bool together = out.strides[1] == stored || job.channels == 1;
    if (job.route == PIXELS) {
        job.out.contiguous = together;
    } else {
        job.out.contiguous = job.out.x == job.row_channels * stored && (job.row_channels == 1 || together);
    }
    job.out.plain = is_plain(job, maps);
    job.planes = planes_at_once(job, cache.own);
    describe_streams(out, cache.result, job);
    return true;
}

}  // namespace cyroi

#endif
