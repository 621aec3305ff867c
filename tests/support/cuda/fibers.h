/* Switches from one stack to another: six registers on x86-64, elsewhere as ucontext does it. */
#ifndef CYROI_TESTS_FIBERS_H
#define CYROI_TESTS_FIBERS_H

#include "block.h"

namespace cuda_on_cpu {

/* How much of a stack is used. Stacks that began at multiples of their size would have the same few places in the CPU's
 * caches. */
static size_t size_of(const char* stack) {
    return kStack - reinterpret_cast<size_t>(stack) / kStack % 100 * 640;
}

#if defined(__x86_64__)
extern "C" __attribute__((visibility("hidden"))) void cuda_on_cpu_switch(Context* from, Context to);
asm(R"(
    .text
    .globl cuda_on_cpu_switch
    .hidden cuda_on_cpu_switch
    .type cuda_on_cpu_switch, @function
cuda_on_cpu_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    popq %rcx
    jmp *%rcx
    .size cuda_on_cpu_switch, . - cuda_on_cpu_switch
)");

static void change(Context& from, Context& to) {
    cuda_on_cpu_switch(&from, to);
}
static void prepare(Context& context, char* stack, void (*entry)()) {
    void** top = reinterpret_cast<void**>(stack + size_of(stack));
    *--top = nullptr; /* where entry would return to, if it did */
    *--top = reinterpret_cast<void*>(entry);
    for (int i = 0; i < 6; ++i) *--top = nullptr;
    context = top;
}
#else
static void change(Context& from, Context& to) {
    swapcontext(&from, &to);
}
static void prepare(Context& context, char* stack, void (*entry)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack;
    context.uc_stack.ss_size = size_of(stack);
    context.uc_link = nullptr;
    makecontext(&context, entry, 0);
}
#endif

/* The floating point environment of the device, whatever the caller's is: nothing is flushed, halves go to even. */
struct Environment {
#if defined(__x86_64__)
    unsigned kept;
    Environment() {
        const unsigned usual = 0x1f80;
        asm volatile("stmxcsr %0" : "=m"(kept));
        asm volatile("ldmxcsr %0" : : "m"(usual));
    }
    ~Environment() { asm volatile("ldmxcsr %0" : : "m"(kept)); }
#endif
};

}  // namespace cuda_on_cpu

#endif
