/* What is known of the block that runs, and how its threads take turns and fail. */
#ifndef CYROI_TESTS_BLOCK_H
#define CYROI_TESTS_BLOCK_H

#include <stdio.h>

#include "fibers.h"
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

struct dim3 {
    unsigned x, y, z;
};

namespace cuda_on_cpu {

enum { kLanes = 32, kMostThreads = 1024, kMostShared = 232448, kSharedRoom = 1 << 18 };
enum Meeting { SYNCTHREADS, SYNCWARP, SHUFFLE, BALLOT };

/* A signalling NaN in float, huge in double, and an index that is out of all memory. */
static const unsigned kPoison = 0x7fa5a5a5u;

struct Warp {
    unsigned live, arrived;
    unsigned long long value[kLanes], result[kLanes];
    int source[kLanes];
};

struct Fiber {
    Context context;
    char* stack;
    dim3 index;
    int lane;
    Warp* warp;
    bool waits, done;
    Meeting at; /* what it waits at, the line in the kernel, and with which lanes */
    int line;
    unsigned mask;
};

struct Block {
    Fiber fibers[kMostThreads];
    Warp warps[kMostThreads / kLanes];
    char* free_stacks[kMostThreads];
    int free_count, threads, live, arrived;
    unsigned order, random;
    Fiber* running;
    Context scheduler;
    char* shared;
    dim3 index, dim, grid;
    void (*kernel)(const void*);
    const void* job;
    char error[200];
};
static Block block;

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

}  // namespace cuda_on_cpu

#endif
