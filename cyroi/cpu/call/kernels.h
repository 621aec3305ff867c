/* The kernels of a SIMD target as the passes see them: tables of functions, which target.h fills and a capsule of the
 * target's module hands over.
 *
 * Compiled once, and seen by all targets. */
#ifndef CYROI_CPU_CALL_KERNELS_H
#define CYROI_CPU_CALL_KERNELS_H

#include "call/gradient_job.h"
#include "call/schedule.h"

namespace cyroi {

/* For maps of one storage type. */
struct Kernels {
    int lanes;                                         /* of the type that is computed with */
    Cut (*cut)(const Job&, index, Block*);             /* cut_box */
    void (*tabulate)(const Job&, index, void*, void*); /* tabulate_box */
    index (*scratch)(const Job&);                      /* scratch_size */
    void (*run)(const Job&, index, char*);             /* run_item */
};

struct GradientKernels {
    int lanes;
    void (*turn)(const GradientJob&, index);
    void (*tabulate)(const GradientJob&, index);
    index (*scratch)(const GradientJob&); /* bytes that a thread needs for ... */
    void (*run)(const GradientJob&, index, char*);
};

struct Target {
    Kernels forward[ELEMENT_COUNT];
    GradientKernels to_maps[2]; /* computed in float, in double */
    GradientKernels to_boxes[ELEMENT_COUNT];
};

}  // namespace cyroi

#endif
