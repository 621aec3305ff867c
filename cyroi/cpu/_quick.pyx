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
"""
from cpython.buffer cimport (
    PyBUF_FORMAT, PyBUF_STRIDES, PyBUF_WRITABLE, PyBuffer_Release,
)
from cpython.exc cimport PyErr_Clear
from libc.stdlib cimport free, malloc

from ._driver cimport raise_for
from ._host cimport thread_count
from ._kernels cimport (
    _CROP_BILINEAR, _CROP_NEAREST, _FLOAT16, _FLOAT32, _FLOAT64, _INT8, _INT16, _ROI_ALIGN, _UINT8, _UINT16,
    INTERRUPTED, OK, Array, Boxes, Operator, Status, index,
)
from ._separable cimport apply

import numpy as np

cdef extern from "Python.h":
    # Not Cython's declaration: a function without exceptions would print the error that it clears.
    int get_buffer "PyObject_GetBuffer"(object, Py_buffer*, int) noexcept

cdef object ndarray = np.ndarray, empty = np.empty
cdef object FLOAT16 = np.dtype(np.float16), FLOAT32 = np.dtype(np.float32), FLOAT64 = np.dtype(np.float64)

cdef int LONGEST = 2**31 - 1
cdef int MAX_SAMPLING_RATIO = 4096
cdef int UNKNOWN = -1
cdef double EXACT_INDEX = 2**24  # up to which float32 holds every integer

cdef struct Call:
    Py_buffer maps, boxes, indices, out
    int held              # how many of them, in this order
    bint has_indices
    bint nhwc
    index images, channels, height, width, count
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


cdef int element_of(const Py_buffer& buffer) noexcept:
    """The storage type of a buffer whose elements are in native byte order and aligned; else UNKNOWN."""
    cdef int axis
    cdef const char* text = <const char*> buffer.format
    if text == NULL or text[0] == 0 or text[1] != 0 or <size_t> buffer.buf % buffer.itemsize:
        return UNKNOWN
    for axis in range(buffer.ndim):
        if buffer.strides[axis] % buffer.itemsize:
            return UNKNOWN
    if text[0] == c'f':
        return _FLOAT32
    if text[0] == c'd':
        return _FLOAT64
    if text[0] == c'B':
        return _UINT8
    if text[0] == c'e':
        return _FLOAT16
    if text[0] == c'b':
        return _INT8
    if text[0] == c'H':
        return _UINT16
    if text[0] == c'h':
        return _INT16
    return UNKNOWN


cdef void set_axes(const Py_buffer& buffer, bint nhwc, Array& array) noexcept:
    """Planar axes n c y x of a buffer in one of the layouts."""
    cdef int axis, at
    array.data = <char*> buffer.buf
    for axis in range(4):
        at = axis
        if nhwc and axis > 0:
            at = 3 if axis == 1 else axis - 1
        array.shape[axis], array.strides[axis] = buffer.shape[at], buffer.strides[at]


cdef bint read_maps(Call* call) noexcept:
    cdef int axis
    call.source.element = element_of(call.maps)
    if call.source.element == UNKNOWN or call.maps.ndim != 4:
        return False
    set_axes(call.maps, call.nhwc, call.source)
    for axis in range(4):
        if not 0 < call.source.shape[axis] <= LONGEST:
            return False
    call.images, call.channels = call.source.shape[0], call.source.shape[1]
    return True


cdef bint read_boxes(Call* call, int columns) noexcept:
    """The boxes' buffer; nothing of its values yet."""
    cdef int element = element_of(call.boxes)
    if element != _FLOAT32 and element != _FLOAT64:
        return False
    if call.boxes.ndim != 2 or call.boxes.shape[1] != columns or call.boxes.shape[0] < 1:
        return False
    call.count = call.boxes.shape[0]
    return True


cdef bint read_indices(Call* call) noexcept:
    cdef const char* text = <const char*> call.indices.format
    if call.indices.ndim != 1 or call.indices.shape[0] != call.count:  # before any stride: without axes there is none
        return False
    if text == NULL or text[0] == 0 or text[1] != 0 or (text[0] != c'i' and text[0] != c'l' and text[0] != c'q'):
        return False
    if <size_t> call.indices.buf % call.indices.itemsize or call.indices.strides[0] % call.indices.itemsize:
        return False
    return True


cdef double coordinate(const Py_buffer& boxes, index k, int column) noexcept nogil:
    cdef const char* at = <const char*> boxes.buf + k * boxes.strides[0] + column * boxes.strides[1]
    return (<const float*> at)[0] if boxes.itemsize == 4 else (<const double*> at)[0]


cdef bint copy_boxes(const Call* call, int first, bint swapped, bint wide, void* to) noexcept nogil:
    """Copies corners as y1 x1 y2 x2 from column `first` on; swapped: they are x1 y1 x2 y2. Whether all are finite."""
    cdef index k
    cdef int i
    cdef double t, wrong = 0
    for k in range(call.count):
        for i in range(4):
            t = coordinate(call.boxes, k, first + (i ^ 1 if swapped else i))
            wrong += t - t  # NaN, unless t is finite
            if wide:
                (<double*> to)[4 * k + i] = t
            else:
                (<float*> to)[4 * k + i] = <float> t
    return wrong == 0


cdef bint copy_indices(const Call* call, bint in_boxes, Py_ssize_t* images) noexcept nogil:
    """Copies the image indices, from column 0 of the boxes or from `indices`. Whether all are whole and in range."""
    cdef index k
    cdef double t
    cdef const char* at
    for k in range(call.count):
        if in_boxes:
            t = coordinate(call.boxes, k, 0)
            if not (t >= 0 and t < call.images and t < EXACT_INDEX):
                return False
            images[k] = <Py_ssize_t> t
            if <double> images[k] != t:
                return False
        elif not call.has_indices:
            images[k] = 0
        else:
            at = <const char*> call.indices.buf + k * call.indices.strides[0]
            images[k] = (<const int*> at)[0] if call.indices.itemsize == 4 else (<const long long*> at)[0]
            if not 0 <= images[k] < call.images:
                return False
    return True


cdef bint exact_int(object value, index least, index most, index* to) noexcept:
    if type(value) is not int:
        return False
    if not least <= value <= most:
        return False
    to[0] = value
    return True


cdef bint exact_real(object value, double* to) noexcept:
    cdef index whole = 0
    if type(value) is float:
        to[0] = value
        return True
    if not exact_int(value, -LONGEST, LONGEST, &whole):
        return False
    to[0] = <double> whole
    return True


cdef bint read_size(Call* call, object size) noexcept:
    """(height, width) from an int or a tuple of two."""
    if type(size) is tuple:
        return (len(size) == 2 and exact_int(size[0], 1, LONGEST, &call.height)
                and exact_int(size[1], 1, LONGEST, &call.width))
    if not exact_int(size, 1, LONGEST, &call.height):
        return False
    call.width = call.height
    return True


cdef bint read_threads(object num_threads, int* to) noexcept:
    cdef index wish = 0
    if num_threads is not None and not exact_int(num_threads, 1, LONGEST, &wish):
        return False
    to[0] = thread_count(<int> wish)
    return wish <= to[0]  # more than that, after a fork, is worth a warning


cdef bint apart(const Py_buffer& out, const Py_buffer& other) noexcept:
    """Whether a contiguous `out` lies before or behind all elements of `other`."""
    cdef const char* low = <const char*> other.buf
    cdef const char* high = low + other.itemsize
    cdef index reach
    cdef int axis
    for axis in range(other.ndim):
        reach = (other.shape[axis] - 1) * other.strides[axis]
        if reach < 0:
            low += reach
        else:
            high += reach
    return <const char*> out.buf >= high or <const char*> out.buf + out.len <= low


cdef bint read_out(Call* call) noexcept:
    cdef int axis
    cdef index stride = call.out.itemsize
    cdef index shape[4]
    call.result.element = element_of(call.out)
    if call.result.element == UNKNOWN or call.out.ndim != 4:
        return False
    set_axes(call.out, call.nhwc, call.result)
    shape[0], shape[1], shape[2], shape[3] = call.count, call.channels, call.height, call.width
    for axis in range(4):
        if call.result.shape[axis] != shape[axis]:
            return False
    for axis in range(3, -1, -1):
        if call.out.shape[axis] > 1 and call.out.strides[axis] != stride:
            return False
        stride *= call.out.shape[axis]
    return (apart(call.out, call.maps) and apart(call.out, call.boxes)
            and (not call.has_indices or apart(call.out, call.indices)))


cdef object new_result(const Call* call):
    dtype = FLOAT64 if call.source.element == _FLOAT64 else FLOAT16 if call.source.element == _FLOAT16 else FLOAT32
    try:
        if call.nhwc:
            return empty((call.count, call.height, call.width, call.channels), dtype)
        return empty((call.count, call.channels, call.height, call.width), dtype)
    except (MemoryError, ValueError):
        return None


cdef object run(Call* call, Operator& op, object out, int columns, int threads, double fill):
    """What follows once the buffers of maps, boxes and indices are held. columns: of a box, its index included."""
    cdef bint fresh = out is None, wide, good
    cdef bint in_boxes = columns == 5
    cdef Boxes all
    cdef Status status
    cdef char* copies
    if not (read_maps(call) and read_boxes(call, columns) and (not call.has_indices or read_indices(call))):
        return None
    if fresh:
        out = new_result(call)
    if not (hold(call, out, &call.out, PyBUF_WRITABLE) and read_out(call)):
        return None
    wide = call.source.element == _FLOAT64 or call.boxes.itemsize == 8
    copies = <char*> malloc(call.count * (4 * sizeof(double) + sizeof(Py_ssize_t)))
    if copies == NULL:
        return None
    good = (copy_indices(call, in_boxes, <Py_ssize_t*> copies)
            and copy_boxes(call, 1 if in_boxes else 0, op.convention == _ROI_ALIGN, wide,
                           copies + call.count * sizeof(Py_ssize_t)))
    status = OK
    if good:
        all.values, all.wide = copies + call.count * sizeof(Py_ssize_t), wide
        all.images, all.count = <Py_ssize_t*> copies, call.count
        with nogil:
            status = apply(op, call.source, call.result, all, fill, threads, True)
    free(copies)
    if status == INTERRUPTED:
        raise_for(status)
    return out if good and status == OK else None


def roi_align(input, boxes, output_size, spatial_scale, sampling_ratio, aligned, mode, batch_indices, layout, out,
              num_threads):
    """The result of `cyroi.roi_align`, or None where the call is not an ordinary one."""
    cdef Call call
    cdef Operator op
    cdef index ratio = 0
    cdef int threads = 1
    if type(mode) is not str or mode != "avg" or type(layout) is not str:
        return None
    if aligned is not True and aligned is not False:
        return None
    call.nhwc = layout == "NHWC"
    op.convention, op.aligned, op.spatial_scale = _ROI_ALIGN, aligned is True, 0
    if not (call.nhwc or layout == "NCHW") or not exact_real(spatial_scale, &op.spatial_scale):
        return None
    if not (0 < op.spatial_scale < 1e300 and read_size(&call, output_size) and read_threads(num_threads, &threads)
            and exact_int(sampling_ratio, -LONGEST, MAX_SAMPLING_RATIO, &ratio)):
        return None
    op.sampling_ratio = max(ratio, <index> 0)
    call.has_indices, call.held = batch_indices is not None, 0
    try:
        if not (hold(&call, input, &call.maps, 0) and hold(&call, boxes, &call.boxes, 0)):
            return None
        if call.has_indices and not hold(&call, batch_indices, &call.indices, 0):
            return None
        call.held = 3
        return run(&call, op, out, 4 if call.has_indices else 5, threads, 0)
    finally:
        release(&call)


def crop_and_resize(image, boxes, box_indices, crop_size, method, extrapolation_value, layout, out, num_threads):
    """The result of `cyroi.crop_and_resize` for a batch of images, or None where the call is not an ordinary one."""
    cdef Call call
    cdef Operator op
    cdef double fill = 0
    cdef int threads = 1
    if type(method) is not str or type(layout) is not str or box_indices is None:
        return None
    call.nhwc = layout == "NHWC"
    op.convention = _CROP_BILINEAR if method == "bilinear" else _CROP_NEAREST
    op.aligned, op.sampling_ratio, op.spatial_scale = False, 0, 1
    if not (call.nhwc or layout == "NCHW") or (op.convention == _CROP_NEAREST and method != "nearest"):
        return None
    if not (exact_real(extrapolation_value, &fill) and read_size(&call, crop_size)
            and read_threads(num_threads, &threads)):
        return None
    call.has_indices, call.held = True, 0
    try:
        if not (hold(&call, image, &call.maps, 0) and hold(&call, boxes, &call.boxes, 0)
                and hold(&call, box_indices, &call.indices, 0)):
            return None
        return run(&call, op, out, 4, threads, fill)
    finally:
        release(&call)
