/* The memory of a gradient's largest chunk of boxes, as parts of one allocation. */
#ifndef CYROI_CPU_CALL_GRADIENT_MEMORY_H
#define CYROI_CPU_CALL_GRADIENT_MEMORY_H

#include "call/gradient_job.h"
#include "call/parts.h"

namespace cyroi {

/* How large the chunk is, and where its parts lie. */
struct Room {
    index boxes, taps, tables, windows, pieces;
    int* pixels;
    void *weights, *by_lo, *by_hi;
    int* ends;
    BoxPlan* plans;
    index *order, *first;
    Turned* turned;
    Line* lines;
    void* shares;
    Window* windows_at;
    void *at, *table_weights;
    Run* runs;
    double* sums;
    char* scratch; /* of each thread */
    index scratch_size;
};

/* The parts behind `base`; gives the bytes of all. real_size: of a weight. */
inline size_t lay_out(Room& room, const GradientJob& g, char* base, const Tile& tile, size_t real_size, bool to_boxes,
                      int threads) {
    const size_t numbers = to_boxes ? 3 : 1;
    const index n = room.boxes, taps = room.taps, slopes = to_boxes ? taps : 0;
    Parts parts(base);
    parts.take(room.plans, n);
    parts.take(room.order, n);
    parts.take(room.first, g.images + 1);
    parts.take(room.turned, n);
    parts.take(room.ends, n * (tile.bins_y + tile.bins_x));
    parts.take(room.pixels, taps);
    parts.take(room.weights, taps, real_size);
    parts.take(room.by_lo, slopes, real_size);
    parts.take(room.by_hi, slopes, real_size);
    parts.take(room.lines, taps);
    parts.take(room.shares, taps, 2 * sizeof(int) + numbers * real_size);
    parts.take(room.windows_at, room.windows);
    parts.take(room.at, room.tables, real_size);
    parts.take(room.table_weights, room.tables, numbers * real_size);
    parts.take(room.runs, room.pieces);
    parts.take(room.sums, 4 * room.pieces * g.groups);
    parts.take(room.scratch, threads, static_cast<size_t>(room.scratch_size));
    return parts.used();
}

/* The parts as the kernels see them. */
inline void publish(const Room& room, GradientJob& g) {
    g.job.boxes = room.plans;
    g.job.ends = room.ends;
    g.job.pixels = room.pixels;
    g.job.weights = room.weights;
    g.by_lo = room.by_lo;
    g.by_hi = room.by_hi;
    g.turned = room.turned;
    g.lines = room.lines;
    g.shares = room.shares;
    g.windows = room.windows_at;
    g.at = room.at;
    g.table_weights = room.table_weights;
    g.order = room.order;
    g.first = room.first;
    g.runs = room.runs;
    g.sums = room.sums;
}

}  // namespace cyroi

#endif
