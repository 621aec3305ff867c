/* What is decided about a planned chunk of boxes before its work items run: order, runs, places of tables, costs. */
#ifndef CYROI_CPU_GRADIENT_PLAN_H
#define CYROI_CPU_GRADIENT_PLAN_H

#include "gradient_job.h"
#include "schedule.h"

namespace cyroi {

static const index kGroup = 16;     /* channels that the gradient to the boxes sums up at once */
static const index kRowRoom = 8192; /* elements of rows that are converted at once */
static const index kBoxBatch = 8;   /* rows of bins at once, of which three spread rows each are kept */
static const double kRunCost = 1e7; /* of a run of boxes and a group of channels, at most */

/* Rows of bins at once: what their converted elements have room for, in vectors of channels of up to 16. */
inline index batch_rows(const Job& job, bool to_boxes) {
    if (job.route == PIXELS && job.out.plain) return job.bins_y;
    const index row = job.bins_x * (job.route == PIXELS ? 16 : job.row_channels);
    return larger<index>(1, smaller(to_boxes ? kBoxBatch : kBatch, kRowRoom / row));
}

/* More than the windows of one row. */
inline index most_windows(const Job& job, int lanes) {
    return job.row_elements / lanes + 2;
}

/* A bound of the cost of a box in a work item, from the room of its taps. */
inline double cost_bound(const GradientJob& g, index taps) {
    const Job& job = g.job;
    const double row = static_cast<double>(job.route == PIXELS ? smaller(taps, g.columns) : job.row_elements / 16 + 1);
    const double planes = static_cast<double>(job.planes);
    const double channels = job.route == FUSED ? 1.0 : job.route == PIXELS ? planes / 16 + 1 : planes;
    return static_cast<double>(taps) * row * channels;
}

/* Cost of one channel of a planned box. */
inline double gradient_cost(const GradientJob& g, index k) {
    const BoxPlan& box = g.job.boxes[k];
    const double y = static_cast<double>(box.y_count), bins = static_cast<double>(g.job.bins_y * g.job.bins_x);
    if (g.job.route == PIXELS) return 0.1 * (y * static_cast<double>(box.x_count) + bins);
    return y * (static_cast<double>(box.x_span) / 16 + 1) + bins;
}

/* Cost of a whole chunk, zeroing included. */
inline double chunk_cost(const GradientJob& g, index count) {
    double total = 0;
    for (index k = 0; k < count; ++k) total += gradient_cost(g, k);
    if (g.zero) total += 0.05 * static_cast<double>(g.images * g.job.rows * g.columns);
    return total * static_cast<double>(g.job.channels);
}

/* Boxes by image, stable, and where the boxes of each image begin. */
inline void order_boxes(const GradientJob& g, index count, index* order /* OUT */, index* first /* OUT */) {
    sort_by_image(g.job.boxes, count, order);
    index i = 0;
    for (index n = 0; n <= g.images; ++n) {
        while (i < count && g.job.boxes[order[i]].image < n) ++i;
        first[n] = i;
    }
}

/* Cuts the order into runs, each of one image; at most `count` of them. As few as occupy the threads: a plane comes
 * from memory once for each. */
inline index cut_runs(const GradientJob& g, index count, double cost, int threads, Run* runs /* OUT */) {
    const double groups = static_cast<double>(g.parts),
                 wanted = threads > 1 ? larger(1.0, 4.0 * threads / groups) : 1.0;
    const double limit = smaller(kRunCost, cost / (groups * wanted));
    index made = 0;
    const double channels =
        static_cast<double>(g.job.route == PIXELS ? g.job.channels : smaller(kGroup, g.job.channels));
    double open = 0;
    for (index i = 0; i < count; ++i) {
        const double here = gradient_cost(g, g.order[i]) * channels;
        const bool same = i > 0 && g.job.boxes[g.order[i]].image == g.job.boxes[g.order[i - 1]].image;
        if (!same || open + here > limit) {
            runs[made++] = Run{i, i};
            open = 0;
        }
        runs[made - 1].last = i + 1;
        open += here;
    }
    return made;
}

/* Places for windows and tables, one box behind the other. Where the room ends, boxes do without. */
inline void place_windows(const GradientJob& g, index count, index windows, index elements) {
    index window = 0, element = 0;
    for (index k = 0; k < count; ++k) {
        Turned& turned = g.turned[k];
        if (window + turned.windows > windows || element + turned.elements > elements) turned.tabled = false;
        if (!turned.tabled) turned.windows = turned.elements = 0;
        turned.window = window;
        turned.table = element;
        window += turned.windows;
        element += turned.elements;
    }
}

/* Before the work items of a chunk, which add to them. */
inline void clear_sums(const GradientJob& g, index count) {
    std::fill_n(g.sums, 4 * count * g.groups, 0.0);
}

/* Adds the sums of channels of each box of the chunk to its row of the result. */
inline void add_sums(const GradientJob& g, index count, double* result) {
    for (index k = 0; k < count; ++k) {
        for (index group = 0; group < g.groups; ++group) {
            for (index i = 0; i < 4; ++i)
                result[4 * (g.job.first_box + k) + i] += g.sums[(k * g.groups + group) * 4 + i];
        }
    }
}

}  // namespace cyroi

#endif
