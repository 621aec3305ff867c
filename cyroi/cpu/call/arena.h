/* The memory of a call is one allocation, of which this hands out the parts.
 *
 * Compiled once, and seen by all targets. */
#ifndef CYROI_CPU_CALL_ARENA_H
#define CYROI_CPU_CALL_ARENA_H

#include <cstddef>

#include "cyroi/config.h"

namespace cyroi {

/* Parts of the memory at `base`, each from the beginning of a cache line. Without a base it only counts. */
class Arena {
  public:
    explicit Arena(char* base) : base_(base), used_(0) {}

    template <class T>
    void take(T*& part, index count, size_t size = sizeof(T)) {
        const size_t most = ~static_cast<size_t>(0) / 4; /* beyond, no allocation succeeds, and no sum overflows */
        const size_t start = (used_ + 63) / 64 * 64;
        used_ = static_cast<size_t>(count) > (most - smaller(start, most)) / size ? most : start + count * size;
        part = base_ ? static_cast<T*>(static_cast<void*>(base_ + start)) : nullptr;
    }
    size_t used() const { return used_; }

  private:
    char* base_;
    size_t used_;
};

}  // namespace cyroi

#endif
