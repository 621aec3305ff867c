/* The gradients of a separable operator (pass.h), to the maps and to the boxes: the taps of the forward pass, turned.
 *
 * Decisions
 * a) To the maps, an item is a region of the maps (to_maps.h), which the first chunk zeroes and every chunk adds to. So
 *    chunks run one after the other, and what bounds the time of an item is the boxes of a chunk.
 * b) To the boxes, an item is a run of boxes and a group of channels (box_sums.h). It leaves its sums in memory of the
 *    chunk, and they are added up in order after all of its items.
 * c) Tables of windows have a fixed room. Boxes beyond it do without, which costs time and no bit.
 *
 * Compiled once. */
#ifndef CYROI_CPU_CALL_GRADIENT_PASS_H
#define CYROI_CPU_CALL_GRADIENT_PASS_H

#include "call/forward_pass.h"
#include "call/gradient_route.h"
#include "call/gradient_schedule.h"

namespace cyroi {

template <class G, class A, bool to_boxes>
class Gradient final : public Pass {
  public:
    GradientJob job;
    Array grad;
    double* result; /* OUT: to the boxes, kBoxSides each */
    const GradientKernels* kernels;

    bool bound(index k, Need& need) const override {
        const index taps = most_taps<G>(k);
        const index pieces = to_boxes ? most_pieces(job, taps, largest.tile.bins_y * largest.tile.bins_x) : 0;
        const double cost = need.cost + cost_bound(job, taps);
        const bool full = need.boxes >= kChunkSamples / samples_per_box(largest) || need.taps + taps > kGradientTaps ||
                          cost > static_cast<double>(kChunkCost) || (need.pieces + pieces) * job.groups > kChunkSums;
        if (need.boxes > 0 && full) return false;
        need = Need{need.boxes + 1, need.taps + taps, need.pieces + pieces, cost};
        return true;
    }

    size_t lay_out(const Need& need, char* base) override {
        const size_t numbers = to_boxes ? 3 : 1;
        const index n = need.boxes, taps = need.taps, slopes = to_boxes ? taps : 0;
        const index windows = job.route != PIXELS ? n * most_windows(job, kernels->lanes) : 0;
        job.table_room = smaller(kTables, windows * kShares * kernels->lanes);
        job.window_room = smaller(windows, job.table_room / kernels->lanes);
        Arena arena(base);
        job.scratch_size = kernels->scratch(job);
        job.lay_out(arena, need, largest.tile, sizeof(A));
        arena.take(job.first, job.images + 1);
        arena.take(job.turned, n);
        arena.take(job.by_lo, slopes, sizeof(A));
        arena.take(job.by_hi, slopes, sizeof(A));
        arena.take(job.lines, taps);
        arena.take(job.shares, taps, 2 * sizeof(int) + numbers * sizeof(A));
        arena.take(job.windows, job.window_room);
        arena.take(job.at, job.table_room, sizeof(A));
        arena.take(job.table_weights, job.table_room, numbers * sizeof(A));
        arena.take(job.runs, need.pieces);
        arena.take(job.sums, kBoxSides * need.pieces * job.groups);
        job.lay_out_scratch(arena, threads);
        return arena.used();
    }

    void set_tile() override {
        cyroi::set_tile(grad, op.tile.first_y, op.tile.first_x, job.grad);
        job.bins_y = op.tile.bins_y;
        job.bins_x = op.tile.bins_x;
        job.batch = batch_rows(job, to_boxes);
    }

    double planning() const override { return kSampleCost * static_cast<double>(samples_per_box(op)) + kTurnCost; }

    void plan(index k) override {
        BoxPlan& plan = job.boxes[k];
        const index image = boxes.images[first + k], taps = plan.taps;
        A* const weights = static_cast<A*>(job.weights);
        int* const ends = job.ends + k * (job.bins_y + job.bins_x);
        plan = with_box<G>(first + k, [&](auto sides) {
            return to_boxes ? plan_slopes(op, sides, image, taps, job.pixels, weights, static_cast<A*>(job.by_lo),
                                          static_cast<A*>(job.by_hi), ends)
                            : plan_box(op, sides, image, taps, job.pixels, weights, ends);
        });
        plan.row = boxes.row(first + k);
        kernels->turn(job, k);
    }

    bool place(index count) override {
        if (job.route == PIXELS) return false;
        place_windows(job, count, job.window_room, job.table_room);
        return true;
    }

    void prepare(index k) override { kernels->tabulate(job, k); }

    index schedule(index count, double& cost) override {
        cost = chunk_cost(job, count);
        order_boxes(job, count, job.order, job.first);
        if (!to_boxes) return job.images * job.channel_cuts * job.bands;
        job.run_count = cut_runs(job, count, cost, threads, job.runs);
        clear_sums(job);
        return job.run_count * job.run_items;
    }

    void run(index item, int thread) override { kernels->run(job, item, scratch(thread)); }

    void finish() override {
        job.zero = false;
        if (to_boxes) add_sums(job, result);
    }
};

template <class G, class A, bool to_boxes>
inline Status gradient_with(const Target& target, const Cache& cache, const Operator& op, const Array& maps,
                            const Array& grad, const Boxes& boxes, double* result, int threads,
                            Status (*drive)(Pass&)) {
    Gradient<G, A, to_boxes> pass;
    GradientJob& job = pass.job;
    pass.boxes = boxes;
    pass.op = between(op, maps, grad);
    pass.tile = kGradientTile;
    pass.chunk = &job;
    pass.threads = threads;
    pass.watch.start(true);
    pass.grad = grad;
    pass.result = result;
    pass.kernels = to_boxes ? &target.to_boxes[maps.element] : &target.to_maps[maps.element == FLOAT64];
    const bool good =
        to_boxes ? describe_to_boxes(maps, grad, cache, job) : describe_to_maps(maps, grad, cache, threads, job);
    return good ? drive(pass) : BAD_STRIDES;
}

template <bool to_boxes>
inline Status gradient_of(const Target& target, const Cache& cache, const Operator& op, const Array& maps,
                          const Array& grad, const Boxes& boxes, double* result, int threads, Status (*drive)(Pass&)) {
    const auto with = maps.element == FLOAT64 ? gradient_with<double, double, to_boxes>
                      : boxes.wide            ? gradient_with<double, float, to_boxes>
                                              : gradient_with<float, float, to_boxes>;
    return with(target, cache, op, maps, grad, boxes, result, threads, drive);
}

/* The gradient of a separable operator. Arguments are valid as those of forward(), and nothing is empty.
 *
 * maps     IN, or OUT: their gradient, where `result` is NULL
 * grad     gradient of the output                                      IN
 * result   to the boxes: y1 x1 y2 x2 each, to which is added           OUT, or NULL */
inline Status gradient(const Target& target, const Cache& cache, const Operator& op, const Array& maps,
                       const Array& grad, const Boxes& boxes, double* result, int threads, Status (*drive)(Pass&)) {
    if (!result) return gradient_of<false>(target, cache, op, maps, grad, boxes, result, threads, drive);
    const Compact read(maps, kMostCompacted); /* however many bins: a sum's last bits depend on the route of its maps */
    return gradient_of<true>(target, cache, op, read.array(), grad, boxes, result, threads, drive);
}

}  // namespace cyroi

#endif
