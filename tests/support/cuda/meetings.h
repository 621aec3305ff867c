/* Where threads wait for each other: those of a block, and lanes of a warp, who then get what the others gave. */
#ifndef CYROI_TESTS_MEETINGS_H
#define CYROI_TESTS_MEETINGS_H

#include <stdio.h>

#include "fibers.h"
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace cuda_on_cpu {

#if defined(__SANITIZE_ADDRESS__)
/* The sanitizer is told of each switch, and learns from the first one where the stack of the scheduler lies. */
static const void* scheduler_stack;
static size_t scheduler_size;
static void to_scheduler(bool for_good) {
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(for_good ? nullptr : &fake, scheduler_stack, scheduler_size);
    change(block.running->context, block.scheduler);
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
}
static void to_fiber(Fiber& f) {
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, f.stack, kStack);
    change(block.scheduler, f.context);
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
}
static void begun() {
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_size);
}
#else
static void to_scheduler(bool) {
    change(block.running->context, block.scheduler);
}
static void to_fiber(Fiber& f) {
    change(block.scheduler, f.context);
}
static void begun() {}
#endif

/* The first one counts. The fiber that runs is never resumed. */
template <class... T>
static void fail(const char* format, T... values) {
    if (!block.error[0]) snprintf(block.error, sizeof block.error, format, values...);
}

template <class... T>
static void fail_here(const char* format, T... values) {
    fail(format, values...);
    to_scheduler(false);
}

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

void meet_block(int line) {
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

unsigned long long meet_lanes(Meeting at, unsigned mask, unsigned long long value, int source, int line) {
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

}  // namespace cuda_on_cpu

#endif
