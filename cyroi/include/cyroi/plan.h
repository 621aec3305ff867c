/* From boxes to taps: the one place where a convention is chosen.
 *
 * Decisions
 * a) An operator is plain data (`Operator`), so that it crosses from Cython, C and CUDA alike. To add a convention:
 *    write its planner, and give it a name in `Convention` and a line in with_planner(). A planner has three functions
 *    (see planners/roi_align.h): axis(), what one axis of a box is, of any type; capacity(axis, bins), room for taps;
 *    and bin(axis, p, writer), which adds the taps of a bin to a TapWriter. Weights are its own affair.
 * b) Boxes reach the planner as y1, x1, y2, x2 (`BoxSide`), whatever order the user's operator has.
 * c) Geometry type G and weight type A are independent: float32 maps with float64 boxes are planned in double.
 *
 * Compiled where boxes are planned or plans are read: by the host once and per SIMD target, and as device code. */
#ifndef CYROI_PLAN_H
#define CYROI_PLAN_H

#include "cyroi/planners/crop_and_resize.h"
#include "cyroi/planners/roi_align.h"
#include "cyroi/taps.h"

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
    bool snap_edges;      /* crop_and_resize: what lies outside by no more than rounding is on the edge */
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
    return use(CropAndResize<G>{op.convention == CROP_NEAREST, op.snap_edges});
}

template <class G>
struct Capacity {
    const Operator& op;
    const G* box;

    template <class P>
    CYROI_HD index operator()(const P& planner) const {
        return planner.capacity(planner.axis(box[kY1], box[kY2], op.bins_y, op.height), op.tile.bins_y) +
               planner.capacity(planner.axis(box[kX1], box[kX2], op.bins_x, op.width), op.tile.bins_x);
    }
};

/* Room that plan_box needs for one box, in taps. */
template <class G>
CYROI_HD index tap_capacity(const Operator& op, const G* box /* IN: kBoxSides */) {
    return with_planner<G>(op, Capacity<G>{op, box});
}

/* Plans bins first, first + 1 ... of one axis, and says for each where its taps end. */
template <class P, class X, class W>
CYROI_HD_INLINE void plan_bins(const P& planner, const X& axis, index first, index bins, W& writer,
                               int* ends /* OUT */) {
    for (index p = 0; p < bins; ++p) {
        planner.bin(axis, first + p, writer);
        ends[p] = writer.count();
    }
}

/* Plans one box; offsets count from the first tap of `taps`. */
template <class G, class A, int N>
struct BothAxes {
    const Operator& op;
    const G* box;
    Taps<A, N> taps;
    int* ends;

    template <class P>
    CYROI_HD BoxPlan operator()(const P& planner) const {
        const Tile& tile = op.tile;
        const auto y = planner.axis(box[kY1], box[kY2], op.bins_y, op.height);
        const auto x = planner.axis(box[kX1], box[kX2], op.bins_x, op.width);
        const index room_y = planner.capacity(y, tile.bins_y), room_x = planner.capacity(x, tile.bins_x);
        TapWriter<A, N> rows(taps, room_y), columns(taps.from(room_y), room_x);
        plan_bins(planner, y, tile.first_y, tile.bins_y, rows, ends);
        plan_bins(planner, x, tile.first_x, tile.bins_x, columns, ends + tile.bins_y);
        BoxPlan plan = BoxPlan();
        plan.taps_x = room_y;
        plan.y_count = rows.count();
        plan.x_count = columns.count();
        plan.x_first = plan.x_count > 0 ? columns.first() : 0;
        plan.x_span = columns.last() + 1 - plan.x_first;
        return plan;
    }
};

/* Writes the taps of one box, beginning at offset `first_tap` of the arrays, and for each bin where its taps end (y
 * bins, then x bins; each axis counts from 0). Without arrays (null) it counts: all but the taps is as with them. */
template <class G, class A, int N>
CYROI_HD BoxPlan plan_taps(const Operator& op, const G* box /* IN: kBoxSides */, index image, index first_tap,
                           const Taps<A, N>& all /* OUT */, int* ends /* OUT: of the tile, bins_y + bins_x */) {
    BoxPlan plan = with_planner<G>(op, BothAxes<G, A, N>{op, box, all.from(first_tap), ends});
    plan.image = image;
    plan.taps = first_tap;
    plan.taps_x += first_tap;
    return plan;
}

/* Weights alone, for results and for gradients to the maps. */
template <class G, class A>
CYROI_HD BoxPlan plan_box(const Operator& op, const G* box, index image, index first_tap, int* pixels, A* weights,
                          int* ends) {
    return plan_taps(op, box, image, first_tap, Taps<A, 1>{pixels, {weights}}, ends);
}

/* With their derivatives to the low and to the high side of the box, for gradients to the boxes. */
template <class G, class A>
CYROI_HD BoxPlan plan_slopes(const Operator& op, const G* box, index image, index first_tap, int* pixels, A* weights,
                             A* by_lo, A* by_hi, int* ends) {
    return plan_taps(op, box, image, first_tap, Taps<A, 3>{pixels, {weights, by_lo, by_hi}}, ends);
}

/* The rows, and the columns, of bins of a planned box; pixels, weights: the arrays that plan_box was given, ends: those
 * of this box. */
template <class A>
CYROI_HD Bins<A> y_bins(const BoxPlan& box, const int* pixels, const A* weights, const int* ends) {
    return Bins<A>{TapList<A>{pixels + box.taps, weights + box.taps, box.y_count}, ends};
}

template <class A>
CYROI_HD Bins<A> x_bins(const BoxPlan& box, const int* pixels, const A* weights, const int* ends, index bins_y) {
    return Bins<A>{TapList<A>{pixels + box.taps_x, weights + box.taps_x, box.x_count}, ends + bins_y};
}

}  // namespace cyroi

#endif
