/* A pass: one call in one direction, as the driver sees it.
 *
 * The driver (_driver.pyx) knows how a call is cut (tiles of bins, chunks of boxes, work items), who does what
 * (threads, signals) and when memory is had. What is done is in these hooks, which forward_pass.h and gradient_pass.h
 * fill in. An operator that is not separable fills in the same ones.
 *
 *     for each chunk of boxes: bound      what boxes need at most: before anything is allocated, and to cut chunks
 *     lay_out                             places for the arrays of the largest chunk
 *     for each tile, for each chunk:      set_tile
 *         plan        boxes in parallel   boxes to taps
 *         place       serial              where the tables of each box lie among all
 *         prepare     boxes in parallel   tables
 *         schedule    serial              work items
 *         run         items in parallel   values
 *         finish      serial              what items left
 *
 * Decisions
 * a) Hooks are virtual functions of plain objects on the stack: the driver is then no template, so that its parallel
 *    loops exist once, and a call through a table costs nanoseconds a box or a work item.
 * b) Chunks are cut by what the largest tile needs, for all tiles alike: their boxes then fit the memory of any.
 * c) In its hooks a pass allocates nothing and raises nothing.
 *
 * Compiled once. */
#ifndef CYROI_CPU_CALL_PASS_H
#define CYROI_CPU_CALL_PASS_H

#include <cstddef>

#include "call/array.h"
#include "call/chunk.h"
#include "call/watch.h"

namespace cyroi {

enum Status {
    OK = 0,
    NO_MEMORY = 1,
    INTERRUPTED = 2, /* a signal handler raised; the exception is set */
    BAD_STRIDES = 3
};

/* The boxes of a call: private copies, checked. */
struct Boxes {
    const void* values = nullptr;           /* IN: kBoxSides each, y1 x1 y2 x2 */
    bool wide = false;                      /* they are doubles, else floats */
    const unsigned char* narrow = nullptr;  /* IN: which of wide boxes are planned in float; NULL: none */
    const std::ptrdiff_t* images = nullptr; /* IN: the image of each */
    const std::ptrdiff_t* rows = nullptr;   /* IN: the row of the output of each; NULL: their own numbers */
    index count = 0;

    index row(index k) const { return rows ? static_cast<index>(rows[k]) : k; }
};

enum Phase { PLAN, PREPARE, RUN };

class Pass {
  public:
    Boxes boxes;
    Operator op;      /* with the tile that is being computed */
    Operator largest; /* with the largest tile, which is the first */
    index tile;       /* bins of that, at most, along each axis */
    index first;      /* number of the chunk's first box */
    Chunk* chunk;     /* its arrays */
    int threads;      /* at most */
    Watch watch;

    /* Adds what box k needs to what its chunk does; false, and nothing is added, where the chunk is full without it. */
    virtual bool bound(index k, Need& need) const = 0;
    /* Bytes of the arrays of a chunk; base: where they shall lie, or NULL. */
    virtual size_t lay_out(const Need& need, char* base) = 0;
    virtual void set_tile() = 0;
    /* About what planning and preparing a box costs (schedule.h). */
    virtual double planning() const = 0;
    /* Plans box k of the chunk; chunk->boxes[k].taps says where its taps begin. */
    virtual void plan(index k) = 0;
    /* Whether boxes are to be prepared. */
    virtual bool place(index count) = 0;
    virtual void prepare(index k) = 0;
    /* Gives the number of work items; cost: of all. */
    virtual index schedule(index count, double& cost /* OUT */) = 0;
    virtual void run(index item, int thread) = 0;
    virtual void finish() = 0;

    /* Box or item i of a phase. */
    void work(Phase phase, index i, int thread) {
        phase == PLAN ? plan(i) : phase == PREPARE ? prepare(i) : run(i, thread);
    }

    /* An item that is run by one of several threads. */
    void run_watched(index item, int thread) {
        const double began = processor_seconds();
        run(item, thread);
        watch.add(processor_seconds() - began);
    }

  protected:
    /* The scratch of a thread. */
    char* scratch(int thread) const { return chunk->scratch + thread * chunk->scratch_size; }

    /* use(sides) with the sides of box k in the type that it is planned in, which its array alone decides. */
    template <class G, class F>
    auto with_box(index k, F use) const -> decltype(use(static_cast<const G*>(nullptr))) {
        const G* const sides = static_cast<const G*>(boxes.values) + kBoxSides * k;
        if (!boxes.narrow || !boxes.narrow[k]) return use(sides);
        float narrow[kBoxSides];
        for (int side = 0; side < kBoxSides; ++side) narrow[side] = static_cast<float>(sides[side]); /* exact */
        return use(static_cast<const float*>(narrow));
    }

    template <class G>
    index most_taps(index k) const {
        return with_box<G>(k, [this](auto sides) { return tap_capacity(largest, sides); });
    }
};

/* The operator on maps and to an output of these sizes. */
inline Operator between(Operator op, const Array& maps, const Array& out) {
    op.height = maps.shape[2];
    op.width = maps.shape[3];
    op.bins_y = out.shape[2];
    op.bins_x = out.shape[3];
    return op;
}

/* At most this many samples are looked at to plan one box. */
inline index samples_per_box(const Operator& op) {
    const index bins = op.tile.bins_y + op.tile.bins_x;
    return op.sampling_ratio > 0 ? bins * op.sampling_ratio : bins + 2 * (op.height + op.width);
}

}  // namespace cyroi

#endif
