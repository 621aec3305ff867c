/* to_pixels: the gradient to the maps where the channels of the result's gradient lie together; a lane takes CYROI_VECTOR
 * channels.
 *
 * Reads y, x (turned), extent, order, first, flags, bins (bin_step.c is 1); writes maps, of any strides. Blocks of whole
 * warps, one for each warps rows of kAcross columns of a slab of channels of an image.
 *
 * Decisions
 * a) A warp owns kAcross pixels of a row in registers and goes through the boxes of its image, a lane looking at each. So
 *    there are no atomics, every pixel is written once, and the order is the CPU's, as in to_maps.cu.
 * b) What belongs to a pixel is the same for all lanes: no two lanes take different ways.
 *
 * Compiled per type of the maps' gradient, of the result's, of what is computed with, and per vector. */
#include "job.h"

namespace cyroi {

enum { V = CYROI_VECTOR, kAcross = 8 };

struct alignas(sizeof(O) * V) Bin {
    O channel[V];
};
struct alignas(sizeof(S) * V) Pixel {
    S channel[V];
};

/* The pixels of a warp. */
struct Owned {
    index image;
    int slab, x0, y;
    bool any;
};

__device__ inline Owned owned_by(const Job& job, index block) {
    const int warps = blockDim.x / kWarp;
    const index across = (job.op.width + kAcross - 1) / kAcross, down = (job.op.height + warps - 1) / warps;
    const index slabs = (job.channels + kWarp * V - 1) / (kWarp * V);
    Owned at;
    at.x0 = static_cast<int>(block % across) * kAcross;
    at.y = static_cast<int>(block / across % down) * warps + static_cast<int>(threadIdx.x / kWarp);
    at.slab = static_cast<int>(block / (across * down) % slabs);
    at.image = block / (across * down * slabs);
    at.any = at.y < job.op.height;
    return at;
}

/* One row of bins of a box: adds weight * (what its bins give along x) to each pixel. */
__device__ inline void add_row(const O* row, int step, const Share<A, 1>* x, const Range (&columns)[kAcross], A weight,
                               A (&sum)[kAcross][V]) {
#pragma unroll
    for (int i = 0; i < kAcross; ++i) {
        if (columns[i].begin == columns[i].end) continue;
        A part[V];
        for (int c = 0; c < V; ++c) part[c] = 0;
#pragma unroll 1
        for (int j = columns[i].begin; j < columns[i].end; ++j) {
            const Share<A, 1> share = x[j];
            const Bin bin = *reinterpret_cast<const Bin*>(row + share.bin * step);
            for (int c = 0; c < V; ++c) {
                part[c] = fused(static_cast<A>(value_of(bin.channel[c])), share.weight[0], part[c]);
            }
        }
        for (int c = 0; c < V; ++c) sum[i][c] = fused(weight, part[c], sum[i][c]);
    }
}

/* Box k, which reaches the warp's pixels: `row` and `column` of them, counted from the first pixel that it reads. */
__device__ inline void add_box(const Job& job, index k, int row, int column, const O* grad, A (&sum)[kAcross][V]) {
    const Range rows = job.y.range[k * job.op.height + row];
    if (rows.begin == rows.end) return;
    const Extent& e = job.extent[k];
    const int span = e.last_x - e.first_x + 1;
    Range columns[kAcross];
#pragma unroll
    for (int i = 0; i < kAcross; ++i) {
        const int at = column + i;
        columns[i] = at >= 0 && at < span ? job.x.range[k * job.op.width + at] : Range{0, 0};
    }
    const Share<A, 1>* const y = static_cast<const Share<A, 1>*>(job.y.share) + k * job.y.room;
    const Share<A, 1>* const x = static_cast<const Share<A, 1>*>(job.x.share) + k * job.x.room;
    const O* const bins = grad + k * job.bin_step.n;
    const int step_y = static_cast<int>(job.bin_step.y), step_x = static_cast<int>(job.bin_step.x);
    for (int i = rows.begin; i < rows.end; ++i) {
        add_row(bins + y[i].bin * step_y, step_x, x, columns, y[i].weight[0], sum);
    }
}

/* All boxes of the image, 32 at a time. grad: the lane's first channel of bin (0, 0) of box 0. */
__device__ inline void add_boxes(const Job& job, const Owned& at, const O* grad, A (&sum)[kAcross][V]) {
    const int lane = threadIdx.x % kWarp, last = job.first[at.image + 1];
    for (int from = job.first[at.image]; from < last; from += kWarp) {
        bool hit = false;
        int k = 0, row = 0, column = 0;
        if (from + lane < last) {
            k = job.order[from + lane];
            const Extent& e = job.extent[k];
            row = at.y - e.first_y;
            column = at.x0 - e.first_x;
            hit = row >= 0 && at.y <= e.last_y && at.x0 + kAcross > e.first_x && at.x0 <= e.last_x;
        }
        for (unsigned hits = __ballot_sync(kAllLanes, hit); hits; hits &= hits - 1) {
            const int by = __ffs(static_cast<int>(hits)) - 1;
            const int box = __shfl_sync(kAllLanes, k, by);
            const int of_row = __shfl_sync(kAllLanes, row, by), of_column = __shfl_sync(kAllLanes, column, by);
            add_box(job, box, of_row, of_column, grad, sum);
        }
    }
}

CYROI_KERNEL(to_pixels) {
    if (refused(job)) return;
    const Owned at = owned_by(job, blockIdx.x);
    if (!at.any) return;
    const Strides& to = job.map_step;
    const int c0 = (at.slab * kWarp + static_cast<int>(threadIdx.x % kWarp)) * V;
    const int channels = smaller(static_cast<int>(job.channels) - c0, static_cast<int>(V));
    const int c = channels > 0 ? c0 : 0; /* lanes without channels read what others do */
    S* const pixels = reinterpret_cast<S*>(job.maps) + at.image * to.n + c * to.c + at.y * to.y + at.x0 * to.x;
    const int count = smaller(static_cast<int>(job.op.width) - at.x0, static_cast<int>(kAcross));
    A sum[kAcross][V];
#pragma unroll
    for (int i = 0; i < kAcross; ++i) {
        for (int m = 0; m < V; ++m) {
            const bool there = job.more && i < count && m < channels;
            sum[i][m] = there ? static_cast<A>(value_of(pixels[i * to.x + m * to.c])) : 0;
        }
    }
    add_boxes(job, at, reinterpret_cast<const O*>(job.bins) + c, sum);
#pragma unroll
    for (int i = 0; i < kAcross; ++i) {
        if (i >= count || channels <= 0) continue;
        Pixel stored;
        for (int m = 0; m < V; ++m) store_one(stored.channel + m, sum[i][m]);
        if (job.store_vectors) {
            *reinterpret_cast<Pixel*>(pixels + i * to.x) = stored;
        } else {
            for (int m = 0; m < channels; ++m) pixels[i * to.x + m * to.c] = stored.channel[m];
        }
    }
}

}  // namespace cyroi
