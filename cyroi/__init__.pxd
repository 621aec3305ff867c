"""`cimport cyroi`: the operators without Python, for callers that hold no GIL. docs/c_api.md documents them.

The functions are found through `cyroi.__pyx_capi__`, so a compiled module knows cyroi by its public name only.
"""
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
