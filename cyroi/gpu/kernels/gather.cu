/* gather: a thread forms a bin of a few channels, wherever their pixels lie. The route for any strides, for few channels
 * and for few boxes.
 *
 * Reads y, x, extent, flags, maps; writes bins. Blocks (items of a box, boxes), of any number of threads; both are walked
 * with a stride of the grid.
 *
 * Decisions
 * a) Neighbouring threads take neighbouring bins, or neighbouring channels where those lie together, so that what a warp
 *    reads and writes lies together.
 * b) Rows are summed first, then columns (sums.h): the CPU's order for up to 12 columns of a bin.
 *
 * Compiled per type of the maps and of the result. */
#include "sums.h"

namespace cyroi {

enum { kAtOnce = 4 }; /* channels of a thread */

/* Where a thread works: a bin, and `count` channels from `channel` on. */
struct Item {
    int p, q, channel, count;
};

template <class Count>
__device__ inline Item item_of(const Job& job, Count i) {
    const int columns = static_cast<int>(job.op.bins_x), channels = static_cast<int>(job.channels);
    const Count bins = static_cast<Count>(job.op.bins_y) * columns;
    const Count groups = static_cast<Count>((job.channels + kAtOnce - 1) / kAtOnce);
    const Count bin = job.channels_first ? i / groups : i % bins;
    const int channel = static_cast<int>(job.channels_first ? i % groups : i / bins) * kAtOnce;
    return Item{static_cast<int>(bin / columns), static_cast<int>(bin % columns), channel,
                smaller(channels - channel, static_cast<int>(kAtOnce))};
}

template <class Offset>
__device__ inline void gather_item(const Job& job, index k, int image, const Item& at) {
    const Strides& from = job.map_step;
    const Strides& to = job.bin_step;
    O* out = reinterpret_cast<O*>(job.bins) + k * to.n + at.channel * to.c + at.p * to.y + at.q * to.x;
    const TapList<A> y = taps_of(job.y, job.op.bins_y, k, at.p), x = taps_of(job.x, job.op.bins_x, k, at.q);
    A sum[kAtOnce];
    if (image < 0 || y.count == 0 || x.count == 0) {
        for (int c = 0; c < kAtOnce; ++c) sum[c] = image < 0 ? bad_value() : static_cast<A>(job.fill);
    } else {
        const S* map = reinterpret_cast<const S*>(job.maps) + (image - job.image0) * from.n + at.channel * from.c;
        const Offset step_y = static_cast<Offset>(from.y), step_x = static_cast<Offset>(from.x);
        sum_taps(x, sum, [&](int column, A(&values)[kAtOnce]) {
            const S* const top = map + column * step_x;
            sum_taps(y, values, [&](int row, A(&pixels)[kAtOnce]) {
                const S* const pixel = top + row * step_y;
                for (int c = 0; c < kAtOnce; ++c) pixels[c] = value_of(pixel[(c < at.count ? c : 0) * from.c]);
            });
        });
    }
    for (int c = 0; c < at.count; ++c) store_one(out + c * to.c, sum[c]);
}

/* Items of a box are numbered by Count, pixels of an image by Offset. */
template <class Count, class Offset>
__device__ inline void gather_boxes(const Job& job) {
    const Count items = static_cast<Count>((job.channels + kAtOnce - 1) / kAtOnce * job.op.bins_y * job.op.bins_x);
    for (index k = blockIdx.y; k < job.boxes; k += gridDim.y) {
        const int image = job.extent[k].image;
        for (Count i = static_cast<Count>(blockIdx.x) * blockDim.x + threadIdx.x; i < items;
             i += gridDim.x * blockDim.x) {
            gather_item<Offset>(job, k, image, item_of(job, i));
        }
    }
}

CYROI_KERNEL(gather) {
    if (refused(job)) return;
    job.narrow_offsets ? gather_boxes<unsigned, int>(job) : gather_boxes<index, index>(job);
}

}  // namespace cyroi
