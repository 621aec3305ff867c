# distutils: language = c++
"""The C face: the operators for callers without the GIL and without Python objects, found in `cyroi.__pyx_capi__`.

Users see these functions through `cyroi/__init__.pxd` and `cyroi/c_api.h`, which declare them once more.

Decisions
a) An array comes as Py_buffer and NumPy describe it: pointer, shape, strides in bytes, in the axis order of `layout`.
b) The checks are those of the Python face, as codes (call/arguments.h). All of them pass before anything is written to
   `out`.
c) Boxes and indices are copied first and the copy is checked: another thread cannot change them after the check.
d) Signals are not looked at: the caller may hold no GIL and may not be Python's main thread.
"""
from libc.math cimport isfinite
from libc.stdint cimport int64_t

from ._arguments cimport (
    CYROI_BAD_ARGUMENT, CYROI_BAD_BOX, CYROI_BAD_INDEX, CYROI_BAD_SIZE, CYROI_BAD_STRIDES, CYROI_BILINEAR,
    CYROI_NCHW, CYROI_NEAREST, CYROI_NHWC, CYROI_NO_MEMORY, CYROI_NULL_POINTER, CYROI_OK, Snapshot, check_arrays,
    is_empty, kMaxBoxes, kMaxSamplingRatio, set_shape, set_strides,
)
from ._host cimport thread_count
from ._kernels cimport (
    _CROP_BILINEAR, _CROP_NEAREST, _FLOAT32, _FLOAT64, _ROI_ALIGN, NO_MEMORY, OK, Array, Operator, index, kBoxSides,
)
from ._separable cimport apply

ctypedef fused real:
    float
    double


cdef int execute(Operator& op, const Array& maps, const Array& out, const real* boxes, bint x_first,
                 const int64_t* images, double fill, int num_threads) noexcept nogil:
    """Copies and checks the boxes and runs the engine on arrays that were checked."""
    cdef index count = out.shape[0]
    cdef Snapshot copies
    if count > 0 and (boxes == NULL or (images == NULL and maps.shape[0] != 1)):
        return CYROI_NULL_POINTER
    if count > kMaxBoxes:
        return CYROI_BAD_SIZE
    if not copies.allocate(count, real is double):
        return CYROI_NO_MEMORY
    if not copies.copy_boxes(boxes, kBoxSides * sizeof(real), sizeof(real), x_first):
        return CYROI_BAD_BOX
    if images == NULL:
        copies.set_one_image()
    elif not copies.copy_images(images, sizeof(int64_t), maps.shape[0]):
        return CYROI_BAD_INDEX
    if is_empty(out):
        return CYROI_OK
    status = apply(op, maps, out, copies.boxes, fill, thread_count(num_threads), False)
    return CYROI_OK if status == OK else CYROI_NO_MEMORY if status == NO_MEMORY else CYROI_BAD_STRIDES


cdef int run(Operator& op, const real* data, const Py_ssize_t* shape, const Py_ssize_t* strides, const real* boxes,
             bint x_first, const int64_t* images, Py_ssize_t count, int layout, real* out_data,
             const Py_ssize_t* out_strides, double fill, int num_threads) noexcept nogil:
    """Checks the arrays, then executes. `op` is complete and checked, bins_y and bins_x are those of the output."""
    cdef Array maps, out
    cdef int status
    if layout != CYROI_NCHW and layout != CYROI_NHWC:
        return CYROI_BAD_ARGUMENT
    if shape == NULL:
        return CYROI_NULL_POINTER
    maps.element = out.element = _FLOAT64 if sizeof(real) == sizeof(double) else _FLOAT32
    maps.data, out.data = <char*> data, <char*> out_data
    set_shape(maps, shape, layout)
    out.shape[0], out.shape[1], out.shape[2], out.shape[3] = count, maps.shape[1], op.bins_y, op.bins_x
    set_strides(maps, strides, layout)
    set_strides(out, out_strides, layout)
    status = check_arrays(maps, out)
    return status if status != CYROI_OK else execute(op, maps, out, boxes, x_first, images, fill, num_threads)


cdef int roi_align(
        const real* data, const Py_ssize_t* shape, const Py_ssize_t* strides, const real* boxes, const int64_t* images,
        Py_ssize_t count, Py_ssize_t bins_y, Py_ssize_t bins_x, double spatial_scale, Py_ssize_t sampling_ratio,
        int aligned, int layout, real* out, const Py_ssize_t* out_strides, int num_threads) noexcept nogil:
    cdef Operator op
    if not (isfinite(spatial_scale) and spatial_scale > 0) or sampling_ratio > kMaxSamplingRatio:
        return CYROI_BAD_ARGUMENT
    op.convention, op.spatial_scale, op.sampling_ratio = _ROI_ALIGN, spatial_scale, max(sampling_ratio, 0)
    op.aligned, op.snap_edges, op.bins_y, op.bins_x = aligned != 0, False, bins_y, bins_x
    return run(op, data, shape, strides, boxes, True, images, count, layout, out, out_strides, 0, num_threads)


cdef int crop_and_resize(
        const real* data, const Py_ssize_t* shape, const Py_ssize_t* strides, const real* boxes, const int64_t* images,
        Py_ssize_t count, Py_ssize_t bins_y, Py_ssize_t bins_x, int method, double fill, int layout, real* out,
        const Py_ssize_t* out_strides, int num_threads) noexcept nogil:
    cdef Operator op
    if method != CYROI_BILINEAR and method != CYROI_NEAREST:
        return CYROI_BAD_ARGUMENT
    op.convention = _CROP_BILINEAR if method == CYROI_BILINEAR else _CROP_NEAREST
    op.spatial_scale, op.sampling_ratio, op.aligned, op.snap_edges = 1, 0, False, False
    op.bins_y, op.bins_x = bins_y, bins_x
    return run(op, data, shape, strides, boxes, False, images, count, layout, out, out_strides, fill, num_threads)


cdef api int roi_align_float(
        const float* input, const Py_ssize_t* input_shape, const Py_ssize_t* input_strides,
        const float* boxes, const int64_t* batch_indices, Py_ssize_t count,
        Py_ssize_t output_height, Py_ssize_t output_width, double spatial_scale, Py_ssize_t sampling_ratio, int aligned,
        int layout, float* out, const Py_ssize_t* out_strides, int num_threads) noexcept nogil:
    return roi_align(input, input_shape, input_strides, boxes, batch_indices, count, output_height, output_width,
                     spatial_scale, sampling_ratio, aligned, layout, out, out_strides, num_threads)


cdef api int roi_align_double(
        const double* input, const Py_ssize_t* input_shape, const Py_ssize_t* input_strides,
        const double* boxes, const int64_t* batch_indices, Py_ssize_t count,
        Py_ssize_t output_height, Py_ssize_t output_width, double spatial_scale, Py_ssize_t sampling_ratio, int aligned,
        int layout, double* out, const Py_ssize_t* out_strides, int num_threads) noexcept nogil:
    return roi_align(input, input_shape, input_strides, boxes, batch_indices, count, output_height, output_width,
                     spatial_scale, sampling_ratio, aligned, layout, out, out_strides, num_threads)


cdef api int crop_and_resize_float(
        const float* image, const Py_ssize_t* image_shape, const Py_ssize_t* image_strides,
        const float* boxes, const int64_t* box_indices, Py_ssize_t count,
        Py_ssize_t crop_height, Py_ssize_t crop_width, int method, double extrapolation_value,
        int layout, float* out, const Py_ssize_t* out_strides, int num_threads) noexcept nogil:
    return crop_and_resize(image, image_shape, image_strides, boxes, box_indices, count, crop_height, crop_width,
                           method, extrapolation_value, layout, out, out_strides, num_threads)


cdef api int crop_and_resize_double(
        const double* image, const Py_ssize_t* image_shape, const Py_ssize_t* image_strides,
        const double* boxes, const int64_t* box_indices, Py_ssize_t count,
        Py_ssize_t crop_height, Py_ssize_t crop_width, int method, double extrapolation_value,
        int layout, double* out, const Py_ssize_t* out_strides, int num_threads) noexcept nogil:
    return crop_and_resize(image, image_shape, image_strides, boxes, box_indices, count, crop_height, crop_width,
                           method, extrapolation_value, layout, out, out_strides, num_threads)
