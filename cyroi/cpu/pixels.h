/* The route pixels: one bin after the other, vectors of channels. */
#ifndef CYROI_CPU_PIXELS_H
#define CYROI_CPU_PIXELS_H

#include "blocks.h"
#include "sums.h"

namespace cyroi {

/* sum = the bin's values for R vectors of channels, of the last one `tail` channels; both lists have taps. */
template <int R, class A>
inline void pixel_bin(const A* map, const Strides& strides, const TapList<A>& y, const TapList<A>& x, index tail,
                      typename Lanes<A>::Vector (&sum)[R]) {
    typedef Lanes<A> L;
    typename L::Vector column[R];
    if (x.count <= kSlots) {
        for (index j = 0; j < x.count; ++j) {
            combine<R>(map + x.pixel[j] * strides.x, strides.y, y, tail, column);
            const typename L::Vector w = L::set(x.weight[j]);
            for (int r = 0; r < R; ++r) sum[r] = j == 0 ? L::mul(w, column[r]) : L::fma(w, column[r], sum[r]);
        }
        return;
    }
    typename L::Vector partial[L::count][R];
    for (int i = 0; i < L::count; ++i) {
        for (int r = 0; r < R; ++r) partial[i][r] = L::set(0);
    }
    for (index j = 0; j < x.count; ++j) {
        combine<R>(map + x.pixel[j] * strides.x, strides.y, y, tail, column);
        typename L::Vector* into = partial[j % L::count];
        for (int r = 0; r < R; ++r) into[r] = L::fma(L::set(x.weight[j]), column[r], into[r]);
    }
    for (int half = L::count / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; ++i) {
            for (int r = 0; r < R; ++r) partial[i][r] = L::add(partial[i][r], partial[i + half][r]);
        }
    }
    for (int r = 0; r < R; ++r) sum[r] = partial[0][r];
}

/* One bin for R vectors of channels from c0 on. */
template <int R, class A>
inline void pixel_channels(const Part<A>& part, const TapList<A>& y, const TapList<A>& x, index c0, index n, A* bin) {
    typedef Lanes<A> L;
    const index tail = n - (R - 1) * L::count;
    typename L::Vector sum[R];
    if (y.count > 0 && x.count > 0) {
        pixel_bin<R>(part.map + c0, part.job.maps, y, x, tail, sum);
    } else {
        for (int r = 0; r < R; ++r) sum[r] = L::set(part.fill());
    }
    if (part.job.out.c == 1) {
        for (int r = 0; r < R - 1; ++r) L::store(bin + c0 + r * L::count, sum[r]);
        return L::store_part(bin + c0 + (R - 1) * L::count, sum[R - 1], tail);
    }
    A values[R * L::count];
    for (int r = 0; r < R; ++r) L::store(values + r * L::count, sum[r]);
    for (index c = 0; c < n; ++c) bin[(c0 + c) * part.job.out.c] = values[c];
}

template <class A>
inline void box_pixels(const Part<A>& part) {
    const Job& job = part.job;
    const index most = 4 * Lanes<A>::count;
    for (index p = part.p0; p < part.p1; ++p) {
        const TapList<A> y = part.y[p];
        for (index q = 0; q < job.bins_x; ++q) {
            const TapList<A> x = part.x[q];
            A* bin = part.out + p * job.out.y + q * job.out.x;
            index c = 0;
            for (; c + most <= part.channels; c += most) pixel_channels<4>(part, y, x, c, most, bin);
            for (; c < part.channels; c += Lanes<A>::count) {
                pixel_channels<1>(part, y, x, c, smaller<index>(Lanes<A>::count, part.channels - c), bin);
            }
        }
    }
}

}  // namespace cyroi

#endif
