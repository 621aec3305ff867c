# distutils: language = c++
"""What is known of this build and of this CPU: OpenMP, compiler, and which SIMD targets may be imported.

Threading itself is prange in _driver.pyx (and, for the classic kernels, in _classic.pyx); Cython guards it, so without
OpenMP the same source builds serial. This is the only module that calls OpenMP's own functions, and the only place that
counts the threads of a call and of a team.

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

cdef extern from *:
    """
    /* Teams. GNU OpenMP ends the process where it cannot start a thread or cannot have a few kB. So whoever is about to
     * open a region asks here first, and the threads that OpenMP would start are started on trial: as many, alive at
     * once, with stacks of the same size. The C library keeps the stacks of threads that ended, as far as its cache
     * goes, so OpenMP mostly gets the very same. Not in a region: this allocates. */
    #if defined(_OPENMP) && !defined(_WIN32)
    #include <ctype.h>
    #include <errno.h>
    #include <pthread.h>
    #include <signal.h>
    #include <stdint.h>
    #include <stdlib.h>
    #if defined(__linux__)
    #include <sched.h>
    #include <sys/syscall.h>
    #include <time.h>
    #include <unistd.h>
    #endif

    enum { CYROI_MOST_THREADS = 256, CYROI_NO_MEMORY = -1 };  /* as in arguments/threads.py */

    static size_t cyroi_stack_size;  /* of OpenMP's threads; 0: the system's default */
    static pthread_key_t cyroi_team_key;  /* a thread's last team. No thread_local: its first use may allocate, and ends
                                           * the process where it cannot */
    static int cyroi_has_key;
    static pthread_mutex_t cyroi_gate = PTHREAD_MUTEX_INITIALIZER;

    /* A size in an environment variable, as GNU OpenMP reads it; 0 for nonsense. */
    static size_t cyroi_size_in(const char* name) {
        const char* text = getenv(name);
        char* end;
        unsigned long size;
        int shift = 10;
        if (text == NULL) return 0;
        errno = 0;
        size = strtoul(text, &end, 10);
        if (errno != 0 || end == text) return 0;
        while (isspace((unsigned char)*end)) ++end;
        if (*end != 0) {
            const int unit = tolower((unsigned char)*end++);
            if (unit != 'b' && unit != 'k' && unit != 'm' && unit != 'g') return 0;
            shift = unit == 'b' ? 0 : unit == 'k' ? 10 : unit == 'm' ? 20 : 30;
            while (isspace((unsigned char)*end)) ++end;
        }
        return *end != 0 || size << shift >> shift != size ? 0 : (size_t)size << shift;
    }

    static void cyroi_prepare(void (*after_fork)(void)) {
        static int prepared;
        if (prepared++) return;
        cyroi_stack_size = cyroi_size_in("OMP_STACKSIZE");
        if (cyroi_stack_size == 0) cyroi_stack_size = cyroi_size_in("GOMP_STACKSIZE");
        cyroi_has_key = pthread_key_create(&cyroi_team_key, NULL) == 0;
        pthread_atfork(NULL, NULL, after_fork);
    }

    static void* cyroi_wait(void* id) {
    #if defined(__linux__)
        *(int*)id = (int)syscall(SYS_gettid);
    #endif
        pthread_mutex_lock(&cyroi_gate);
        pthread_mutex_unlock(&cyroi_gate);
        return NULL;
    }

    /* Whether a thread that was joined is gone: Linux counts it against the limit of processes a little longer. */
    static int cyroi_is_gone(int id) {
    #if defined(__linux__)
        const struct timespec pause = {0, 50000};
        int i;
        for (i = 0; syscall(SYS_tgkill, getpid(), id, 0) == 0; ++i) {
            if (i > 1000) return 0;
            if (i < 20) sched_yield();
            else nanosleep(&pause, NULL);
        }
    #endif
        return 1;
    }

    /* How many of `wish` more threads can be started, if beside them there is memory for what OpenMP allocates. */
    static int cyroi_try(int wish) {
        pthread_t threads[CYROI_MOST_THREADS];
        int ids[CYROI_MOST_THREADS], started = 0, gone = 0, i;
        pthread_attr_t attributes;
        sigset_t all, before;
        char* memory;
        if (pthread_attr_init(&attributes) != 0) return CYROI_NO_MEMORY;
        if (cyroi_stack_size > 0) pthread_attr_setstacksize(&attributes, cyroi_stack_size);  /* refused: the default */
        sigfillset(&all);
        pthread_mutex_lock(&cyroi_gate);
        pthread_sigmask(SIG_SETMASK, &all, &before);  /* a new thread inherits it: signals are for the others */
        while (started < wish && pthread_create(&threads[started], &attributes, cyroi_wait, &ids[started]) == 0) {
            ++started;
        }
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        memory = (char*)malloc(65536);  /* what a team of 256 takes */
        if (memory != NULL) *(volatile char*)memory = 0;  /* or the compiler does without it */
        free(memory);
        pthread_mutex_unlock(&cyroi_gate);
        for (i = 0; i < started; ++i) pthread_join(threads[i], NULL);
        for (i = 0; i < started; ++i) gone += cyroi_is_gone(ids[i]);
        pthread_attr_destroy(&attributes);
        return memory == NULL ? CYROI_NO_MEMORY : gone;
    }

    static int cyroi_team(int wish, int most) {
        const int pooled = omp_get_level() == 0;  /* within a region of somebody else OpenMP has no pool */
        int last = 1, more, tried;
        if (most > CYROI_MOST_THREADS) most = CYROI_MOST_THREADS;
        if (most > omp_get_thread_limit()) most = omp_get_thread_limit();
        if (most <= 1 || omp_get_active_level() >= omp_get_max_active_levels()) return 1;  /* as would OpenMP */
        if (pooled && cyroi_has_key && !omp_get_dynamic()) last = (int)(intptr_t)pthread_getspecific(cyroi_team_key);
        if (wish < last) wish = last;
        if (wish > most) wish = most;
        if (wish == last) return wish;
        if (last < 1 || omp_get_proc_bind() != omp_proc_bind_false) last = 1;  /* bound threads may not fit */
        more = wish > last ? wish - last : 0;
        tried = cyroi_try(more);
        if (tried < more) wish = tried == CYROI_NO_MEMORY ? 1 : last + tried;
        if (pooled && cyroi_has_key) pthread_setspecific(cyroi_team_key, (void*)(intptr_t)wish);
        return wish;
    }
    #else
    static void cyroi_prepare(void (*after_fork)(void)) {}
    static int cyroi_team(int wish, int most) { return cyroi_openmp_version() ? wish : 1; }
    #endif
    """
    void cyroi_prepare(void (*after_fork)() noexcept nogil)
    int cyroi_team(int wish, int most) noexcept nogil

openmp_version = cyroi_openmp_version()  # yyyymm of the specification; 0: built without OpenMP
compiler = CYROI_COMPILER.decode()
baseline = CYROI_BASELINE.decode()
supported = {"baseline": True, "avx2": bool(cyroi_has_avx2()), "avx512": bool(cyroi_has_avx512())}

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
