/* What every kernel gets: one plain struct, by value. And what kernels leave for each other.
 *
 * Decisions
 * a) One struct for all kernels, so there is one description of it on the Python side (gpu/job.py, which a test holds to
 *    this file) and one way to launch. A kernel reads the fields that its header names.
 * b) Offsets are 64 bits wide where a base is formed, per box, image or channel. Inside of it they are 32 bits wide, which
 *    is a third of the instructions, where the launching side has seen that they fit (`Job::narrow_offsets`).
 * c) Types are macros, because NVRTC names no templates for a cache of our own: CYROI_REAL, what is computed with;
 *    CYROI_GEOMETRY, what boxes are planned in; CYROI_MAP and CYROI_BIN, elements of the maps and of the result (or of its
 *    gradient); CYROI_NUMBERS, numbers per tap; CYROI_VECTOR, channels that a thread loads at once. Each kernel file is compiled for
 *    the types that a call needs.
 * d) Arrays of a plan have the same room for every box: it is known without a word from the device.
 *
 * Compiled as device code, and by the host for tests (tests/support/cuda). */
#ifndef CYROI_GPU_JOB_H
#define CYROI_GPU_JOB_H

#include "cyroi/elements.h"
#include "cyroi/plan.h"
#include "cyroi/turned.h"

#ifndef CYROI_REAL
#define CYROI_REAL float
#endif
#ifndef CYROI_GEOMETRY
#define CYROI_GEOMETRY float
#endif
#ifndef CYROI_MAP
#define CYROI_MAP float
#endif
#ifndef CYROI_BIN
#define CYROI_BIN float
#endif
#ifndef CYROI_NUMBERS
#define CYROI_NUMBERS 1
#endif
#ifndef CYROI_VECTOR
#define CYROI_VECTOR 1
#endif

/* The head of a kernel, inside the namespace, where `index` is ours and not that of POSIX. The tests' emulator has heads of
 * its own, and memory of its own whose size a launch says. */
#ifndef CYROI_KERNEL
#define CYROI_KERNEL(name) extern "C" __global__ void name(const __grid_constant__ Job job)
#define CYROI_SHARED(T, name) extern __shared__ T name[]
#endif

namespace cyroi {

typedef CYROI_REAL A;
typedef CYROI_GEOMETRY G;
typedef CYROI_MAP S;
typedef CYROI_BIN O;

enum { kWarp = 32 };
static const unsigned kAllLanes = 0xffffffffu;

/* Numbers of boxes and image indices: elements, and integers that maps do not have. */
enum Number { INT32 = ELEMENT_COUNT, UINT32, INT64, UINT64, NUMBER_COUNT };

/* What planning finds, in the one word that the host reads. */
enum Flag {
    BAD = 1,  /* a box that is not finite, or an image index that is none */
    FAR = 2,  /* a coordinate beyond Source::most */
    FULL = 4, /* a box needs more room for taps than there is */
};

/* Elements. */
struct Strides {
    index n, c, y, x;
};

/* Boxes and image indices as the caller has them; addresses and steps in bytes. */
struct Source {
    const char* box;
    index row, column; /* from a box to the next, from one of its numbers to the next */
    const char* image; /* of the first box; NULL: all are of image 0 */
    index image_row;
    const unsigned char* narrow; /* not 0: this box is planned in float; NULL: all are planned in G */
    int number, image_number;    /* Element or Number */
    int side[kBoxSides];         /* the columns of y1 x1 y2 x2 */
    double image_end;            /* image indices from here on are not exact in their type */
    double most;                 /* see FAR */
};

/* One axis of all boxes: `room` taps, as many shares and lines, `bins` ends and `size` ranges for each. */
struct AxisPlan {
    int* ends;           /* of each bin, from the first tap of the box */
    int* pixel;          /* of each tap */
    void* number[3];     /* A: the weight, and where CYROI_NUMBERS is 3 its derivatives to the low and the high side */
    void* share;         /* Share<A, 1>: the taps, turned; NULL: not asked for */
    Line* line;          /* to turn them in */
    struct Range* range; /* the shares of each pixel from the first one of the box on */
    index room;
};

struct Range {
    int begin, end;
};

/* Which part of its map a box reads; image < 0: a bad box, which reads nothing. */
struct Extent {
    int image, first_y, last_y, first_x, last_x;
};

struct Job {
    Operator op; /* its tile is the whole output */
    Source source;
    index boxes, images, channels;
    AxisPlan y, x;
    Extent* extent;
    int* order; /* boxes by image */
    int* first; /* the boxes of image n are order[first[n]] ... order[first[n + 1] - 1] */
    int* flags;
    char* maps; /* IN, or OUT of the gradient to them */
    Strides map_step;
    char* bins; /* the result, or its gradient */
    Strides bin_step;
    double* sums; /* gradient to the boxes: y1 x1 y2 x2 of each piece of each box, or of each box */
    double* totals;
    index pieces; /* of a box: of its bins, or of what it sums up */
    index piece;  /* bins in a piece */
    double fill;
    index image0; /* maps are those of images [image0, image0 + map_images) */
    index map_images;
    int columns;         /* before the four of the gradient to the boxes, where it is stored */
    int number;          /* ... Element that it is stored as */
    bool stop;           /* write nothing if planning has set a flag */
    bool more;           /* gradient to the maps: add to what earlier boxes left there */
    bool channels_first; /* neighbouring threads take neighbouring channels, else neighbouring bins or pixels */
    bool narrow_offsets; /* offsets within an image, and within a box of the result, fit 31 bits */
    bool store_vectors;  /* CYROI_VECTOR channels of what is written lie together, aligned, and are all there */
};

/* What a kernel asks first: nothing is written once planning has found something wrong. */
__device__ inline bool refused(const Job& job) {
    return job.stop && *job.flags != 0;
}

__device__ inline float fused(float a, float b, float c) {
    return fmaf(a, b, c);
}
__device__ inline double fused(double a, double b, double c) {
    return fma(a, b, c);
}

/* The taps of a bin, those of all bins of an axis, and where the numbers beside the weights of these begin. */
__device__ inline TapList<A> taps_of(const AxisPlan& axis, index bins, index k, int p) {
    const int* const ends = axis.ends + k * bins;
    const int begin = p > 0 ? ends[p - 1] : 0;
    const index at = k * axis.room + begin;
    return TapList<A>{axis.pixel + at, static_cast<const A*>(axis.number[0]) + at, ends[p] - begin};
}

/* The value of every bin of a bad box, where calls are not stopped by one: NaN, which integers store as 0. */
__device__ inline A bad_value() {
    return static_cast<A>(same_bits<float>(0x7fc00000u));
}

}  // namespace cyroi

#endif
