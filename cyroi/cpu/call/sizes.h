/* Every size at which a kernel or the driver changes its way, in one place.
 *
 * CYROI_SIZES lists them: what each trades, and where it is known the measurement that set it; then name, value, value
 * in a build with tiny sizes (CYROI_TINY=1 in setup.py), and what of a call it bounds. The list goes to Python
 * (`cyroi.cpu._separable.SIZES`), and tests/support/sizes.py makes calls from it that lie one below, at and one above
 * each of them. So a new size is tested by being declared here. What it bounds is one of
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
 * a) No size can change a result beyond the order of its sums (kSlots, kPartialRows and kGroup set that). A build with
 *    tiny sizes therefore obeys all laws, and takes every turn on calls that are as small as those of the tests.
 * b) What must hold between sizes is asserted: here, or where they meet lanes.
 * c) Figures are of one thread of a Zen 4 core with AVX-512. What depends on the number of registers stands with the
 *    target (lanes/): kRegisters, kTogether, kVectorsAtOnce.
 *
 * Compiled once, and seen by all targets. */
#ifndef CYROI_CPU_CALL_SIZES_H
#define CYROI_CPU_CALL_SIZES_H

#include "cyroi/config.h"

#ifndef CYROI_TINY
#define CYROI_TINY 0
#endif

/* clang-format off */
#define CYROI_SIZES(X)                                                                                                \
    /* Blocks of bins (forward/blocks.h) */                                                                           \
    /* taps of a bin in tables, beyond: products of vectors. W1a with 8: +5 %, with 16: the same */                   \
    X(kSlots,             12,       3,     column_taps)                                                               \
    /* blocks of a row from which on it is buffered: no column is combined twice, but goes by way of L1 */            \
    X(kManyBlocks,        5,        2,     none)                                                                      \
    /* bins of a dense block, whose sums are formed together: W1a with 1: +14 % */                                    \
    X(kDenseBins,         8,        8,     bins_x)                                                                    \
    /* elements that such a block spans: they leave L1 room for tables */                                             \
    X(kDenseSpan,         1024,     24,    columns)                                                                   \
    /* of a combined row; rows of all kTogether fit L1 beside tables and stage */                                     \
    X(kRowBytes,          6144,     320,   bytes_of_columns)                                                          \
    /* tap rows summed before their sum joins the total: a bound of rounding, part of the order of sums */            \
    X(kPartialRows,       16,       16,    row_taps)                                                                  \
    /* Results on their way (forward/executor.h, call/route.h) */                                                     \
    /* of a stage: whole groups of kTogether rows, in L1. W7 with 2048: +15 % */                                      \
    X(kStage,             4096,     48,    elements_of_rows)                                                          \
    /* that go past the caches together; shorter ones share lines that are read after all: W1 +9 % */                 \
    X(kLeastStream,       2048,     64,    bytes_of_rows)                                                             \
    /* Routes (call/route.h) */                                                                                       \
    /* floats of a fused pixel, half as many doubles. Crops of 5 channels with 4: +110 % */                           \
    X(kFusedChannels,     8,        4,     channels)                                                                  \
    /* elements from pixel to pixel up to which what lies between is read too; beyond, gathered */                    \
    X(kMaxFusedPixel,     8,        4,     channels)                                                                  \
    /* ... both for the gradient to the boxes, whose last bits depend on its route */                                 \
    X(kFusedForBoxes,     4,        3,     channels)                                                                  \
    /* ... */                                                                                                         \
    X(kMostPixelForBoxes, 16,       4,     channels)                                                                  \
    /* that share a pass over the boxes: what is looked up serves all of them. W1 with 1: +70 % */                    \
    X(kMostPlanes,        8,        2,     channels)                                                                  \
    /* of pixels that share a pass; sums of so many lie in the memory of a thread */                                  \
    X(kPixelChannels,     256,      32,    channels)                                                                  \
    /* Gradients (backward/) */                                                                                       \
    /* rows of bins that are spread before they are added to the maps; as many as L1 holds */                         \
    X(kBatch,             16,       3,     bins_y)                                                                    \
    /* ... to the boxes, where three numbers are spread for each */                                                   \
    X(kBoxBatch,          8,        2,     bins_y)                                                                    \
    /* of rows that are converted at once */                                                                          \
    X(kRowRoom,           8192,     256,   elements_of_rows)                                                          \
    /* bins per column that tables hold; beyond, element by element. Tables: 4.7 to 8.8 times */                      \
    X(kShares,            16,       2,     shares)                                                                    \
    /* summed before their sum joins a box's: part of the order of sums */                                            \
    X(kGroup,             16,       16,    channels)                                                                  \
    /* the fewest rows of a region: each region walks through all boxes of its image */                               \
    X(kRegionRows,        16,       2,     none)                                                                      \
    /* by which regions of pixels are cut for threads: half a kB of a pixel is read in one go */                      \
    X(kPixelStep,         32,       16,    channels)                                                                  \
    /* of a region: bounds an item's time, between whose looks for signals it runs */                                 \
    X(kRegionBytes,       8 << 20,  4096,  none)                                                                      \
    /* The driver: memory and time of planning */                                                                     \
    /* per axis that are planned at once */                                                                           \
    X(kTile,              2048,     9,     bins)                                                                      \
    /* ... in gradients, whose rows of bins must fit kRowRoom */                                                      \
    X(kGradientTile,      512,      7,     bins)                                                                      \
    /* that planning a chunk looks at: about 30 ms */                                                                 \
    X(kChunkSamples,      1 << 22,  200,   boxes)                                                                     \
    /* 16 MB of them */                                                                                               \
    X(kChunkTaps,         1 << 21,  150,   boxes)                                                                     \
    /* of tables, of which only what is needed is touched */                                                          \
    X(kChunkSlots,        1 << 18,  700,   boxes)                                                                     \
    /* ... in gradients, which keep them twice */                                                                     \
    X(kGradientTaps,      1 << 20,  150,   boxes)                                                                     \
    /* of a gradient's chunk, in cost units */                                                                        \
    X(kChunkCost,         40000000, 9000,  none)                                                                      \
    /* sums of boxes and groups of channels */                                                                        \
    X(kChunkSums,         1 << 18,  6,     boxes)                                                                     \
    /* elements of a gradient's tables; boxes beyond do without */                                                    \
    X(kTables,            1 << 21,  900,   boxes)                                                                     \
    /* Work items, in cost units of about a nanosecond (call/schedule.h) */                                           \
    /* far more than the dispatch of an item */                                                                       \
    X(kLeastItemCost,     200000,   40,    none)                                                                      \
    /* far less than the time between two looks for signals */                                                        \
    X(kMostItemCost,      4000000,  400,   none)                                                                      \
    /* so that threads end together; each more reads planes once more */                                              \
    X(kItemsPerThread,    8,        8,     none)                                                                      \
    /* of boxes in a chunk: bounds the schedule's memory */                                                           \
    X(kMaxCuts,           65536,    40,    none)                                                                      \
    /* of a run of boxes and a group of channels: a plane is fetched once for each */                                 \
    X(kRunCost,           10000000, 300,   none)                                                                      \
    /* of a box that costs more than that */                                                                          \
    X(kMaxPieces,         64,       5,     none)                                                                      \
    /* that pays for one more thread: a region takes some 10 us */                                                    \
    X(kThreadCost,        100000,   20,    none)                                                                      \
    /* boxes that a thread plans before it looks for more: some 10 us */                                              \
    X(kBoxesTogether,     16,       2,     none)                                                                      \
    /* Caches in bytes; 0: what the system says */                                                                    \
    /* of a core: how many planes share a pass */                                                                     \
    X(kOwnCache,          0,        2048,  none)                                                                      \
    /* of a result that is not worth keeping there: W3 stored as usual: +47 %, W7 +22 % */                            \
    X(kResultCache,       0,        1024,  none)
/* clang-format on */

namespace cyroi {

#define CYROI_DECLARE(name, usual, tiny, bounds) static const index name = CYROI_TINY ? (tiny) : (usual);
CYROI_SIZES(CYROI_DECLARE)
#undef CYROI_DECLARE

/* Factors of the same kind, which no call can be made from. */
static const double kFetchedShare = 0.2; /* of a plane that boxes read themselves, for it to be fetched: W1 -22 % */
static const index kCacheShare = 2;      /* the part of a core's cache that planes get; all of it: W1's memory +150 % */
static const index kExpectedBytes = 1024;    /* of the next box's gradient that are asked for early: 1.3 to 2.9 times */
static const index kMostCompacted = 1 << 23; /* pixels that are copied before a call (compact.h): 0.1 s */
static const double kSampleCost = 8;         /* of planning a sample, in cost units */
static const double kTurnCost = 1000;        /* of turning the taps of a box and filling its tables */
static const double kRunsPerThread = 4;      /* in the gradient to the boxes, where groups of channels do not suffice */

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
