/* Every size at which a kernel or the driver changes its way, in one place.
 *
 * CYROI_SIZES lists them: name, value, value in a build with tiny sizes (CYROI_TINY=1 in setup.py), and what of a call
 * it bounds. The driver hands the list to Python (`cyroi.cpu._core.SIZES`), and tests/support/sizes.py makes calls from
 * it that lie one below, at and one above each of them. So a new size is tested by being declared here. What it bounds
 * is one of
 *
 *     columns, channels                   that a box spans, that a map has
 *     column_taps, row_taps               of one bin
 *     bins, bins_x, bins_y                of the result: along each axis, or along one
 *     bytes_of_columns                    columns once they are combined: of as many floats or doubles
 *     elements_of_rows, bytes_of_rows     rows of the result
 *     shares                              bins that read one column: how far a box is enlarged
 *     boxes                               of a chunk, by what all of them need
 *     none                                nothing that a call could be made from: costs, clocks, caches
 *
 * Decisions
 * a) No size can change a result beyond the order of its sums (kSlots, kBlock and kGroup set that). A build with tiny
 *    sizes therefore obeys all laws, and takes every turn on calls that are as small as those of the tests.
 * b) What must hold between sizes is asserted: here, or where they meet lanes. */
#ifndef CYROI_CPU_CALL_SIZES_H
#define CYROI_CPU_CALL_SIZES_H

#include "cyroi/config.h"

#ifndef CYROI_TINY
#define CYROI_TINY 0
#endif

/* clang-format off */
#define CYROI_SIZES(X)                                                                                                \
    /* Blocks of bins (blocks.h): taps of a bin that tables hold; blocks of a row from which on it is buffered; bins  \
     * of a dense block and elements of the map row that it spans; bytes of a combined row (buffer.h). */             \
    X(kSlots,            12,       3,    column_taps)                                                                 \
    X(kManyBlocks,       5,        2,    none)                                                                        \
    X(kDenseBins,        8,        8,    bins_x)                                                                      \
    X(kDenseSpan,        1024,     24,   columns)                                                                     \
    X(kRowBytes,         6144,     320,  bytes_of_columns)                                                            \
    /* Tap rows that are summed before their sum joins the total (sums.h). */                                         \
    X(kBlock,            16,       16,   row_taps)                                                                    \
    /* Elements of a stage; bytes of a result together that are worth one (executor.h, array.h). */                   \
    X(kStage,            4096,     48,   elements_of_rows)                                                            \
    X(kLeastRun,         2048,     64,   bytes_of_rows)                                                               \
    /* Channels of an image whose rows are fused (floats; half as many doubles), and elements from a column to the    \
     * next up to which rows are read with what lies between; the same for the gradient to the boxes. */              \
    X(kFusedChannels,    8,        4,    channels)                                                                    \
    X(kMaxFusedPixel,    8,        4,    channels)                                                                    \
    X(kFusedForBoxes,    4,        3,    channels)                                                                    \
    X(kMostPixelForBoxes, 16,      4,    channels)                                                                    \
    /* Planes, or channels of pixels, that share a pass over the boxes. */                                            \
    X(kMostPlanes,       8,        2,    channels)                                                                    \
    X(kPixelChannels,    256,      32,   channels)                                                                    \
    /* Gradients: rows of bins at once, to the maps and to the boxes; elements of rows that are converted at once;    \
     * bins per column that a table holds (windows.h); channels summed at once (box_sums.h); rows and channels of the \
     * regions that threads have to themselves, and their bytes (to_maps.h). */                                       \
    X(kBatch,            16,       3,    bins_y)                                                                      \
    X(kBoxBatch,         8,        2,    bins_y)                                                                      \
    X(kRowRoom,          8192,     256,  elements_of_rows)                                                            \
    X(kShares,           16,       2,    shares)                                                                      \
    X(kGroup,            16,       16,   channels)                                                                    \
    X(kRegionRows,       16,       2,    none)                                                                        \
    X(kPixelBlock,       32,       16,   channels)                                                                    \
    X(kRegionBytes,      8 << 20,  4096, none)                                                                        \
    /* The driver: bins per axis that are planned at once; boxes of a chunk, by the samples that planning looks at,   \
     * their taps, the slots of their tables, and in gradients by cost, sums and elements of tables. */               \
    X(kTile,             2048,     9,    bins)                                                                        \
    X(kGradientTile,     512,      7,    bins)                                                                        \
    X(kChunkSamples,     1 << 22,  200,  boxes)                                                                       \
    X(kChunkTaps,        1 << 21,  150,  boxes)                                                                       \
    X(kChunkSlots,       1 << 18,  700,  boxes)                                                                       \
    X(kGradientTaps,     1 << 20,  150,  boxes)                                                                       \
    X(kChunkCost,        40000000, 9000, none)                                                                        \
    X(kChunkSums,        1 << 18,  6,    boxes)                                                                       \
    X(kTables,           1 << 21,  900,  boxes)                                                                       \
    /* Work items, in cost units (schedule.h): the least and the most of one, items per thread, cuts of boxes in a    \
     * chunk, a run of boxes and a group of channels, and into how many pieces a box is cut that costs more. */       \
    X(kLeastItemCost,    200000,   40,   none)                                                                        \
    X(kMostItemCost,     4000000,  400,  none)                                                                        \
    X(kItemsPerThread,   8,        8,    none)                                                                        \
    X(kMaxCuts,          65536,    40,   none)                                                                        \
    X(kRunCost,          10000000, 300,  none)                                                                        \
    X(kMaxPieces,        64,       5,    none)                                                                        \
    /* Threads: cost units that pay for one more of them, and of a first slice per thread. */                         \
    X(kThreadCost,       100000,   20,   none)                                                                        \
    X(kFirstSlice,       1000000,  60,   none)                                                                        \
    /* Bytes of the caches, of a core and of a result that is not worth keeping there; 0: what the system says. */    \
    X(kOwnCache,         0,        2048, none)                                                                        \
    X(kResultCache,      0,        1024, none)
/* clang-format on */

namespace cyroi {

#define CYROI_DECLARE(name, usual, tiny, bounds) static const index name = CYROI_TINY ? (tiny) : (usual);
CYROI_SIZES(CYROI_DECLARE)
#undef CYROI_DECLARE

/* The list as data. */
struct Size {
    const char* name;
    index value;
    const char* bounds;
};
#define CYROI_ENTRY(name, usual, tiny, bounds) Size{#name, name, #bounds},
inline const Size* sizes(int& count /* OUT */) {
    static const Size all[] = {CYROI_SIZES(CYROI_ENTRY)};
    count = static_cast<int>(sizeof all / sizeof all[0]);
    return all;
}
#undef CYROI_ENTRY

static_assert(kBoxBatch <= kBatch, "rows of bins of the y axis are turned in batches of kBatch");
static_assert(kPixelChannels % kGroup == 0, "channels of pixels are groups of them");
static_assert(kFusedChannels <= kMaxFusedPixel, "a pixel has room for its channels");
static_assert(kGradientTile * 16 <= kRowRoom, "a row of bins, for a vector of channels of each, is converted at once");
static_assert(kLeastItemCost <= kMostItemCost, "an item has a cost");

}  // namespace cyroi

#endif
