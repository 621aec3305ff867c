/* The memory of a call's largest chunk of boxes, as parts of one allocation. Whoever allocates asks for its size first.
 * */
#ifndef CYROI_CPU_CALL_PLAN_MEMORY_H
#define CYROI_CPU_CALL_PLAN_MEMORY_H

#include "call/parts.h"
#include "call/schedule.h"

namespace cyroi {

/* How large the chunk is, and where its parts lie. */
struct Plan {
    index boxes, taps;
    BoxPlan* plans;
    int* ends;
    int* pixels;
    void* weights;
    Cut* cuts;
    Block* blocks;
    void *at, *slot_weights;
    index* order;
    Span* spans;
    Group* groups;
    char* scratch; /* of each thread */
    index scratch_size;
};

/* The parts of a plan behind `base`; gives the bytes of all. real_size: of a weight; blocks: whether rows are cut. */
inline size_t lay_out(Plan& plan, char* base, const Tile& tile, size_t real_size, int lanes, bool blocks, int threads) {
    const index n = plan.boxes, slots = blocks ? n * slot_capacity(tile.bins_x) * lanes : 0;
    Parts parts(base);
    parts.take(plan.plans, n);
    parts.take(plan.order, n);
    parts.take(plan.groups, n);
    parts.take(plan.cuts, n);
    parts.take(plan.blocks, blocks ? n * block_capacity(tile.bins_x) : 0);
    parts.take(plan.spans, span_capacity(n, tile.bins_y));
    parts.take(plan.ends, n * (tile.bins_y + tile.bins_x));
    parts.take(plan.pixels, plan.taps);
    parts.take(plan.weights, plan.taps, real_size);
    parts.take(plan.at, slots, real_size);
    parts.take(plan.slot_weights, slots, real_size);
    parts.take(plan.scratch, threads, static_cast<size_t>(plan.scratch_size));
    return parts.used();
}

/* The plan as the kernels see it. */
inline void publish(const Plan& plan, Job& job, Schedule& schedule) {
    job.boxes = plan.plans;
    job.ends = plan.ends;
    job.pixels = plan.pixels;
    job.weights = plan.weights;
    job.cuts = plan.cuts;
    job.blocks = plan.blocks;
    job.at = plan.at;
    job.slot_weights = plan.slot_weights;
    schedule.order = plan.order;
    schedule.spans = plan.spans;
    schedule.groups = plan.groups;
}

}  // namespace cyroi

#endif
