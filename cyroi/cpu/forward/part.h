/* What the forward kernels see of one work item: one box, some of its channels and output rows.
 *
 * Compiled per SIMD target. */
#ifndef CYROI_CPU_FORWARD_PART_H
#define CYROI_CPU_FORWARD_PART_H

#include "call/job.h"
#include "cyroi/elements.h"

namespace cyroi {

/* The memory that a thread works in (combined_rows.h). */
template <class A>
struct Scratch;

/* One box, some of its channels and output rows. */
template <class S>
struct Part {
    typedef typename Arithmetic<S>::Type A;
    const Job& job;
    index k; /* number of the box in the chunk */
    Bins<A> y, x;
    index channels;
    index p0, p1;
    const S* map; /* IN: first channel, pixel (0, 0) */
    Output out;   /* OUT: from the first channel and row p0 on */
    Scratch<A>* scratch;

    A fill() const { return static_cast<A>(job.fill); }
    char* row(index c, index p) const { return out.data + c * out.c + (p - p0) * out.y; }
};

}  // namespace cyroi

#endif
