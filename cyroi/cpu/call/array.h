/* Arrays as they come in: axes n c y x, byte strides, elements of any storage type.
 *
 * Compiled once. */
#ifndef CYROI_CPU_CALL_ARRAY_H
#define CYROI_CPU_CALL_ARRAY_H

#include "cyroi/elements.h"

namespace cyroi {

/* Maps or a result. Axes are n c y x, whatever their order in memory; n counts images of maps and boxes of a result. */
struct Array {
    char* data;
    int element; /* see elements.h */
    index shape[4];
    index strides[4]; /* in bytes */
};

inline bool is_empty(const Array& array) {
    return array.shape[0] == 0 || array.shape[1] == 0 || array.shape[2] == 0 || array.shape[3] == 0;
}

}  // namespace cyroi

#endif
