/* Axis taps: for each bin of one axis, the pixels it reads and their weights.
 *
 * A tap is one non-zero entry of the banded matrices Ay (P x H) and Ax (Q x W) in  out = Ay @ map @ Ax.T .
 *
 * Decisions
 * a) Samples of a bin arrive in ascending order, so the pixels of a bin are ascending as well and equal pixels are
 *    neighbours: one pending pair (lo, lo + 1) is all the state that merging them needs.
 * b) Weights are summed in double and rounded once, when the tap is stored.
 * c) A pixel of weight zero is no tap: it is not read, so a NaN or an infinity there does not reach the bin. A weight
 *    that is not zero stays so when it is stored (`stored_as`), so the same pixels are read whatever is computed with.
 * d) A bin without taps is a bin that has no sample inside; the executor writes its fill value there. */
#ifndef CYROI_TAPS_H
#define CYROI_TAPS_H

#include "cyroi/sample.h"

namespace cyroi {

template <class A>
class TapWriter;

/* factor * scale as A. Where A rounds what is not zero to zero, its smallest normal number stands for it, which is far
 * below what any sum can tell, and which no CPU flushes. */
template <class A>
CYROI_HD inline A stored_as(double factor, double scale) {
    const A rounded = static_cast<A>(factor * scale);
    if (rounded != 0 || factor == 0) return rounded;
    const A least = static_cast<A>(sizeof(A) == 4 ? 1.1754943508222875e-38 : 2.2250738585072014e-308);
    return factor < 0 ? -least : least;
}

/* A list of taps; A is float or double. Pixels and weights are apart, so that a kernel loads a vector
 * of either, and so that one array type crosses from Cython. */
template <class A>
struct Taps {
    typedef TapWriter<A> Writer;
    int* pixel;
    A* weight;

    CYROI_HD Taps from(index i) const { return Taps{pixel + i, weight + i}; }
};

/* `count` taps, read only. */
template <class A>
struct TapList {
    const int* pixel;
    const A* weight;
    index count;

    CYROI_HD TapList part(index first, index last) const {
        return TapList{pixel + first, weight + first, last - first};
    }
};

/* The bins of one axis of one box. */
template <class A>
struct Bins {
    TapList<A> taps;
    const int* ends;

    CYROI_HD TapList<A> operator[](index p) const { return taps.part(p ? ends[p - 1] : 0, ends[p]); }
};

/* The samples of one axis of one box: `bins` bins of `grid` samples each, on a map of `size` pixels. */
template <class G>
struct Axis {
    G start;    /* coordinate where bin 0 begins (crop_and_resize: of sample 0) */
    G step;     /* from bin to bin; negative for a reversed box */
    index grid; /* samples per bin; 0: none */
    index bins;
    index size;
    bool pinned; /* the box was enlarged from its low side on, so its samples do not move with the high side */

    /* At most this many taps are written for `count` bins, whatever the coordinates.
     *
     * A bin has no more taps than two per sample, nor more than the map has pixels. Together, neighbouring bins read
     * the map once but for two pixels each, and for what rounding moves a coordinate near the map: its terms are then
     * no larger than start, size and step, each rounded a few times. */
    CYROI_HD index capacity(index count) const {
        const double epsilon = sizeof(G) == 4 ? 1.2e-7 : 2.3e-16;
        const double reach = magnitude(start) + magnitude(step) + static_cast<double>(size);
        const index overlap = 4 + static_cast<index>(smaller(static_cast<double>(size), 16 * epsilon * reach));
        return smaller(count * smaller(2 * grid, size), size + count * overlap);
    }

  private:
    CYROI_HD static double magnitude(G t) { return static_cast<double>(t < 0 ? -t : t); }
};

template <class A>
class TapWriter {
  public:
    /* taps: room for this many; scale: factor of every weight, 1 / (samples per bin). */
    CYROI_HD TapWriter(Taps<A> taps, index room, double scale)
        : taps_(taps), room_(room), count_(0), scale_(scale), lo_(-2), w_lo_(0), w_hi_(0) {}

    /* Precondition: within a bin, calls come with non-decreasing s.lo. */
    CYROI_HD void add(const Sample& s, const Motion&) {
        if (!s.inside) return;
        if (s.lo != lo_) {
            store(lo_, w_lo_);
            if (s.lo != lo_ + 1) {
                store(lo_ + 1, w_hi_);
                w_hi_ = 0;
            }
            w_lo_ = w_hi_;
            w_hi_ = 0;
            lo_ = s.lo;
        }
        w_lo_ += 1 - s.frac;
        w_hi_ += s.frac;
    }

    /* Ends the bin; gives the number of taps written so far on this axis. */
    CYROI_HD int end_bin() {
        store(lo_, w_lo_);
        store(lo_ + 1, w_hi_);
        lo_ = -2;
        w_lo_ = w_hi_ = 0;
        return count_;
    }

  private:
    CYROI_HD void store(index pixel, double weight) {
        if (weight == 0 || count_ == room_) return; /* the room is Axis::capacity(), which is never reached */
        taps_.pixel[count_] = static_cast<int>(pixel);
        taps_.weight[count_] = stored_as<A>(weight, scale_);
        ++count_;
    }

    Taps<A> taps_;
    index room_;
    int count_;
    double scale_;
    index lo_; /* pending pair lo_, lo_ + 1; -2: none */
    double w_lo_, w_hi_;
};

}  // namespace cyroi

#endif
