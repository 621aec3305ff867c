/* Planner of crop_and_resize (TensorFlow's tf.image.crop_and_resize): one sample per bin, corners aligned.
 *
 *     coordinate(p) = lo * (size - 1) + p * ((hi - lo) * (size - 1) / (bins - 1))      bins > 1
 *     coordinate(0) = 0.5 * (lo + hi) * (size - 1)                                     bins == 1
 *
 * with lo and hi normalised to [0, 1] over the pixel centres. lo > hi flips the crop.
 *
 * Decision: the order of operations is TensorFlow's, in the geometry type G and without contraction, so that a sample
 * falls inside or outside exactly where it does there.
 *
 * Compiled where boxes are planned: by the host once, and as device code. */
#ifndef CYROI_CROP_AND_RESIZE_H
#define CYROI_CROP_AND_RESIZE_H

#include "cyroi/sampled_axis.h"

namespace cyroi {

template <class G>
struct CropAndResize {
    bool to_nearest; /* the nearest pixel instead of linear interpolation */

    CYROI_HD SampledAxis<G> axis(G lo, G hi, index bins, index size) const {
        const G last = static_cast<G>(size - 1);
        if (bins > 1) {
            return SampledAxis<G>{lo * last, (hi - lo) * last / static_cast<G>(bins - 1), 1, 1.0, bins, size, false};
        }
        return SampledAxis<G>{static_cast<G>(0.5) * (lo + hi) * last, 0, 1, 1.0, bins, size, false};
    }

    CYROI_HD static index capacity(const SampledAxis<G>& a, index bins) { return sampled_capacity(a, bins); }

    CYROI_HD static Motion motion(const SampledAxis<G>& a, index p) {
        const double last = static_cast<double>(a.size - 1);
        const double by_hi = last * (a.bins > 1 ? static_cast<double>(p) / static_cast<double>(a.bins - 1) : 0.5);
        return Motion{last - by_hi, by_hi};
    }

    template <class W>
    CYROI_HD_INLINE void bin(const SampledAxis<G>& a, index p, W& taps) const {
        const Sample s = crop_sample(a.start + static_cast<G>(p) * a.step, a.size);
        SampleSums<W> sums(taps, a.weight);
        sums.add(to_nearest ? nearest(s) : s, motion(a, p));
        sums.finish();
    }
};

}  // namespace cyroi

#endif
