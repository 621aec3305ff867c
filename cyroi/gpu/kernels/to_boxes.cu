/* to_boxes: the gradient to the boxes; add_up and store_sums: from sums of pieces to where the caller wants them.
 *
 * to_boxes reads y, x (three numbers a tap), extent, flags, maps, bins; writes sums. Blocks (boxes, pieces) of
 * kBoxThreads, walked with a stride of the grid; a piece are kBoxThreads * kEach items, an item is a bin of a channel.
 * add_up reads sums; writes totals, four for each box. A thread each.
 * store_sums reads sums, four for each box; writes bins (Element `number`; bin_step.n, bin_step.c; source.side), after
 * `columns` zeros. A thread per box.
 *
 * Decisions
 * a) What a sample's pixels have to do with a side of the box is separable (cpu/backward/to_boxes.h): a thread sums up
 *    its bin's rows with their weights and both derivatives, and these sums along x likewise.
 * b) A base is taken off every pixel of a box and channel, the median of three of them, and for the same reason as on the
 *    CPU (cpu/backward/slopes.h): products with pixels that are all near 10^6 cancel but for their rounding.
 * c) A tap has a part where its derivative is not 0, or where it has a weight and the other axis moves. All others are
 *    left out by a question and not multiplied by 0, which would let NaN and infinity through.
 * d) Sums of a thread are of kEach items in the type that is computed with; all sums of them are in double and in a fixed
 *    order. So the result has the same bits every time.
 *
 * Compiled per type of the maps and of the result's gradient. */
#include "job.h"

namespace cyroi {

enum { kBoxThreads = 256, kEach = 8 };

/* Sums for y1 x1 y2 x2. */
template <class T>
struct Sides {
    T at[kBoxSides];
};

/* The numbers beside the weights of taps. */
struct Slopes {
    TapList<A> taps;
    const A *by_lo, *by_hi;
};

__device__ inline Slopes slopes_of(const AxisPlan& axis, index bins, index k, int p) {
    const TapList<A> taps = taps_of(axis, bins, k, p);
    const index at = taps.pixel - axis.pixel;
    return Slopes{taps, static_cast<const A*>(axis.number[1]) + at, static_cast<const A*>(axis.number[2]) + at};
}

/* What the rows of a bin add up to in one column, and which numbers had a part in it. */
struct Column {
    A weight, by_lo, by_hi;
    bool any, any_lo, any_hi;
};

__device__ inline Column sum_rows(const S* top, index step, const Slopes& y, A base, A g) {
    Column sum = {0, 0, 0, false, false, false};
    for (int t = 0; t < y.taps.count; ++t) {
        const A v = (static_cast<A>(value_of(top[y.taps.pixel[t] * step])) - base) * g;
        if (y.taps.weight[t] != 0) {
            sum.weight = fused(y.taps.weight[t], v, sum.weight);
            sum.any = true;
        }
        if (y.by_lo[t] != 0) {
            sum.by_lo = fused(y.by_lo[t], v, sum.by_lo);
            sum.any_lo = true;
        }
        if (y.by_hi[t] != 0) {
            sum.by_hi = fused(y.by_hi[t], v, sum.by_hi);
            sum.any_hi = true;
        }
    }
    return sum;
}

/* Adds value * weight where both have a part. */
__device__ inline void add_part(A weight, A value, bool any, A& sum, bool& found) {
    if (weight == 0 || !any) return;
    sum = fused(weight, value, sum);
    found = true;
}

/* Adds what one bin of one channel gives. map: pixel (0, 0). */
__device__ inline void add_bin(const Job& job, index k, int p, int q, const S* map, A base, A g, Sides<A>& sides) {
    const Slopes y = slopes_of(job.y, job.op.bins_y, k, p), x = slopes_of(job.x, job.op.bins_x, k, q);
    Sides<A> bin = {{0, 0, 0, 0}};
    bool found[kBoxSides] = {false, false, false, false};
    for (int j = 0; j < x.taps.count; ++j) {
        const Column column = sum_rows(map + x.taps.pixel[j] * job.map_step.x, job.map_step.y, y, base, g);
        add_part(x.taps.weight[j], column.by_lo, column.any_lo, bin.at[kY1], found[kY1]);
        add_part(x.taps.weight[j], column.by_hi, column.any_hi, bin.at[kY2], found[kY2]);
        add_part(x.by_lo[j], column.weight, column.any, bin.at[kX1], found[kX1]);
        add_part(x.by_hi[j], column.weight, column.any, bin.at[kX2], found[kX2]);
    }
    for (int s = 0; s < kBoxSides; ++s) {
        if (found[s]) sides.at[s] += bin.at[s];
    }
}

/* 2^100 and 2^960, beyond which 0 stands for a pixel. */
__device__ inline A bounded(S pixel) {
    const A value = static_cast<A>(value_of(pixel));
    const A most = static_cast<A>(sizeof(A) == 4 ? 1.2676506002282294e30 : 9.7453140114e288);
    return value > -most && value < most ? value : 0;
}

/* The taps whose pixels make the base of a box: the first, the middle and the last of both axes. */
struct BaseAt {
    index at[3];
};

__device__ inline BaseAt base_at(const Job& job, index k) {
    const int *const y = job.y.pixel + k * job.y.room, *const x = job.x.pixel + k * job.x.room;
    const int rows = job.y.ends[(k + 1) * job.op.bins_y - 1], columns = job.x.ends[(k + 1) * job.op.bins_x - 1];
    BaseAt base;
    for (int i = 0; i < 3; ++i) {
        const int row = i == 0   ? 0
                        : i == 1 ? rows / 2
                                 : rows - 1,
                  column = i == 0   ? 0
                           : i == 1 ? columns / 2
                                    : columns - 1;
        base.at[i] = y[row] * job.map_step.y + x[column] * job.map_step.x;
    }
    return base;
}

__device__ inline A base_of(const S* map, const BaseAt& base) {
    const A a = bounded(map[base.at[0]]), b = bounded(map[base.at[1]]), c = bounded(map[base.at[2]]);
    return larger(smaller(a, b), smaller(larger(a, b), c)); /* the one in the middle */
}

/* The items of a thread in piece `piece` of box k, added up. */
__device__ inline Sides<A> sum_items(const Job& job, index k, index piece) {
    const Extent& e = job.extent[k];
    const index bins = job.op.bins_y * job.op.bins_x, items = bins * job.channels;
    const S* const maps = reinterpret_cast<const S*>(job.maps) + e.image * job.map_step.n;
    const O* const grads = reinterpret_cast<const O*>(job.bins) + k * job.bin_step.n;
    const BaseAt base = base_at(job, k);
    Sides<A> sides = {{0, 0, 0, 0}};
    for (int n = 0; n < kEach; ++n) {
        const index i = (piece * kEach + n) * kBoxThreads + threadIdx.x;
        if (i >= items) break;
        const index c = job.channels_first ? i % job.channels : i / bins;
        const index bin = job.channels_first ? i / job.channels : i % bins;
        const int p = static_cast<int>(bin / job.op.bins_x), q = static_cast<int>(bin % job.op.bins_x);
        const S* const map = maps + c * job.map_step.c;
        const O g = grads[c * job.bin_step.c + p * job.bin_step.y + q * job.bin_step.x];
        add_bin(job, k, p, q, map, base_of(map, base), static_cast<A>(value_of(g)), sides);
    }
    return sides;
}

/* The sum over all threads of a block, in a fixed order, in thread 0. */
__device__ inline Sides<double> sum_block(const Sides<A>& sides) {
    __shared__ double of_warp[kBoxThreads / kWarp][kBoxSides];
    const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
    Sides<double> all;
    for (int s = 0; s < kBoxSides; ++s) {
        double sum = static_cast<double>(sides.at[s]);
        for (int d = kWarp / 2; d > 0; d /= 2) sum += __shfl_xor_sync(kAllLanes, sum, d);
        if (lane == 0) of_warp[warp][s] = sum;
    }
    __syncthreads();
    for (int s = 0; s < kBoxSides; ++s) {
        all.at[s] = 0;
        for (int w = 0; w < kBoxThreads / kWarp; ++w) all.at[s] += of_warp[w][s];
    }
    return all;
}

struct StoreNumber {
    double value;
    char* to;
    index at;

    template <class T>
    __device__ void operator()(T) const {
        store_one(reinterpret_cast<T*>(to) + at, value);
    }
};

CYROI_KERNEL(to_boxes) {
    if (refused(job)) return;
    const index k = blockIdx.x;
    const Extent& e = job.extent[k];
    const bool reads = e.image >= 0 && e.last_y >= e.first_y && e.last_x >= e.first_x;
    for (index piece = blockIdx.y; piece < job.pieces; piece += gridDim.y) {
        Sides<A> mine = {{0, 0, 0, 0}};
        if (reads) mine = sum_items(job, k, piece);
        const Sides<double> all = sum_block(mine);
        double* const sums = job.sums + (k * job.pieces + piece) * kBoxSides;
        for (int s = 0; s < kBoxSides && threadIdx.x == 0; ++s) {
            sums[s] = e.image < 0 ? static_cast<double>(bad_value()) : all.at[s];
        }
        __syncthreads();
    }
}

CYROI_KERNEL(add_up) {
    const index i = static_cast<index>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (refused(job) || i >= job.boxes * kBoxSides) return;
    const double* const sums = job.sums + i / kBoxSides * job.pieces * kBoxSides + i % kBoxSides;
    double total = 0;
    for (index n = 0; n < job.pieces; ++n) total += sums[n * kBoxSides];
    job.totals[i] = total;
}

CYROI_KERNEL(store_sums) {
    const index k = static_cast<index>(blockIdx.x) * blockDim.x + threadIdx.x;
    if (refused(job) || k >= job.boxes) return;
    for (int i = 0; i < job.columns + kBoxSides; ++i) {
        const double value = i < job.columns ? 0 : job.sums[k * kBoxSides + job.source.side[i - job.columns]];
        with_element(job.number, StoreNumber{value, job.bins, k * job.bin_step.n + i * job.bin_step.c});
    }
}

}  // namespace cyroi
