/* What the threads of a call know of each other and of their machine: whether to stop, and whether they pay.
 *
 * Decisions
 * a) The calling thread looks for signals between two of its own items, every kLookSeconds. It alone may take the GIL
 *    there, because it is the one that gave it up. The others see a flag before each of their items, so threads meet at
 *    the end of a phase only.
 * b) A phase ends when its last thread arrives, and a thread that shares its core with a process of higher priority
 *    arrives when that lets it. So each phase of work items is judged: the seconds that passed, against the seconds of
 *    processor time that the items took, which are what one thread would have needed. Where the team lost, calls of
 *    this process do without one for kPatience times as long as was lost. So what teams lose is a small share of the
 *    time, and a machine that is free again is noticed. Which threads work cannot change a result.
 *
 * Compiled once. */
#ifndef CYROI_CPU_CALL_WATCH_H
#define CYROI_CPU_CALL_WATCH_H

#include <atomic>
#include <chrono>

#if !defined(_WIN32)
#include <time.h>
#endif

namespace cyroi {

static const double kLookSeconds = 0.015;
static const double kLeastLoss = 0.001;     /* seconds; less may be the waking of threads */
static const double kLongestPatience = 1.0; /* seconds */

inline double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/* Processor time of this thread; where the system does not tell it finely, time that passes, so that no team loses. */
inline double processor_seconds() {
#if defined(CLOCK_THREAD_CPUTIME_ID)
    timespec t;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0) {
        return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
    }
#endif
    return seconds();
}

/* So many times as long as was lost; 0: teams are tried always. */
inline double& patience() {
    static double times = 8; /* so at most 1 / 8 of the time is lost to teams that do not pay */
    return times;
}

/* Until when calls of this process do without teams. */
inline std::atomic<double>& alone_until() {
    static std::atomic<double> until{0};
    return until;
}

inline bool teams_pay() {
    const double until = alone_until().load(std::memory_order_relaxed);
    return until == 0 || seconds() >= until;
}

class Watch {
  public:
    Watch() : next_(1e300), began_(0), worked_(0), stopped_(false) {}

    bool stopped() const { return stopped_.load(std::memory_order_relaxed); }
    void stop() { stopped_.store(true, std::memory_order_relaxed); }
    void start(bool interruptible) { next_ = interruptible ? 0 : 1e300; }

    /* Whether it is time to look for signals; of the calling thread only. The first time starts the clock. */
    bool is_due() {
        if (next_ >= 1e300) return false;
        const double now = seconds(), due = next_;
        if (now < due) return false;
        next_ = now + kLookSeconds;
        return due > 0;
    }

    /* A phase of work items begins; what an item took; the phase ended. */
    void begin() {
        worked_.store(0, std::memory_order_relaxed);
        began_ = seconds();
    }
    void add(double spent) { worked_.fetch_add(static_cast<long long>(1e9 * spent), std::memory_order_relaxed); }
    void judge() {
        const double now = seconds(), worked = 1e-9 * static_cast<double>(worked_.load(std::memory_order_relaxed));
        const double lost = now - began_ - worked, alone = patience() * lost;
        if (lost < kLeastLoss || lost < worked / 2) return;
        alone_until().store(now + (alone < kLongestPatience ? alone : kLongestPatience));
    }

  private:
    double next_, began_;
    std::atomic<long long> worked_; /* nanoseconds */
    std::atomic<bool> stopped_;
};

}  // namespace cyroi

#endif
