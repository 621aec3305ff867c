/* Lanes into elements of the output, whatever their type and strides; and from a stage to where results belong.
 *
 * Compiled per SIMD target. */
#ifndef CYROI_CPU_FORWARD_STORE_H
#define CYROI_CPU_FORWARD_STORE_H

#include <cstring>

#include "forward/combine.h"
#include "forward/part.h"

namespace cyroi {

/* Where the elements of a row of the output lie: element e is channel e % channels of bin e / channels. */
struct Layout {
    index channels;
    index bin, channel; /* bytes from a bin to the next, from a channel to the next */
    bool contiguous;

    index offset(index e) const { return e / channels * bin + e % channels * channel; }
};

template <class A>
struct StoreConverted {
    const Layout& layout;
    index first, n;
    typename Lanes<A>::Vector lanes;
    char* row;

    template <class O>
    void operator()(O) const {
        if (layout.contiguous) return Lanes<A>::store_part(reinterpret_cast<O*>(row) + first, lanes, n);
        O elements[Lanes<A>::count];
        Lanes<A>::store_part(elements, lanes, n);
        for (index e = 0; e < n; ++e) *reinterpret_cast<O*>(row + layout.offset(first + e)) = elements[e];
    }
};

/* Lanes by value: they stay in a register where this is not called. */
template <class A>
CYROI_KERNEL void store_converted(int element, const Layout& layout, index first, index n,
                                  typename Lanes<A>::Vector lanes, char* row) {
    with_element(element, StoreConverted<A>{layout, first, n, lanes, row});
}

/* Writes the first n lanes to elements [first, first + n) of an output row of bins. */
template <class A, class S>
CYROI_INLINE void store_elements(const Part<S>& part, index first, index n, typename Lanes<A>::Vector lanes,
                                 char* row) {
    const Output& out = part.out;
    if (out.plain) return Lanes<A>::store_part(reinterpret_cast<A*>(row) + first, lanes, n);
    const Layout layout = {part.job.row_channels, out.x, out.c, out.contiguous};
    store_converted<A>(out.element, layout, first, n, lanes, row);
}

/* Writes the first n lanes to channels [first, first + n) of one bin. */
template <class A, class S>
CYROI_INLINE void store_channels(const Part<S>& part, index first, index n, typename Lanes<A>::Vector lanes,
                                 char* bin) {
    const Output& out = part.out;
    if (out.plain) return Lanes<A>::store_part(reinterpret_cast<A*>(bin) + first, lanes, n);
    store_converted<A>(out.element, Layout{part.job.channels, 0, out.c, out.contiguous}, first, n, lanes, bin);
}

/* Copies n elements to where they are stored as another type. */
template <class A>
struct Convert {
    const A* from;
    index n;
    char* to;

    template <class O>
    void operator()(O) const {
        typedef Lanes<A> L;
        O* elements = reinterpret_cast<O*>(to);
        index i = 0;
        for (; i + L::count <= n; i += L::count) L::store_part(elements + i, L::load(from + i), L::count);
        if (i < n) L::store_part(elements + i, L::load_part(from + i, n - i), n - i);
    }
};

/* Copies n bytes, in whole cache lines past the caches; the lines at both ends are shared with others and stored as
 * usual. Best if both are equally far from a line. finish_streams() orders what was written. */
inline void stream(const char* from, index n, char* to) {
    typedef Lanes<float> L;
    const index lane = static_cast<index>(sizeof(float));
    index i = smaller(n, static_cast<index>((64 - reinterpret_cast<size_t>(to) % 64) % 64));
    std::memcpy(to, from, static_cast<size_t>(i));
    for (; i + 64 <= n; i += 64) {
        for (index j = i; j < i + 64; j += L::count * lane) {
            L::stream(reinterpret_cast<float*>(to + j), L::load(reinterpret_cast<const float*>(from + j)));
        }
    }
    std::memcpy(to + i, from + i, static_cast<size_t>(n - i));
}

template <class A>
struct StoreValue {
    A value;
    char* at;

    template <class O>
    void operator()(O) const {
        store_one(reinterpret_cast<O*>(at), value);
    }
};

template <class A>
inline void store_value(const Output& out, A value, char* at) {
    with_element(out.element, StoreValue<A>{value, at});
}

}  // namespace cyroi

#endif
