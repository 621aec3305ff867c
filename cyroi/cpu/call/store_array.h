/* Whole arrays of float or double into arrays of any type, strides and byte order, at any address: gradients on their
 * way to where they belong. Each value is rounded once, and nobody's floating-point state is asked.
 *
 * Compiled once. */
#ifndef CYROI_CPU_CALL_STORE_ARRAY_H
#define CYROI_CPU_CALL_STORE_ARRAY_H

#include <cstring>

#include "call/array.h"

namespace cyroi {

template <class A>
struct StoreRow {
    const char* from;
    char* to;
    index n, step_from, step_to; /* elements, and bytes from one to the next */
    bool swapped;

    template <class O>
    void operator()(O) const {
        for (index i = 0; i < n; ++i) {
            A value;
            O element;
            char bytes[sizeof(O)], *at = to + i * step_to;
            std::memcpy(&value, from + i * step_from, sizeof value);
            store_one(&element, value);
            if (!swapped) {
                std::memcpy(at, &element, sizeof element);
            } else {
                std::memcpy(bytes, &element, sizeof element);
                for (size_t b = 0; b < sizeof element; ++b) at[b] = bytes[sizeof element - 1 - b];
            }
        }
    }
};

/* swapped: `to` is in the byte order that is not the machine's. */
template <class A>
inline void store_rows(const Array& from, const Array& to, bool swapped) {
    for (index i = 0; i < to.shape[0]; ++i) {
        for (index j = 0; j < to.shape[1]; ++j) {
            for (index k = 0; k < to.shape[2]; ++k) {
                const char* source = from.data + i * from.strides[0] + j * from.strides[1] + k * from.strides[2];
                char* target = to.data + i * to.strides[0] + j * to.strides[1] + k * to.strides[2];
                with_element(to.element,
                             StoreRow<A>{source, target, to.shape[3], from.strides[3], to.strides[3], swapped});
            }
        }
    }
}

/* Of equal shape. */
inline void store_array(const Array& from, const Array& to, bool swapped) {
    if (from.element == FLOAT64) return store_rows<double>(from, to, swapped);
    store_rows<float>(from, to, swapped);
}

}  // namespace cyroi

#endif
