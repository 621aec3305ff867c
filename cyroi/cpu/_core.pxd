# What the other modules of this package share of the engine.
from ._kernels cimport Array, Operator, index

cdef enum Status:
    OK = 0
    NO_MEMORY = 1
    INTERRUPTED = 2  # a signal handler raised; the exception is set
    BAD_STRIDES = 3

cdef Status apply(Operator& op, const Array& maps, const Array& out, const void* boxes, bint wide,
                  const Py_ssize_t* images, index count, double fill, int num_threads, bint interruptible
                  ) noexcept nogil

cdef int raise_for(Status status) except -1
cdef bint interrupted() noexcept with gil
cdef double seconds() noexcept nogil
cdef int thread_count(double work, int most) noexcept nogil
cdef index samples_per_box(const Operator& op) noexcept nogil
cdef void read_array(const Py_buffer& buffer, int element, Array& array) noexcept
