/* A chunk of boxes, once it is planned: what every direction begins with.
 *
 * Compiled once, and seen by all targets. */
#ifndef CYROI_CPU_CALL_CHUNK_H
#define CYROI_CPU_CALL_CHUNK_H

#include "call/arena.h"
#include "cyroi/plan.h"

namespace cyroi {

/* What boxes need together, at most. */
struct Need {
    index boxes = 0, taps = 0;
    index pieces = 0; /* gradient to the boxes: into which they are cut */
    double cost = 0;  /* to compute them, where that bounds a chunk */
};

/* The arrays of a chunk are parts of the one allocation of a call. lay_out() gives them their places, here and in what
 * a direction adds; kernels of work items read them, and write to their own scratch only. */
struct Chunk {
    BoxPlan* boxes; /* of each box */
    index* order;   /* boxes by image, in the user's order within one */
    int* ends;      /* bins_y + bins_x of them per box */
    int* pixels;    /* taps */
    void* weights;  /* taps, of the type that is computed with, like all weights */
    char* scratch;  /* what threads work in, a piece for each */
    index scratch_size;

    void lay_out(Arena& arena, const Need& need, const Tile& tile, size_t weight_size) {
        arena.take(boxes, need.boxes);
        arena.take(order, need.boxes);
        arena.take(ends, need.boxes * (tile.bins_y + tile.bins_x));
        arena.take(pixels, need.taps);
        arena.take(weights, need.taps, weight_size);
    }
    /* Last, behind everything else. */
    void lay_out_scratch(Arena& arena, int threads) { arena.take(scratch, threads, static_cast<size_t>(scratch_size)); }
};

}  // namespace cyroi

#endif
