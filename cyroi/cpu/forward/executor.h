/* The executor: applies the taps of one box to maps,
 *
 *     out[c, p, q] = sum over columns x of Ax[q, x] * (sum over rows y of Ay[p, y] * map[c, y, x]) .
 *
 * It knows nothing of conventions: taps come from cyroi/plan.h. Three routes, one order of summation.
 *
 *   planes    innermost stride is x (NCHW): channel by channel. The output row of a box is cut into blocks of bins
 *   whose
 *             columns fit four vectors (blocks.h). The tap rows are combined with contiguous loads, in registers
 *             (rows.h) or into a buffer (buffer.h), and the bins are picked out of the combined row by permutations.
 *   fused     innermost stride is c and channels are few (an NHWC image): the same, with the row seen as one run of
 *             elements, and a lane for each bin and channel.
 *   pixels    innermost stride is c and channels are many: vectors of channels, bin by bin (pixels.h).
 *
 * Decisions
 * a) Rows first, then columns, in all routes. Rows: ascending, in blocks of kPartialRows whose sums are added in order.
 *    Columns: up to kSlots taps of a bin ascending; beyond, tap t goes to partial sum t modulo the number of
 *    lanes, and the partial sums are added by halves. An output element therefore has the same bits whatever the
 *    layout, the route, the other boxes, the channel count, the threads or the slicing.
 * b) Blocks and partial sums bound the rounding error. A plain sum of n taps costs n * eps; the average of a constant
 *    map over a thousand rows drifts by 1e-5 in float32.
 * c) A sum of up to kSlots taps starts with its first product (not with 0): a single tap of weight 1 copies its pixel,
 *    -0.0 included. Partial sums start with +0, so that lanes without a tap add nothing.
 * d) Loads never leave the row of the map that they read. Elements between two taps are loaded, and on the fused route
 *    what lies between two pixels (image[..., :3] of RGBA), but no bin uses them: NaN there reaches nothing.
 * e) S is the type of the maps' elements; computed with is Arithmetic<S>::Type. A result of another type is formed in a
 *    stage that stays in L1 and converted from there, a few kB at a time; where its elements lie apart, the type is
 *    looked up when lanes are stored, which costs a branch that never changes in a call, and not eight times the code.
 * f) A result that the caches cannot hold is formed in a stage that stays in L1, a few kB at a time, and goes to memory
 *    from there in whole lines, past the caches. An ordinary store would first read each line, and push the maps out.
 * g) Pointers and numbers only; no allocation, no Python. */
#ifndef CYROI_CPU_FORWARD_EXECUTOR_H
#define CYROI_CPU_FORWARD_EXECUTOR_H

#include "forward/buffered_rows.h"
#include "forward/pixels.h"
#include "forward/register_rows.h"

namespace cyroi {

template <class S>
inline void box_blocks(const Part<S>& part) {
    typedef Lanes<typename Arithmetic<S>::Type> L;
    const Cut& cut = part.job.cuts[part.k];
    for (index b = 0; b < cut.blocks; ++b) {
        const Block& block = blocks_of(part.job, part.k)[b];
        if (block.vectors == kScattered) {
            scattered_block(part, block);
        } else if (!cut.buffered) {
            block.vectors == kEmpty ? empty_block(part, block) : RegistersOf<L::permutes>::run(part, block);
        }
    }
    if (cut.buffered) buffered_blocks(part);
}

template <class S>
inline void run_part(const Part<S>& part) {
    part.job.route == PIXELS ? pixel_bins(part) : box_blocks(part);
}

/* Elements of the stage to where they belong: as another type, past the caches, or both. */
template <class S, class A>
inline void unstage(const Part<S>& part, const A* stage, index n, char* to) {
    const Output& out = part.out;
    const index size = n * element_size(out.element);
    if (out.plain) return stream(reinterpret_cast<const char*>(stage), size, to);
    if (!Lanes<A>::streams || !part.job.streams) return with_element(out.element, Convert<A>{stage, n, to});
    char* const converted = part.scratch->converted.like(to);
    with_element(out.element, Convert<A>{stage, n, converted});
    stream(converted, size, to);
}

/* The part by way of `stage`, room for kStage elements. */
template <class S, class A>
inline void stage_part(const Part<S>& part, A* stage) {
    const Job& job = part.job;
    const index row = job.bins_x * (job.route == PLANES ? 1 : part.channels), size = static_cast<index>(sizeof(A));
    const index planes = job.route == PLANES ? part.channels : 1; /* the rest of a row is one stretch of elements */
    const index stored = element_size(part.out.element);
    index most = kStage / (row * planes);
    if (most > kTogether) most -= most % kTogether;
    const bool apart = job.route == PIXELS && (part.channels != job.channels || part.out.x != part.channels * stored);
    if (most == 0 || apart) return run_part(part);
    for (index p = part.p0; p < part.p1; p += most) {
        Part<S> staged = part;
        staged.p0 = p;
        staged.p1 = smaller(part.p1, p + most);
        const index n = (staged.p1 - p) * row;
        const index x = size * (job.route == PLANES ? 1 : part.channels);
        const int element = sizeof(A) == 8 ? FLOAT64 : FLOAT32;
        const index channel = job.route == PLANES ? n * size : size;
        staged.out = Output{reinterpret_cast<char*>(stage), 0, channel, row * size, x, element, true, true};
        run_part(staged);
        if (part.out.y != row * stored) { /* rows apart */
            for (index i = 0; i < planes * (n / row); ++i) {
                unstage(part, stage + i * row, row, part.row(i / (n / row), p + i % (n / row)));
            }
        } else if (part.out.c == n * stored) {
            unstage(part, stage, n * planes, part.row(0, p));
        } else {
            for (index c = 0; c < planes; ++c) unstage(part, stage + c * n, n, part.row(c, p));
        }
    }
}

/* Whether results are formed in a stage before they go where they belong. */
template <class A>
inline bool is_staged(const Job& job) {
    return (Lanes<A>::streams && job.streams) || (job.out.contiguous && !job.out.plain);
}

/* Bytes of what a thread works in. */
template <class A>
inline index scratch_size(const Job& job) {
    typedef Scratch<A> Memory;
    if (job.gathered) return static_cast<index>(sizeof(Memory));
    return static_cast<index>(is_staged<A>(job) ? offsetof(Memory, gathered) : offsetof(Memory, stage));
}

/* Channels [c0, c1) and output rows [p0, p1) of box `k` of the chunk. */
template <class S, class A>
inline void run_box(const Job& job, index k, index c0, index c1, index p0, index p1, Scratch<A>& scratch) {
    const BoxPlan& box = job.boxes[k];
    const S* map = static_cast<const S*>(job.map_data) + box.image * job.maps.n + c0 * job.maps.c;
    Part<S> part = {job, k, y_bins<A>(job, k), x_bins<A>(job, k), c1 - c0, p0, p1, map, job.out, &scratch};
    part.out.data += box.row * job.out.n + c0 * job.out.c + p0 * job.out.y;
    if (!is_staged<A>(job)) return run_part(part);
    const bool like = job.route == PIXELS || job.bins_x * job.row_channels % Lanes<A>::count != 0;
    stage_part(part, part.out.plain && like ? scratch.stage.like(part.out.data) : scratch.stage.memory);
}

}  // namespace cyroi

#endif
