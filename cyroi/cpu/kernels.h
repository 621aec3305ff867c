/* The kernels of one SIMD target as a table of functions, which its module hands to _core in a capsule.
 *
 * Everything here is compiled once per target into a module of its own, from the same source. Templates and inline
 * functions of different targets never meet in one linked object, so a linker cannot merge the code of one into another. */
#ifndef CYROI_CPU_KERNELS_H
#define CYROI_CPU_KERNELS_H

#include "executor.h"
#include "schedule.h"

namespace cyroi {

template <class A>
struct Kernels {
    int lanes;
    Cut (*cut)(const Job&, const A*, index, Block*);                   /* cut_box */
    void (*fill)(const Job&, const A*, index, void*, A*);              /* fill_box */
    void (*run)(const Job&, const Schedule&, const Arrays<A>&, index); /* run_item */
};

struct Target {
    Kernels<float> floats;
    Kernels<double> doubles;
};

/* Runs one work item. */
template <class A>
inline void run_item(const Job& job, const Schedule& s, const Arrays<A>& arrays, index item) {
    const Group& g = group_of(s, item);
    const Span& span = s.spans[g.first_span + (item - g.first_item) % g.spans];
    const index c0 = (item - g.first_item) / g.spans * g.block;
    const index c1 = smaller(job.channels, c0 + g.block);
    /* A few planes at a time, so that they stay in the cache while all boxes of the span read them. */
    const index step = channels_at_once(job);
    for (index c = c0; c < c1; c += step) {
        for (index i = span.first; i < span.last; ++i) {
            run_box(job, arrays, s.order[i], c, smaller(c1, c + step), span.p0, span.p1);
        }
    }
}

template <class A>
inline Kernels<A> kernels() {
    return Kernels<A>{Lanes<A>::count, cut_box<A>, fill_box<A>, run_item<A>};
}

inline const Target* target() {
    static const Target table = {kernels<float>(), kernels<double>()};
    return &table;
}

}  // namespace cyroi

#endif
