/* The schedule: cuts one planned chunk of boxes into work items of similar cost.
 *
 * A work item is a block of channels of one image times a span of that image's boxes; a box that is too large for one
 * item is cut along its output rows.
 *
 * Decisions
 * a) Items of an image are numbered channels first: while the threads walk through the spans of a block of channels,
 *    its planes stay in their caches, so a map comes from memory once however many boxes it has.
 * b) Boxes are visited in the order of their images (stable, so in the user's order within an image). The order, like
 *    the cuts, cannot change a result: every output element is computed by exactly one item from its own taps.
 * c) An item is as large as leaves kItemsPerThread of them for every thread, within bounds: far less than a slice of
 *    the call between two looks for signals, far more than its dispatch. So if there are channels enough, an item has
 *    all boxes of an image, and a plane is read by one thread only, into one cache. Costs are rough: one unit is about
 *    a nanosecond.
 * d) All arrays belong to the caller, who allocates them before the first result is written. */
#ifndef CYROI_CPU_CALL_SCHEDULE_H
#define CYROI_CPU_CALL_SCHEDULE_H

#include <algorithm>

#include "call/job.h"
#include "cyroi/elements.h"

namespace cyroi {

/* Elements of the maps in a cache line. */
inline double cache_line_elements(const Job& job) {
    return 64.0 / static_cast<double>(element_size(job.maps_element));
}

/* Cost of one channel of a box. */
inline double box_cost(const Job& job, const BoxPlan& box) {
    const double bins = static_cast<double>(job.bins_y * job.bins_x);
    const double y = static_cast<double>(box.y_count), x = static_cast<double>(box.x_count);
    if (job.route == PIXELS) return 0.25 * (y * x + bins);
    const double channels = job.route == FUSED ? static_cast<double>(job.channels) : 1.0;
    const double pixel = job.route == FUSED ? static_cast<double>(job.pixel) / channels : 1.0;
    return 0.25 * y * static_cast<double>(box.x_span) * pixel + static_cast<double>(job.bins_y) * x + bins;
}

/* One span per box, kMaxCuts more where boxes are cut, and as many again as slack for the rounding of costs. */
inline index span_capacity(index boxes, index bins_y) {
    return 2 * boxes + smaller(kMaxCuts, boxes * bins_y);
}

/* Cache lines of a plane that a box reads, about. */
inline double cache_lines_read(const Job& job, const BoxPlan& box) {
    if (box.y_count == 0) return 0;
    const index first = job.pixels[box.taps], last = job.pixels[box.taps + box.y_count - 1];
    const index rows = smaller(box.y_count, (last < first ? first - last : last - first) + 1);
    return static_cast<double>(rows) * (static_cast<double>(box.x_span) / cache_line_elements(job) + 1);
}

struct ByImage {
    const BoxPlan* boxes;
    bool operator()(index a, index b) const {
        return boxes[a].image != boxes[b].image ? boxes[a].image < boxes[b].image : a < b;
    }
};

inline void sort_by_image(const BoxPlan* boxes, index count, index* order) {
    bool sorted = true;
    for (index k = 0; k < count; ++k) {
        order[k] = k;
        sorted = sorted && (k == 0 || boxes[k - 1].image <= boxes[k].image);
    }
    if (!sorted) std::sort(order, order + count, ByImage{boxes});
}

/* Spans of the boxes order[first ... last - 1], appended at `spans`; gives their number. */
inline index cut_spans(const Job& job, const index* order, index first, index last, double limit, Span* spans) {
    index count = 0;
    double open = 0; /* cost of the span that still takes boxes */
    for (index i = first; i < last; ++i) {
        const double cost = box_cost(job, job.boxes[order[i]]);
        if (cost > limit && job.bins_y > 1) {
            const index cuts = static_cast<index>(smaller(cost / limit, static_cast<double>(job.bins_y - 1))) + 1;
            for (index j = 0; j < cuts; ++j) {
                spans[count++] = Span{i, i + 1, j * job.bins_y / cuts, (j + 1) * job.bins_y / cuts};
            }
            open = 0;
        } else if (open > 0 && open + cost <= limit) {
            spans[count - 1].last = i + 1;
            open += cost;
        } else {
            spans[count++] = Span{i, i + 1, 0, job.bins_y};
            open = larger(cost, 1e-9);
        }
    }
    return count;
}

/* Channels per item: as many as a span of this cost per channel leaves room for. */
inline index channels_per_item(const Job& job, double span_cost, double limit) {
    const index quantum = job.planes;
    const index room = static_cast<index>(limit / larger(span_cost, 1.0));
    return smaller(job.channels, quantum * larger<index>(room, 1));
}

/* The cost of an item, see c). */
inline double item_cost(double total, int threads) {
    const double least = static_cast<double>(kLeastItemCost), most = static_cast<double>(kMostItemCost);
    return larger(least, smaller(most, total / static_cast<double>(kItemsPerThread * threads)));
}

/* Cuts the chunk: fills order, spans and groups of the job. Gives the number of items; cost: of all. */
inline index make_schedule(Job& job, index count, int threads, double& cost /* OUT */) {
    double total = 0;
    for (index k = 0; k < count; ++k) total += box_cost(job, job.boxes[k]);
    cost = total * static_cast<double>(job.channels);
    const double limit =
        larger(item_cost(cost, threads) / static_cast<double>(job.planes), total / static_cast<double>(kMaxCuts));
    sort_by_image(job.boxes, count, job.order);
    job.image_count = 0;
    index spans = 0, items = 0;
    for (index first = 0, last; first < count; first = last) {
        double of_image = 0, read = 0;
        const index image = job.boxes[job.order[first]].image;
        for (last = first; last < count && job.boxes[job.order[last]].image == image; ++last) {
            const BoxPlan& box = job.boxes[job.order[last]];
            of_image += box_cost(job, box);
            read += cache_lines_read(job, box);
        }
        ImageItems& g = job.of_images[job.image_count++];
        g.first_span = spans;
        g.spans = cut_spans(job, job.order, first, last, limit, job.spans + spans);
        g.channels = channels_per_item(job, of_image / static_cast<double>(g.spans), limit);
        g.repeats = (job.channels + g.channels - 1) / g.channels;
        g.first_item = items;
        const double lines = static_cast<double>(job.rows * job.row_elements) / cache_line_elements(job);
        g.fetch = read >= kFetchedShare * lines * static_cast<double>(g.spans);
        spans += g.spans;
        items += g.spans * g.repeats;
    }
    return items;
}

/* Those that item `i` belongs to. */
inline const ImageItems& items_of(const Job& job, index i) {
    index low = 0, high = job.image_count;
    while (high - low > 1) {
        const index middle = low + (high - low) / 2;
        if (job.of_images[middle].first_item <= i) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return job.of_images[low];
}

}  // namespace cyroi

#endif
