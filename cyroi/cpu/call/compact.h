/* Maps whose pixels lie apart, copied behind each other before a call that would gather them more than once.
 *
 * A pixel of few channels among many (image[..., :3] of 32) costs its cache lines each time it is read. The route fused
 * gathers a row for the output rows that share it (forward/gather.h), but every box anew. Where the bins of all boxes
 * are about as many as the pixels of the maps, to read these once and copy them costs less.
 *
 * Decisions
 * a) The copy is made here and not where arguments are checked, so that every face has it. It is had before anything is
 *    written to a result. Where there is no memory for it, the maps are read where they lie.
 * b) Fewer bins than pixels leave the maps where they lie: a small box of a large image stays cheap. So do more than
 *    kMostCompacted pixels, because nobody looks for signals meanwhile.
 * c) The gradient to the boxes copies such maps however few its bins are. The last bits of its sums depend on the route,
 *    so that must not depend on the other boxes of a call.
 *
 * Compiled once. */
#ifndef CYROI_CPU_CALL_COMPACT_H
#define CYROI_CPU_CALL_COMPACT_H

#include <cstdlib>

#include "call/array.h"
#include "call/route.h"

namespace cyroi {

template <int size>
struct Bytes {
    unsigned char byte[size];
};

/* One row of pixels, `step` bytes apart, behind each other: of N elements each, or of any number. */
template <class T, int N>
inline void pack_pixels(const char* from, index step, index channels, index pixels, char* to) {
    const index n = N > 0 ? N : channels;
    for (index x = 0; x < pixels; ++x, from += step) {
        for (index c = 0; c < n; ++c) reinterpret_cast<T*>(to)[x * n + c] = reinterpret_cast<const T*>(from)[c];
    }
}

template <class T>
inline void pack_rows(const Array& maps, char* to) {
    const index channels = maps.shape[1], pixels = maps.shape[3];
    const auto copy = channels == 1 ? pack_pixels<T, 1> : channels == 3 ? pack_pixels<T, 3> : pack_pixels<T, 0>;
    for (index n = 0; n < maps.shape[0]; ++n) {
        for (index y = 0; y < maps.shape[2]; ++y, to += pixels * channels * static_cast<index>(sizeof(T))) {
            copy(maps.data + n * maps.strides[0] + y * maps.strides[2], maps.strides[3], channels, pixels, to);
        }
    }
}

class Compact {
  public:
    /* bins: of all boxes together. */
    Compact(const Array& maps, index bins) : array_(maps), memory_(nullptr) {
        const index pixels = maps.shape[0] * maps.shape[2] * maps.shape[3], size = element_size(maps.element);
        if (bins < pixels || pixels > kMostCompacted) return;
        MapsJob job;
        if (!describe_maps(maps, job) || !job.gathered) return;
        memory_ = static_cast<char*>(std::malloc(static_cast<size_t>(pixels * job.channels * size)));
        if (!memory_) return;
        size == 1   ? pack_rows<Bytes<1>>(maps, memory_)
        : size == 2 ? pack_rows<Bytes<2>>(maps, memory_)
        : size == 4 ? pack_rows<Bytes<4>>(maps, memory_)
                    : pack_rows<Bytes<8>>(maps, memory_);
        array_.data = memory_;
        array_.strides[1] = size;
        array_.strides[3] = size * job.channels;
        array_.strides[2] = array_.strides[3] * maps.shape[3];
        array_.strides[0] = array_.strides[2] * maps.shape[2];
    }
    ~Compact() { std::free(memory_); }

    Compact(const Compact&) = delete;
    Compact& operator=(const Compact&) = delete;

    /* The maps, or their copy. */
    const Array& array() const { return array_; }

  private:
    Array array_;
    char* memory_;
};

}  // namespace cyroi

#endif
