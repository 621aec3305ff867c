/* convert: elements of one type and place into another type and place, for what no other kernel reads or writes itself:
 * long integers, bool, and boxes of several types.
 *
 * Reads maps (map_step) of images, channels, op.height and op.width, which are any four axes; writes bins (bin_step), and
 * flags, unless it is NULL: BAD where a long integer is one that no double holds. Blocks of 256 threads walk with a stride
 * of the grid.
 *
 * Decision: all is done by way of float or double, which hold the other types, but for equal types, which are copied.
 * Rounding is that of elements.h.
 *
 * Compiled per pair of types. */
#include "job.h"

namespace cyroi {

__device__ inline double number_of(int v) {
    return v;
}
__device__ inline double number_of(unsigned v) {
    return v;
}
__device__ inline double number_of(long long v) {
    return static_cast<double>(v);
}
__device__ inline double number_of(unsigned long long v) {
    return static_cast<double>(v);
}
template <class T>
__device__ inline auto number_of(T v) -> decltype(value_of(v)) {
    return value_of(v);
}

template <class T>
__device__ inline bool is_exact(T) {
    return true;
}
__device__ inline bool is_exact(long long v) {
    return v >= -(1LL << 53) && v <= (1LL << 53);
}
__device__ inline bool is_exact(unsigned long long v) {
    return v <= (1ULL << 53);
}

/* Halves to even, saturated, NaN as 0. `beyond`: the first number that is `most` whatever follows its point. */
template <class T>
__device__ inline T whole(double v, T least, T most, double beyond) {
    if (!(v > static_cast<double>(least))) return v != v ? 0 : least;
    if (v >= beyond) return most;
    const T towards_zero = static_cast<T>(v);
    const double rest = v - static_cast<double>(towards_zero); /* exact */
    const bool odd = towards_zero & 1;
    if (rest > 0.5 || (rest == 0.5 && odd)) return towards_zero + 1;
    return rest < -0.5 || (rest == -0.5 && odd) ? towards_zero - 1 : towards_zero;
}

template <class V>
__device__ inline void store(int* p, V v) {
    *p = whole(static_cast<double>(v), -2147483647 - 1, 2147483647, 2147483647.0);
}
template <class V>
__device__ inline void store(unsigned* p, V v) {
    *p = whole(static_cast<double>(v), 0u, 4294967295u, 4294967295.0);
}
template <class V>
__device__ inline void store(long long* p, V v) {
    *p = whole(static_cast<double>(v), -9223372036854775807LL - 1, 9223372036854775807LL, 9223372036854775808.0);
}
template <class V>
__device__ inline void store(unsigned long long* p, V v) {
    *p = whole(static_cast<double>(v), 0ULL, 18446744073709551615ULL, 18446744073709551616.0);
}
template <class V>
__device__ inline void store(bool* p, V v) {
    *p = v != 0;
}
template <class T, class V>
__device__ inline void store(T* p, V v) {
    store_one(p, v);
}

template <class From, class To>
__device__ inline void move(const From& from, To* to) {
    store(to, number_of(from));
}
template <class T>
__device__ inline void move(const T& from, T* to) {
    *to = from;
}

CYROI_KERNEL(convert) {
    const Strides &from = job.map_step, &to = job.bin_step;
    const index count = job.images * job.channels * job.op.height * job.op.width;
    const index step = static_cast<index>(gridDim.x) * blockDim.x;
    for (index i = static_cast<index>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
        const index x = i % job.op.width, rows = i / job.op.width, y = rows % job.op.height;
        const index c = rows / job.op.height % job.channels, n = rows / job.op.height / job.channels;
        const S& source = reinterpret_cast<const S*>(job.maps)[n * from.n + c * from.c + y * from.y + x * from.x];
        if (job.flags != nullptr && !is_exact(source)) atomicOr(job.flags, static_cast<int>(BAD));
        move(source, reinterpret_cast<O*>(job.bins) + n * to.n + c * to.c + y * to.y + x * to.x);
    }
}

}  // namespace cyroi
