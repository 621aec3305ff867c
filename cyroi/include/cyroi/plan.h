/* From boxes to taps: the one place where a convention is chosen.
 *
 * Decisions
 * a) An operator is plain data (`Operator`), so that it crosses from Cython, C and CUDA alike. To add a convention:
 *    write its planner (axis() and bin(), see roi_align.h), and give it a name in `Convention` and a line in
 *    with_planner().
 * b) Boxes reach the planner as y1, x1, y2, x2, whatever order the user's operator has.
 * c) Geometry type G and weight type A are independent: float32 maps with float64 boxes are planned in double. */
#ifndef CYROI_PLAN_H
#define CYROI_PLAN_H

#include "cyroi/planners/crop_and_resize.h"
#include "cyroi/planners/roi_align.h"

namespace cyroi {

enum Convention { ROI_ALIGN = 0, CROP_BILINEAR = 1, CROP_NEAREST = 2 };

/* A part of the bins: rows [first_y, first_y + bins_y), columns likewise. */
struct Tile {
    index first_y, first_x, bins_y, bins_x;
};

struct Operator {
    int convention;
    bool aligned;         /* ROI_ALIGN: half-pixel offset, no minimum size */
    index sampling_ratio; /* ROI_ALIGN: samples per bin and axis, 0 adaptive */
    double spatial_scale; /* ROI_ALIGN: map pixels per box unit */
    index height, width;  /* of the maps, in pixels; below 2**31 */
    index bins_y, bins_x; /* of the output */
    Tile tile;            /* of the output, to be planned */
};

/* Where the taps of one box lie, and what they cost. */
struct BoxPlan {
    index image;            /* of the maps */
    index row;              /* of the output */
    index taps, taps_x;     /* offsets of the first y tap and of the first x tap */
    index y_count, x_count; /* number of taps per axis, all bins together */
    index x_first, x_span;  /* the columns that any bin reads: x_first ... x_first + x_span - 1 */
};

template <class G, class F>
CYROI_HD auto with_planner(const Operator& op, F use) -> decltype(use(CropAndResize<G>())) {
    if (op.convention == ROI_ALIGN) {
        return use(RoiAlign<G>{static_cast<G>(op.spatial_scale), op.sampling_ratio, op.aligned});
    }
    return use(CropAndResize<G>{op.convention == CROP_NEAREST});
}

template <class G>
struct Capacity {
    const Operator& op;
    const G* box;

    template <class P>
    CYROI_HD index operator()(const P& planner) const {
        return planner.axis(box[0], box[2], op.bins_y, op.height).capacity(op.tile.bins_y) +
               planner.axis(box[1], box[3], op.bins_x, op.width).capacity(op.tile.bins_x);
    }
};

/* Room that plan_box needs for one box, in taps. */
template <class G>
CYROI_HD index tap_capacity(const Operator& op, const G* box /* IN: y1 x1 y2 x2 */) {
    return with_planner<G>(op, Capacity<G>{op, box});
}

/* T: Taps, or Slopes (slopes.h). */
template <class G, class T>
struct Fill {
    const Operator& op;
    const G* box;
    T taps;
    int* ends;

    template <class P>
    CYROI_HD index axis(const P& planner, const Axis<G>& a, index first, index bins, T out, int* bin_ends) const {
        typename T::Writer writer(out, a.capacity(bins), a.grid > 0 ? 1.0 / static_cast<double>(a.grid) : 0.0);
        int count = 0;
        for (index p = 0; p < bins; ++p) {
            planner.bin(a, first + p, writer);
            bin_ends[p] = count = writer.end_bin();
        }
        return count;
    }

    template <class P>
    CYROI_HD BoxPlan operator()(const P& planner) const {
        const Axis<G> y = planner.axis(box[0], box[2], op.bins_y, op.height);
        const Axis<G> x = planner.axis(box[1], box[3], op.bins_x, op.width);
        BoxPlan plan = BoxPlan();
        plan.taps_x = y.capacity(op.tile.bins_y);
        plan.y_count = axis(planner, y, op.tile.first_y, op.tile.bins_y, taps, ends);
        plan.x_count = axis(planner, x, op.tile.first_x, op.tile.bins_x, taps.from(plan.taps_x), ends + op.tile.bins_y);
        return plan;
    }
};

/* Writes the taps of one box, beginning at offset `first_tap` of the arrays, and for each bin where its taps end (y
 * bins, then x bins; each axis counts from 0). */
template <class G, class T>
CYROI_HD BoxPlan plan_taps(const Operator& op, const G* box /* IN: y1 x1 y2 x2 */, index image, index first_tap,
                           T all /* OUT */, int* ends /* OUT: of the tile, bins_y + bins_x */) {
    const T taps = all.from(first_tap);
    BoxPlan plan = with_planner<G>(op, Fill<G, T>{op, box, taps, ends});
    const int* x = taps.pixel + plan.taps_x;
    index first = plan.x_count ? x[0] : 0, last = first - 1;
    for (index j = 0; j < plan.x_count; ++j) {
        first = smaller<index>(first, x[j]);
        last = larger<index>(last, x[j]);
    }
    plan.image = image;
    plan.taps = first_tap;
    plan.taps_x += first_tap;
    plan.x_first = first;
    plan.x_span = last - first + 1;
    return plan;
}

template <class G, class A>
CYROI_HD BoxPlan plan_box(const Operator& op, const G* box, index image, index first_tap, int* pixels, A* weights,
                          int* ends) {
    return plan_taps(op, box, image, first_tap, Taps<A>{pixels, weights}, ends);
}

}  // namespace cyroi

#endif
