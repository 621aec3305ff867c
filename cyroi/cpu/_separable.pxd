# What the other modules of this package share of the separable operators.
from ._kernels cimport Array, Boxes, Operator, Status

cdef Status apply(const Operator& op, const Array& maps, const Array& out, const Boxes& boxes, double fill,
                  int num_threads, bint interruptible) noexcept nogil
