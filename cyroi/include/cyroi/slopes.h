/* Axis taps with derivatives: for each bin of one axis, the pixels it reads, their weights, and how these change with
 * the low and with the high side of the box.
 *
 * With dAy1 = dAy / d y1 the derivative of  out = Ay @ map @ Ax.T  to y1 is  dAy1 @ map @ Ax.T : separable as well.
 *
 * Decisions
 * a) A sample at t in (0, size - 1) reads pixels lo and lo + 1; when t grows by 1, the weight of lo falls by 1 and that
 *    of lo + 1 grows by 1. At a whole t this is the slope towards larger t, so a pixel of weight 0 may have a
 *    derivative.
 * b) Elsewhere the sample reads a border pixel alone, clamped, and does not move (Sample::moves).
 * c) A pixel is a tap where its weight or one of its derivatives is not 0. */
#ifndef CYROI_SLOPES_H
#define CYROI_SLOPES_H

#include "cyroi/plan.h"

namespace cyroi {

template <class A>
class SlopeWriter;

template <class A>
struct Slopes {
    typedef SlopeWriter<A> Writer;
    int* pixel;
    A* weight;
    A* by_lo; /* derivative of the weight to the low side of the box */
    A* by_hi;

    CYROI_HD Slopes from(index i) const { return Slopes{pixel + i, weight + i, by_lo + i, by_hi + i}; }
};

/* As TapWriter. */
template <class A>
class SlopeWriter {
  public:
    CYROI_HD SlopeWriter(Slopes<A> taps, index room, double scale)
        : taps_(taps), room_(room), count_(0), scale_(scale), lo_(-2), at_lo_(), at_hi_() {}

    CYROI_HD void add(const Sample& s, const Motion& m) {
        if (!s.inside) return;
        if (s.lo != lo_) {
            store(lo_, at_lo_);
            if (s.lo != lo_ + 1) {
                store(lo_ + 1, at_hi_);
                at_hi_ = Tap();
            }
            at_lo_ = at_hi_;
            at_hi_ = Tap();
            lo_ = s.lo;
        }
        at_lo_.weight += 1 - s.frac;
        at_hi_.weight += s.frac;
        if (!s.moves) return;
        at_lo_.by_lo -= m.by_lo;
        at_lo_.by_hi -= m.by_hi;
        at_hi_.by_lo += m.by_lo;
        at_hi_.by_hi += m.by_hi;
    }

    CYROI_HD int end_bin() {
        store(lo_, at_lo_);
        store(lo_ + 1, at_hi_);
        lo_ = -2;
        at_lo_ = at_hi_ = Tap();
        return count_;
    }

  private:
    struct Tap {
        double weight, by_lo, by_hi;
    };

    CYROI_HD void store(index pixel, const Tap& tap) {
        if ((tap.weight == 0 && tap.by_lo == 0 && tap.by_hi == 0) || count_ == room_) return;
        taps_.pixel[count_] = static_cast<int>(pixel);
        taps_.weight[count_] = stored_as<A>(tap.weight, scale_);
        taps_.by_lo[count_] = stored_as<A>(tap.by_lo, scale_);
        taps_.by_hi[count_] = stored_as<A>(tap.by_hi, scale_);
        ++count_;
    }

    Slopes<A> taps_;
    index room_;
    int count_;
    double scale_;
    index lo_; /* pending pair lo_, lo_ + 1; -2: none */
    Tap at_lo_, at_hi_;
};

template <class G, class A>
CYROI_HD BoxPlan plan_slopes(const Operator& op, const G* box, index image, index first_tap, int* pixels, A* weights,
                             A* by_lo, A* by_hi, int* ends) {
    return plan_taps(op, box, image, first_tap, Slopes<A>{pixels, weights, by_lo, by_hi}, ends);
}

}  // namespace cyroi

#endif
