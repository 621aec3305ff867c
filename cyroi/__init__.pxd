"""`cimport cyroi`: the operators without Python, for callers that hold no GIL. docs/c_api.md documents them.

`roi_align` and `crop_and_resize`, for typed memoryviews, and below them what they call: the functions of cyroi's C API,
which take pointers. Those are found through `cyroi.__pyx_capi__`, so a compiled module knows cyroi by its public name
only. Compiled into the modules of users, never into cyroi.
"""
cimport cython
from libc.stdint cimport int64_t

# What the functions return; nothing was written to out unless it is OK.
cdef enum:
    OK = 0
    NULL_POINTER = 1
    BAD_SIZE = 2
    BAD_STRIDES = 3
    BAD_ARGUMENT = 4
    BAD_BOX = 5
    BAD_INDEX = 6
    OVERLAP = 7
    NO_MEMORY = 8

cdef enum:  # layout
    NCHW = 0
    NHWC = 1

cdef enum:  # method
    BILINEAR = 0
    NEAREST = 1

cdef int roi_align_float(
    const float* input, const Py_ssize_t* input_shape, const Py_ssize_t* input_strides,
    const float* boxes, const int64_t* batch_indices, Py_ssize_t count,
    Py_ssize_t output_height, Py_ssize_t output_width, double spatial_scale, Py_ssize_t sampling_ratio, int aligned,
    int layout, float* out, const Py_ssize_t* out_strides, int num_threads) noexcept nogil

cdef int roi_align_double(
    const double* input, const Py_ssize_t* input_shape, const Py_ssize_t* input_strides,
    const double* boxes, const int64_t* batch_indices, Py_ssize_t count,
    Py_ssize_t output_height, Py_ssize_t output_width, double spatial_scale, Py_ssize_t sampling_ratio, int aligned,
    int layout, double* out, const Py_ssize_t* out_strides, int num_threads) noexcept nogil

cdef int crop_and_resize_float(
    const float* image, const Py_ssize_t* image_shape, const Py_ssize_t* image_strides,
    const float* boxes, const int64_t* box_indices, Py_ssize_t count,
    Py_ssize_t crop_height, Py_ssize_t crop_width, int method, double extrapolation_value,
    int layout, float* out, const Py_ssize_t* out_strides, int num_threads) noexcept nogil

cdef int crop_and_resize_double(
    const double* image, const Py_ssize_t* image_shape, const Py_ssize_t* image_strides,
    const double* boxes, const int64_t* box_indices, Py_ssize_t count,
    Py_ssize_t crop_height, Py_ssize_t crop_width, int method, double extrapolation_value,
    int layout, double* out, const Py_ssize_t* out_strides, int num_threads) noexcept nogil


# --- typed memoryviews ------------------------------------------------------------------------------------------------

ctypedef fused real:
    float
    double


cdef inline int _disagree(
        const real[:, :, :, :] maps, const real[:, ::1] boxes, const int64_t[::1] indices, int layout,
        real[:, :, :, :] out) noexcept nogil:
    """Why the views do not belong together, or OK. Looks at nothing but shapes, which a view of None does not have."""
    cdef int channels = 3 if layout == NHWC else 1
    if maps is None or boxes is None or out is None:
        return NULL_POINTER
    if boxes.shape[1] != 4 or out.shape[0] != boxes.shape[0] or out.shape[channels] != maps.shape[channels]:
        return BAD_SIZE
    if indices is not None and indices.shape[0] != boxes.shape[0]:
        return BAD_SIZE
    # Cython takes boxes[:, 1:] for contiguous, which it is not.
    return BAD_STRIDES if boxes.shape[0] > 1 and boxes.strides[0] != <Py_ssize_t> (4 * sizeof(real)) else OK


cdef inline int roi_align(
        const real[:, :, :, :] input, const real[:, ::1] boxes, const int64_t[::1] batch_indices, double spatial_scale,
        Py_ssize_t sampling_ratio, int aligned, int layout, real[:, :, :, :] out, int num_threads) noexcept nogil:
    """RoI Align of views in `layout`; the output size is that of `out`. batch_indices may be None where N is 1."""
    cdef int y = 1 if layout == NHWC else 2, status = _disagree(input, boxes, batch_indices, layout, out)
    cdef const int64_t* indices = NULL
    if status != OK:
        return status
    # What stands here counts, not what the user's module says: a view without elements has an address too.
    with cython.boundscheck(False), cython.wraparound(False), cython.initializedcheck(False), cython.nonecheck(False):
        if batch_indices is not None:
            indices = &batch_indices[0]
        if real is float:
            return roi_align_float(
                &input[0, 0, 0, 0], input.shape, input.strides, &boxes[0, 0], indices, boxes.shape[0], out.shape[y],
                out.shape[y + 1], spatial_scale, sampling_ratio, aligned, layout, &out[0, 0, 0, 0], out.strides,
                num_threads)
        else:
            return roi_align_double(
                &input[0, 0, 0, 0], input.shape, input.strides, &boxes[0, 0], indices, boxes.shape[0], out.shape[y],
                out.shape[y + 1], spatial_scale, sampling_ratio, aligned, layout, &out[0, 0, 0, 0], out.strides,
                num_threads)


cdef inline int crop_and_resize(
        const real[:, :, :, :] image, const real[:, ::1] boxes, const int64_t[::1] box_indices, int method,
        double extrapolation_value, int layout, real[:, :, :, :] out, int num_threads) noexcept nogil:
    """Crops of views in `layout`; the crop size is that of `out`. box_indices may be None where N is 1."""
    cdef int y = 1 if layout == NHWC else 2, status = _disagree(image, boxes, box_indices, layout, out)
    cdef const int64_t* indices = NULL
    if status != OK:
        return status
    with cython.boundscheck(False), cython.wraparound(False), cython.initializedcheck(False), cython.nonecheck(False):
        if box_indices is not None:
            indices = &box_indices[0]
        if real is float:
            return crop_and_resize_float(
                &image[0, 0, 0, 0], image.shape, image.strides, &boxes[0, 0], indices, boxes.shape[0], out.shape[y],
                out.shape[y + 1], method, extrapolation_value, layout, &out[0, 0, 0, 0], out.strides, num_threads)
        else:
            return crop_and_resize_double(
                &image[0, 0, 0, 0], image.shape, image.strides, &boxes[0, 0], indices, boxes.shape[0], out.shape[y],
                out.shape[y + 1], method, extrapolation_value, layout, &out[0, 0, 0, 0], out.strides, num_threads)
