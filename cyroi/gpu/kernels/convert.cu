/* convert: elements of one array, as what another one stores: all types of the kernels, long integers and bool.
 *
 * Reads maps (map_step; as many as `images`, of `channels` channels, op.height and op.width), writes bins (bin_step). A
 * thread per element, in blocks of any size that walk with a stride of the grid.
 *
 * Decisions
 * a) An element of the same type is copied, whatever its bits. What elements.h knows is rounded by it, and the long integers
 *    by its rule: halves to even, saturated, NaN as 0. What bool stores is what int8 would: all but 0 is true.
 * b) Not CuPy's `astype`: its kernels flush subnormals, round double to float16 twice, and leave undefined what is out of
 *    the range of integers.
 *
 * Compiled per pair of types. */
#include "job.h"

namespace cyroi {

/* Exact, but for integers beyond 2**53. */
template <class T>
__device__ inline typename Arithmetic<T>::Type number(T v) {
    return value_of(v);
}
__device__ inline double number(int v) {
    return v;
}
__device__ inline double number(unsigned v) {
    return v;
}
__device__ inline double number(long long v) {
    return static_cast<double>(v);
}
__device__ inline double number(unsigned long long v) {
    return static_cast<double>(v);
}
__device__ inline float number(bool v) {
    return v;
}

template <class T>
struct Storage {
    template <class R>
    __device__ static void store(T* p, R v) {
        store_one(p, v);
    }
};

template <class T>
struct LongStorage {
    __device__ static void store(T* p, double v) {
        const T bits = static_cast<T>(~0ull), high = bits < 1 ? static_cast<T>(~0ull >> (65 - 8 * sizeof(T))) : bits;
        const T low = static_cast<T>(-high - 1);
        if (!(v > static_cast<double>(low))) {
            *p = v != v ? 0 : low;
        } else if (v >= static_cast<double>(high)) {
            *p = high;
        } else {
            const T n = static_cast<T>(v); /* towards 0 */
            const double rest = v - static_cast<double>(n); /* exact */
            const bool odd = n % 2 != 0;
            *p = static_cast<T>(n + (rest > 0.5 || (odd && rest == 0.5)) - (rest < -0.5 || (odd && rest == -0.5)));
        }
    }
};
template <>
struct Storage<int> : LongStorage<int> {};
template <>
struct Storage<unsigned> : LongStorage<unsigned> {};
template <>
struct Storage<long long> : LongStorage<long long> {};
template <>
struct Storage<unsigned long long> : LongStorage<unsigned long long> {};

template <>
struct Storage<bool> {
    template <class R>
    __device__ static void store(bool* p, R v) {
        *p = whole(v, -128, 127) != 0;
    }
};

template <class To, class From>
__device__ inline void convert_one(To* to, const From& from) {
    Storage<To>::store(to, number(from));
}
template <class T>
__device__ inline void convert_one(T* to, const T& from) {
    *to = from;
}

CYROI_KERNEL(convert) {
    const index count = job.images * job.channels * job.op.height * job.op.width;
    for (index i = blockIdx.x * static_cast<index>(blockDim.x) + threadIdx.x; i < count;
         i += static_cast<index>(gridDim.x) * blockDim.x) {
        const index x = i % job.op.width, rows = i / job.op.width;
        const index y = rows % job.op.height, planes = rows / job.op.height;
        const index c = planes % job.channels, n = planes / job.channels;
        const Strides &from = job.map_step, &to = job.bin_step;
        convert_one(reinterpret_cast<O*>(job.bins) + n * to.n + c * to.c + y * to.y + x * to.x,
                    reinterpret_cast<const S*>(job.maps)[n * from.n + c * from.c + y * from.y + x * from.x]);
    }
}

}  // namespace cyroi
