# What the other modules of this package ask of the host.
cdef int thread_count(int wish) noexcept nogil
cdef int team(int wish, int most) noexcept nogil

cdef extern from "cyroi/config.h":  # for its check of the compiler's flags, in modules that include no other header
    pass
