# What the other modules of this package share of the driver.
from ._kernels cimport Pass, Status

cdef Status drive(Pass& p) noexcept nogil
cdef int raise_for(Status status) except -1
