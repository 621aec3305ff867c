/* A launch: blocks one after the other, the threads of each by turns, until all are done or one fails. */
#ifndef CYROI_TESTS_LAUNCH_H
#define CYROI_TESTS_LAUNCH_H

#include <signal.h>
#include <stdint.h>

#include "meetings.h"

extern "C" {
extern char __start_cuda_shared[] __attribute__((weak, visibility("hidden")));
extern char __stop_cuda_shared[] __attribute__((weak, visibility("hidden")));
}

namespace cuda_on_cpu {

/* As device.py fills it in. `memory`: kMostThreads stacks, then kSharedRoom bytes, then a page that nobody
 * may touch, as none may the lowest page of each stack. */
struct Launch {
    unsigned grid[3], threads[3];
    unsigned order;
    size_t shared;
    char* memory;
    const void* job;
    size_t job_size;
};

static void enter() {
    begun();
    block.kernel(block.job);
    Fiber& f = *block.running;
    f.done = true;
    --block.live;
    release_block();
    f.warp->live &= ~(1u << f.lane);
    Fiber* const fibers = block.fibers + (f.warp - block.warps) * kLanes;
    for (unsigned rest = f.warp->arrived; rest; rest &= rest - 1) {
        const int lane = __builtin_ctz(rest);
        if (f.warp->arrived >> lane & 1) release_lanes(*f.warp, fibers[lane].mask);
    }
    to_scheduler(true);
}

static unsigned random_below(unsigned n) {
    block.random = block.random * 1664525u + 1013904223u;
    return static_cast<unsigned>((static_cast<unsigned long long>(block.random) * n) >> 32);
}

static void poison(char* from, char* to) {
    const char* const pattern = reinterpret_cast<const char*>(&kPoison);
    for (; from < to && reinterpret_cast<uintptr_t>(from) % 4 != 0; ++from) *from = pattern[0];
    for (; to - from >= 4; from += 4) __builtin_memcpy(from, pattern, 4);
    for (; from < to; ++from) *from = pattern[0];
}

static void begin_block() {
    block.live = block.threads;
    block.arrived = 0;
    for (int i = 0; i < block.threads; ++i) {
        Fiber& f = block.fibers[i];
        f.waits = f.done = false;
        f.stack = nullptr;
        f.warp->live |= 1u << f.lane;
        f.warp->arrived = 0;
    }
}

static void step(Fiber& f) {
    block.running = &f;
    if (f.stack == nullptr) {
        f.stack = block.free_stacks[--block.free_count];
        prepare(f.context, f.stack, enter);
    }
    to_fiber(f);
    block.running = nullptr;
    if (f.done) block.free_stacks[block.free_count++] = f.stack;
}

/* Lets every thread of turn[first ... last - 1] that can go on go on once; whether one did. */
static bool go_on(const int* turn, int first, int last, int* left) {
    bool moved = false;
    for (int i = first; i < last && !block.error[0]; ++i) {
        Fiber& f = block.fibers[turn[i]];
        if (f.done || f.waits) continue;
        step(f);
        moved = true;
        *left -= f.done;
    }
    return moved;
}

/* In the orders 0 and 1, a warp goes as far as it can before the next one does anything. */
static bool go_on_by_warps(const int* turn, int* left) {
    bool moved = false;
    for (int first = 0; first < block.threads; first += kLanes) {
        const int last = first + kLanes < block.threads ? first + kLanes : block.threads;
        while (!block.error[0] && go_on(turn, first, last, left)) moved = true;
    }
    return moved;
}

static void run_block() {
    static int turn[kMostThreads];
    begin_block();
    const int n = block.threads;
    for (int i = 0; i < n; ++i) turn[i] = block.order == 1 ? n - 1 - i : i;
    for (int left = n; left > 0 && !block.error[0];) {
        for (int i = n - 1; i > 0 && block.order > 1; --i) {
            const int j = random_below(i + 1), kept = turn[i];
            turn[i] = turn[j];
            turn[j] = kept;
        }
        const bool moved = block.order > 1 ? go_on(turn, 0, n, &left) : go_on_by_warps(turn, &left);
        for (int i = 0; i < n && !moved; ++i)
            if (!block.fibers[i].done) fail("deadlock: thread %d of %d waits in line %d", i, n, block.fibers[i].line);
    }
}

/* Makes errors of faults of the threads. A sanitizer has handlers of its own. */
#if defined(__SANITIZE_ADDRESS__)
struct Faults {};
#else
static void on_fault(int signal, siginfo_t* info, void*);

struct Faults {
    enum { kSignals = 4 };
    static int of(int i) {
        const int signals[kSignals] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
        return signals[i];
    }
    struct sigaction kept[kSignals];
    stack_t kept_stack;
    Faults() {
        static char memory[1 << 16];
        stack_t stack = stack_t();
        stack.ss_sp = memory;
        stack.ss_size = sizeof memory;
        sigaltstack(&stack, &kept_stack);
        struct sigaction action = {};
        action.sa_sigaction = on_fault;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        for (int i = 0; i < kSignals; ++i) sigaction(of(i), &action, &kept[i]);
    }
    ~Faults() {
        for (int i = 0; i < kSignals; ++i) sigaction(of(i), &kept[i], nullptr);
        sigaltstack(&kept_stack, nullptr);
    }
};

static void on_fault(int signal, siginfo_t* info, void*) {
    if (block.running == nullptr) { /* not of a thread: the default, when the instruction is tried again */
        struct sigaction action = {};
        action.sa_handler = SIG_DFL;
        sigaction(signal, &action, nullptr);
        return;
    }
    const dim3 b = block.index, t = block.running->index;
    const char* const what = signal == SIGFPE   ? "division by zero"
                             : signal == SIGILL ? "undefined behaviour (alignment, bounds or overflow)"
                                                : "no memory";
    fail_here("thread (%u, %u, %u) of block (%u, %u, %u): %s at address %p", t.x, t.y, t.z, b.x, b.y, b.z, what,
              info->si_addr);
}
#endif

Kernel* Kernel::all;

static bool is_possible(const Launch& launch, size_t job_size) {
    const unsigned *g = launch.grid, *t = launch.threads;
    const unsigned long long threads = 1ull * t[0] * t[1] * t[2];
    if (launch.job_size != job_size) {
        fail("the job has %zu bytes where kernels expect %zu", launch.job_size, job_size);
    } else if (threads == 0 || threads > kMostThreads || t[2] > 64) {
        fail("a block has at most %d threads; got %u x %u x %u", kMostThreads, t[0], t[1], t[2]);
    } else if (g[0] == 0 || g[1] == 0 || g[2] == 0 || g[0] > 0x7fffffffu || g[1] > 65535 || g[2] > 65535) {
        fail("a grid of %u x %u x %u blocks cannot be launched", g[0], g[1], g[2]);
    } else if (launch.shared + static_cast<size_t>(__stop_cuda_shared - __start_cuda_shared) > kMostShared) {
        fail("a block has at most %d bytes of shared memory; got %zu", kMostShared, launch.shared);
    }
    return !block.error[0];
}

static void begin_launch(const Launch& launch, void (*kernel)(const void*)) {
    const unsigned *g = launch.grid, *t = launch.threads;
    block.kernel = kernel;
    block.job = launch.job;
    block.order = block.random = launch.order;
    block.grid = dim3{g[0], g[1], g[2]};
    block.dim = dim3{t[0], t[1], t[2]};
    block.threads = static_cast<int>(t[0] * t[1] * t[2]);
    block.shared =
        launch.memory + static_cast<size_t>(kMostThreads) * kStack + kSharedRoom - (launch.shared + 15) / 16 * 16;
    block.free_count = kMostThreads;
    for (int i = 0; i < kMostThreads; ++i) block.free_stacks[i] = launch.memory + static_cast<size_t>(i) * kStack;
    for (unsigned i = 0; i < kMostThreads / kLanes; ++i) block.warps[i].live = 0;
    for (unsigned i = 0; i < static_cast<unsigned>(block.threads); ++i) {
        Fiber& f = block.fibers[i];
        f.index = dim3{i % t[0], i / t[0] % t[1], i / t[0] / t[1]};
        f.lane = static_cast<int>(i % kLanes);
        f.warp = block.warps + i / kLanes;
    }
}

/* From one block to the next; the count and a step that share no factor visit every block once. */
static unsigned long long step_of(unsigned order, unsigned long long count) {
    if (order <= 1) return order == 0 ? 1 : count - 1;
    for (unsigned long long step = 1 + order % count;; ++step) {
        unsigned long long a = count, b = step;
        while (b != 0) {
            const unsigned long long rest = a % b;
            a = b;
            b = rest;
        }
        if (a == 1) return step;
    }
}

static void run(const Launch& launch, const Kernel& kernel) {
    if (!is_possible(launch, kernel.job_size)) return;
    begin_launch(launch, kernel.run);
    const Environment environment;
    const Faults faults;
    const unsigned long long count = 1ull * block.grid.x * block.grid.y * block.grid.z;
    const unsigned long long step = step_of(launch.order, count);
    unsigned long long at = count - 1;
    for (unsigned long long i = 0; i < count && !block.error[0]; ++i) {
        at = launch.order == 1 && i == 0 ? at : (at + step) % count;
        const unsigned long long row = at / block.grid.x;
        block.index = dim3{static_cast<unsigned>(at % block.grid.x), static_cast<unsigned>(row % block.grid.y),
                           static_cast<unsigned>(row / block.grid.y)};
        poison(__start_cuda_shared, __stop_cuda_shared);
        poison(block.shared, block.shared + (launch.shared + 15) / 16 * 16);
        run_block();
    }
}

/* Runs a kernel to its end; gives the first error, NULL if there is none. */
extern "C" __attribute__((visibility("default"))) const char* emulate(const char* name, const Launch* launch) {
    block.error[0] = 0;
    const Kernel* kernel = Kernel::all;
    while (kernel && __builtin_strcmp(kernel->name, name)) kernel = kernel->next;
    if (kernel) {
        run(*launch, *kernel);
    } else {
        fail("no kernel has this name");
    }
    return block.error[0] ? block.error : nullptr;
}

}  // namespace cuda_on_cpu

#endif
