/* transpose: maps, or gradients of results, of any strides into memory where the channels of a pixel lie together.
 *
 * Reads maps (map_step; as many as `images`, of `channels` channels, op.height and op.width), writes bins (bin_step; c is
 * 1). Blocks of 256 threads, one for each tile of 32 pixels and 32 channels of each image, walked with a stride of the
 * grid.
 *
 * Decision: by way of shared memory, in which a row of the tile is one element longer, so that neither the rows that are
 * written nor the columns that are read share a bank.
 *
 * Compiled per size of an element: the elements are copied as they are. */
#include "job.h"

namespace cyroi {

enum { kTile = 32, kTileRows = 8 };

CYROI_KERNEL(transpose) {
    if (refused(job)) return;
    __shared__ S tile[kTile][kTile + 1];
    const int lane = threadIdx.x % kTile, first = threadIdx.x / kTile;
    const index points = job.op.height * job.op.width;
    const index tiles_p = (points + kTile - 1) / kTile, tiles_c = (job.channels + kTile - 1) / kTile;
    const Strides& from = job.map_step;
    for (index b = blockIdx.x; b < tiles_p * tiles_c * job.images; b += gridDim.x) {
        const index p0 = b % tiles_p * kTile, c0 = b / tiles_p % tiles_c * kTile, n = b / (tiles_p * tiles_c);
        const S* const source = reinterpret_cast<const S*>(job.maps) + n * from.n;
        S* const target = reinterpret_cast<S*>(job.bins) + n * job.bin_step.n;
        const index p = p0 + lane;
        const index at = p / job.op.width * from.y + p % job.op.width * from.x;
        for (int i = first; i < kTile; i += kTileRows) {
            if (c0 + i < job.channels && p < points) tile[i][lane] = source[(c0 + i) * from.c + at];
        }
        __syncthreads();
        for (int i = first; i < kTile; i += kTileRows) {
            if (p0 + i < points && c0 + lane < job.channels) {
                target[(p0 + i) * job.bin_step.x + c0 + lane] = tile[lane][i];
            }
        }
        __syncthreads();
    }
}

}  // namespace cyroi
