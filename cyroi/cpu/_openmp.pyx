# distutils: language = c++
"""The only module that touches OpenMP's own functions, and what the compiler was told.

Threading itself is prange in _core.pyx; Cython guards it, so without OpenMP the same source builds serial.
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
    #if defined(__x86_64__) || defined(_M_X64)
    #define CYROI_BASELINE "x86-64: SSE2"
    #elif defined(__aarch64__) || defined(_M_ARM64)
    #define CYROI_BASELINE "aarch64: NEON"
    #else
    #define CYROI_BASELINE "generic"
    #endif
    """
    int cyroi_openmp_version()
    int omp_get_max_threads()
    const char* CYROI_COMPILER
    const char* CYROI_BASELINE

openmp_version = cyroi_openmp_version()  # yyyymm of the specification; 0: built without OpenMP
compiler = CYROI_COMPILER.decode()
baseline = CYROI_BASELINE.decode()


def max_threads():
    """What OpenMP would use: OMP_NUM_THREADS, or a limit set at run time (threadpoolctl)."""
    return omp_get_max_threads()
