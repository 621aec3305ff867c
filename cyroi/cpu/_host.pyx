# distutils: language = c++
"""What is known of this build and of this CPU: OpenMP, compiler, and which SIMD targets may be imported.

Threading itself is prange in _core.pyx; Cython guards it, so without OpenMP the same source builds serial. This is the
only module that calls OpenMP's own functions, and the only place that counts the threads of a call.

The CPU tests cover exactly the features that setup.py compiles a target with, and that the operating system saves the
registers (GCC and clang look at XGETBV themselves).
"""

cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    static int cyroi_openmp_version() { return _OPENMP; }
    #else
    static int cyroi_openmp_version() { return 0; }
    static int omp_get_max_threads() { return 1; }
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
    #if defined(_MSC_VER) && defined(_M_X64)
    #include <intrin.h>
    static int cyroi_has(int leaf, int reg, int bit) {
        int info[4];
        __cpuidex(info, leaf, 0);
        return (info[reg] >> bit) & 1;
    }
    static int cyroi_saves(unsigned mask) {  /* OSXSAVE, and the registers that the system keeps */
        return cyroi_has(1, 2, 27) && (_xgetbv(0) & mask) == mask;
    }
    static int cyroi_has_avx2() {
        return cyroi_saves(0x6) && cyroi_has(1, 2, 12) && cyroi_has(1, 2, 29) && cyroi_has(7, 1, 5);
    }
    static int cyroi_has_avx512() {
        return cyroi_has_avx2() && cyroi_saves(0xe6) && cyroi_has(7, 1, 16) && cyroi_has(7, 1, 17) &&
               cyroi_has(7, 1, 30) && cyroi_has(7, 1, 31);
    }
    #elif defined(__x86_64__)
    static int cyroi_has_avx2() {
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    }
    static int cyroi_has_avx512() {
        return cyroi_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    }
    #else
    static int cyroi_has_avx2() { return 0; }
    static int cyroi_has_avx512() { return 0; }
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
    int cyroi_has_avx2()
    int cyroi_has_avx512()
    const char* CYROI_COMPILER
    const char* CYROI_BASELINE

openmp_version = cyroi_openmp_version()  # yyyymm of the specification; 0: built without OpenMP
compiler = CYROI_COMPILER.decode()
baseline = CYROI_BASELINE.decode()
supported = {"baseline": True, "avx2": bool(cyroi_has_avx2()), "avx512": bool(cyroi_has_avx512())}

cdef int most_threads = 1, usual_threads = 0


def set_threads(int most, int usual):
    """What `cyroi._threads` found: the most threads of a call, and the number where a call names none (0: OpenMP's)."""
    global most_threads, usual_threads
    most_threads, usual_threads = most, usual


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
