# cython: language_level=3, boundscheck=False, wraparound=False
from cython.parallel cimport prange
from libc.stdint cimport int64_t

cimport cyroi


def pool_frames(const float[:, :, :, ::1] frames, const float[:, :, ::1] boxes, double spatial_scale,
                float[:, :, :, :, ::1] out, int[::1] codes, int num_threads):
    """Pools K boxes of each of F frames, several frames at a time, each on one thread.

    frames (F, C, H, W), boxes (F, K, 4), out (F, K, C, height, width), codes (F,)
    """
    cdef Py_ssize_t i
    cdef Py_ssize_t[4] one_frame = [1, frames.shape[1], frames.shape[2], frames.shape[3]]
    for i in prange(frames.shape[0], nogil=True, num_threads=num_threads, schedule="dynamic"):
        codes[i] = cyroi.roi_align_float(
            &frames[i, 0, 0, 0], one_frame, NULL, &boxes[i, 0, 0], NULL, boxes.shape[1], out.shape[3], out.shape[4],
            spatial_scale, 2, True, cyroi.NCHW, &out[i, 0, 0, 0, 0], NULL, 1)


# Everything below is for the tests of cyroi, which look at each function.

ctypedef fused real:
    float
    double


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
