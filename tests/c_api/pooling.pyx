# cython: language_level=3
from cython.parallel cimport prange
from libc.stdint cimport int64_t

cimport cyroi


def pool_frames(const float[:, :, :, ::1] frames, const float[:, :, ::1] boxes, double spatial_scale,
                float[:, :, :, :, ::1] out, int[::1] codes, int num_threads):
    """Pools K boxes of each of F frames, several frames at a time, each on one thread.

    frames (F, C, H, W), boxes (F, K, 4), out (F, K, C, height, width), codes (F,)
    """
    cdef Py_ssize_t i
    cdef const int64_t[::1] the_only_image = None
    for i in prange(frames.shape[0], nogil=True, num_threads=num_threads, schedule="dynamic"):
        codes[i] = cyroi.roi_align[float](
            frames[i:i + 1], boxes[i], the_only_image, spatial_scale, 2, True, cyroi.NCHW, out[i], 1)


# Everything below is for the tests of cyroi, which look at each function: first with views, then with pointers.

ctypedef fused real:
    float
    double


def roi_align_of_views(const real[:, :, :, :] maps, const real[:, ::1] boxes, const int64_t[::1] indices,
                       double spatial_scale, Py_ssize_t sampling_ratio, bint aligned, int layout,
                       real[:, :, :, :] out, int num_threads):
    cdef int code
    with nogil:
        code = cyroi.roi_align[real](
            maps, boxes, indices, spatial_scale, sampling_ratio, aligned, layout, out, num_threads)
    return code


def crop_and_resize_of_views(const real[:, :, :, :] image, const real[:, ::1] boxes, const int64_t[::1] indices,
                             int method, double extrapolation_value, int layout, real[:, :, :, :] out,
                             int num_threads):
    cdef int code
    with nogil:
        code = cyroi.crop_and_resize[real](
            image, boxes, indices, method, extrapolation_value, layout, out, num_threads)
    return code


def crop_behind_a_column(const float[:, :, :, :] image, const float[:, ::1] numbered_boxes, const int64_t[::1] indices,
                         float[:, :, :, :] out):
    """With boxes (K, 5) whose first column is left out, so that there are gaps between them."""
    return cyroi.crop_and_resize[float](
        image, numbered_boxes[:, 1:], indices, cyroi.BILINEAR, 0, cyroi.NHWC, out, 1)


def roi_align(const real[:, :, :, :] maps, const real[:, ::1] boxes, const int64_t[::1] indices, double spatial_scale,
              Py_ssize_t sampling_ratio, bint aligned, int layout, real[:, :, :, :] out, Py_ssize_t height,
              Py_ssize_t width, int num_threads):
    cdef int code
    with nogil:
        if real is float:
            code = cyroi.roi_align_float(
                &maps[0, 0, 0, 0], maps.shape, maps.strides, &boxes[0, 0], &indices[0], boxes.shape[0], height, width,
                spatial_scale, sampling_ratio, aligned, layout, &out[0, 0, 0, 0], out.strides, num_threads)
        else:
            code = cyroi.roi_align_double(
                &maps[0, 0, 0, 0], maps.shape, maps.strides, &boxes[0, 0], &indices[0], boxes.shape[0], height, width,
                spatial_scale, sampling_ratio, aligned, layout, &out[0, 0, 0, 0], out.strides, num_threads)
    return code


def crop_and_resize(const real[:, :, :, :] image, const real[:, ::1] boxes, const int64_t[::1] indices, bint nearest,
                    double extrapolation_value, int layout, real[:, :, :, :] out, Py_ssize_t height, Py_ssize_t width,
                    int num_threads):
    cdef int code, method = cyroi.NEAREST if nearest else cyroi.BILINEAR
    with nogil:
        if real is float:
            code = cyroi.crop_and_resize_float(
                &image[0, 0, 0, 0], image.shape, image.strides, &boxes[0, 0], &indices[0], boxes.shape[0], height,
                width, method, extrapolation_value, layout, &out[0, 0, 0, 0], out.strides, num_threads)
        else:
            code = cyroi.crop_and_resize_double(
                &image[0, 0, 0, 0], image.shape, image.strides, &boxes[0, 0], &indices[0], boxes.shape[0], height,
                width, method, extrapolation_value, layout, &out[0, 0, 0, 0], out.strides, num_threads)
    return code


def constants():
    """The names that `cimport cyroi` gives to codes and arguments."""
    return {
        "OK": cyroi.OK, "NULL_POINTER": cyroi.NULL_POINTER, "BAD_SIZE": cyroi.BAD_SIZE,
        "BAD_STRIDES": cyroi.BAD_STRIDES, "BAD_ARGUMENT": cyroi.BAD_ARGUMENT, "BAD_BOX": cyroi.BAD_BOX,
        "BAD_INDEX": cyroi.BAD_INDEX, "OVERLAP": cyroi.OVERLAP, "NO_MEMORY": cyroi.NO_MEMORY,
        "NCHW": cyroi.NCHW, "NHWC": cyroi.NHWC,
        "BILINEAR": cyroi.BILINEAR, "NEAREST": cyroi.NEAREST,
    }
