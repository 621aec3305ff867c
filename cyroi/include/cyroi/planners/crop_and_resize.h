/* Planner of crop_and_resize (TensorFlow's tf.image.crop_and_resize): one sample per bin, corners aligned.
 *
 *     coordinate(p) = lo * (size - 1) + p * ((hi - lo) * (size - 1) / (bins - 1))      bins > 1
 *     coordinate(0) = 0.5 * (lo + hi) * (size - 1)                                     bins == 1
 *
 * with lo and hi normalised to [0, 1] over the pixel centres. lo > hi flips the crop.
 *
 * Decisions
 * a) The order of operations is TensorFlow's, in the geometry type G and without contraction, so that a sample falls
 *    inside or outside exactly where it does there.
 * b) With snap_edges a sample that lies outside by no more than rounding counts as on the edge: within 8 units in the
 *    last place of the largest coordinate of the box's ends, which is a bound for what the operations above and the
 *    rounding of the box itself add up to; and never by more than half a pixel.
 *
 * Compiled where boxes are planned: by the host once, and as device code. */
#ifndef CYROI_CROP_AND_RESIZE_H
#define CYROI_CROP_AND_RESIZE_H

#include "cyroi/sampled_axis.h"

namespace cyroi {

template <class G>
struct CropAndResize {
    bool to_nearest; /* the nearest pixel instead of linear interpolation */
    bool snap_edges;

    CYROI_HD SampledAxis<G> axis(G lo, G hi, index bins, index size) const {
        const G last = static_cast<G>(size - 1), slack = snap_edges ? rounding(lo, hi, last) : static_cast<G>(0);
        if (bins > 1) {
            const G step = (hi - lo) * last / static_cast<G>(bins - 1);
            return SampledAxis<G>{lo * last, step, 1, 1.0, bins, size, false, slack};
        }
        return SampledAxis<G>{static_cast<G>(0.5) * (lo + hi) * last, 0, 1, 1.0, bins, size, false, slack};
    }

    CYROI_HD static index capacity(const SampledAxis<G>& a, index bins) { return sampled_capacity(a, bins); }

    CYROI_HD static Motion motion(const SampledAxis<G>& a, index p) {
        const double last = static_cast<double>(a.size - 1);
        const double by_hi = last * (a.bins > 1 ? static_cast<double>(p) / static_cast<double>(a.bins - 1) : 0.5);
        return Motion{last - by_hi, by_hi};
    }

    template <class W>
    CYROI_HD_INLINE void bin(const SampledAxis<G>& a, index p, W& taps) const {
        const Sample s = crop_sample(snapped(a, a.start + static_cast<G>(p) * a.step), a.size);
        SampleSums<W> sums(taps, a.weight);
        sums.add(to_nearest ? nearest(s) : s, motion(a, p));
        sums.finish();
    }

  private:
    CYROI_HD static G rounding(G lo, G hi, G last) {
        const G unit = static_cast<G>(sizeof(G) == 4 ? 1.1920928955078125e-7 : 2.220446049250313e-16);
        const G low = lo < 0 ? -lo : lo, high = hi < 0 ? -hi : hi, half = static_cast<G>(0.5);
        const G slack = 8 * unit * (low > high ? low : high) * last;
        return slack < half ? slack : half;
    }

    CYROI_HD_INLINE static G snapped(const SampledAxis<G>& a, G t) {
        const G last = static_cast<G>(a.size - 1);
        if (t < 0 && t >= -a.slack) return static_cast<G>(0);
        return t > last && t <= last + a.slack ? last : t;
    }
};

}  // namespace cyroi

#endif
