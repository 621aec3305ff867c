# The C++ side of the gradients: see _kernels.pxd.
from ._kernels cimport Array, BoxPlan, Cache, Job, Operator, index

cdef extern from "cyroi/slopes.h" namespace "cyroi" nogil:
    BoxPlan plan_slopes[G, A](const Operator&, const G*, index, index, int*, A*, A*, A*, int*)

cdef extern from "gradients.h" namespace "cyroi" nogil:
    cdef cppclass Share[A, N]:
        pass
    cdef cppclass Line:
        pass
    cdef cppclass Window:
        pass
    cdef cppclass Turned:
        pass
    cdef cppclass Run:
        pass
    cdef cppclass GradientJob:
        Job job
        index images, batch, blocks, bands, groups, parts, run_count
        bint zero
        const void* by_lo
        const void* by_hi
        Turned* turned
        Line* lines
        void* shares
        Window* windows
        void* at
        void* table_weights
        const index* order
        const index* first
        const Run* runs
        double* sums
    cdef cppclass GradientKernels:
        int lanes
        void (*turn)(const GradientJob&, index) noexcept nogil
        void (*fill)(const GradientJob&, index) noexcept nogil
        void (*run)(const GradientJob&, index) noexcept nogil
    cdef cppclass GradientTarget:
        GradientKernels to_maps[2]
        GradientKernels to_boxes[8]
    bint describe_maps(const Array&, const Array&, const Cache&, int, GradientJob&)
    bint describe_boxes(const Array&, const Array&, const Cache&, GradientJob&)
    index batch_rows(const Job&, bint)
    index most_windows(const Job&, int)
    double cost_bound(const GradientJob&, index)
    double chunk_cost(const GradientJob&, index)
    void order_boxes(const GradientJob&, index, index*, index*)
    index cut_runs(const GradientJob&, index, double, int, Run*)
    void place_windows(const GradientJob&, index, index, index)
    void clear_sums(const GradientJob&, index)
    void add_sums(const GradientJob&, index, double*)
