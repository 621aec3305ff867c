# The checks of arguments in C (call/arguments.h), as both faces see them. Not in _kernels.pxd, so that a change of them
# compiles only those modules again that check arguments.
from ._kernels cimport Array, Boxes, index

cdef extern from "call/arguments.h" namespace "cyroi" nogil:
    index kMaxSide
    index kMaxSamplingRatio
    index kMaxBoxes
    double kMostNormalised
    int kNoElement
    bint is_aligned(const Py_buffer& array)
    int element_of(const Py_buffer& array)
    void set_shape(Array& array, const Py_ssize_t* shape, int layout)
    void set_strides(Array& array, const Py_ssize_t* strides, int layout)
    bint is_empty(const Array& array)
    bint looks_like "cyroi::looks_like_other_layout"(index channels, index height, index width, index itemsize,
                                                     bint nhwc)
    int check_arrays(const Array& maps, const Array& out)
    cdef cppclass Extent:
        Extent(const Py_buffer& array)
        bint apart_from(const Extent& other)
    cdef cppclass Snapshot:
        Boxes boxes
        bint allocate(index count, bint wide)
        bint copy_boxes[T](const T* first, index box_stride, index side_stride, bint x_first)
        bint copy_boxes[T](const T* first, index box_stride, index side_stride, bint x_first, double most)
        bint copy_images[T](const T* first, index stride, index images)
        void set_one_image()

cdef extern from "cyroi/c_api.h" nogil:
    cdef enum:
        CYROI_OK, CYROI_NULL_POINTER, CYROI_BAD_SIZE, CYROI_BAD_STRIDES, CYROI_BAD_ARGUMENT, CYROI_BAD_BOX
        CYROI_BAD_INDEX, CYROI_OVERLAP, CYROI_NO_MEMORY
    cdef enum:
        CYROI_NCHW, CYROI_NHWC
    cdef enum:
        CYROI_BILINEAR, CYROI_NEAREST
