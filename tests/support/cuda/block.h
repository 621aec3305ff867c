/* What is known of the block that runs. */
#ifndef CYROI_TESTS_BLOCK_H
#define CYROI_TESTS_BLOCK_H

#include <stddef.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

/* A runtime and the kernels that are linked with it are one library, and no other one sees them. */
#pragma GCC visibility push(hidden)

struct dim3 {
    unsigned x, y, z;
};

namespace cuda_on_cpu {

enum { kLanes = 32, kMostThreads = 1024, kStack = 1 << 17, kMostShared = 232448, kSharedRoom = 1 << 18 };
enum Meeting { SYNCTHREADS, SYNCWARP, SHUFFLE, BALLOT };

/* A signalling NaN in float, huge in double, and an index that is out of all memory. */
static const unsigned kPoison = 0x7fa5a5a5u;

#if defined(__x86_64__)
typedef void* Context; /* the stack pointer, registers lie on the stack */
#else
typedef ucontext_t Context;
#endif

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
extern Block block;

/* A thread waits for all of its block, or for the lanes of a mask, of which it then gets a value. */
void meet_block(int line);
unsigned long long meet_lanes(Meeting at, unsigned mask, unsigned long long value, int source, int line);

/* Kernels of the file that is included. */
struct Kernel {
    const char* name;
    void (*run)(const void* job);
    size_t job_size;
    Kernel* next;
    static Kernel* all;

    Kernel(const char* name, void (*run)(const void*), size_t job_size)
        : name(name), run(run), job_size(job_size), next(all) {
        all = this;
    }
};

}  // namespace cuda_on_cpu

#pragma GCC visibility pop

#endif
