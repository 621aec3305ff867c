/* What the threads of a region know of each other: whether to stop. Compiled once.
 *
 * Decision: the calling thread looks for signals between two of its own items, every kLookSeconds. It alone may take the
 * GIL there, because it is the one that gave it up. The others see a flag before each of their items, so threads meet at
 * the end of a region only. */
#ifndef CYROI_CPU_CALL_WATCH_H
#define CYROI_CPU_CALL_WATCH_H

#include <atomic>
#include <chrono>

namespace cyroi {

static const double kLookSeconds = 0.015;

inline double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

class Watch {
  public:
    Watch() : next_(1e300), stopped_(false) {}

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

  private:
    double next_;
    std::atomic<bool> stopped_;
};

}  // namespace cyroi

#endif
