/* The gradient to the boxes: from the sums of lanes to those of a box, and the work items. See to_boxes.h. */
#ifndef CYROI_CPU_BOX_SUMS_H
#define CYROI_CPU_BOX_SUMS_H

#include "to_boxes.h"

namespace cyroi {

/* One element of the gradient of the result. */
struct ReadOne {
    const char* at;
    double* value;

    template <class O>
    void operator()(O) const {
        *value = static_cast<double>(value_of(*reinterpret_cast<const O*>(at)));
    }
};

/* What one bin gives, without the products of which a factor is 0. */
template <class S, class A>
inline void contract_bin(const SlopeList<A>& y, const SlopeList<A>& x, const S* map, const Strides& strides,
                         double grad, double (&sums)[4]) {
    for (index i = 0; i < y.count; ++i) {
        for (index j = 0; j < x.count; ++j) {
            const double value = static_cast<double>(value_of(map[y.pixel[i] * strides.y + x.pixel[j] * strides.x]));
            const A factors[4][2] = {{y.by_lo[i], x.weight[j]},
                                     {y.weight[i], x.by_lo[j]},
                                     {y.by_hi[i], x.weight[j]},
                                     {y.weight[i], x.by_hi[j]}};
            for (int s = 0; s < 4; ++s) {
                if (factors[s][0] == 0 || factors[s][1] == 0) continue;
                sums[s] += static_cast<double>(factors[s][0]) * static_cast<double>(factors[s][1]) * value * grad;
            }
        }
    }
}

/* n channels of box k from c on, bin by bin. */
template <class S, class A>
CYROI_KERNEL void contract_exactly(const GradientJob& g, index k, index c, index n, double (&sums)[4] /* OUT */) {
    const Job& job = g.job;
    const SlopeBins<A> y = y_slopes<A>(g, k), x = x_slopes<A>(g, k);
    std::fill_n(sums, 4, 0.0);
    for (index i = c; i < c + n; ++i) {
        for (index p = 0; p < job.bins_y; ++p) {
            for (index q = 0; q < job.bins_x; ++q) {
                double grad;
                with_element(job.out.element, ReadOne{gradient_row(job, k, i, p) + q * job.out.x, &grad});
                contract_bin(y[p], x[q], map_of<S>(job, k, i), job.maps, grad, sums);
            }
        }
    }
}

/* Adds the sums over lanes of n channels of box k from c on. */
template <class S, class A>
inline void add_lanes(const GradientJob& g, index k, index c, index n, const LaneSums<A>& lanes, double* total) {
    double sums[4];
    bool finite = true;
    for (int s = 0; s < 4; ++s) {
        sums[s] = static_cast<double>(Lanes<A>::sum(lanes.at[s]));
        finite = finite && sums[s] - sums[s] == 0;
    }
    if (!finite) contract_exactly<S, A>(g, k, c, n, sums);
    for (int s = 0; s < 4; ++s) total[s] += sums[s];
}

template <class A>
inline void clear(LaneSums<A>& lanes) {
    for (int s = 0; s < 4; ++s) lanes.at[s] = Lanes<A>::set(0);
}

/* Planes and fused: a run of boxes and a group of channels, a few planes at a time. */
template <class S>
inline void run_planes(const GradientJob& g, const Run& run, index group) {
    typedef typename Arithmetic<S>::Type A;
    const Job& job = g.job;
    const index last = smaller(job.channels, (group + 1) * kGroup);
    for (index c0 = group * kGroup; c0 < last; c0 += job.planes) {
        for (index i = run.first; i < run.last; ++i) {
            const index k = g.order[i], next = i + 1 < run.last ? g.order[i + 1] : k;
            double* total = g.sums + (k * g.groups + group) * 4;
            if (g.turned[k].y_lines == 0 || g.turned[k].x_lines == 0) continue;
            for (index c = c0; c < smaller(last, c0 + job.planes); c += job.row_channels) {
                LaneSums<A> lanes;
                clear(lanes);
                contract_plane<S>(g, k, next, c, lanes);
                add_lanes<S>(g, k, c, job.row_channels, lanes, total);
            }
        }
    }
}

/* Pixels: a run of boxes, with all of their channels, which lie together. */
template <class S>
inline void run_pixels(const GradientJob& g, const Run& run) {
    typedef typename Arithmetic<S>::Type A;
    const Job& job = g.job;
    const index lanes = Lanes<A>::count;
    LaneSums<A> sums[kPixelChannels / Lanes<A>::count];
    for (index i = run.first; i < run.last; ++i) {
        const index k = g.order[i];
        if (g.turned[k].y_lines == 0 || g.turned[k].x_lines == 0) continue;
        for (index c0 = 0; c0 < job.channels; c0 += kPixelChannels) {
            const index count = smaller(kPixelChannels, job.channels - c0);
            for (index c = 0; c < count; c += lanes) clear(sums[c / lanes]);
            contract_pixels<S>(g, k, c0, count, sums);
            for (index c = 0; c < count; c += lanes) {
                double* total = g.sums + (k * g.groups + (c0 + c) / kGroup) * 4;
                add_lanes<S>(g, k, c0 + c, smaller(lanes, count - c), sums[c / lanes], total);
            }
        }
    }
}

/* A run of boxes and, but on the route pixels, a group of channels. */
template <class S>
inline void run_boxes(const GradientJob& g, index item) {
    if (g.job.route == PIXELS) return run_pixels<S>(g, g.runs[item]);
    run_planes<S>(g, g.runs[item / g.groups], item % g.groups);
}

inline bool describe_boxes(const Array& maps, const Array& grad, const Cache& cache, GradientJob& g) {
    Job& job = g.job;
    if (!describe(maps, grad, 0, cache, job)) return false;
    g.images = maps.shape[0];
    g.columns = maps.shape[3];
    job.planes = smaller(kGroup, job.planes);
    g.groups = (job.channels + kGroup - 1) / kGroup;
    g.parts = job.route == PIXELS ? 1 : g.groups;
    return true;
}

}  // namespace cyroi

#endif
