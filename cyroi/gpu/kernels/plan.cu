/* plan: taps of all boxes, checked; turned taps, where they are asked for. list_boxes: the boxes of each image.
 *
 * plan reads source, op; writes y, x, extent, flags. A block of two warps plans a box, a warp per axis, its lanes a bin
 * each: they count, sum up where their taps begin, and write.
 * list_boxes reads extent; writes order, first. A warp for each image.
 *
 * Decisions
 * a) Coordinates are planned by the same headers as on the CPU, compiled without contraction and without flushing
 *    subnormals, so that every discrete decision is the CPU's.
 * b) Boxes are checked here, by the thread that reads them for all others of its block: a box that another stream changes
 *    meanwhile is planned from what was checked, and no two threads take different ways. For the same reason boxes are
 *    listed by what planning made of them.
 * c) Taps are turned by one lane with turned.h: its merging is sequential, but the boxes of a call are many, and one
 *    definition of the order in which shares are added up is worth more than a microsecond.
 *
 * Compiled per type of geometry and of weights, and per number of numbers of a tap. */
#include "job.h"

namespace cyroi {

enum { N = CYROI_NUMBERS };

struct AsDouble {
    const char* at;
    double* to;

    template <class T>
    __device__ void operator()(T) const {
        *to = static_cast<double>(value_of(*reinterpret_cast<const T*>(at)));
    }
};

/* A number of the caller's, NaN for integers that no double holds: those are told before they are converted. */
__device__ inline double number_at(const char* at, int number) {
    const long long most = 1LL << 53;
    if (number == INT64) {
        const long long v = *reinterpret_cast<const long long*>(at);
        return v >= -most && v <= most ? static_cast<double>(v) : static_cast<double>(bad_value());
    }
    if (number == UINT64) {
        const unsigned long long v = *reinterpret_cast<const unsigned long long*>(at);
        return v <= static_cast<unsigned long long>(most) ? static_cast<double>(v) : static_cast<double>(bad_value());
    }
    if (number == INT32) return static_cast<double>(*reinterpret_cast<const int*>(at));
    if (number == UINT32) return static_cast<double>(*reinterpret_cast<const unsigned*>(at));
    double value;
    with_element(number, AsDouble{at, &value});
    return value;
}

/* The image of a box, -1 if it has none. */
__device__ inline int image_of(const Job& job, index k) {
    if (job.source.image == nullptr) return job.images > 0 ? 0 : -1;
    const double n = number_at(job.source.image + k * job.source.image_row, job.source.image_number);
    if (!(n >= 0 && n < static_cast<double>(job.images) && n < job.source.image_end)) return -1;
    const int image = static_cast<int>(n);
    return static_cast<double>(image) == n ? image : -1;
}

/* Reads a box; whether it is good. */
__device__ inline bool read_box(const Job& job, index k, G* box /* OUT */, int* flags /* OUT */) {
    const Source& from = job.source;
    bool good = true;
    for (int i = 0; i < kBoxSides; ++i) {
        const double v = number_at(from.box + k * from.row + from.side[i] * from.column, from.number);
        if (!(v - v == 0)) good = false;
        if (v > from.most || v < -from.most) *flags |= FAR;
        box[i] = static_cast<G>(v);
    }
    return good;
}

/* The sum of what the lanes before this one have; `all`: of all lanes. */
__device__ inline int sum_before(int n, int* all /* OUT */) {
    const int lane = threadIdx.x % kWarp;
    int sum = n;
    for (int d = 1; d < kWarp; d *= 2) {
        const int before = __shfl_up_sync(kAllLanes, sum, d);
        if (lane >= d) sum += before;
    }
    *all = __shfl_sync(kAllLanes, sum, kWarp - 1);
    return sum - n;
}

/* One axis of one box, by a warp. */
struct PlanAxis {
    const Job& job;
    const G* box;
    index k;
    bool is_x;

    __device__ Taps<A, N> taps() const {
        const AxisPlan& plan = is_x ? job.x : job.y;
        Taps<A, N> all;
        all.pixel = plan.pixel;
        for (int n = 0; n < N; ++n) all.number[n] = static_cast<A*>(plan.number[n]);
        return all.from(k * plan.room);
    }

    /* Whether the taps had room. */
    template <class P>
    __device__ bool operator()(const P& planner) const {
        const int lane = threadIdx.x % kWarp;
        const AxisPlan& plan = is_x ? job.x : job.y;
        const index bins = is_x ? job.op.bins_x : job.op.bins_y, size = is_x ? job.op.width : job.op.height;
        const auto axis = planner.axis(box[is_x ? kX1 : kY1], box[is_x ? kX2 : kY2], bins, size);
        int* const ends = plan.ends + k * bins;
        int total = 0, first = 0x7fffffff, last = -1;
        for (index p0 = 0; p0 < bins; p0 += kWarp) {
            const index p = p0 + lane;
            TapWriter<A, N> count(Taps<A, N>(), size);
            if (p < bins) planner.bin(axis, p, count);
            int all;
            const int begin = total + sum_before(count.count(), &all);
            total += all;
            if (total > plan.room) return false;
            if (p >= bins) continue;
            TapWriter<A, N> write(taps().from(begin), count.count());
            planner.bin(axis, p, write);
            ends[p] = begin + write.count();
            first = smaller(first, write.first());
            last = larger(last, write.last());
        }
        for (int d = kWarp / 2; d > 0; d /= 2) {
            first = smaller(first, __shfl_xor_sync(kAllLanes, first, d));
            last = larger(last, __shfl_xor_sync(kAllLanes, last, d));
        }
        __syncwarp();
        if (lane == 0) set_extent(last < 0 ? 0 : first, last);
        if (plan.share != nullptr && last >= 0) turn_taps(plan, bins, size, total, first, last);
        return true;
    }

    __device__ void set_extent(int first, int last) const {
        Extent& e = job.extent[k];
        (is_x ? e.first_x : e.first_y) = first;
        (is_x ? e.last_x : e.last_y) = last;
    }

    /* The shares of every pixel that the box reads, and where they lie. */
    __device__ void turn_taps(const AxisPlan& plan, index bins, index size, int total, int first, int last) const {
        const int lane = threadIdx.x % kWarp;
        const index at = k * plan.room;
        Line* const lines = plan.line + at;
        int made = 0;
        if (lane == 0) {
            const TapList<A> list = {plan.pixel + at, static_cast<const A*>(plan.number[0]) + at, total};
            made = static_cast<int>(turn(Bins<A>{list, plan.ends + k * bins}, bins, bins,
                                         static_cast<Share<A, 1>*>(plan.share) + at, lines));
        }
        made = __shfl_sync(kAllLanes, made, 0);
        __syncwarp();
        Range* const ranges = plan.range + k * size;
        for (int pixel = first + lane; pixel <= last; pixel += kWarp) {
            int low = 0, high = made;
            while (low < high) {
                const int middle = (low + high) / 2;
                if (lines[middle].pixel < pixel) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            const bool read = low < made && lines[low].pixel == pixel;
            const int begin = read && low > 0 ? lines[low - 1].end : 0;
            ranges[pixel - first] = Range{begin, read ? lines[low].end : 0};
        }
    }

    /* As if the box read nothing. */
    __device__ void clear() const {
        const AxisPlan& plan = is_x ? job.x : job.y;
        const index bins = is_x ? job.op.bins_x : job.op.bins_y;
        for (index p = threadIdx.x % kWarp; p < bins; p += kWarp) plan.ends[k * bins + p] = 0;
        if (threadIdx.x % kWarp == 0) set_extent(0, -1);
    }
};

/* boxes blocks of 64 threads. */
CYROI_KERNEL(plan) {
    const index k = blockIdx.x;
    const bool is_x = threadIdx.x >= kWarp;
    if (job.source.narrow != nullptr && (job.source.narrow[k] != 0) != (sizeof(G) == 4)) return;
    __shared__ G box[kBoxSides];
    __shared__ int image, found, full[2];
    if (threadIdx.x == 0) {
        int flags = 0;
        image = image_of(job, k);
        if (!read_box(job, k, box, &flags) || image < 0) flags |= BAD;
        found = flags;
    }
    __syncthreads();
    const PlanAxis axis = {job, box, k, is_x};
    const bool planned = (found & BAD) || with_planner<G>(job.op, axis);
    if (threadIdx.x % kWarp == 0) full[is_x] = planned ? 0 : FULL;
    __syncthreads();
    const int flags = found | full[0] | full[1];
    if (flags & (BAD | FULL)) axis.clear();
    if (threadIdx.x == 0) {
        job.extent[k].image = flags & (BAD | FULL) ? -1 : image;
        if (flags) atomicOr(job.flags, flags);
    }
}

/* The boxes of each image in their order, once all are planned: images blocks of a warp. */
CYROI_KERNEL(list_boxes) {
    const int lane = threadIdx.x, n = static_cast<int>(blockIdx.x);
    int below = 0, listed = 0;
    for (index j = lane; j - lane < job.boxes; j += kWarp) {
        const int image = j < job.boxes ? job.extent[j].image : -1;
        below += __popc(__ballot_sync(kAllLanes, image >= 0 && image < n));
    }
    for (index j = lane; j - lane < job.boxes; j += kWarp) {
        const bool mine = j < job.boxes && job.extent[j].image == n;
        const unsigned all = __ballot_sync(kAllLanes, mine);
        if (mine) job.order[below + listed + __popc(all & ((1u << lane) - 1))] = static_cast<int>(j);
        listed += __popc(all);
    }
    if (lane == 0) job.first[n] = below;
    if (lane == 0 && n == job.images - 1) job.first[n + 1] = below + listed;
}

}  // namespace cyroi
