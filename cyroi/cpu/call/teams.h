/* Teams of threads that the system grants.
 *
 * GNU OpenMP ends the process where it cannot start a thread or cannot have a few kB. So whoever is about to open a
 * region asks here first, and the threads that OpenMP would start are started on trial: as many, alive at once, with
 * stacks of the same size. The C library keeps the stacks of threads that ended, as far as its cache goes, so OpenMP
 * mostly gets the very same. Not in a region: this allocates.
 *
 * Compiled once, for _host.pyx alone. */
#ifndef CYROI_CPU_CALL_TEAMS_H
#define CYROI_CPU_CALL_TEAMS_H

#if defined(_OPENMP) && !defined(_WIN32)
#include <ctype.h>
#include <errno.h>
#include <omp.h>
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

enum { CYROI_MOST_THREADS = 256, CYROI_NO_MEMORY = -1 }; /* as in arguments/threads.py */

static size_t cyroi_stack_size;      /* of OpenMP's threads; 0: the system's default */
static pthread_key_t cyroi_team_key; /* a thread's last team. No thread_local: its first use may allocate, and ends
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
        if (i < 20)
            sched_yield();
        else
            nanosleep(&pause, NULL);
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
    if (cyroi_stack_size > 0) pthread_attr_setstacksize(&attributes, cyroi_stack_size); /* refused: the default */
    sigfillset(&all);
    pthread_mutex_lock(&cyroi_gate);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* a new thread inherits it: signals are for the others */
    while (started < wish && pthread_create(&threads[started], &attributes, cyroi_wait, &ids[started]) == 0) {
        ++started;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    memory = (char*)malloc(65536);                   /* what a team of 256 takes */
    if (memory != NULL) *(volatile char*)memory = 0; /* or the compiler does without it */
    free(memory);
    pthread_mutex_unlock(&cyroi_gate);
    for (i = 0; i < started; ++i) pthread_join(threads[i], NULL);
    for (i = 0; i < started; ++i) gone += cyroi_is_gone(ids[i]);
    pthread_attr_destroy(&attributes);
    return memory == NULL ? CYROI_NO_MEMORY : gone;
}

static int cyroi_team(int wish, int most) {
    const int pooled = omp_get_level() == 0; /* within a region of somebody else OpenMP has no pool */
    int last = 1, more, tried;
    if (most > CYROI_MOST_THREADS) most = CYROI_MOST_THREADS;
    if (most > omp_get_thread_limit()) most = omp_get_thread_limit();
    if (most <= 1 || omp_get_active_level() >= omp_get_max_active_levels()) return 1; /* as would OpenMP */
    if (pooled && cyroi_has_key && !omp_get_dynamic()) last = (int)(intptr_t)pthread_getspecific(cyroi_team_key);
    if (wish < last) wish = last;
    if (wish > most) wish = most;
    if (wish == last) return wish;
    if (last < 1 || omp_get_proc_bind() != omp_proc_bind_false) last = 1; /* bound threads may not fit */
    more = wish > last ? wish - last : 0;
    tried = cyroi_try(more);
    if (tried < more) wish = tried == CYROI_NO_MEMORY ? 1 : last + tried;
    if (pooled && cyroi_has_key) pthread_setspecific(cyroi_team_key, (void*)(intptr_t)wish);
    return wish;
}
#else
static void cyroi_prepare(void (*)(void)) {}
#if defined(_OPENMP)
static int cyroi_team(int wish, int) {
    return wish;
}
#else
static int cyroi_team(int, int) {
    return 1;
}
#endif
#endif

#endif
