/* The checks of arguments in C, for the quick face of ordinary calls (_quick.pyx) and the C face (_c_api.pyx): limits,
 * axes of a layout, strides, overlap, and private copies of boxes and image indices. Compiled once.
 *
 * Decisions
 * a) Limits of arguments are named here and nowhere else. The Python face gets them from `_separable`.
 * b) Codes are those of cyroi/c_api.h. The quick face needs none: what it does not take, the Python face words.
 * c) Boxes and indices are copied first and the copy is checked: another thread cannot change them after the check. */
#ifndef CYROI_CPU_CALL_ARGUMENTS_H
#define CYROI_CPU_CALL_ARGUMENTS_H

#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>

#include "call/array.h"
#include "call/pass.h"
#include "cyroi/c_api.h"

namespace cyroi {

static const index kMaxSide = 2147483647;              /* of maps: pixel indices are 32-bit integers in the kernels */
static const index kMaxSamplingRatio = 4096;           /* samples of a bin along an axis */
static const index kMaxBoxes = index(1) << 56;         /* their size in bytes does not overflow */
static const double kMaxFloatIndex = 16777216;         /* 2**24: up to here float32 holds every integer */
static const double kMostNormalised = 10;              /* a side of crop_and_resize; beyond, a warning is due */
static const double kMaxReach = 4611686018427387904.0; /* bytes: sums and products of what lies below do not overflow */

static const int kNoElement = -1;

inline index magnitude(index i) {
    return i < 0 ? -i : i;
}

/* --- arrays --- */

/* Which axis of n c y x stands at a place of a layout. */
inline int axis_at(int place, int layout) {
    return layout == CYROI_NCHW || place == 0 ? place : place % 3 + 1;
}

/* Lengths along n c y x from those in the order of `layout`. */
inline void set_shape(Array& array /* OUT */, const Py_ssize_t* shape, int layout) {
    for (int place = 0; place < 4; ++place) array.shape[axis_at(place, layout)] = shape[place];
}

/* Strides along n c y x from strides in the order of `layout`. Those of an array without gaps where that is NULL, and
 * for an array without elements, whose strides say nothing: NumPy gives zeros there. */
inline void set_strides(Array& array /* OUT */, const Py_ssize_t* strides, int layout) {
    if (strides && !is_empty(array)) {
        for (int place = 0; place < 4; ++place) array.strides[axis_at(place, layout)] = strides[place];
        return;
    }
    double reach = static_cast<double>(element_size(array.element));
    for (int place = 3; place >= 0; --place) {
        const int axis = axis_at(place, layout);
        array.strides[axis] = static_cast<index>(smaller(reach, kMaxReach));
        reach *= static_cast<double>(larger<index>(array.shape[axis], 1));
    }
}

inline bool is_aligned(const Py_buffer& array) {
    bool aligned = reinterpret_cast<std::uintptr_t>(array.buf) % static_cast<std::uintptr_t>(array.itemsize) == 0;
    for (int axis = 0; axis < array.ndim; ++axis) aligned = aligned && array.strides[axis] % array.itemsize == 0;
    return aligned;
}

/* The storage type of an array in native byte order whose elements are aligned; else kNoElement. */
inline int element_of(const Py_buffer& array) {
    const char* const text = array.format; /* one letter, unless it is of another byte order or has fields */
    if (!text || text[0] == 0 || text[1] != 0 || !is_aligned(array)) return kNoElement;
    switch (text[0]) {
        case 'f': return FLOAT32;
        case 'd': return FLOAT64;
        case 'e': return FLOAT16;
        case 'B': return UINT8;
        case 'b': return INT8;
        case 'H': return UINT16;
        case 'h': return INT16;
        default: return kNoElement;
    }
}

/* No offset overflows, a pointer is there where there is an element, and all elements are aligned. */
inline int check_array(const Array& array) {
    const index size = element_size(array.element);
    double reach = 0;
    bool aligned = reinterpret_cast<std::uintptr_t>(array.data) % static_cast<std::uintptr_t>(size) == 0;
    for (int axis = 0; axis < 4; ++axis) {
        const index stride = array.strides[axis], length = array.shape[axis];
        if (length < 0) return CYROI_BAD_SIZE;
        const double step = static_cast<double>(stride);
        reach += (step < 0 ? -step : step) * static_cast<double>(larger<index>(length, 1));
        aligned = aligned && (length <= 1 || stride % size == 0);
    }
    if (reach >= kMaxReach) return CYROI_BAD_SIZE;
    if (is_empty(array)) return CYROI_OK;
    if (!array.data) return CYROI_NULL_POINTER;
    return aligned ? CYROI_OK : CYROI_BAD_STRIDES;
}

/* Conservative: true wherever sorted strides do not nest, as they do in every view made by slicing. */
inline bool overlaps_itself(const Array& array) {
    for (int axis = 0; axis < 4; ++axis) {
        const index mine = magnitude(array.strides[axis]);
        index reach = element_size(array.element);
        for (int other = 0; other < 4; ++other) {
            const index theirs = magnitude(array.strides[other]);
            if (theirs < mine || (theirs == mine && other < axis)) reach += theirs * (array.shape[other] - 1);
        }
        if (array.shape[axis] > 1 && mine < reach) return true;
    }
    return false;
}

/* The addresses of the first byte of an array with elements and behind its last. */
struct Extent {
    std::uintptr_t first, end;

    explicit Extent(const Array& array)
        : Extent(array.data, element_size(array.element), 4, array.shape, array.strides) {}
    explicit Extent(const Py_buffer& array)
        : Extent(array.buf, array.itemsize, array.ndim, array.shape, array.strides) {}

    bool apart_from(const Extent& other) const { return end <= other.first || other.end <= first; }

  private:
    template <class Size>
    Extent(const void* data, index element, int axes, const Size* shape, const Size* strides)
        : first(reinterpret_cast<std::uintptr_t>(data)), end(first) {
        for (int axis = 0; axis < axes; ++axis) {
            const Size reach = strides[axis] * (shape[axis] - 1);
            (reach < 0 ? first : end) += static_cast<std::uintptr_t>(reach);
        }
        end += static_cast<std::uintptr_t>(element);
    }
};

/* Conservative about shared memory: one array must lie before the other. */
inline int check_arrays(const Array& maps, const Array& out) {
    int status = check_array(maps);
    if (status != CYROI_OK) return status;
    for (int axis = 0; axis < 4; ++axis) {
        if (maps.shape[axis] > kMaxSide) return CYROI_BAD_SIZE;
    }
    if (out.shape[2] < 1 || out.shape[3] < 1) return CYROI_BAD_SIZE;
    status = check_array(out);
    if (status != CYROI_OK || is_empty(out)) return status;
    if (overlaps_itself(out)) return CYROI_BAD_STRIDES;
    if (is_empty(maps)) return CYROI_OK;
    return Extent(maps).apart_from(Extent(out)) ? CYROI_OK : CYROI_OVERLAP;
}

/* Whether maps are most probably images of the other layout, whose columns or rows were taken for channels: 3 or 4 on
 * one side, hundreds of the others. Lines of text are 4 rows high and maps of them have hundreds of channels, so in NHWC
 * only bytes tell, which are what photographs are stored in. */
inline bool looks_like_other_layout(index channels, index height, index width, index itemsize, bool nhwc) {
    const index hundred = 100, few = nhwc ? height : width, many = nhwc ? width : height;
    return (few == 3 || few == 4) && channels >= hundred && many >= hundred && (!nhwc || itemsize == 1);
}

/* --- boxes and images --- */

/* The image that a number stands for; -1 for a number with a fraction, below 0, or too large to be sure of it. */
template <class T>
index image_of(T number) {
    return number;
}

inline index image_of(double number) {
    if (!(number >= 0 && number < kMaxFloatIndex)) return -1;
    const index image = static_cast<index>(number);
    return static_cast<double>(image) == number ? image : -1;
}

inline index image_of(float number) {
    return image_of(static_cast<double>(number));
}

/* Boxes of a call and the image of each, as copies of our own. */
class Snapshot {
  public:
    Boxes boxes;

    Snapshot() = default;
    Snapshot(const Snapshot&) = delete;
    Snapshot& operator=(const Snapshot&) = delete;
    ~Snapshot() { std::free(values_); }

    /* Memory for at most kMaxBoxes boxes, in double or else in float; false where it cannot be had. */
    bool allocate(index count, bool wide) {
        const size_t size = static_cast<size_t>(kBoxSides * count) * (wide ? sizeof(double) : sizeof(float));
        char* const memory = static_cast<char*>(std::malloc(size + static_cast<size_t>(count) * sizeof(*images_) + 1));
        if (!memory) return false;
        boxes.values = values_ = memory;
        boxes.images = images_ = reinterpret_cast<std::ptrdiff_t*>(memory + size);
        boxes.count = count, boxes.wide = wide;
        return true;
    }

    /* Copies y1 x1 y2 x2, or x1 y1 x2 y2 if x_first; strides in bytes. Whether all are finite, and not beyond `most`. */
    template <class T>
    bool copy_boxes(const T* first, index box_stride, index side_stride, bool x_first, double most = DBL_MAX) {
        return boxes.wide ? copy_boxes_as<double>(first, box_stride, side_stride, x_first, most)
                          : copy_boxes_as<float>(first, box_stride, side_stride, x_first, most);
    }

    /* Copies image indices, floats or integers; the stride is in bytes. Whether all are whole and below `images`. */
    template <class T>
    bool copy_images(const T* first, index stride, index images) {
        for (index k = 0; k < boxes.count; ++k) {
            const index image = image_of(at(first, k * stride));
            if (image < 0 || image >= images) return false;
            images_[k] = static_cast<std::ptrdiff_t>(image);
        }
        return true;
    }

    /* Without indices: all boxes lie in the one image. */
    void set_one_image() {
        for (index k = 0; k < boxes.count; ++k) images_[k] = 0;
    }

  private:
    void* values_ = nullptr;
    std::ptrdiff_t* images_ = nullptr;

    template <class T>
    static T at(const T* first, index offset) {
        return *reinterpret_cast<const T*>(reinterpret_cast<const char*>(first) + offset);
    }

    template <class G, class T>
    bool copy_boxes_as(const T* first, index box_stride, index side_stride, bool x_first, double most) {
        const G bound = static_cast<G>(smaller<double>(most, std::numeric_limits<G>::max()));
        bool within = true; /* by comparisons alone: arithmetic could trap */
        for (index k = 0; k < boxes.count; ++k) {
            G* const box = static_cast<G*>(values_) + kBoxSides * k;
            for (int side = kY1; side < kBoxSides; ++side) {
                const int column = x_first ? side ^ 1 : side; /* y1 and x1 change places, and so do y2 and x2 */
                box[side] = static_cast<G>(at(first, k * box_stride + column * side_stride));
                within = within && box[side] >= -bound && box[side] <= bound;
            }
        }
        return within;
    }
};

}  // namespace cyroi

#endif
