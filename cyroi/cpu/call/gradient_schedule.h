/* What is decided about a planned chunk of boxes before its work items run: order, runs, places of tables, costs.
 * Compiled once. */
#ifndef CYROI_CPU_CALL_GRADIENT_SCHEDULE_H
#define CYROI_CPU_CALL_GRADIENT_SCHEDULE_H

#include <algorithm>

#include "call/gradient_job.h"
#include "call/schedule.h"

namespace cyroi {

static const index kWholeAxis = static_cast<index>(1) << 40; /* more than the taps of an axis */

/* Rows of bins at once: what their converted elements have room for, in vectors of channels of up to 16. */
inline index batch_rows(const GradientJob& g, bool to_boxes) {
    if (g.route == PIXELS && g.grad.plain) return g.bins_y;
    const index row = g.bins_x * (g.route == PIXELS ? 16 : g.row_channels);
    return larger<index>(1, smaller(to_boxes ? kBoxBatch : kBatch, kRowRoom / row));
}

/* More than the windows of one row. */
inline index most_windows(const GradientJob& g, int lanes) {
    return g.row_elements / lanes + 2;
}

/* A bound of the cost of a box in a work item, from the room of its taps. */
inline double cost_bound(const GradientJob& g, index taps) {
    const double row = static_cast<double>(g.route == PIXELS ? smaller(taps, g.columns) : g.row_elements / 16 + 1);
    const double planes = static_cast<double>(g.planes);
    const double channels = g.route == FUSED ? 1.0 : g.route == PIXELS ? planes / 16 + 1 : planes;
    return static_cast<double>(taps) * row * channels;
}

/* Cost of one channel of a box with so many taps, columns and bins. */
inline double gradient_cost(const GradientJob& g, double y_taps, double x_taps, double columns, double bins) {
    return g.route == PIXELS ? 0.1 * (y_taps * x_taps + bins) : y_taps * (columns / 16 + 1) + bins;
}

/* Cost of one channel of a planned box. */
inline double gradient_cost(const GradientJob& g, index k) {
    const BoxPlan& box = g.boxes[k];
    return gradient_cost(g, static_cast<double>(box.y_count), static_cast<double>(box.x_count),
                         static_cast<double>(box.x_span), static_cast<double>(g.bins_y * g.bins_x));
}

/* Cost of a whole chunk, zeroing included. */
inline double chunk_cost(const GradientJob& g, index count) {
    double total = 0;
    for (index k = 0; k < count; ++k) total += gradient_cost(g, k);
    if (g.zero) total += 0.05 * static_cast<double>(g.images * g.rows * g.columns);
    return total * static_cast<double>(g.channels);
}

/* Boxes by image, stable, and where the boxes of each image begin. */
inline void order_boxes(const GradientJob& g, index count, index* order /* OUT */, index* first /* OUT */) {
    sort_by_image(g.boxes, count, order);
    index i = 0;
    for (index n = 0; n <= g.images; ++n) {
        while (i < count && g.boxes[order[i]].image < n) ++i;
        first[n] = i;
    }
}

/* Channels that a work item of the gradient to the boxes looks at. */
inline double item_channels(const GradientJob& g) {
    return static_cast<double>(g.route == PIXELS ? g.channels : smaller(kGroup, g.channels));
}

/* Into how many pieces a box of so many tap rows is cut: a matter of the box alone, since pieces are summed apart. */
inline index pieces_of(const GradientJob& g, double cost, index tap_rows) {
    const double wanted = cost * item_channels(g) / static_cast<double>(kRunCost);
    return static_cast<index>(smaller(wanted, static_cast<double>(smaller(kMaxPieces, tap_rows) - 1))) + 1;
}

/* At most so many pieces has a box with room for so many taps. */
inline index most_pieces(const GradientJob& g, index taps, index bins) {
    const double all = static_cast<double>(taps), half = all / 2; /* the product of both axes is largest there */
    const double columns = static_cast<double>(g.columns), of_bins = static_cast<double>(bins); /* few taps span all */
    const double cost = larger(gradient_cost(g, half, half, columns, of_bins),
                               g.route == PIXELS ? 0.0 : gradient_cost(g, all, 0, columns, of_bins));
    return pieces_of(g, cost, kMaxPieces);
}

/* Cuts the order into runs, each of one image. As few as occupy the threads, because a plane comes from memory once for
 * each, and pieces of the boxes that cost too much to be looked at in one go. Gives the number of runs. */
inline index cut_runs(const GradientJob& g, index count, double cost, int threads, Run* runs /* OUT */) {
    const double groups = static_cast<double>(g.run_items),
                 wanted = threads > 1 ? larger(1.0, kRunsPerThread * threads / groups) : 1.0;
    const double limit = smaller(static_cast<double>(kRunCost), cost / (groups * wanted));
    index made = 0, slot = 0;
    double open = -1; /* cost of the run that still takes boxes */
    for (index i = 0; i < count; ++i) {
        const index k = g.order[i], rows = g.boxes[k].y_count;
        const double one = gradient_cost(g, k), here = one * item_channels(g);
        const index pieces = rows > 1 ? pieces_of(g, one, rows) : 1;
        const bool same = i > 0 && g.boxes[k].image == g.boxes[g.order[i - 1]].image;
        if (pieces > 1) {
            for (index j = 0; j < pieces; ++j) {
                runs[made++] = Run{i, i + 1, slot++, rows * j / pieces, rows * (j + 1) / pieces};
            }
            open = -1;
            continue;
        }
        if (!same || open < 0 || open + here > limit) {
            runs[made++] = Run{i, i, slot, 0, kWholeAxis};
            open = 0;
        }
        runs[made - 1].last = i + 1;
        ++slot;
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

/* How many boxes and pieces of boxes have sums. */
inline index sums_count(const GradientJob& g) {
    if (g.run_count == 0) return 0;
    const Run& last = g.runs[g.run_count - 1];
    return last.sums + last.last - last.first;
}

/* Before the work items of a chunk, which add to them. */
inline void clear_sums(const GradientJob& g) {
    std::fill_n(g.sums, 4 * sums_count(g) * g.groups, 0.0);
}

/* The sums of y1 x1 y2 x2 that box order[i], or its piece, has in a run. */
inline double* sums_of(const GradientJob& g, const Run& run, index i, index group) {
    return g.sums + ((run.sums + i - run.first) * g.groups + group) * 4;
}

/* Adds the sums of pieces and groups of channels of each box of the chunk to its row of the result. */
inline void add_sums(const GradientJob& g, double* result) {
    for (index r = 0; r < g.run_count; ++r) {
        const Run& run = g.runs[r];
        for (index i = run.first; i < run.last; ++i) {
            double* const row = result + 4 * g.boxes[g.order[i]].row;
            for (index group = 0; group < g.groups; ++group) {
                const double* const sums = sums_of(g, run, i, group);
                for (index s = 0; s < 4; ++s) row[s] += sums[s];
            }
        }
    }
}

}  // namespace cyroi

#endif
