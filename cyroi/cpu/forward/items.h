/* Work items of the forward pass. */
#ifndef CYROI_CPU_FORWARD_ITEMS_H
#define CYROI_CPU_FORWARD_ITEMS_H

#include "call/schedule.h"
#include "forward/executor.h"

namespace cyroi {

/* Planes [c0, c1) of an image into the cache, row after row: faster than by the boxes, which read here and there. */
template <class S>
inline void fetch_planes(const Job& job, index image, index c0, index c1) {
    const index line = 64 / static_cast<index>(sizeof(S));
    for (index c = c0; c < c1; ++c) {
        const S* row = static_cast<const S*>(job.map_data) + image * job.maps.n + c * job.maps.c;
        for (index y = 0; y < job.rows; ++y, row += job.maps.y) {
            for (index x = 0; x < job.row_elements; x += line) fetch(row + x);
        }
    }
}

/* Runs one work item in `memory` of its thread. */
template <class S>
inline void run_item(const Job& job, index item, char* memory) {
    typedef Scratch<typename Arithmetic<S>::Type> Memory;
    Memory& scratch = *reinterpret_cast<Memory*>(memory);
    const ImageItems& g = items_of(job, item);
    const Span& span = job.spans[g.first_span + (item - g.first_item) % g.spans];
    const index c0 = (item - g.first_item) / g.spans * g.channels;
    const index c1 = smaller(job.channels, c0 + g.channels);
    /* A few planes at a time, so that they stay in the cache while all boxes of the span read them. */
    for (index c = c0; c < c1; c += job.planes) {
        if (job.route == PLANES && g.fetch) {
            fetch_planes<S>(job, job.boxes[job.order[span.first]].image, c, smaller(c1, c + job.planes));
        }
        for (index i = span.first; i < span.last; ++i) {
            run_box<S>(job, job.order[i], c, smaller(c1, c + job.planes), span.p0, span.p1, scratch);
        }
    }
    if (job.streams) finish_streams();
}

}  // namespace cyroi

#endif
