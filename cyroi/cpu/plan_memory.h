/* The memory of a call's largest chunk of boxes, as parts of one allocation. Whoever allocates asks for its size first.
 * */
#ifndef CYROI_CPU_PLAN_MEMORY_H
#define CYROI_CPU_PLAN_MEMORY_H

#include "blocks.h"
#include "schedule.h"

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
};

/* Hands out parts of the memory at `base`, each from the beginning of a cache line. */
class Parts {
  public:
    explicit Parts(char* base) : base_(base), used_(0) {}

    template <class T>
    void take(T*& part, index count, size_t size = sizeof(T)) {
        const size_t most = ~static_cast<size_t>(0) / 4; /* beyond, no allocation succeeds, and no sum overflows */
        const size_t start = (used_ + 63) / 64 * 64;
        used_ = static_cast<size_t>(count) > (most - smaller(start, most)) / size ? most : start + count * size;
        part = base_ ? static_cast<T*>(static_cast<void*>(base_ + start)) : nullptr;
    }
    size_t used() const { return used_; }

  private:
    char* base_;
    size_t used_;
};

/* The parts of a plan behind `base`; gives the bytes of all. real_size: of a weight; blocks: whether rows are cut. */
inline size_t lay_out(Plan& plan, char* base, const Tile& tile, size_t real_size, int lanes, bool blocks) {
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
