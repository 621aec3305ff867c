# What the other modules of this package ask of the host.
cdef int thread_count(int wish) noexcept nogil
cdef int team(int wish, int most) noexcept nogil
