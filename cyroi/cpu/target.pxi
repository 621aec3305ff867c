"""The kernels of one SIMD target. Every target is this text, compiled with its own flags (setup.py)."""
from cpython.pycapsule cimport PyCapsule_New

cdef extern from "target.h" namespace "cyroi" nogil:
    cdef cppclass Target:
        pass
    const Target* target()

table = PyCapsule_New(<void*> target(), "cyroi.Target", NULL)
