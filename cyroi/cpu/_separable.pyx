# distutils: language = c++
"""The separable operators on the CPU, forward and both gradients: from arrays that were validated to the driver.

Decisions
a) One entry, `apply`, serves every face: the Python face (`execute`), the quick face of ordinary calls (`_quick`) and
   the C face (`_c_api`). It runs without the GIL and without a Python object.
b) The Python face takes typed memoryviews. The quick face does not: four of them cost more than a whole small call
   (0.57 us against 0.26 for four buffers).
c) Kernels are functions of the SIMD target that `_targets` chose, called through its table.

Compiled once.
"""
from cpython.buffer cimport PyBUF_STRIDED, PyBUF_STRIDED_RO, PyBuffer_Release, PyObject_GetBuffer
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc

from ._arguments cimport kMaxSamplingRatio, kMaxSide
from ._driver cimport drive, raise_for
from ._kernels cimport (
    _BFLOAT16, _CROP_BILINEAR, _CROP_NEAREST, _FLOAT16, _FLOAT32, _FLOAT64, _INT8, _INT16, _ROI_ALIGN, _UINT8,
    _UINT16, Array, Boxes, Cache, Operator, Size, Status, Target, element_size, forward, gradient, index, kBoxSides,
    sizes, store_array,
)

ROI_ALIGN = _ROI_ALIGN
CROP_BILINEAR = _CROP_BILINEAR
CROP_NEAREST = _CROP_NEAREST
MAX_SIDE = kMaxSide  # of maps
MAX_SAMPLING_RATIO = kMaxSamplingRatio
# Storage types by the name of their dtype.
ELEMENTS = {
    "float32": _FLOAT32, "float64": _FLOAT64, "float16": _FLOAT16, "bfloat16": _BFLOAT16,
    "uint8": _UINT8, "int8": _INT8, "uint16": _UINT16, "int16": _INT16,
}

ctypedef fused geometry:  # coordinates
    float
    double

ctypedef fused bits:  # of an element, whatever it stands for
    uint8_t
    uint16_t
    uint32_t
    uint64_t

cdef const Target* target = NULL
cdef Cache cache


cdef dict listed_sizes():
    cdef int count = 0, i
    cdef const Size* all = sizes(count)
    return {all[i].name.decode(): (all[i].value, all[i].bounds.decode()) for i in range(count)}


# The list of sizes.h: name -> (value, what of a call it bounds).
SIZES = listed_sizes()


def use_target(capsule):
    """Sets the SIMD target, the `table` of one of the target modules. Not while a call runs."""
    global target
    target = <const Target*> PyCapsule_GetPointer(capsule, "cyroi.Target")


def lanes():
    """Elements in a vector of the target, by the name of the type that is computed with."""
    return {"float32": target.forward[<int> _FLOAT32].lanes, "float64": target.forward[<int> _FLOAT64].lanes}


def use_caches(index own, index result):
    """Sets the bytes of cache that a core has to itself, and of a result that is not worth keeping in the caches."""
    cache.own, cache.result = own, result


cdef Status apply(const Operator& op, const Array& maps, const Array& out, const Boxes& boxes, double fill,
                  int num_threads, bint interruptible) noexcept nogil:
    """See `forward` (call/forward_pass.h)."""
    return forward(target[0], cache, op, maps, out, boxes, fill, num_threads, interruptible, drive)


cdef object describe_as(const bits[:, :, :, :] view, int element, Array& array):
    cdef int axis
    array.data, array.element = <char*> &view[0, 0, 0, 0], element
    for axis in range(4):
        array.shape[axis], array.strides[axis] = view.shape[axis], view.strides[axis]
    return view


cdef object describe(object view, int element, Array& array):
    """Describes an array of elements' bits; gives what keeps its memory in place."""
    cdef index size = element_size(element)
    if size == 1:
        return describe_as[uint8_t](view, element, array)
    if size == 2:
        return describe_as[uint16_t](view, element, array)
    if size == 4:
        return describe_as[uint32_t](view, element, array)
    return describe_as[uint64_t](view, element, array)


cdef object describe_boxes_as(const geometry[:, ::1] view, Boxes& boxes):
    boxes.values, boxes.wide, boxes.count = &view[0, 0], geometry is double, view.shape[0]
    if view.shape[1] != kBoxSides:
        raise AssertionError("a box has four sides")
    return view


cdef object describe_boxes(object view, Boxes& boxes):
    return describe_boxes_as[double](view, boxes) if view.itemsize == 8 else describe_boxes_as[float](view, boxes)


cdef Operator operator(int convention, double spatial_scale, index sampling_ratio, bint aligned, bint snap_edges
                       ) noexcept:
    cdef Operator op
    op.convention, op.spatial_scale, op.sampling_ratio, op.aligned = convention, spatial_scale, sampling_ratio, aligned
    op.snap_edges = snap_edges
    return op


cdef int locate(const Array& maps, const Array& crops, const Py_ssize_t[::1] images, const Py_ssize_t[::1] rows,
                const uint8_t[::1] narrow, Boxes& boxes) except -1:
    """Says of each box in which image of the maps and in which row of the crops it lies, and what it is planned in."""
    cdef index k
    if not (boxes.count == images.shape[0] and maps.shape[1] == crops.shape[1]
            and (boxes.wide or maps.element != _FLOAT64)):
        raise AssertionError("maps, boxes, images and crops must agree")
    boxes.images = &images[0]
    if narrow is not None:
        if not boxes.wide or maps.element == _FLOAT64 or narrow.shape[0] != boxes.count:
            raise AssertionError("boxes of two geometries are handed over in the wider one")
        boxes.narrow = &narrow[0]
    if rows is None:
        if boxes.count != crops.shape[0]:
            raise AssertionError("every box has a row of the crops")
        return 0
    if boxes.count != rows.shape[0]:
        raise AssertionError("every box has a row of the crops")
    for k in range(boxes.count):
        if not 0 <= rows[k] < crops.shape[0]:
            raise AssertionError("a row of the crops does not exist")
    boxes.rows = &rows[0]
    return 0


def execute(maps, boxes, const Py_ssize_t[::1] images, out, int maps_element, int out_element, int convention,
            double spatial_scale, index sampling_ratio, bint aligned, bint snap_edges, double fill, int num_threads,
            const uint8_t[::1] narrow=None, const Py_ssize_t[::1] rows=None):
    """Applies a separable operator to arrays that were validated (see `forward` in call/forward_pass.h).

    maps    images, channels, rows, columns: the bits of elements
    boxes   (K, 4) float32, or float64, which it must be for float64 maps; contiguous; y1 x1 y2 x2
    images  (K,) contiguous
    out     rows, channels, bins_y, bins_x: the bits of elements
    narrow  (K,) contiguous: which of float64 boxes are planned in float32, which holds them; None: none of them
    rows    (K,) contiguous: the row of `out` of each box, each once; None: their own numbers. So boxes of several maps,
            a call for each map, go into one result in the caller's order; other rows are left alone
    """
    cdef Array source, result
    cdef Boxes all
    cdef Status status
    cdef Operator op = operator(convention, spatial_scale, sampling_ratio, aligned, snap_edges)
    held = describe(maps, maps_element, source), describe(out, out_element, result), describe_boxes(boxes, all)
    locate(source, result, images, rows, narrow, all)
    with nogil:
        status = apply(op, source, result, all, fill, num_threads, True)
    del held
    raise_for(status)


def differentiate(maps, grad, boxes, const Py_ssize_t[::1] images, double[:, ::1] to_boxes, int maps_element,
                  int grad_element, int convention, double spatial_scale, index sampling_ratio, bint aligned,
                  bint snap_edges, int num_threads, const uint8_t[::1] narrow=None, const Py_ssize_t[::1] rows=None):
    """A gradient of a separable operator, for arrays that were validated.

    maps      as for `execute`; or OUT: their gradient, float32 or float64, if `to_boxes` is None
    grad      boxes, channels, bins_y, bins_x: the bits of elements
    boxes     as for `execute`
    images    as for `execute`
    to_boxes  contiguous, 4 values for each row of `grad`, zeros; OUT; y1 x1 y2 x2. None for the gradient to the maps
    narrow    as for `execute`
    rows      as for `execute`: the row of `grad`, and of `to_boxes`, of each box
    """
    cdef Array source, crops
    cdef Boxes all
    cdef Status status
    cdef double* result = NULL
    cdef Operator op = operator(convention, spatial_scale, sampling_ratio, aligned, snap_edges)
    held = describe(maps, maps_element, source), describe(grad, grad_element, crops), describe_boxes(boxes, all)
    locate(source, crops, images, rows, narrow, all)
    if to_boxes is not None:
        if to_boxes.shape[0] != crops.shape[0] or to_boxes.shape[1] != kBoxSides:
            raise AssertionError("a box has four sides")
        result = &to_boxes[0, 0]
    with nogil:
        status = gradient(target[0], cache, op, source, crops, all, result, num_threads, drive)
    del held
    raise_for(status)


cdef void read_padded(const Py_buffer& buffer, int element, Array& array) noexcept nogil:
    """As `read_array`, for up to four axes: those that are missing come first and have length 1."""
    cdef int axis, missing = 4 - buffer.ndim
    array.data, array.element = <char*> buffer.buf, element
    for axis in range(4):
        array.shape[axis] = buffer.shape[axis - missing] if axis >= missing else 1
        array.strides[axis] = buffer.strides[axis - missing] if axis >= missing else 0


cdef bint agree(const Py_buffer& source, const Py_buffer& target, int element) noexcept:
    cdef int axis
    if source.itemsize not in (4, 8) or target.itemsize != element_size(element):
        return False
    if source.ndim != target.ndim or source.ndim > 4:
        return False
    for axis in range(source.ndim):
        if source.shape[axis] != target.shape[axis]:
            return False
    return True


def store(list sources, list targets, list elements, list swapped):
    """Converts each of `sources` into the array of `targets` beside it. All memory is had before the first write, and
    from there on nothing raises.

    sources   float32 or float64, of at most four axes
    targets   of the same shapes, any strides, at any address; OUT
    elements  their storage types (`ELEMENTS`)
    swapped   whether they are in the byte order that is not the machine's
    """
    cdef index i, count = len(targets), got = 0
    cdef Py_buffer* held = <Py_buffer*> malloc((2 * count + 1) * sizeof(Py_buffer))
    cdef int* kinds = <int*> malloc((2 * count + 1) * sizeof(int))
    cdef Array source, target
    try:
        if held == NULL or kinds == NULL:
            raise MemoryError("descriptions of the arrays cannot be allocated")
        for i in range(count):
            PyObject_GetBuffer(sources[i], &held[got], PyBUF_STRIDED_RO)
            got += 1
            PyObject_GetBuffer(targets[i], &held[got], PyBUF_STRIDED)
            got += 1
            kinds[2 * i], kinds[2 * i + 1] = elements[i], swapped[i]
            if not agree(held[2 * i], held[2 * i + 1], kinds[2 * i]):
                raise AssertionError("sources and targets must agree")
        with nogil:
            for i in range(count):
                read_padded(held[2 * i], _FLOAT64 if held[2 * i].itemsize == 8 else _FLOAT32, source)
                read_padded(held[2 * i + 1], kinds[2 * i], target)
                store_array(source, target, kinds[2 * i + 1])
    finally:
        while got > 0:
            got -= 1
            PyBuffer_Release(&held[got])
        free(held)
        free(kinds)
