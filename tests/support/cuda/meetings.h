/* Where threads wait for each other: those of a block, and lanes of a warp, who then get what the others gave. */
#ifndef CYROI_TESTS_MEETINGS_H
#define CYROI_TESTS_MEETINGS_H

#include "block.h"

namespace cuda_on_cpu {

/* Goes on once all that the fiber waits for are there. `last`: it is the one they waited for, and in ascending order it
 * goes on at once; in the others all begin anew. */
static void rest(bool last) {
    if (!last || block.order != 0) to_scheduler(false);
}

static bool release_block() {
    if (block.arrived == 0 || block.arrived < block.live) return false;
    const Fiber* first = nullptr;
    for (int i = 0; i < block.threads; ++i) {
        Fiber& f = block.fibers[i];
        if (f.done) continue;
        if (!first) first = &f;
        if (f.line != first->line)
            fail("threads meet at __syncthreads() of line %d and of line %d", first->line, f.line);
        f.waits = false;
    }
    block.arrived = 0;
    return true;
}

static void meet_block(int line) {
    Fiber& f = *block.running;
    f.waits = true;
    f.at = SYNCTHREADS;
    f.line = line;
    ++block.arrived;
    const bool last = release_block();
    if (block.error[0]) return to_scheduler(false);
    rest(last);
}

/* Whether all lanes of the mask are there; then each gets what it came for. */
static bool release_lanes(Warp& warp, unsigned mask) {
    const unsigned all = mask & warp.live;
    if (all == 0 || (warp.arrived & all) != all) return false;
    Fiber* const fibers = block.fibers + (&warp - block.warps) * kLanes;
    const Meeting at = fibers[__builtin_ctz(all)].at;
    unsigned long long ballot = 0;
    for (unsigned rest = all; rest; rest &= rest - 1) {
        const Fiber& f = fibers[__builtin_ctz(rest)];
        if (f.at != at || f.mask != mask) fail("lanes of a warp meet in different ways, in line %d", f.line);
        if (warp.value[f.lane] != 0) ballot |= 1ull << f.lane;
    }
    for (unsigned rest = all; rest; rest &= rest - 1) {
        Fiber& f = fibers[__builtin_ctz(rest)];
        const int from = warp.source[f.lane];
        warp.result[f.lane] = at == BALLOT ? ballot : (all >> from & 1) ? warp.value[from] : 0x100000001ull * kPoison;
        f.waits = false;
    }
    warp.arrived &= ~all;
    return true;
}

static unsigned long long meet_lanes(Meeting at, unsigned mask, unsigned long long value, int source, int line) {
    Fiber& f = *block.running;
    if (!(mask >> f.lane & 1)) fail_here("lane %d is not in its own mask, in line %d", f.lane, line);
    f.waits = true;
    f.at = at;
    f.line = line;
    f.mask = mask;
    f.warp->value[f.lane] = value;
    f.warp->source[f.lane] = source & (kLanes - 1);
    f.warp->arrived |= 1u << f.lane;
    const bool last = release_lanes(*f.warp, mask);
    if (block.error[0]) to_scheduler(false);
    rest(last);
    return f.warp->result[f.lane];
}

template <class T>
static T shuffle(unsigned mask, T value, int source, int line) {
    static_assert(sizeof(T) <= 8, "only up to 8 bytes are shuffled");
    unsigned long long bits = 0;
    __builtin_memcpy(&bits, &value, sizeof value);
    bits = meet_lanes(SHUFFLE, mask, bits, source, line);
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

}  // namespace cuda_on_cpu

#endif
