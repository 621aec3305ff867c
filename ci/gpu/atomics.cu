/* What cyroi is timed beside: both operators as everybody writes them for a GPU. A thread computes one output, the
 * geometry included; the gradient to the maps is added up by atomics, in whatever order threads come. And two probes of
 * the machine: how fast memory that was read before is read again, and how long it takes to do nothing.
 *
 * Decisions
 * a) As quick as this shape gets: float32, offsets of 32 bits, contraction, all loads of a sample at once. It shares no
 *    line with the kernels that it is compared with.
 * b) Gradients to maps of narrower types are added up in float, in memory that the caller clears, and rounded at the end.
 * c) One source for the host and for the device, so that a machine without one can show that it computes the same.
 *
 * Compiled by ci/gpu/atomics.py, by NVRTC or by the C++ compiler; CYROI_MAP is the type of maps and results. */
#include "cyroi/elements.h"

#ifndef CYROI_MAP
#define CYROI_MAP float
#endif

#if defined(__CUDACC__)
#define KERNEL extern "C" __global__ void
#define EACH(i, count) for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x)
#else
#define KERNEL extern "C" void
#define EACH(i, count) for (int i = 0; i < count; ++i)
inline float ceilf(float t) {
    return __builtin_ceilf(t);
}
inline void atomicAdd(float* p, float v) {
    *p += v;
}
#endif

namespace cyroi {

typedef CYROI_MAP S;

/* Twin of `Setup` in atomics.py. */
struct Setup {
    int crop, aligned, ratio; /* crop: crop_and_resize, else RoI Align */
    float scale;
    int channels, height, width, bins_y, bins_x;
    int channels_last; /* of maps and results */
    int outputs;       /* of all boxes */
};

/* An axis of a box: where its samples begin, and how far apart they and the bins are. */
struct Axis {
    float start, step, part;
    int grid, size;
    float first, last; /* a sample beyond these counts nothing */
};

CYROI_HD inline Axis axis_of(const Setup& s, float low, float high, int bins, int size) {
    const float end = static_cast<float>(size - 1);
    if (s.crop) {
        if (bins == 1) return Axis{0.5f * (low + high) * end, 0, 0, 1, size, 0, end};
        return Axis{low * end, (high - low) * end / static_cast<float>(bins - 1), 0, 1, size, 0, end};
    }
    const float offset = s.aligned ? 0.5f : 0, start = low * s.scale - offset;
    float extent = high * s.scale - offset - start;
    if (!s.aligned && extent < 1) extent = 1;
    const float step = extent / static_cast<float>(bins);
    const int grid = s.ratio > 0 ? s.ratio : static_cast<int>(ceilf(step));
    return Axis{start, step, step / static_cast<float>(grid), grid, size, -1, static_cast<float>(size)};
}

/* The two pixels of sample i of bin p, the first one's number and the other's weight; whether it counts. */
CYROI_HD inline bool sample(const Setup& s, const Axis& a, int p, int i, int* pixel, int* next, float* weight) {
    const float along = s.crop ? 0 : (static_cast<float>(i) + 0.5f) * a.part;
    float t = a.start + static_cast<float>(p) * a.step + along;
    if (!(t >= a.first && t <= a.last)) return false;
    if (t < 0) t = 0;
    const int low = static_cast<int>(t);
    const bool ends = low >= a.size - 1;
    *pixel = ends ? a.size - 1 : low;
    *next = ends ? 0 : 1;
    *weight = ends ? 0 : t - static_cast<float>(low);
    return true;
}

/* What one output is: its box, bin and channel, and where maps and result have it. */
struct Output {
    int q, p, c, k;
    int y_step, x_step;

    CYROI_HD Output(const Setup& s, int i) {
        if (s.channels_last) {
            c = i % s.channels;
            i /= s.channels;
            q = i % s.bins_x;
            p = i / s.bins_x % s.bins_y;
            k = i / s.bins_x / s.bins_y;
        } else {
            q = i % s.bins_x;
            i /= s.bins_x;
            p = i % s.bins_y;
            c = i / s.bins_y % s.channels;
            k = i / s.bins_y / s.channels;
        }
        x_step = s.channels_last ? s.channels : 1;
        y_step = s.width * x_step;
    }

    /* Of the first pixel of its channel in its image. */
    CYROI_HD int plane(const Setup& s, int image) const {
        return image * s.channels * s.height * s.width + (s.channels_last ? c : c * s.height * s.width);
    }
};

/* Calls use(offset, weight) for the pixels of all samples of an output; how many samples a bin has. `box`: its image,
 * y1, x1, y2, x2. */
template <class F>
CYROI_HD inline int each_pixel(const Setup& s, const Output& o, const float* box, F& use) {
    const Axis y = axis_of(s, box[1], box[3], s.bins_y, s.height), x = axis_of(s, box[2], box[4], s.bins_x, s.width);
    const int plane = o.plane(s, static_cast<int>(box[0]));
    int row, below, column, beside;
    float wy, wx;
    for (int i = 0; i < y.grid; ++i) {
        if (!sample(s, y, o.p, i, &row, &below, &wy)) continue;
        for (int j = 0; j < x.grid; ++j) {
            if (!sample(s, x, o.q, j, &column, &beside, &wx)) continue;
            const int at = plane + row * o.y_step + column * o.x_step;
            const int down = below * o.y_step, right = beside * o.x_step;
            use(at, (1 - wy) * (1 - wx), down, right, wy, wx);
        }
    }
    return y.grid * x.grid;
}

struct Sum {
    const S* maps;
    float value;
    bool any;

    CYROI_HD void operator()(int at, float first, int down, int right, float wy, float wx) {
        const float a = value_of(maps[at]), b = value_of(maps[at + right]), c = value_of(maps[at + down]);
        const float d = value_of(maps[at + down + right]);
        value += first * a + (1 - wy) * wx * b + wy * (1 - wx) * c + wy * wx * d;
        any = true;
    }
};

struct Spread {
    float* maps;
    float grad;

    CYROI_HD void operator()(int at, float first, int down, int right, float wy, float wx) {
#if defined(__CUDA_ARCH__) || !defined(__CUDACC__)
        atomicAdd(maps + at, grad * first);
        atomicAdd(maps + at + right, grad * (1 - wy) * wx);
        atomicAdd(maps + at + down, grad * wy * (1 - wx));
        atomicAdd(maps + at + down + right, grad * wy * wx);
#endif
    }
};

}  // namespace cyroi

KERNEL forward(cyroi::Setup s, const cyroi::S* maps, const float* boxes, cyroi::S* out) {
    EACH(i, s.outputs) {
        const cyroi::Output o(s, i);
        cyroi::Sum sum = {maps, 0, false};
        const int samples = cyroi::each_pixel(s, o, boxes + 5 * o.k, sum);
        cyroi::store_one(out + i, sum.any ? sum.value / static_cast<float>(samples) : 0.0f);
    }
}

KERNEL backward(cyroi::Setup s, const cyroi::S* grad, const float* boxes, float* maps) {
    EACH(i, s.outputs) {
        const cyroi::Output o(s, i);
        const float* box = boxes + 5 * o.k;
        const cyroi::Axis y = cyroi::axis_of(s, box[1], box[3], s.bins_y, s.height);
        const cyroi::Axis x = cyroi::axis_of(s, box[2], box[4], s.bins_x, s.width);
        cyroi::Spread spread = {maps, cyroi::value_of(grad[i]) / static_cast<float>(y.grid * x.grid)};
        cyroi::each_pixel(s, o, box, spread);
    }
}

KERNEL round_off(int count, const float* sums, cyroi::S* maps) {
    EACH(i, count) cyroi::store_one(maps + i, sums[i]);
}

/* Reads `count` groups of four floats `times` times. */
KERNEL read_again(int count, const float* from, float* to, int times) {
    float sum = 0;
    for (int t = 0; t < times; ++t) {
        EACH(i, count) {
#if defined(__CUDACC__)
            const float4 v = __ldcg(reinterpret_cast<const float4*>(from) + i);
            sum += v.x + v.y + v.z + v.w;
#else
            sum += from[4 * i] + from[4 * i + 1] + from[4 * i + 2] + from[4 * i + 3];
#endif
        }
    }
    if (sum == 12345.678f) *to = sum; /* so that nothing is left out */
}
