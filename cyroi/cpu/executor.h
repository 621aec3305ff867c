/* The executor: applies the taps of one box to maps,
 *
 *     out[c, p, q] = sum over columns x of Ax[q, x] * (sum over rows y of Ay[p, y] * map[c, y, x]) .
 *
 * It knows nothing of conventions: taps come from cyroi/plan.h. Three routes, one order of summation.
 *
 *   planes    innermost stride is x (NCHW): channel by channel. The output row of a box is cut into blocks of bins whose
 *             columns fit four vectors (blocks.h). For each block and output row the tap rows are combined in
 *             registers, contiguous loads only, and the bins are picked out of the registers by permutations.
 *   fused     innermost stride is c and channels are few (an NHWC image): the same, with the row seen as one run of
 *             elements, and a lane for each bin and channel.
 *   pixels    innermost stride is c and channels are many: vectors of channels; for each bin and column tap the row taps
 *             are combined.
 *
 * Decisions
 * a) Rows first, then columns, in all routes. Rows: ascending, in blocks of kBlock whose sums are added in order.
 *    Columns: up to kSlots taps of a bin ascending; beyond, tap t goes to partial sum t modulo the number of
 *    lanes, and the partial sums are added by halves. An output element therefore has the same bits whatever the
 *    layout, the route, the other boxes, the channel count, the threads or the slicing.
 * b) Blocks and partial sums bound the rounding error. A plain sum of n taps costs n * eps; the average of a constant
 *    map over a thousand rows drifts by 1e-5 in float32.
 * c) A sum of up to kSlots taps starts with its first product (not with 0): a single tap of weight 1 copies its pixel,
 *    -0.0 included. Partial sums start with +0, so that lanes without a tap add nothing.
 * d) Loads never leave the row of the map that they read. Elements between two taps are loaded, and on the fused route
 *    what lies between two pixels (image[..., :3] of RGBA), but no bin uses them: NaN there reaches nothing.
 * e) Pointers and numbers only; no allocation, no Python. */
#ifndef CYROI_CPU_EXECUTOR_H
#define CYROI_CPU_EXECUTOR_H

#include "pixels.h"
#include "rows.h"

namespace cyroi {

/* Channels [c0, c1) and output rows [p0, p1) of box `k` of the chunk. */
template <class A>
inline void run_box(const Job& job, const Arrays<A>& arrays, index k, index c0, index c1, index p0, index p1) {
    const BoxPlan& box = job.boxes[k];
    const Part<A> part = {job,
                          k,
                          y_bins(job, arrays.weights, k),
                          x_bins(job, arrays.weights, k),
                          c1 - c0,
                          p0,
                          p1,
                          arrays.maps + box.image * job.maps.n + c0 * job.maps.c,
                          arrays.out + (job.first_box + k) * job.out.n + c0 * job.out.c};
    if (job.route == PIXELS) return box_pixels(part);
    box_blocks(part, arrays);
}

}  // namespace cyroi

#endif
