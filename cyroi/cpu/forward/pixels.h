/* The route pixels: one bin after the other, in vectors of channels.
 *
 * Decision: the taps of a bin are looked at once, then all its channels are formed, four vectors at a time. Bins of
 * one or two rows and columns, which is every bin of crop_and_resize, have loops of their own without a branch inside.
 *
 * Compiled per SIMD target. */
#ifndef CYROI_CPU_FORWARD_PIXELS_H
#define CYROI_CPU_FORWARD_PIXELS_H

#include "forward/blocks.h"
#include "forward/combine.h"
#include "forward/part.h"
#include "forward/store.h"

namespace cyroi {

/* sum[r] = the bin's values for R vectors of channels, the last one of `tail` channels; both lists have taps. */
template <int R, class S, class A>
inline void sum_bin(const S* map, const Strides& strides, const TapList<A>& y, const TapList<A>& x, index tail,
                    typename Lanes<A>::Vector (&sum)[R]) {
    typedef Lanes<A> L;
    typename L::Vector column[1][R];
    if (x.count <= kSlots) {
        /* Never read, but gcc cannot know that there is a first column. */
        CYROI_UNROLL for (int r = 0; r < R; ++r) sum[r] = L::set(0);
        for (index j = 0; j < x.count; ++j) {
            combine<R, 1>(Source<S>{map + x.pixel[j] * strides.x, strides.y, 0, tail}, y, column);
            const typename L::Vector w = L::set(x.weight[j]);
            CYROI_UNROLL for (int r = 0; r < R; ++r) {
                sum[r] = j == 0 ? L::mul(w, column[0][r]) : L::fma(w, column[0][r], sum[r]);
            }
        }
        return;
    }
    typename L::Vector partial[L::count][R];
    for (int i = 0; i < L::count; ++i) {
        for (int r = 0; r < R; ++r) partial[i][r] = L::set(0);
    }
    for (index j = 0; j < x.count; ++j) {
        combine<R, 1>(Source<S>{map + x.pixel[j] * strides.x, strides.y, 0, tail}, y, column);
        typename L::Vector* into = partial[j % L::count];
        for (int r = 0; r < R; ++r) into[r] = L::fma(L::set(x.weight[j]), column[0][r], into[r]);
    }
    for (int half = L::count / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; ++i) {
            for (int r = 0; r < R; ++r) partial[i][r] = L::add(partial[i][r], partial[i + half][r]);
        }
    }
    for (int r = 0; r < R; ++r) sum[r] = partial[0][r];
}

/* The pixels of a bin of Y x X taps, and their weights in every lane. */
template <int Y, int X, class S>
struct SmallBin {
    typedef typename Arithmetic<S>::Type A;
    typedef Lanes<A> L;
    const S* pixel[Y][X];
    typename L::Vector wy[Y], wx[X];

    SmallBin(const S* map, const Strides& strides, const TapList<A>& y, const TapList<A>& x) {
        CYROI_UNROLL for (int i = 0; i < Y; ++i) {
            CYROI_UNROLL for (int j = 0; j < X; ++j) {
                pixel[i][j] = map + y.pixel[i] * strides.y + x.pixel[j] * strides.x;
            }
            wy[i] = L::set(y.weight[i]);
        }
        CYROI_UNROLL for (int j = 0; j < X; ++j) wx[j] = L::set(x.weight[j]);
    }

    /* The vector of channels that begins with c; n of them where `part`. */
    template <bool part>
    CYROI_INLINE typename L::Vector channels(index c, index n) const {
        typename L::Vector sum = L::set(0);
        CYROI_UNROLL for (int j = 0; j < X; ++j) {
            typename L::Vector column = L::set(0);
            CYROI_UNROLL for (int i = 0; i < Y; ++i) {
                const typename L::Vector v = part ? L::load_part(pixel[i][j] + c, n) : L::load(pixel[i][j] + c);
                column = i == 0 ? L::mul(wy[i], v) : L::fma(wy[i], v, column);
            }
            sum = j == 0 ? L::mul(wx[j], column) : L::fma(wx[j], column, sum);
        }
        return sum;
    }
};

/* Channels before the first from where vectors of every pixel lie within cache lines; 0 if there is none. */
template <class S>
inline index channels_to_cache_line(const Part<S>& part) {
    const index lanes = Lanes<typename Arithmetic<S>::Type>::count;
    if (part.job.maps.y % lanes || part.job.maps.x % lanes) return 0;
    const index phase = static_cast<index>(reinterpret_cast<size_t>(part.map) / sizeof(S)) % lanes;
    return (lanes - phase) % lanes;
}

template <int Y, int X, class S>
CYROI_KERNEL void small_bin(const Part<S>& part, const TapList<typename Arithmetic<S>::Type>& y,
                            const TapList<typename Arithmetic<S>::Type>& x, index head, char* out) {
    typedef typename Arithmetic<S>::Type A;
    typedef Lanes<A> L;
    const index lanes = L::count, channels = part.channels;
    const SmallBin<Y, X, S> bin(part.map, part.job.maps, y, x);
    index c = smaller(head, channels);
    if (c > 0) store_channels<A>(part, 0, c, bin.template channels<true>(0, c), out);
    if (part.out.plain) {
        A* to = reinterpret_cast<A*>(out);
        for (; c + lanes <= channels; c += lanes) L::store(to + c, bin.template channels<false>(c, lanes));
    }
    for (; c + lanes <= channels; c += lanes) {
        store_channels<A>(part, c, lanes, bin.template channels<false>(c, lanes), out);
    }
    if (c < channels) store_channels<A>(part, c, channels - c, bin.template channels<true>(c, channels - c), out);
}

template <int R, class S, class A>
inline void large_bin_channels(const Part<S>& part, const TapList<A>& y, const TapList<A>& x, index c, index n,
                               char* out) {
    typedef Lanes<A> L;
    typename L::Vector sum[R];
    const index tail = n - (R - 1) * L::count;
    sum_bin<R>(part.map + c, part.job.maps, y, x, tail, sum);
    CYROI_UNROLL for (int r = 0; r < R; ++r) {
        store_channels<A>(part, c + r * L::count, r == R - 1 ? tail : L::count, sum[r], out);
    }
}

template <class S, class A>
inline void large_bin(const Part<S>& part, const TapList<A>& y, const TapList<A>& x, char* out) {
    const index lanes = Lanes<A>::count;
    index c = 0;
    for (; c + 4 * lanes <= part.channels; c += 4 * lanes) large_bin_channels<4>(part, y, x, c, 4 * lanes, out);
    for (; c < part.channels; c += lanes) {
        large_bin_channels<1>(part, y, x, c, smaller<index>(lanes, part.channels - c), out);
    }
}

template <class S>
inline void empty_bin(const Part<S>& part, char* out) {
    typedef typename Arithmetic<S>::Type A;
    const typename Lanes<A>::Vector fill = Lanes<A>::set(part.fill());
    for (index c = 0; c < part.channels; c += Lanes<A>::count) {
        store_channels<A>(part, c, smaller<index>(Lanes<A>::count, part.channels - c), fill, out);
    }
}

template <class S>
inline void pixel_bins(const Part<S>& part) {
    typedef typename Arithmetic<S>::Type A;
    const index head = channels_to_cache_line(part);
    for (index p = part.p0; p < part.p1; ++p) {
        const TapList<A> y = part.y[p];
        char* out = part.row(0, p);
        for (index q = 0; q < part.job.bins_x; ++q, out += part.out.x) {
            const TapList<A> x = part.x[q];
            if (x.count == 0 || y.count == 0) {
                empty_bin(part, out);
            } else if (x.count > 2 || y.count > 2) {
                large_bin(part, y, x, out);
            } else if (y.count == 1) {
                x.count == 1 ? small_bin<1, 1>(part, y, x, head, out) : small_bin<1, 2>(part, y, x, head, out);
            } else {
                x.count == 1 ? small_bin<2, 1>(part, y, x, head, out) : small_bin<2, 2>(part, y, x, head, out);
            }
        }
    }
}

}  // namespace cyroi

#endif
