/* Axis taps: for each bin of one axis, the pixels it reads and N numbers for each of them.
 *
 * A tap is one non-zero entry of the banded matrices Ay (P x H) and Ax (Q x W) in  out = Ay @ map @ Ax.T . With N = 1
 * its number is the weight; with N = 3 these are the weight and its derivatives to the low and to the high side of the
 * box. With dAy1 = dAy / d y1 the derivative of out to y1 is  dAy1 @ map @ Ax.T : separable as well.
 *
 * Decisions
 * a) One writer takes the numbers of a bin pixel by pixel and does not know where they come from. A planner that
 *    samples sums them first (sampled_axis.h), one that integrates or filters adds its own.
 * b) Numbers arrive in double, with a factor that is the planner's too, and are rounded once, when the tap is stored.
 * c) A pixel whose numbers are all zero is no tap: it is not read, so a NaN or an infinity there does not reach the
 *    bin. A number that is not zero stays so when it is stored (`stored_as`), so the same pixels are read whatever is
 *    computed with.
 * d) A bin without taps is a bin that has no sample inside; the executor writes its fill value there.
 * e) A writer without arrays counts only. So a GPU can count the taps of all bins at once, sum up the counts, and then
 *    write each bin where it belongs.
 *
 * Compiled wherever boxes are planned or taps are read: by the host once and per SIMD target, and as device code. */
#ifndef CYROI_TAPS_H
#define CYROI_TAPS_H

#include "cyroi/config.h"

namespace cyroi {

/* factor * scale as A. Where A rounds what is not zero to zero, its smallest normal number stands for it, which is far
 * below what any sum can tell, and which no CPU flushes. */
template <class A>
CYROI_HD inline A stored_as(double factor, double scale) {
    const A rounded = static_cast<A>(factor * scale);
    if (rounded != 0 || factor == 0) return rounded;
    const A least = static_cast<A>(sizeof(A) == 4 ? 1.1754943508222875e-38 : 2.2250738585072014e-308);
    return factor < 0 ? -least : least;
}

/* The numbers of a tap. Named and not an array, which compilers keep in memory. */
template <int N>
struct Numbers;

template <>
struct Numbers<1> {
    double weight;

    CYROI_HD bool none() const { return weight == 0; }
};

template <>
struct Numbers<3> {
    double weight, by_lo, by_hi;

    CYROI_HD bool none() const { return weight == 0 && by_lo == 0 && by_hi == 0; }
};

/* Where taps are written; A is float or double. Pixels and numbers are apart, so that a kernel loads a vector of
 * either, and so that one array type crosses from Cython. All pointers may be null, see TapWriter. */
template <class A, int N>
struct Taps {
    int* pixel;
    A* number[N];

    CYROI_HD Taps from(index i) const {
        if (pixel == nullptr) return *this;
        Taps part = *this;
        part.pixel += i;
        for (int n = 0; n < N; ++n) part.number[n] += i;
        return part;
    }
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

/* Writes the taps of one axis, bin after bin; counts them only if it is given no arrays. */
template <class A, int N>
class TapWriter {
  public:
    static constexpr int kNumbers = N;

    /* room: for so many taps. That is the planner's capacity(), which is never reached. */
    CYROI_HD TapWriter(const Taps<A, N>& taps, index room)
        : taps_(taps), room_(room), count_(0), first_(0x7fffffff), last_(-1) {}

    /* A tap of numbers * scale. Precondition: the pixels of a bin ascend. */
    CYROI_HD_INLINE void add(index pixel, const Numbers<N>& numbers, double scale = 1) {
        if (numbers.none() || count_ == room_) return;
        const int at = static_cast<int>(pixel);
        if (taps_.pixel != nullptr) {
            taps_.pixel[count_] = at;
            store(numbers, scale);
        }
        first_ = smaller(first_, at);
        last_ = larger(last_, at);
        ++count_;
    }

    /* Of the taps added so far: how many, and the first and the last pixel of any; none: last < first. */
    CYROI_HD int count() const { return count_; }
    CYROI_HD int first() const { return first_; }
    CYROI_HD int last() const { return last_; }

  private:
    CYROI_HD_INLINE void store(const Numbers<1>& numbers, double scale) {
        taps_.number[0][count_] = stored_as<A>(numbers.weight, scale);
    }

    CYROI_HD_INLINE void store(const Numbers<3>& numbers, double scale) {
        taps_.number[0][count_] = stored_as<A>(numbers.weight, scale);
        taps_.number[1][count_] = stored_as<A>(numbers.by_lo, scale);
        taps_.number[2][count_] = stored_as<A>(numbers.by_hi, scale);
    }

    Taps<A, N> taps_;
    index room_;
    int count_, first_, last_;
};

}  // namespace cyroi

#endif
