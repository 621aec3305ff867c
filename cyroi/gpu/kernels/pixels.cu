/* pixels: bins of maps whose channels lie together; a lane takes CYROI_VECTOR channels, and all else is the same for the
 * whole warp.
 *
 * Reads y, x, extent, flags, maps (map_step.c is 1); writes bins. Blocks (boxes times slabs of channels, pieces), of whole
 * warps; job.piece bins are a piece. Shared memory, where channels of the result do not lie together: a piece of all
 * channels of a slab, rows padded to an odd length.
 *
 * Decisions
 * a) A lane per channel keeps every lane busy whatever the size of the output; with a lane per bin, 49 bins leave a
 *    quarter idle and read pixels that lie apart.
 * b) A warp takes bins that follow each other, and keeps the taps of their row in registers while there are at most
 *    kFewRows of them, which is every bin of a fixed grid of 2 samples. What is left per pixel is a load and its products.
 * c) The CPU's order of sums, see sums.h.
 * d) Planar results go by way of shared memory, so that they are written in whole lines.
 *
 * Compiled per type of the maps and of the result, and per vector. */
#include "sums.h"

namespace cyroi {

enum { V = CYROI_VECTOR, kFewRows = 4 };

struct alignas(sizeof(S) * V) Pixel {
    S channel[V];
};
struct alignas(sizeof(O) * V) Bin {
    O channel[V];
};

/* The rows of a bin, from registers. */
struct FewRows {
    int at[kFewRows], count;
    A weight[kFewRows];

    __device__ void read(const TapList<A>& y, int step) {
        count = static_cast<int>(y.count);
#pragma unroll
        for (int t = 0; t < kFewRows; ++t) {
            at[t] = t < count ? y.pixel[t] * step : 0;
            weight[t] = t < count ? y.weight[t] : 0;
        }
    }
    __device__ void sum(const S* top, A (&column)[V] /* OUT */) const {
#pragma unroll
        for (int c = 0; c < V; ++c) column[c] = no_sum();
#pragma unroll
        for (int t = 0; t < kFewRows; ++t) {
            if (t >= count) continue;
            const Pixel pixel = *reinterpret_cast<const Pixel*>(top + at[t]);
#pragma unroll
            for (int c = 0; c < V; ++c) column[c] = fused(weight[t], value_of(pixel.channel[c]), column[c]);
        }
    }
};

/* Any number of them. */
struct ManyRows {
    TapList<A> y;
    int step;

    __device__ void sum(const S* top, A (&column)[V] /* OUT */) const {
        sum_taps(y, column, [&](int row, A(&values)[V]) {
            const Pixel pixel = *reinterpret_cast<const Pixel*>(top + row * step);
            for (int c = 0; c < V; ++c) values[c] = value_of(pixel.channel[c]);
        });
    }
};

template <class Rows>
__device__ inline void sum_bin(const S* map, int step, const Rows& rows, const TapList<A>& x, A (&sum)[V] /* OUT */) {
    sum_taps(x, sum, [&](int column, A(&values)[V]) { rows.sum(map + column * step, values); });
}

/* What a warp forms of one box. */
struct Walk {
    const Job& job;
    index k;
    int image;
    const S* map; /* the lane's first channel of pixel (0, 0) */
    bool mine;    /* the lane has channels */

    /* Bins [first, last): use(bin, its row, its column, values of the lane's channels). */
    template <class F>
    __device__ void each_bin(int first, int last, F use) const {
        const int columns = static_cast<int>(job.op.bins_x), step_y = static_cast<int>(job.map_step.y);
        const int step_x = static_cast<int>(job.map_step.x);
        FewRows few;
        TapList<A> y = {nullptr, nullptr, 0};
        int p = first / columns, q = first % columns;
        for (int bin = first; bin < last; ++bin) {
            if (bin == first || q == 0) {
                y = taps_of(job.y, job.op.bins_y, k, p);
                few.read(y, step_y);
            }
            const TapList<A> x = taps_of(job.x, job.op.bins_x, k, q);
            A sum[V];
            if (image < 0 || x.count == 0 || y.count == 0) {
                for (int c = 0; c < V; ++c) sum[c] = image < 0 ? bad_value() : static_cast<A>(job.fill);
            } else if (y.count <= kFewRows) {
                sum_bin(map, step_x, few, x, sum);
            } else {
                sum_bin(map, step_x, ManyRows{y, step_y}, x, sum);
            }
            use(bin, p, q, sum);
            if (++q == columns) {
                q = 0;
                ++p;
            }
        }
    }
};

/* Into a result whose channels lie together. */
__device__ inline void write_bins(const Walk& walk, int first, int last, O* out, int channels) {
    const Strides& to = walk.job.bin_step;
    walk.each_bin(first, last, [&](int, int p, int q, const A(&sum)[V]) {
        Bin stored;
        for (int c = 0; c < V; ++c) store_one(stored.channel + c, sum[c]);
        O* const at = out + p * to.y + q * to.x;
        if (walk.job.store_vectors && walk.mine) {
            *reinterpret_cast<Bin*>(at) = stored;
        } else {
            for (int c = 0; c < channels; ++c) at[c * to.c] = stored.channel[c];
        }
    });
}

/* Into the stage, from which the block writes each channel's bins behind each other. Channel c of lane l is row c * 32 + l
 * of the stage. */
__device__ inline void stage_bins(const Walk& walk, int first, int last, int begin, int row, O* stage) {
    const int lane = threadIdx.x % kWarp;
    walk.each_bin(first, last, [&](int bin, int, int, const A(&sum)[V]) {
        for (int c = 0; c < V; ++c) store_one(stage + (c * kWarp + lane) * row + (bin - begin), sum[c]);
    });
}

__device__ inline void copy_stage(const Job& job, index k, int c0, int begin, int count, int row, const O* stage) {
    const Strides& to = job.bin_step;
    const int columns = static_cast<int>(job.op.bins_x);
    const int channels = smaller(static_cast<int>(kWarp * V), static_cast<int>(job.channels) - c0);
    O* const out = reinterpret_cast<O*>(job.bins) + k * to.n + c0 * to.c;
    const bool together = to.x == 1 && to.y == columns;
    for (int i = threadIdx.x; i < channels * count; i += blockDim.x) {
        const int c = i / count, bin = begin + i - c * count;
        const index at = together ? bin : bin / columns * to.y + bin % columns * to.x;
        out[c * to.c + at] = stage[(c % V * kWarp + c / V) * row + (bin - begin)];
    }
}

CYROI_KERNEL(pixels) {
    CYROI_SHARED(O, stage);
    if (refused(job)) return;
    const int slabs = static_cast<int>((job.channels + kWarp * V - 1) / (kWarp * V));
    const index k = blockIdx.x / slabs;
    const int image = job.extent[k].image, bins = static_cast<int>(job.op.bins_y * job.op.bins_x);
    if (image >= 0 ? image < job.image0 || image >= job.image0 + job.map_images : job.image0 > 0) return;
    const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, warps = blockDim.x / kWarp;
    const int c0 = static_cast<int>(blockIdx.x % slabs) * kWarp * V, c = c0 + lane * V;
    const int begin = static_cast<int>(blockIdx.y * job.piece),
              end = smaller(begin + static_cast<int>(job.piece), bins);
    const int of_warp = (end - begin + warps - 1) / warps;
    const int first = smaller(begin + warp * of_warp, end), last = smaller(first + of_warp, end);
    const int channels = smaller(static_cast<int>(job.channels) - c, static_cast<int>(V));
    const S* const map = reinterpret_cast<const S*>(job.maps) + larger<index>(0, image - job.image0) * job.map_step.n;
    const Walk walk = {job, k, image, map + (channels > 0 ? c : 0), channels > 0};
    if (job.bin_step.c == 1) {
        write_bins(walk, first, last, reinterpret_cast<O*>(job.bins) + k * job.bin_step.n + c, channels);
        return;
    }
    const int row = (end - begin) | 1;
    stage_bins(walk, first, last, begin, row, stage);
    __syncthreads();
    copy_stage(job, k, c0, begin, end - begin, row, stage);
}

}  // namespace cyroi
