/* Planner of RoI Align (He et al. 2017, "Mask R-CNN", section 3; torchvision's operator, legacy and aligned).
 *
 *     start = lo * scale - offset,  end = hi * scale - offset      offset 0.5 if aligned, else 0
 *     extent = end - start,  legacy: at least 1                    ("malformed" boxes become 1 x 1 pixel)
 *     bin = extent / bins
 *     grid = sampling_ratio if > 0, else ceil(extent / bins)
 *     coordinate(p, i) = (start + p * bin) + ((i + 0.5) * bin) / grid
 *     weight of a sample = 1 / grid on each axis, so 1 / (grid_h * grid_w) on both
 *
 * Decisions
 * a) The order of operations is the one above, in the geometry type G, without contraction. The discrete decisions
 *    (grid size, band, floor) are then those of torchvision, bit for bit.
 * b) coordinate(p, i) never decreases with i for bin >= 0, and never increases for bin < 0, because each of its
 *    rounded operations is monotone. A reversed bin is walked from its last sample, so that coordinates ascend.
 * c) An adaptive grid may hold 2**31 samples of which only a few are near the map. The first and last one inside the
 *    band are found by bisection, so the work is bounded by the map and not by the box.
 * d) An adaptive grid of more than 2**31 samples per bin, which no int holds, has no sample inside.
 *
 * Compiled where boxes are planned: by the host once, and as device code. */
#ifndef CYROI_ROI_ALIGN_H
#define CYROI_ROI_ALIGN_H

#include "cyroi/sampled_axis.h"

namespace cyroi {

/* ceil(t) as a count of samples; 0 where t is not in (0, 2**31]. */
template <class G>
CYROI_HD inline index adaptive_grid(G t) {
    if (!(t > 0 && t <= static_cast<G>(2147483648.0))) return 0;
    const index n = static_cast<index>(t);
    return static_cast<G>(n) < t ? n + 1 : n;
}

template <class G>
struct RoiAlign {
    G scale;              /* map pixels per box unit */
    index sampling_ratio; /* samples per bin and axis; 0: adaptive */
    bool aligned;

    CYROI_HD SampledAxis<G> axis(G lo, G hi, index bins, index size) const {
        const G offset = aligned ? static_cast<G>(0.5) : static_cast<G>(0);
        const G start = lo * scale - offset;
        G extent = (hi * scale - offset) - start;
        const bool pinned = !aligned && extent < 1;
        if (pinned) extent = 1;
        const G bin = extent / static_cast<G>(bins);
        const index grid = sampling_ratio > 0 ? sampling_ratio : adaptive_grid(bin);
        const double weight = grid > 0 ? 1.0 / static_cast<double>(grid) : 0.0;
        return SampledAxis<G>{start, bin, grid, weight, bins, size, pinned, 0};
    }

    CYROI_HD static index capacity(const SampledAxis<G>& a, index bins) { return sampled_capacity(a, bins); }

    /* The size of the grid counts as a constant. */
    CYROI_HD_INLINE Motion motion(const SampledAxis<G>& a, index p, index i) const {
        const double in_bin = (static_cast<double>(i) + 0.5) / static_cast<double>(a.grid);
        const double along = (static_cast<double>(p) + in_bin) / static_cast<double>(a.bins);
        const double unit = static_cast<double>(scale), by_hi = a.pinned ? 0.0 : unit * along;
        return Motion{unit - by_hi, by_hi};
    }

    CYROI_HD_INLINE static G coordinate(const SampledAxis<G>& a, index p, index i) {
        return (a.start + static_cast<G>(p) * a.step) +
               ((static_cast<G>(i) + static_cast<G>(0.5)) * a.step) / static_cast<G>(a.grid);
    }

    template <class W>
    CYROI_HD_INLINE void bin(const SampledAxis<G>& a, index p, W& taps) const {
        index first = 0, last = a.grid;
        if (sampling_ratio == 0) {
            first = first_beyond(a, p, static_cast<G>(-1), true);
            last = first_beyond(a, p, static_cast<G>(a.size), false);
        }
        SampleSums<W> sums(taps, a.weight);
        for (index i = first; i < last; ++i) {
            const index ascending = a.step < 0 ? a.grid - 1 - i : i;
            sums.add(band_sample(coordinate(a, p, ascending), a.size), motion(a, p, ascending));
        }
        sums.finish();
    }

  private:
    /* The first i in [0, grid] whose coordinate is > bound, or >= bound where inclusive. */
    CYROI_HD static index first_beyond(const SampledAxis<G>& a, index p, G bound, bool inclusive) {
        index below = 0, beyond = a.grid;
        while (below < beyond) {
            const index i = below + (beyond - below) / 2;
            const G t = coordinate(a, p, i);
            if (t > bound || (inclusive && t == bound)) {
                beyond = i;
            } else {
                below = i + 1;
            }
        }
        return below;
    }
};

}  // namespace cyroi

#endif
