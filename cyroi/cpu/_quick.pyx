# distutils: language = c++
"""The quick face of ordinary calls: what `cyroi.roi_align` and `cyroi.crop_and_resize` try first.

A call of one box computes for less than a microsecond; checking its arguments in Python took forty. Here everything is
checked that is checked there, in C, for arguments of the ordinary kind: ndarrays of base class, native order, exact
ints and floats. The first that is not ordinary, or not right, ends the attempt: the function gives None, nothing was
written, and the Python layer decides what the call means and words the error. So there is one text for every message,
and what is accepted here is a part of what is accepted there.

Decisions
a) Buffers are held from the first look to the end of the call: nobody can free or resize them.
b) Boxes and indices are copied first and the copy is checked, like everywhere.
c) `out` must be contiguous and lie apart from the inputs in memory; anything closer needs the Python layer's eye.
d) So does what a warning is due for (arguments/hints.py); looking for it costs a few comparisons.
"""
from cpython.buffer cimport PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_Release
from cpython.exc cimport PyErr_Clear
from libc.float cimport DBL_MAX
from libc.limits cimport INT_MAX
from libc.stdint cimport int32_t, int64_t

from ._arguments cimport (
    CYROI_NCHW, CYROI_NHWC, Extent, Snapshot, element_of, is_aligned, kMaxBoxes, kMaxSamplingRatio, kMaxSide,
    kMostNormalised, kNoElement, looks_like, set_shape, set_strides,
)
from ._driver cimport raise_for
from ._host cimport thread_count
from ._kernels cimport (
    _CROP_BILINEAR, _CROP_NEAREST, _FLOAT16, _FLOAT32, _FLOAT64, _ROI_ALIGN, INTERRUPTED, OK, Array, Operator, Status,
    index, kBoxSides,
)
from ._separable cimport apply

import numpy as np

cdef extern from "Python.h":
    # Not Cython's declaration: a function without exceptions would print the error that it clears.
    int get_buffer "PyObject_GetBuffer"(object, Py_buffer*, int) noexcept
    long long as_long "PyLong_AsLongLongAndOverflow"(object, int*) noexcept  # raises for what is no int only

cdef object ndarray = np.ndarray, empty = np.empty
cdef object dtype_type = np.dtype
cdef object FLOAT16 = np.dtype(np.float16), FLOAT32 = np.dtype(np.float32), FLOAT64 = np.dtype(np.float64)

MOST_NORMALISED = kMostNormalised


def looks_like_other_layout(index channels, index height, index width, index itemsize, bint nhwc):
    """See call/arguments.h."""
    return looks_like(channels, height, width, itemsize, nhwc)


cdef struct Call:
    Py_buffer maps, boxes, indices, out
    int held              # how many of them, in this order
    bint has_indices
    int layout
    index height, width, count
    Array source, result


cdef void release(Call* call) noexcept:
    if call.held > 0:
        PyBuffer_Release(&call.maps)
    if call.held > 1:
        PyBuffer_Release(&call.boxes)
    if call.held > 2 and call.has_indices:
        PyBuffer_Release(&call.indices)
    if call.held > 3:
        PyBuffer_Release(&call.out)


cdef bint hold(Call* call, object array, Py_buffer* buffer, int flags) noexcept:
    """Whether `array` is an ndarray of base class whose buffer is held now."""
    if type(array) is not ndarray:
        return False
    if get_buffer(array, buffer, PyBUF_STRIDES | PyBUF_FORMAT | flags) != 0:
        PyErr_Clear()
        return False
    call.held += 1
    return True


cdef bint describe(const Py_buffer& buffer, int layout, Array& array) noexcept:
    """Whether this is an array of four axes that kernels read as it is; described along its planar axes."""
    array.element = element_of(buffer)
    if array.element == kNoElement or buffer.ndim != 4:
        return False
    array.data = <char*> buffer.buf
    set_shape(array, buffer.shape, layout)
    set_strides(array, buffer.strides, layout)
    return True


cdef bint read_maps(Call* call) noexcept:
    cdef int axis
    if not describe(call.maps, call.layout, call.source):
        return False
    for axis in range(4):
        if not 0 < call.source.shape[axis] <= kMaxSide:
            return False
    return not looks_like(call.source.shape[1], call.source.shape[2], call.source.shape[3], call.maps.itemsize,
                          call.layout == CYROI_NHWC)


cdef bint read_boxes(Call* call, int columns) noexcept:
    """The boxes' buffer; nothing of its values yet."""
    cdef int element = element_of(call.boxes)
    if element != _FLOAT32 and element != _FLOAT64:
        return False
    if call.boxes.ndim != 2 or call.boxes.shape[1] != columns or not 0 < call.boxes.shape[0] <= kMaxBoxes:
        return False
    call.count = call.boxes.shape[0]
    return True


cdef bint read_indices(Call* call) noexcept:
    cdef const char* text = <const char*> call.indices.format
    if call.indices.ndim != 1 or call.indices.shape[0] != call.count:  # before any stride: without axes there is none
        return False
    if text == NULL or text[0] == 0 or text[1] != 0 or (text[0] != c'i' and text[0] != c'l' and text[0] != c'q'):
        return False
    return is_aligned(call.indices)


cdef bint copy_images(const Call* call, bint in_boxes, Snapshot& copies) noexcept:
    """Copies image indices from the first column of the boxes or from the indices. Whether they are good ones."""
    cdef const Py_buffer* held = &call.boxes if in_boxes else &call.indices
    cdef index stride = held.strides[0], images = call.source.shape[0]
    if in_boxes and held.itemsize == sizeof(float):
        return copies.copy_images(<const float*> held.buf, stride, images)
    if in_boxes:
        return copies.copy_images(<const double*> held.buf, stride, images)
    if held.itemsize == sizeof(int32_t):
        return copies.copy_images(<const int32_t*> held.buf, stride, images)
    return copies.copy_images(<const int64_t*> held.buf, stride, images)


cdef bint copy_boxes(const Call* call, bint in_boxes, bint x_first, Snapshot& copies) noexcept:
    """Copies what follows the column of indices, where the boxes have one. Whether all coordinates are ordinary:
    finite, and where they are normalised, not far outside."""
    cdef index box = call.boxes.strides[0], side = call.boxes.strides[1]
    cdef const char* first = <const char*> call.boxes.buf + in_boxes * side
    cdef double most = DBL_MAX if x_first else kMostNormalised
    if call.boxes.itemsize == sizeof(float):
        return copies.copy_boxes(<const float*> first, box, side, x_first, most)
    return copies.copy_boxes(<const double*> first, box, side, x_first, most)


cdef bint is_bool(object value) noexcept:
    return value is True or value is False


cdef bint exact_int(object value, index least, index most, index* to) noexcept:
    cdef int overflow = 0
    if type(value) is not int:
        return False
    to[0] = as_long(value, &overflow)
    return overflow == 0 and least <= to[0] <= most


cdef bint exact_real(object value, double* to) noexcept:
    cdef index whole = 0
    if type(value) is float:
        to[0] = value
        return True
    if not exact_int(value, -INT_MAX, INT_MAX, &whole):
        return False
    to[0] = <double> whole
    return True


cdef bint read_size(Call* call, object size) noexcept:
    """(height, width) from an int or a tuple of two."""
    if type(size) is tuple:
        return (len(size) == 2 and exact_int(size[0], 1, INT_MAX, &call.height)
                and exact_int(size[1], 1, INT_MAX, &call.width))
    if not exact_int(size, 1, INT_MAX, &call.height):
        return False
    call.width = call.height
    return True


cdef bint read_threads(object num_threads, int* to) noexcept:
    cdef index wish = 0
    if num_threads is not None and not exact_int(num_threads, 1, INT_MAX, &wish):
        return False
    to[0] = thread_count(<int> wish)
    return wish <= to[0]  # more than that, after a fork, is worth a warning


cdef bint apart(const Py_buffer& out, const Py_buffer& other) noexcept:
    return Extent(out).apart_from(Extent(other))


cdef bint read_out(Call* call) noexcept:
    cdef index* found = call.result.shape
    if not describe(call.out, call.layout, call.result):
        return False
    if found[0] != call.count or found[1] != call.source.shape[1] or found[2] != call.height or found[3] != call.width:
        return False
    return apart(call.out, call.maps) and apart(call.out, call.boxes) and (
        not call.has_indices or apart(call.out, call.indices))


cdef object new_result(const Call* call, object dtype):
    if dtype is None:
        dtype = FLOAT64 if call.source.element == _FLOAT64 else FLOAT16 if call.source.element == _FLOAT16 else FLOAT32
    elif not isinstance(dtype, (type, dtype_type)):  # a text may ask for gigabytes an element
        return None
    try:
        if call.layout == CYROI_NHWC:
            return empty((call.count, call.height, call.width, call.source.shape[1]), dtype)
        return empty((call.count, call.source.shape[1], call.height, call.width), dtype)
    except (MemoryError, ValueError, TypeError):
        return None


cdef object run(Call* call, Operator& op, object dtype, object out, int columns, int threads, double fill):
    """What follows once the buffers of maps, boxes and indices are held. columns: of a box, its index included."""
    cdef bint in_boxes = columns > kBoxSides
    cdef Snapshot copies
    cdef Status status
    if not (read_maps(call) and read_boxes(call, columns) and (not call.has_indices or read_indices(call))):
        return None
    if out is None:
        out = new_result(call, dtype)
    elif dtype is not None:
        return None
    if not (hold(call, out, &call.out, PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS) and read_out(call)):
        return None
    if not copies.allocate(call.count, call.source.element == _FLOAT64 or call.boxes.itemsize == sizeof(double)):
        return None
    if not (copy_images(call, in_boxes, copies) and copy_boxes(call, in_boxes, op.convention == _ROI_ALIGN, copies)):
        return None
    with nogil:
        status = apply(op, call.source, call.result, copies.boxes, fill, threads, True)
    if status == INTERRUPTED:
        raise_for(status)
    return out if status == OK else None


def roi_align(input, boxes, output_size, spatial_scale, sampling_ratio, aligned, mode, batch_indices, layout, dtype,
              validate, out, num_threads):
    """The result of `cyroi.roi_align`, or None where the call is not an ordinary one."""
    cdef Call call
    cdef Operator op
    cdef index ratio = 0
    cdef int threads = 1
    if type(mode) is not str or mode != "avg" or type(layout) is not str:
        return None
    if not (is_bool(aligned) and is_bool(validate)):
        return None
    call.layout = CYROI_NHWC if layout == "NHWC" else CYROI_NCHW
    op.convention, op.aligned, op.spatial_scale, op.snap_edges = _ROI_ALIGN, aligned is True, 0, False
    if not (call.layout == CYROI_NHWC or layout == "NCHW") or not exact_real(spatial_scale, &op.spatial_scale):
        return None
    if not (0 < op.spatial_scale < 1e300 and read_size(&call, output_size) and read_threads(num_threads, &threads)
            and exact_int(sampling_ratio, -INT_MAX, kMaxSamplingRatio, &ratio)):
        return None
    op.sampling_ratio = max(ratio, <index> 0)
    call.has_indices, call.held = batch_indices is not None, 0
    try:
        if not (hold(&call, input, &call.maps, 0) and hold(&call, boxes, &call.boxes, 0)):
            return None
        if call.has_indices and not hold(&call, batch_indices, &call.indices, 0):
            return None
        call.held = 3
        return run(&call, op, dtype, out, kBoxSides if call.has_indices else kBoxSides + 1, threads, 0)
    finally:
        release(&call)


def crop_and_resize(image, boxes, box_indices, crop_size, method, extrapolation_value, snap_edges, layout, dtype,
                    validate, out, num_threads):
    """The result of `cyroi.crop_and_resize` for a batch of images, or None where the call is not an ordinary one."""
    cdef Call call
    cdef Operator op
    cdef double fill = 0
    cdef int threads = 1
    if type(method) is not str or type(layout) is not str or box_indices is None:
        return None
    if not (is_bool(snap_edges) and is_bool(validate)):
        return None
    call.layout = CYROI_NHWC if layout == "NHWC" else CYROI_NCHW
    op.convention = _CROP_BILINEAR if method == "bilinear" else _CROP_NEAREST
    op.aligned, op.sampling_ratio, op.spatial_scale, op.snap_edges = False, 0, 1, snap_edges is True
    if not (call.layout == CYROI_NHWC or layout == "NCHW") or (op.convention == _CROP_NEAREST and method != "nearest"):
        return None
    if not (exact_real(extrapolation_value, &fill) and read_size(&call, crop_size)
            and read_threads(num_threads, &threads)):
        return None
    call.has_indices, call.held = True, 0
    try:
        if not (hold(&call, image, &call.maps, 0) and hold(&call, boxes, &call.boxes, 0)
                and hold(&call, box_indices, &call.indices, 0)):
            return None
        return run(&call, op, dtype, out, kBoxSides, threads, fill)
    finally:
        release(&call)
