# distutils: language = c++
"""What is known of this build and of this CPU: OpenMP, compiler, and what the CPU says of itself.

Threading itself is prange in _driver.pyx (and, for the classic kernels, in _classic.pyx); Cython guards it, so without
OpenMP the same source builds serial. This is the only module that calls OpenMP's own functions, and the only place that
counts the threads of a call and of a team.

The CPU is asked by instruction and not by the compiler's names for features, which differ; _targets.py has the bits.
"""

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    static int cyroi_openmp_version() { return _OPENMP; }
    #else
    static int cyroi_openmp_version() { return 0; }
    static int omp_get_max_threads() { return 1; }
    static int omp_get_num_procs() { return 1; }
    #endif
    #if defined(_OPENMP) && _OPENMP >= 201511  /* 4.5 */
    /* Places to which OpenMP binds threads; 0: it binds none. */
    static int cyroi_places() { return omp_get_proc_bind() == omp_proc_bind_false ? 0 : omp_get_num_places(); }
    static int cyroi_place_size(int place) { return omp_get_place_num_procs(place); }
    static void cyroi_place_cpus(int place, int* cpus) { omp_get_place_proc_ids(place, cpus); }
    #else
    static int cyroi_places() { return 0; }
    static int cyroi_place_size(int) { return 0; }
    static void cyroi_place_cpus(int, int*) {}
    #endif
    #if defined(__clang__)
    #define CYROI_COMPILER "clang " __clang_version__
    #elif defined(__GNUC__)
    #define CYROI_COMPILER "gcc " __VERSION__
    #elif defined(_MSC_VER)
    #define CYROI_COMPILER "msvc"
    #else
    #define CYROI_COMPILER "unknown"
    #endif
    /* cyroi_cpuid: what the processor says of itself, a register each, eax first; zeros where it has no such leaf.
     * cyroi_xgetbv: which registers the system saves; only where cpuid says that it may be asked. */
    #if defined(_MSC_VER) && defined(_M_X64)
    #include <intrin.h>
    static void cyroi_cpuid(unsigned leaf, unsigned* registers) {
        int found[4];
        __cpuid(found, 0);
        if ((unsigned)found[0] < leaf) found[0] = found[1] = found[2] = found[3] = 0;
        else __cpuidex(found, (int)leaf, 0);
        for (int i = 0; i < 4; ++i) registers[i] = (unsigned)found[i];
    }
    static unsigned long long cyroi_xgetbv() { return _xgetbv(0); }
    #elif defined(__x86_64__)
    #include <cpuid.h>
    static void cyroi_cpuid(unsigned leaf, unsigned* registers) {
        unsigned *r = registers;
        if (!__get_cpuid_count(leaf, 0, r, r + 1, r + 2, r + 3)) r[0] = r[1] = r[2] = r[3] = 0;
    }
    static unsigned long long cyroi_xgetbv() {
        unsigned low, high;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        return (unsigned long long)high << 32 | low;
    }
    #else
    static void cyroi_cpuid(unsigned, unsigned* registers) {
        registers[0] = registers[1] = registers[2] = registers[3] = 0;
    }
    static unsigned long long cyroi_xgetbv() { return 0; }
    #endif
    #if defined(__x86_64__) || defined(_M_X64)
    #define CYROI_BASELINE "x86-64: SSE2"
    #elif defined(__aarch64__) || defined(_M_ARM64)
    #define CYROI_BASELINE "aarch64: NEON"
    #else
    #define CYROI_BASELINE "generic"
    #endif
    """
    int cyroi_openmp_version()
    int omp_get_max_threads() noexcept nogil
    int omp_get_num_procs()
    int cyroi_places()
    int cyroi_place_size(int place)
    void cyroi_place_cpus(int place, int* cpus)
    void cyroi_cpuid(unsigned leaf, unsigned* registers)
    unsigned long long cyroi_xgetbv()
    const char* CYROI_COMPILER
    const char* CYROI_BASELINE

cdef extern from "call/teams.h":
    void cyroi_prepare(void (*after_fork)() noexcept nogil)
    int cyroi_team(int wish, int most) noexcept nogil

openmp_version = cyroi_openmp_version()  # yyyymm of the specification; 0: built without OpenMP
compiler = CYROI_COMPILER.decode()
baseline = CYROI_BASELINE.decode()


def cpuid(unsigned leaf):
    """The four registers; zeros where the CPU does not know this leaf, or has no such instruction."""
    cdef unsigned registers[4]
    cyroi_cpuid(leaf, registers)
    return registers[0], registers[1], registers[2], registers[3]


def xgetbv():
    """The registers that the operating system saves, a bit each. An illegal instruction without the feature osxsave,
    and on other processors than x86 nothing."""
    return cyroi_xgetbv()


cdef int most_threads = 1, usual_threads = 0
cdef bint forked = False


cdef void after_fork() noexcept nogil:
    """In the child of a fork(), of C or of Python: OpenMP would wait for threads that only the parent has. A child may
    do little more than set variables here."""
    global most_threads, usual_threads, forked
    most_threads, usual_threads, forked = 1, 0, True


cyroi_prepare(after_fork)


def was_forked():
    """Whether this process is the child of one that had imported cyroi."""
    return forked


def bound_cpus():
    """How many CPUs OpenMP binds its threads to; 0: it binds none. Where it does, it has bound the thread that loaded
    it too, and the affinity of that thread is no longer that of the process."""
    cdef bytearray memory
    cpus = set()
    for place in range(cyroi_places()):
        size = cyroi_place_size(place)
        if size > 0:
            memory = bytearray(size * sizeof(int))
            cyroi_place_cpus(place, <int*> <char*> memory)
            cpus.update(memoryview(memory).cast("i"))
    # GOMP_CPU_AFFINITY may name CPUs that the process was not allowed.
    return min(len(cpus), omp_get_num_procs())


def set_threads(int most, int usual):
    """What `cyroi.arguments.threads` found: the most threads of a call, and the number where a call names none (0:
    OpenMP's)."""
    global most_threads, usual_threads
    most_threads, usual_threads = 1 if forked else most, usual


cdef int thread_count(int wish) noexcept nogil:
    """The threads of a call that wishes for so many, or names no number (0): OpenMP's own default then, which is
    OMP_NUM_THREADS or a limit set at run time (threadpoolctl), unless CYROI_NUM_THREADS says more."""
    cdef int count = wish
    if count <= 0:
        count = usual_threads if usual_threads > 0 else omp_get_max_threads()
    return max(1, min(count, most_threads))


def threads(int wish):
    """See `thread_count`."""
    return thread_count(wish)


cdef int team(int wish, int most) noexcept nogil:
    """The threads of the region that this thread opens next: as many of `wish` as the system grants; up to `most` where
    its last region had more, because OpenMP ends threads that a region does without, and starting them again costs more
    than to have them wait."""
    return cyroi_team(wish, most)
