# The C++ side of the gradients: see _kernels.pxd.
from ._kernels cimport Array, BoxPlan, Cache, Job, Operator, Tile, index

cdef extern from "cyroi/slopes.h" namespace "cyroi" nogil:
    BoxPlan plan_slopes[G, A](const Operator&, const G*, index, index, int*, A*, A*, A*, int*)

cdef extern from "call/kernels.h" namespace "cyroi" nogil:
    cdef cppclass Run:
        pass
    cdef cppclass GradientJob:
        Job job
        index images, batch, blocks, bands, groups, parts, run_count
        bint zero
    cdef cppclass GradientKernels:
        int lanes
        void (*turn)(const GradientJob&, index) noexcept nogil
        void (*fill)(const GradientJob&, index) noexcept nogil
        index (*scratch)(const GradientJob&) noexcept nogil
        void (*run)(const GradientJob&, index, char*) noexcept nogil
    cdef cppclass GradientTarget:
        GradientKernels to_maps[2]
        GradientKernels to_boxes[8]

cdef extern from "call/gradient_route.h" namespace "cyroi" nogil:
    bint describe_maps(const Array&, const Array&, const Cache&, int, GradientJob&)
    bint describe_boxes(const Array&, const Array&, const Cache&, GradientJob&)

cdef extern from "call/gradient_schedule.h" namespace "cyroi" nogil:
    index batch_rows(const Job&, bint)
    index most_windows(const Job&, int)
    double cost_bound(const GradientJob&, index)
    double chunk_cost(const GradientJob&, index)
    void order_boxes(const GradientJob&, index, index*, index*)
    index cut_runs(const GradientJob&, index, double, int, Run*)
    void place_windows(const GradientJob&, index, index, index)
    index most_pieces(const GradientJob&, index, index)
    void clear_sums(const GradientJob&)
    void add_sums(const GradientJob&, double*)

cdef extern from "call/gradient_memory.h" namespace "cyroi" nogil:
    cdef cppclass Room:
        index boxes, taps, tables, windows, pieces
        int* pixels
        void* weights
        void* by_lo
        void* by_hi
        int* ends
        BoxPlan* plans
        index* order
        index* first
        Run* runs
        double* sums
        char* scratch
        index scratch_size
    size_t lay_out(Room&, const GradientJob&, char* base, const Tile&, size_t real_size, bint to_boxes, int threads)
    void publish(const Room&, GradientJob&)

cdef extern from "call/store_array.h" namespace "cyroi" nogil:
    void store_array(const Array& source, const Array& target, bint swapped)
