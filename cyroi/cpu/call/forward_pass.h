/* The forward pass of a separable operator (pass.h): blocks and tables beside the taps, items of schedule.h.
 *
 *     bound      boxes of a chunk, by their samples, taps and slots of tables
 *     plan       taps of a box, and its cut into blocks (but on the route pixels, which has none)
 *     place      where the tables of each box begin among all
 *     prepare    the tables of a box
 *     schedule   spans of boxes times channels
 *
 * Compiled once. */
#ifndef CYROI_CPU_CALL_FORWARD_PASS_H
#define CYROI_CPU_CALL_FORWARD_PASS_H

#include "call/compact.h"
#include "call/kernels.h"
#include "call/pass.h"
#include "call/route.h"

namespace cyroi {

/* G: type of coordinates; A: what is computed with. */
template <class G, class A>
class Forward final : public Pass {
  public:
    Job job;
    Array out;
    const Kernels* kernels;

    bool bound(index k, Need& need) const override {
        const index most =
            smaller(kChunkSamples / samples_per_box(largest), kChunkSlots / slot_capacity(largest.tile.bins_x));
        const index taps = most_taps<G>(k);
        if (need.boxes > 0 && (need.boxes >= most || need.taps + taps > kChunkTaps)) return false;
        ++need.boxes;
        need.taps += taps;
        return true;
    }

    size_t lay_out(const Need& need, char* base) override {
        const index n = need.boxes, bins_x = largest.tile.bins_x, cut = job.route != PIXELS ? n : 0;
        const index slots = cut * slot_capacity(bins_x) * kernels->lanes;
        Arena arena(base);
        job.scratch_size = kernels->scratch(job);
        job.lay_out(arena, need, largest.tile, sizeof(A));
        arena.take(job.of_images, n);
        arena.take(job.spans, span_capacity(n, largest.tile.bins_y));
        arena.take(job.cuts, cut);
        arena.take(job.blocks, cut * block_capacity(bins_x));
        arena.take(job.at, slots, sizeof(A));
        arena.take(job.slot_weights, slots, sizeof(A));
        job.lay_out_scratch(arena, threads);
        return arena.used();
    }

    void set_tile() override {
        cyroi::set_tile(out, op.tile.first_y, op.tile.first_x, job.out);
        job.bins_y = op.tile.bins_y;
        job.bins_x = op.tile.bins_x;
    }

    double planning() const override { return kSampleCost * static_cast<double>(samples_per_box(op)); }

    void plan(index k) override {
        A* const weights = static_cast<A*>(job.weights);
        int* const ends = job.ends + k * (job.bins_y + job.bins_x);
        job.boxes[k] = with_box<G>(first + k, [&](auto sides) {
            return plan_box(op, sides, boxes.images[first + k], job.boxes[k].taps, job.pixels, weights, ends);
        });
        job.boxes[k].row = boxes.row(first + k);
        if (job.route != PIXELS) job.cuts[k] = kernels->cut(job, k, job.blocks + k * block_capacity(job.bins_x));
    }

    bool place(index count) override {
        if (job.route == PIXELS) return false;
        for (index k = 0, table = 0; k < count; ++k) {
            job.cuts[k].table = table;
            table += job.cuts[k].elements;
        }
        return true;
    }

    void prepare(index k) override { kernels->tabulate(job, k, job.at, job.slot_weights); }

    index schedule(index count, double& cost) override { return make_schedule(job, count, threads, cost); }

    void run(index item, int thread) override { kernels->run(job, item, scratch(thread)); }

    void finish() override {}
};

/* Hands a pass to the driver, once it is known of which types it is. */
template <class G, class A>
inline Status forward_with(const Target& target, const Cache& cache, const Operator& op, const Array& maps,
                           const Array& out, const Boxes& boxes, double fill, int threads, bool interruptible,
                           Status (*drive)(Pass&)) {
    Forward<G, A> pass;
    pass.boxes = boxes;
    pass.op = between(op, maps, out);
    pass.tile = kTile;
    pass.chunk = &pass.job;
    pass.threads = threads;
    pass.watch.start(interruptible);
    pass.out = out;
    pass.kernels = &target.forward[maps.element];
    if (!describe(maps, out, fill, cache, pass.job)) return BAD_STRIDES;
    return drive(pass);
}

/* Applies a separable operator, convention and arguments in `op`. Every argument was validated: indices are in range,
 * nothing overlaps, out has as many rows as the boxes name, as many channels as maps, and at least one element.
 *
 * maps    x or c has a stride of one element       IN
 * out     any strides                              OUT
 * boxes   doubles where maps are                   IN */
inline Status forward(const Target& target, const Cache& cache, const Operator& op, const Array& maps, const Array& out,
                      const Boxes& boxes, double fill, int threads, bool interruptible, Status (*drive)(Pass&)) {
    const auto with = maps.element == FLOAT64 ? forward_with<double, double>
                      : boxes.wide            ? forward_with<double, float>
                                              : forward_with<float, float>;
    const Compact read(maps, boxes.count * out.shape[2] * out.shape[3]);
    return with(target, cache, op, read.array(), out, boxes, fill, threads, interruptible, drive);
}

}  // namespace cyroi

#endif
