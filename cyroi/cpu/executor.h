/* The executor: applies the taps of one box to maps,  out[c, p, q] = sum_y Ay[p, y] * sum ... X[c, y, x] * Ax[q, x] .
 *
 * It knows nothing of conventions: taps come from cyroi/plan.h. Three routes, one order of summation.
 *
 *   planes    innermost stride is x (NCHW): channel by channel; for each output row the tap rows are combined into one
 *             row buffer over the columns that the box needs (contiguous loads, vectorised by the compiler), then the
 *             bins are resampled from that row.
 *   fused     innermost stride is c and channels are few (an NHWC image): the same, with the row of a box seen as one
 *             run of x_span * channels elements.
 *   pixels    innermost stride is c and channels are many: vectors of channels, no row buffer; for each bin, each
 *             column tap combines its row taps.
 *
 * Decisions
 * a) Rows first, then columns, in all three routes, and in each of the two sums taps are added in ascending order of
 *    pixel within blocks of kBlock, the blocks' sums in ascending order too. An output element therefore has the same
 *    bits whatever the layout, the route, the other boxes, the channel count, the threads or the slicing.
 * b) Blocks bound the rounding error: n taps cost about (kBlock + n / kBlock) * eps instead of n * eps. Without
 *    them the average of a constant map over a thousand rows drifts by 1e-5 in float32.
 * c) The first product starts a sum (not 0 + product): a single tap of weight 1 copies its pixel, -0.0 included.
 * d) Pointers and numbers only; no allocation, no branch on Python state; contraction is off in the build, because the
 *    planner is compiled in the same module.
 * e) The fused route reads the elements between two pixels as well (image[..., :3] of RGBA); they lie inside the row
 *    and no bin uses them. */
#ifndef CYROI_CPU_EXECUTOR_H
#define CYROI_CPU_EXECUTOR_H

#include "cyroi/plan.h"

#if defined(_MSC_VER)
#define CYROI_RESTRICT __restrict
#else
#define CYROI_RESTRICT __restrict__
#endif

namespace cyroi {

enum Route { PLANES = 0, FUSED = 1, PIXELS = 2 };

static const index kBlock = 16;    /* taps summed before their sum joins the total (decision b) */
static const index kChannels = 32; /* channels that the pixels route holds at once */

/* Strides of a four-dimensional array, in elements; may be negative. n: images of the maps, boxes of the output. */
struct Strides {
    index n, c, y, x;
};

/* Everything that is the same for all work items of one call, but for the arrays of elements. */
struct Job {
    Strides maps, out;
    index channels;
    index bins_y, bins_x;
    double fill; /* value of a bin that has no sample inside */
    int route;
    index first_box;      /* of the chunk, in the output */
    const BoxPlan* boxes; /* IN: of the chunk */
    const int* ends;      /* IN: bins_y + bins_x of them per box */
    const int* pixels;    /* IN: taps */
};

template <class A>
struct Arrays {
    const A* maps;    /* IN: images, channels, rows, columns */
    A* out;           /* OUT: boxes, channels, bins_y, bins_x */
    const A* weights; /* IN: taps */
    A* scratch;       /* for each thread two rows of scratch_row() elements */
};

/* --- sums over taps ------------------------------------------------------------------------------------------------ */

/* `count` taps, read only. */
template <class A>
struct TapList {
    const int* pixel;
    const A* weight;
    index count;

    TapList part(index first, index last) const { return TapList{pixel + first, weight + first, last - first}; }
};

/* row[i] (+)= sum of R tap rows; `fresh` starts the sum. */
template <int R, bool fresh, class A>
inline void add_rows(const A* base, index stride, const TapList<A>& taps, index n, A* CYROI_RESTRICT row) {
    const A* CYROI_RESTRICT r[4];
    A w[4];
    for (int t = 0; t < R; ++t) {
        r[t] = base + taps.pixel[t] * stride;
        w[t] = taps.weight[t];
    }
    for (index i = 0; i < n; ++i) {
        A sum = fresh ? w[0] * r[0][i] : row[i] + w[0] * r[0][i];
        if (R > 1) sum += w[1] * r[1][i];
        if (R > 2) sum += w[2] * r[2][i];
        if (R > 3) sum += w[3] * r[3][i];
        row[i] = sum;
    }
}

template <bool fresh, class A>
inline void add_up_to_four(const A* base, index stride, const TapList<A>& taps, index n, A* row) {
    switch (taps.count) {
        case 1: return add_rows<1, fresh>(base, stride, taps, n, row);
        case 2: return add_rows<2, fresh>(base, stride, taps, n, row);
        case 3: return add_rows<3, fresh>(base, stride, taps, n, row);
        default: return add_rows<4, fresh>(base, stride, taps, n, row);
    }
}

/* row[i] = sum over the taps of weight * base[pixel * stride + i]; at least one tap. `part` is scratch like `row`. */
template <class A>
inline void combine_rows(const A* base, index stride, const TapList<A>& taps, index n, A* row, A* part) {
    for (index b = 0; b < taps.count; b += kBlock) {
        A* sum = b == 0 ? row : part;
        const index end = smaller(taps.count, b + kBlock);
        add_up_to_four<true>(base, stride, taps.part(b, end), n, sum);
        for (index t = b + 4; t < end; t += 4) add_up_to_four<false>(base, stride, taps.part(t, end), n, sum);
        if (b > 0) {
            for (index i = 0; i < n; ++i) row[i] += part[i];
        }
    }
}

/* The same for a single element: sum over the taps of weight * base[pixel * stride]; at least one tap. */
template <class A>
inline A combine_one(const A* base, index stride, const TapList<A>& taps) {
    A total = 0;
    for (index b = 0; b < taps.count; b += kBlock) {
        const index end = smaller(taps.count, b + kBlock);
        A sum = taps.weight[b] * base[taps.pixel[b] * stride];
        for (index t = b + 1; t < end; ++t) sum += taps.weight[t] * base[taps.pixel[t] * stride];
        total = b == 0 ? sum : total + sum;
    }
    return total;
}

/* --- what a work item sees ----------------------------------------------------------------------------------------- */

/* The bins of one axis of one box. */
template <class A>
struct Bins {
    TapList<A> taps;
    const int* ends;

    TapList<A> operator[](index p) const { return taps.part(p ? ends[p - 1] : 0, ends[p]); }
};

/* One box, some of its channels and output rows. */
template <class A>
struct Part {
    const Job& job;
    const BoxPlan& box;
    Bins<A> y, x;
    index channels;
    index p0, p1;
    const A* map; /* IN: first channel, pixel (0, 0) */
    A* out;       /* OUT: first channel, bin (0, 0) */

    A fill() const { return static_cast<A>(job.fill); }
};

/* --- planes and fused: one output row ------------------------------------------------------------------------------ */

/* Resamples a combined row, whose element 0 is column x_first; `pixel` elements from a column to the next. */
template <class A>
inline void resample_row(const Part<A>& part, const A* row, index pixel, A* out) {
    for (index q = 0; q < part.job.bins_x; ++q) {
        const TapList<A> x = part.x[q];
        for (index c = 0; c < part.channels; ++c) {
            out[q * part.job.out.x + c * part.job.out.c] =
                x.count ? combine_one(row + c - part.box.x_first * pixel, pixel, x) : part.fill();
        }
    }
}

template <class A>
inline void fill_row(const Part<A>& part, A* out) {
    for (index q = 0; q < part.job.bins_x; ++q) {
        for (index c = 0; c < part.channels; ++c) out[q * part.job.out.x + c * part.job.out.c] = part.fill();
    }
}

template <class A>
inline void box_rows(const Part<A>& part, A* row, A* scratch) {
    const Job& job = part.job;
    const index pixel = job.maps.x;
    const index n = (part.box.x_span - 1) * pixel + part.channels;
    for (index p = part.p0; p < part.p1; ++p) {
        const TapList<A> y = part.y[p];
        A* out = part.out + p * job.out.y;
        if (part.box.x_span == 0 || y.count == 0) {
            fill_row(part, out);
        } else {
            combine_rows(part.map + part.box.x_first * job.maps.x, job.maps.y, y, n, row, scratch);
            resample_row(part, row, pixel, out);
        }
    }
}

/* --- pixels: one bin, a vector of channels ------------------------------------------------------------------------- */

/* sum[0..n) = the bin's value for n <= kChannels channels; at least one tap on each axis. */
template <class A>
inline void pixel_bin(const A* map, const Strides& strides, const TapList<A>& y, const TapList<A>& x, index n,
                      A* CYROI_RESTRICT sum) {
    A column[kChannels], scratch[kChannels], block[kChannels];
    for (index b = 0; b < x.count; b += kBlock) {
        A* CYROI_RESTRICT into = b == 0 ? sum : block;
        for (index j = b; j < smaller(x.count, b + kBlock); ++j) {
            combine_rows(map + x.pixel[j] * strides.x, strides.y, y, n, column, scratch);
            const A w = x.weight[j];
            for (index c = 0; c < n; ++c) into[c] = j == b ? w * column[c] : into[c] + w * column[c];
        }
        if (b > 0) {
            for (index c = 0; c < n; ++c) sum[c] += block[c];
        }
    }
}

template <class A>
inline void box_pixels(const Part<A>& part) {
    const Job& job = part.job;
    A sum[kChannels];
    for (index p = part.p0; p < part.p1; ++p) {
        const TapList<A> y = part.y[p];
        for (index q = 0; q < job.bins_x; ++q) {
            const TapList<A> x = part.x[q];
            const bool empty = y.count == 0 || x.count == 0;
            A* bin = part.out + p * job.out.y + q * job.out.x;
            for (index c0 = 0; c0 < part.channels; c0 += kChannels) {
                const index n = smaller(kChannels, part.channels - c0);
                if (!empty) pixel_bin(part.map + c0, job.maps, y, x, n, sum);
                for (index c = 0; c < n; ++c) bin[(c0 + c) * job.out.c] = empty ? part.fill() : sum[c];
            }
        }
    }
}

/* --- one box ------------------------------------------------------------------------------------------------------- */

/* Channels [c0, c1) and output rows [p0, p1) of box `k` of the chunk. */
template <class A>
inline void run_box(const Job& job, const Arrays<A>& arrays, index k, index c0, index c1, index p0, index p1,
                    A* scratch, index row) {
    const BoxPlan& box = job.boxes[k];
    const int* ends = job.ends + k * (job.bins_y + job.bins_x);
    const TapList<A> y = {job.pixels + box.taps, arrays.weights + box.taps, box.y_count};
    const TapList<A> x = {job.pixels + box.taps_x, arrays.weights + box.taps_x, box.x_count};
    const Part<A> part = {job,
                          box,
                          Bins<A>{y, ends},
                          Bins<A>{x, ends + job.bins_y},
                          c1 - c0,
                          p0,
                          p1,
                          arrays.maps + box.image * job.maps.n + c0 * job.maps.c,
                          arrays.out + (job.first_box + k) * job.out.n + c0 * job.out.c};
    if (job.route == PIXELS) return box_pixels(part);
    box_rows(part, scratch, scratch + row);
}

/* Elements of one scratch row, on maps of this width. */
inline index scratch_row(const Job& job, index width) {
    if (job.route == PLANES) return width;
    return job.route == FUSED ? (width - 1) * job.maps.x + job.channels : 0;
}

}  // namespace cyroi

#endif
