/* What device code makes of the public headers, c_api.h apart: every planner, taps with and without derivatives and
 * without arrays, turning, and every storage type both ways, in float and in double.
 *
 * Decision: one source for the host and for the device, as functions with C names, so that whoever loads them needs no
 * C++ and the same calls can be compared bit for bit.
 *
 * Compiled by tests/kernels/test_headers.py (NVRTC, nvcc and the C++ compiler) and by ci/device/plan.py, which runs it. */
#include "cyroi/config.h"
#include "cyroi/elements.h"
#include "cyroi/plan.h"
#include "cyroi/planners/crop_and_resize.h"
#include "cyroi/planners/roi_align.h"
#include "cyroi/sample.h"
#include "cyroi/sampled_axis.h"
#include "cyroi/taps.h"
#include "cyroi/turned.h"

#if defined(__CUDACC__)
#define KERNEL extern "C" __global__ void
#define EACH(i, count)                                                                                 \
    for (cyroi::index i = blockIdx.x * static_cast<cyroi::index>(blockDim.x) + threadIdx.x; i < count; \
         i += gridDim.x * static_cast<cyroi::index>(blockDim.x))
#else
#define KERNEL extern "C" void
#define EACH(i, count) for (cyroi::index i = 0; i < count; ++i)
#endif

namespace cyroi {

/* Boxes, and room for what becomes of them: box k has its taps at places[k], `taps` is what all have together. */
struct Work {
    Operator op;
    index boxes, taps, batch;
};

template <class A>
struct Results {
    BoxPlan* plans;      /* three for each box: counted, planned, planned with derivatives */
    int* ends;           /* likewise */
    int* pixels;         /* 2 * taps: planned, with derivatives */
    A* numbers;          /* 4 * taps: planned, with derivatives */
    Share<A, 1>* shares; /* rows, planned */
    Share<A, 3>* slopes; /* columns, with derivatives */
    Line* lines;         /* 2 * taps: of both */
    index* counts;       /* two for each box: of both lines */
};

template <class G, class A>
CYROI_HD void plan_one(const Work& work, index k, const G* boxes, const index* places, const Results<A>& to) {
    const Operator& op = work.op;
    const Tile& tile = op.tile;
    const G* box = boxes + kBoxSides * k;
    const index at = places[k], all = work.taps, bins = tile.bins_y + tile.bins_x;
    int* ends = to.ends + 3 * k * bins;
    for (int pass = 0; pass < 2; ++pass, ends += bins) { /* in a loop, so that planning is compiled once */
        int* pixels = pass > 0 ? to.pixels : nullptr;
        to.plans[3 * k + pass] = plan_box<G, A>(op, box, k, at, pixels, to.numbers, ends);
    }
    const BoxPlan& plan = to.plans[3 * k + 1];
    const Bins<A> rows = y_bins(plan, to.pixels, to.numbers, ends - bins);
    to.counts[2 * k] = turn(rows, tile.bins_y, work.batch, to.shares + plan.taps, to.lines + plan.taps);

    int* pixels = to.pixels + all;
    A *weights = to.numbers + all, *by_lo = weights + all, *by_hi = by_lo + all;
    const BoxPlan s = to.plans[3 * k + 2] = plan_slopes<G, A>(op, box, k, at, pixels, weights, by_lo, by_hi, ends);
    const Bins<A> columns = x_bins(s, pixels, weights, ends, tile.bins_y);
    to.counts[2 * k + 1] =
        turn(columns, by_lo + s.taps_x, by_hi + s.taps_x, tile.bins_x, to.slopes + s.taps_x, to.lines + all + s.taps_x);
}

}  // namespace cyroi

#define CAPACITY(name, G)                                                   \
    KERNEL name(cyroi::Work work, const G* boxes, cyroi::index* capacity) { \
        EACH(k, work.boxes) {                                               \
            const G* box = boxes + cyroi::kBoxSides * k;                    \
            capacity[k] = cyroi::tap_capacity<G>(work.op, box);             \
        }                                                                   \
    }

#define PLAN(name, G, A)                                                                                             \
    KERNEL name(cyroi::Work work, const G* boxes, const cyroi::index* places, cyroi::BoxPlan* plans, int* ends,      \
                int* pixels, A* numbers, cyroi::Share<A, 1>* shares, cyroi::Share<A, 3>* slopes, cyroi::Line* lines, \
                cyroi::index* counts) {                                                                              \
        const cyroi::Results<A> to = {plans, ends, pixels, numbers, shares, slopes, lines, counts};                  \
        EACH(k, work.boxes) cyroi::plan_one(work, k, boxes, places, to);                                             \
    }

/* Elements to what is computed with, and numbers to elements. */
#define CONVERT(name, S, A)                                                                      \
    KERNEL name(cyroi::index count, const S* elements, A* values, const A* numbers, S* stored) { \
        EACH(i, count) {                                                                         \
            values[i] = static_cast<A>(cyroi::value_of(elements[i]));                            \
            cyroi::store_one(stored + i, numbers[i]);                                            \
        }                                                                                        \
    }
#define CONVERT_BOTH(name, S)              \
    CONVERT(convert_##name##_f4, S, float) \
    CONVERT(convert_##name##_f8, S, double)

CAPACITY(capacity_f4, float)
CAPACITY(capacity_f8, double)
PLAN(plan_f4_f4, float, float)
PLAN(plan_f8_f4, double, float)
PLAN(plan_f8_f8, double, double)
CONVERT(convert_float32_f4, float, float)
CONVERT(convert_float32_f8, float, double)
CONVERT(convert_float64_f8, double, double)
CONVERT_BOTH(float16, cyroi::Float16)
CONVERT_BOTH(bfloat16, cyroi::BFloat16)
CONVERT_BOTH(uint8, cyroi::UInt8)
CONVERT_BOTH(int8, cyroi::Int8)
CONVERT_BOTH(uint16, cyroi::UInt16)
CONVERT_BOTH(int16, cyroi::Int16)
