/* to_maps: the gradient to the maps, a thread per pixel of a few channels, wherever they lie. The route for few channels.
 *
 * Reads y, x (turned), extent, order, first, flags, bins; writes maps. Blocks of 256 threads, one for each tile of 32 x 8
 * pixels of a few channels of an image.
 *
 * Decisions
 * a) Who owns a pixel adds up what boxes give to it, in their order: no atomics, so the same bits every time, and the
 *    CPU's: a box's rows of bins ascending, each the sum of its bins ascending (cpu/backward/maps_planes.h).
 * b) A block looks at 256 boxes at once, notes those that reach its tile, and goes through them.
 *
 * Compiled per type of the maps' gradient, of the result's, and of what is computed with. */
#include "job.h"

namespace cyroi {

enum { kTileX = 32, kTileY = 8, kTileThreads = kTileX * kTileY, kMapChannels = 4 };

/* The tile of a block, and where a thread works in it. */
struct TileAt {
    index image, channel;
    int x0, y0, x, y;
    int channels;
};

__device__ inline TileAt tile_of(const Job& job, index block) {
    const index tiles_x = (job.op.width + kTileX - 1) / kTileX, tiles_y = (job.op.height + kTileY - 1) / kTileY;
    const index groups = (job.channels + kMapChannels - 1) / kMapChannels, tile = block % (tiles_x * tiles_y);
    const index group = block / (tiles_x * tiles_y) % groups;
    TileAt at;
    at.image = block / (tiles_x * tiles_y) / groups;
    at.channel = group * kMapChannels;
    at.channels = static_cast<int>(smaller<index>(kMapChannels, job.channels - at.channel));
    at.x0 = static_cast<int>(tile % tiles_x) * kTileX;
    at.y0 = static_cast<int>(tile / tiles_x) * kTileY;
    at.x = at.x0 + static_cast<int>(threadIdx.x % kTileX);
    at.y = at.y0 + static_cast<int>(threadIdx.x / kTileX);
    return at;
}

/* The boxes of order[from ...] that reach the tile, in their order; how many. By all threads of a block, which are done
 * with those of the last time when they meet here first. */
__device__ inline int find_boxes(const Job& job, const TileAt& at, int from, int to, int* found /* OUT */) {
    __shared__ int counts[kTileThreads / kWarp];
    const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, i = from + static_cast<int>(threadIdx.x);
    bool hit = false;
    int k = 0;
    if (i < to) {
        k = job.order[i];
        const Extent& e = job.extent[k];
        hit = e.first_y < at.y0 + kTileY && e.last_y >= at.y0 && e.first_x < at.x0 + kTileX && e.last_x >= at.x0;
    }
    const unsigned hits = __ballot_sync(kAllLanes, hit);
    if (lane == 0) counts[warp] = __popc(hits);
    __syncthreads();
    int before = 0, all = 0;
    for (int w = 0; w < kTileThreads / kWarp; ++w) {
        before += w < warp ? counts[w] : 0;
        all += counts[w];
    }
    if (hit) found[before + __popc(hits & ((1u << lane) - 1))] = k;
    __syncthreads();
    return all;
}

/* The shares of a pixel of one axis of box k; none where the box does not reach it. */
__device__ inline Range shares_of(const AxisPlan& axis, index size, index k, int pixel, int first, int last) {
    return pixel >= first && pixel <= last ? axis.range[k * size + pixel - first] : Range{0, 0};
}

__device__ inline void add_box(const Job& job, index k, const TileAt& at, A (&sum)[kMapChannels]) {
    const Extent& e = job.extent[k];
    const Range rows = shares_of(job.y, job.op.height, k, at.y, e.first_y, e.last_y);
    const Range columns = shares_of(job.x, job.op.width, k, at.x, e.first_x, e.last_x);
    if (rows.begin == rows.end || columns.begin == columns.end) return;
    const Share<A, 1>* const y = static_cast<const Share<A, 1>*>(job.y.share) + k * job.y.room;
    const Share<A, 1>* const x = static_cast<const Share<A, 1>*>(job.x.share) + k * job.x.room;
    const Strides& from = job.bin_step;
    const O* const grad = reinterpret_cast<const O*>(job.bins) + k * from.n + at.channel * from.c;
    for (int i = rows.begin; i < rows.end; ++i) {
        const O* const row = grad + y[i].bin * from.y;
        A part[kMapChannels];
        for (int c = 0; c < kMapChannels; ++c) part[c] = 0;
        for (int j = columns.begin; j < columns.end; ++j) {
            const O* const bin = row + x[j].bin * from.x;
            for (int c = 0; c < kMapChannels; ++c) {
                const A value = static_cast<A>(value_of(bin[(c < at.channels ? c : 0) * from.c]));
                part[c] = fused(value, x[j].weight[0], part[c]);
            }
        }
        for (int c = 0; c < kMapChannels; ++c) sum[c] = fused(y[i].weight[0], part[c], sum[c]);
    }
}

CYROI_KERNEL(to_maps) {
    if (refused(job)) return;
    __shared__ int found[kTileThreads];
    const TileAt at = tile_of(job, blockIdx.x);
    const Strides& to = job.map_step;
    const bool mine = at.x < job.op.width && at.y < job.op.height;
    S* const pixel = reinterpret_cast<S*>(job.maps) + at.image * to.n + at.channel * to.c + at.y * to.y + at.x * to.x;
    A sum[kMapChannels];
    for (int c = 0; c < kMapChannels; ++c) {
        sum[c] = job.more && mine && c < at.channels ? static_cast<A>(value_of(pixel[c * to.c])) : 0;
    }
    const int last = job.first[at.image + 1];
    for (int from = job.first[at.image]; from < last; from += kTileThreads) {
        const int count = find_boxes(job, at, from, last, found);
        for (int i = 0; i < count && mine; ++i) add_box(job, found[i], at, sum);
    }
    for (int c = 0; c < kMapChannels; ++c) {
        if (mine && c < at.channels) store_one(pixel + c * to.c, sum[c]);
    }
}

}  // namespace cyroi
