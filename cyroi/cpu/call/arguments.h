/* The checks of arrays that come from C, as codes of cyroi/c_api.h. The Python face has them in arguments/. */
#ifndef CYROI_CPU_CALL_ARGUMENTS_H
#define CYROI_CPU_CALL_ARGUMENTS_H

#include <cstdint>

#include "call/array.h"
#include "cyroi/c_api.h"

namespace cyroi {

static const index kMaxSide = 2147483647;              /* pixel indices are 32-bit integers in the kernels */
static const double kMaxReach = 4611686018427387904.0; /* bytes: sums and products of what lies below do not overflow */

inline index magnitude(index i) {
    return i < 0 ? -i : i;
}

/* Which axis of n c y x stands at a place of a layout. */
inline int axis_at(int place, int layout) {
    return layout == CYROI_NCHW || place == 0 ? place : place % 3 + 1;
}

/* Strides along n c y x from strides in the order of `layout`. Those of an array without gaps where that is NULL, and
 * for an array without elements, whose strides say nothing: NumPy gives zeros there. */
inline void set_strides(Array& array /* OUT */, const Py_ssize_t* strides, int layout) {
    const bool given = strides && !is_empty(array);
    double reach = static_cast<double>(element_size(array.element));
    for (int place = 3; place >= 0; --place) {
        const int axis = axis_at(place, layout);
        array.strides[axis] = given ? strides[place] : static_cast<index>(smaller(reach, kMaxReach));
        reach *= static_cast<double>(larger<index>(array.shape[axis], 1));
    }
}

/* No offset overflows, a pointer is there where there is an element, and all elements are aligned. */
inline int check_array(const Array& array) {
    const index size = element_size(array.element);
    double reach = 0;
    bool aligned = reinterpret_cast<std::uintptr_t>(array.data) % static_cast<std::uintptr_t>(size) == 0;
    for (int axis = 0; axis < 4; ++axis) {
        const index stride = array.strides[axis], length = array.shape[axis];
        if (length < 0) return CYROI_BAD_SIZE;
        const double step = static_cast<double>(stride);
        reach += (step < 0 ? -step : step) * static_cast<double>(larger<index>(length, 1));
        aligned = aligned && (length <= 1 || stride % size == 0);
    }
    if (reach >= kMaxReach) return CYROI_BAD_SIZE;
    if (is_empty(array)) return CYROI_OK;
    if (!array.data) return CYROI_NULL_POINTER;
    return aligned ? CYROI_OK : CYROI_BAD_STRIDES;
}

/* Conservative: true wherever sorted strides do not nest, as they do in every view made by slicing. */
inline bool overlaps_itself(const Array& array) {
    for (int axis = 0; axis < 4; ++axis) {
        const index mine = magnitude(array.strides[axis]);
        index reach = element_size(array.element);
        for (int other = 0; other < 4; ++other) {
            const index theirs = magnitude(array.strides[other]);
            if (theirs < mine || (theirs == mine && other < axis)) reach += theirs * (array.shape[other] - 1);
        }
        if (array.shape[axis] > 1 && mine < reach) return true;
    }
    return false;
}

/* The addresses of the first byte of an array and behind its last. */
struct Extent {
    std::uintptr_t first, end;

    explicit Extent(const Array& array) : first(reinterpret_cast<std::uintptr_t>(array.data)), end(first) {
        for (int axis = 0; axis < 4; ++axis) {
            const index reach = array.strides[axis] * (array.shape[axis] - 1);
            (reach < 0 ? first : end) += static_cast<std::uintptr_t>(reach);
        }
        end += static_cast<std::uintptr_t>(element_size(array.element));
    }
};

/* Conservative about shared memory: one array must lie before the other. */
inline int check_arrays(const Array& maps, const Array& out) {
    int status = check_array(maps);
    if (status != CYROI_OK) return status;
    for (int axis = 0; axis < 4; ++axis) {
        if (maps.shape[axis] > kMaxSide) return CYROI_BAD_SIZE;
    }
    if (out.shape[2] < 1 || out.shape[3] < 1) return CYROI_BAD_SIZE;
    status = check_array(out);
    if (status != CYROI_OK || is_empty(out)) return status;
    if (overlaps_itself(out)) return CYROI_BAD_STRIDES;
    if (is_empty(maps)) return CYROI_OK;
    const Extent in(maps), to(out);
    return in.end <= to.first || to.end <= in.first ? CYROI_OK : CYROI_OVERLAP;
}

}  // namespace cyroi

#endif
