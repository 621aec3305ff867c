/* Axes whose bins average samples at regular steps: what their planners share, which is everything but the rule of
 * where samples lie.
 *
 * Decisions
 * a) Samples of a bin arrive in ascending order, so the pixels of a bin are ascending as well and equal pixels are
 *    neighbours: one pending pair (lo, lo + 1) is all the state that summing them needs.
 * b) A sample at t in (0, size - 1) reads pixels lo and lo + 1; when t grows by 1, the weight of lo falls by 1 and that
 *    of lo + 1 grows by 1. At a whole t this is the slope towards larger t, so a pixel of weight 0 may have a
 *    derivative. Elsewhere the sample reads a border pixel alone, clamped, and does not move (Sample::moves).
 * c) What the samples of a bin add up to is multiplied by the weight of one of them at the end, once.
 * d) The sums of one bin and the writer are inlined wholly, see CYROI_HD_INLINE.
 *
 * Compiled where boxes are planned: by the host once, and as device code. */
#ifndef CYROI_SAMPLED_AXIS_H
#define CYROI_SAMPLED_AXIS_H

#include "cyroi/sample.h"
#include "cyroi/taps.h"

namespace cyroi {

/* The samples of one axis of one box: `bins` bins of `grid` samples each, on a map of `size` pixels. */
template <class G>
struct SampledAxis {
    G start;       /* coordinate where bin 0 begins (crop_and_resize: of sample 0) */
    G step;        /* from bin to bin; negative for a reversed box */
    index grid;    /* samples per bin; 0: none */
    double weight; /* of a sample in its bin */
    index bins;
    index size;
    bool pinned; /* the box was enlarged from its low side on, so its samples do not move with the high side */
    G slack;     /* crop_and_resize: how far outside a sample may lie and still count as on the edge */
};

/* At most this many taps are written for `bins` bins, whatever the coordinates.
 *
 * A bin has no more taps than two per sample, nor more than the map has pixels. Together, neighbouring bins read the
 * map once but for two pixels each, and for what rounding moves a coordinate near the map: its terms are then no larger
 * than start, size and step, each rounded a few times. */
template <class G>
CYROI_HD inline index sampled_capacity(const SampledAxis<G>& a, index bins) {
    const double epsilon = sizeof(G) == 4 ? 1.2e-7 : 2.3e-16, size = static_cast<double>(a.size);
    const double start = static_cast<double>(a.start), step = static_cast<double>(a.step);
    const double reach = (start < 0 ? -start : start) + (step < 0 ? -step : step) + size;
    const index overlap = 4 + static_cast<index>(smaller(size, 16 * epsilon * reach));
    return smaller(bins * smaller(2 * a.grid, a.size), a.size + bins * overlap);
}

/* What a sample that moves adds to the derivatives of its two pixels. */
CYROI_HD inline void add_motion(Numbers<1>&, Numbers<1>&, const Motion&) {}

CYROI_HD inline void add_motion(Numbers<3>& lo, Numbers<3>& hi, const Motion& m) {
    lo.by_lo -= m.by_lo;
    lo.by_hi -= m.by_hi;
    hi.by_lo += m.by_lo;
    hi.by_hi += m.by_hi;
}

/* Sums the samples of one bin and writes its taps. W: a TapWriter. */
template <class W>
class SampleSums {
  public:
    /* weight: of a sample. */
    CYROI_HD_INLINE SampleSums(W& taps, double weight) : taps_(taps), weight_(weight), lo_(-2), at_lo_(), at_hi_() {}

    /* Precondition: calls come with non-decreasing s.lo. */
    CYROI_HD_INLINE void add(const Sample& s, const Motion& m) {
        if (!s.inside) return;
        if (s.lo != lo_) {
            write(lo_, at_lo_);
            if (s.lo != lo_ + 1) {
                write(lo_ + 1, at_hi_);
                at_hi_ = Sums();
            }
            at_lo_ = at_hi_;
            at_hi_ = Sums();
            lo_ = s.lo;
        }
        at_lo_.weight += 1 - s.frac;
        at_hi_.weight += s.frac;
        if (s.moves) add_motion(at_lo_, at_hi_, m);
    }

    /* Writes what is pending. After the last sample. */
    CYROI_HD_INLINE void finish() const {
        write(lo_, at_lo_);
        write(lo_ + 1, at_hi_);
    }

  private:
    typedef Numbers<W::kNumbers> Sums;

    CYROI_HD_INLINE void write(index pixel, const Sums& sums) const { taps_.add(pixel, sums, weight_); }

    W& taps_;
    double weight_;
    index lo_; /* pending pair lo_, lo_ + 1; -2: none */
    Sums at_lo_, at_hi_;
};

}  // namespace cyroi

#endif
