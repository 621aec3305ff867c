# The C++ side, as the modules of this package see it: planning (cyroi/plan.h), arrays, kernels of a SIMD target.

cdef extern from "cyroi/plan.h" namespace "cyroi" nogil:
    ctypedef long long index "cyroi::index"
    cdef enum:
        _ROI_ALIGN "cyroi::ROI_ALIGN"
        _CROP_BILINEAR "cyroi::CROP_BILINEAR"
        _CROP_NEAREST "cyroi::CROP_NEAREST"
    cdef cppclass Tile:
        index first_y, first_x, bins_y, bins_x
    cdef cppclass Operator:
        int convention
        bint aligned
        index sampling_ratio
        double spatial_scale
        index height, width, bins_y, bins_x
        Tile tile
    cdef cppclass BoxPlan:
        pass
    index tap_capacity[G](const Operator&, const G*)
    BoxPlan plan_box[G, A](const Operator&, const G*, index, index, int*, A*, int*)

cdef extern from "cyroi/elements.h" namespace "cyroi" nogil:
    index element_size(int)

cdef extern from "call/sizes.h" namespace "cyroi" nogil:
    cdef cppclass Size:
        const char* name
        const char* bounds
        index value
    const Size* sizes(int&)
    index kTile, kGradientTile, kChunkSamples, kChunkTaps, kChunkSlots, kGradientTaps, kChunkCost, kChunkSums, kTables
    index kThreadCost, kFirstSlice, kShares

cdef extern from "call/array.h" namespace "cyroi" nogil:
    cdef enum:
        _FLOAT32 "cyroi::FLOAT32"
        _FLOAT64 "cyroi::FLOAT64"
        _FLOAT16 "cyroi::FLOAT16"
        _BFLOAT16 "cyroi::BFLOAT16"
        _UINT8 "cyroi::UINT8"
        _INT8 "cyroi::INT8"
        _UINT16 "cyroi::UINT16"
        _INT16 "cyroi::INT16"
    cdef cppclass Array:
        char* data
        int element
        index shape[4]
        index strides[4]

cdef extern from "call/route.h" namespace "cyroi" nogil:
    cdef cppclass Cache:
        index own, result
    void set_tile(const Array& out, index y, index x, Job& job)
    bint describe(const Array& maps, const Array& out, double fill, const Cache& cache, Job& job)

cdef extern from "call/kernels.h" namespace "cyroi" nogil:
    cdef enum:
        _PIXELS "cyroi::PIXELS"
    cdef cppclass Block:
        pass
    cdef cppclass Cut:
        index elements, table
    cdef cppclass Output:
        char* data
    cdef cppclass Job:
        index bins_y, bins_x, first_box
        int route
        Output out
    cdef cppclass Schedule:
        index items
        double cost
    cdef cppclass Kernels:
        int lanes
        Cut (*cut)(const Job&, index, Block*) noexcept nogil
        void (*fill)(const Job&, index, void*, void*) noexcept nogil
        index (*scratch)(const Job&) noexcept nogil
        void (*run)(const Job&, const Schedule&, index, char*) noexcept nogil
    cdef cppclass Target:
        Kernels of[8]
    index slot_capacity(index)
    index block_capacity(index)
    void make_schedule(const Job&, index, int, Schedule&)

cdef extern from "call/plan_memory.h" namespace "cyroi" nogil:
    cdef cppclass Plan:
        index boxes, taps
        BoxPlan* plans
        int* ends
        int* pixels
        void* weights
        Cut* cuts
        Block* blocks
        void* at
        void* slot_weights
        index* order
        char* scratch
        index scratch_size
    size_t lay_out(Plan&, char* base, const Tile&, size_t real_size, int lanes, bint blocks, int threads)
    void publish(const Plan&, Job&, Schedule&)
