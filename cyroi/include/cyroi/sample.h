/* One sample on one axis: which pixels it reads, and with which weights.
 *
 * A sample at coordinate t (in pixels of the map; pixel i sits at t = i) reads pixel `lo` with weight 1 - frac and
 * pixel lo + 1 with weight frac. Two-dimensional bilinear interpolation is the product of a y sample and an x sample.
 *
 * Decisions
 * a) Range tests are written in positive form, `if (!(t >= a && t <= b)) outside`, and come before any cast to an
 *    integer. NaN, infinity and overflow therefore all fall to "outside", and no cast is ever undefined.
 * b) t - lo is exact in the type of t. It is widened to double at once, so that 1 - frac is exact too: weights carry no
 *    rounding of their own until they are stored.
 * c) lo is clamped to the last pixel after the cast, because G(size) itself is rounded for maps beyond 2**24 pixels.
 *
 * Compiled where boxes are planned: by the host once, and as device code. */
#ifndef CYROI_SAMPLE_H
#define CYROI_SAMPLE_H

#include "cyroi/config.h"

namespace cyroi {

struct Sample {
    bool inside;
    index lo;
    double frac;
    bool moves; /* t lies strictly between the first and the last pixel, so what is read changes with t */
};

/* How far a sample moves with the low and with the high side of its box: derivatives of t, in pixels per unit of the
 * box. */
struct Motion {
    double by_lo, by_hi;
};

/* t >= 0 and finite: split into pixel and fraction; at and beyond the last pixel, that pixel alone. */
template <class G>
CYROI_HD_INLINE Sample split(G t, index size) {
    const index lo = static_cast<index>(t);
    if (lo >= size - 1) return Sample{true, size - 1, 0.0, false};
    return Sample{true, lo, static_cast<double>(t - static_cast<G>(lo)), t > 0};
}

/* The band rule of the RoI Align family (conventions: the "-1 .. size band").
 *
 *     t         -1          0                     size-1        size
 *     ----------[===========|----------------------|============]----------
 *      counts 0   pixel 0      linear interpolation   last pixel   counts 0
 *
 * Both ends belong to the band. Outside it a sample reads nothing but is still counted in the average. */
template <class G>
CYROI_HD_INLINE Sample band_sample(G t, index size) {
    if (!(size > 0 && t >= -1 && t <= static_cast<G>(size))) return Sample{false, 0, 0.0, false};
    return split(t < 0 ? static_cast<G>(0) : t, size);
}

/* The rule of crop_and_resize: no band; a sample outside [0, size-1] takes the extrapolation value. */
template <class G>
CYROI_HD_INLINE Sample crop_sample(G t, index size) {
    if (!(size > 0 && t >= 0 && t <= static_cast<G>(size - 1))) return Sample{false, 0, 0.0, false};
    return split(t, size);
}

/* The nearest pixel of an inside sample, halves away from zero (t >= 0, so upwards). */
CYROI_HD inline Sample nearest(const Sample& s) {
    return Sample{s.inside, s.frac >= 0.5 ? s.lo + 1 : s.lo, 0.0, false};
}

}  // namespace cyroi

#endif
