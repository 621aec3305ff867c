/* The kernels of one SIMD target as a table of functions, which its module hands to _core in a capsule.
 *
 * Everything here is compiled once per target into a module of its own, from the same source. Templates and inline
 * functions of different targets never meet in one linked object, so a linker cannot merge the code of one into
 * another. */
#ifndef CYROI_CPU_KERNELS_H
#define CYROI_CPU_KERNELS_H

#include "executor.h"
#include "schedule.h"

namespace cyroi {

/* For maps of one storage type. */
struct Kernels {
    int lanes;                                              /* of the type that is computed with */
    Cut (*cut)(const Job&, index, Block*);                  /* cut_box */
    void (*fill)(const Job&, index, void*, void*);          /* fill_box */
    index (*scratch)(const Job&);                           /* scratch_size */
    void (*run)(const Job&, const Schedule&, index, char*); /* run_item */
};

struct Target {
    Kernels of[ELEMENT_COUNT];
};

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
inline void run_item(const Job& job, const Schedule& s, index item, char* memory) {
    typedef Scratch<typename Arithmetic<S>::Type> Memory;
    Memory& scratch = *reinterpret_cast<Memory*>(memory);
    const Group& g = group_of(s, item);
    const Span& span = s.spans[g.first_span + (item - g.first_item) % g.spans];
    const index c0 = (item - g.first_item) / g.spans * g.block;
    const index c1 = smaller(job.channels, c0 + g.block);
    /* A few planes at a time, so that they stay in the cache while all boxes of the span read them. */
    for (index c = c0; c < c1; c += job.planes) {
        if (job.route == PLANES && g.fetch) {
            fetch_planes<S>(job, job.boxes[s.order[span.first]].image, c, smaller(c1, c + job.planes));
        }
        for (index i = span.first; i < span.last; ++i) {
            run_box<S>(job, s.order[i], c, smaller(c1, c + job.planes), span.p0, span.p1, scratch);
        }
    }
    if (job.out.streams) finish_streams();
}

template <class S>
inline Kernels kernels_for() {
    typedef typename Arithmetic<S>::Type A;
    return Kernels{Lanes<A>::count, cut_box<A>, fill_box<A>, scratch_size<A>, run_item<S>};
}

inline const Target* target() {
    static const Target table = {{kernels_for<float>(), kernels_for<double>(), kernels_for<Float16>(),
                                  kernels_for<BFloat16>(), kernels_for<UInt8>(), kernels_for<Int8>(),
                                  kernels_for<UInt16>(), kernels_for<Int16>()}};
    return &table;
}

}  // namespace cyroi

#endif
