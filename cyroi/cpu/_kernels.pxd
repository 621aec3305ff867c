# The C++ side, as _core sees it: planning (cyroi/plan.h) and the kernels of a SIMD target (kernels.h).

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

cdef extern from "kernels.h" namespace "cyroi" nogil:
    cdef enum:
        _PLANES "cyroi::PLANES"
        _FUSED "cyroi::FUSED"
        _PIXELS "cyroi::PIXELS"
        _MAX_FUSED_CHANNELS "cyroi::MAX_FUSED_CHANNELS"
    cdef cppclass Strides:
        index n, c, y, x
    cdef cppclass Block:
        pass
    cdef cppclass Cut:
        index slots, table
    cdef cppclass Job:
        Strides maps, out
        index channels, row_channels, row_elements, bins_y, bins_x, first_box
        double fill
        int route
        bint out_contiguous
        const BoxPlan* boxes
        const int* ends
        const int* pixels
        const Cut* cuts
        const Block* blocks
    cdef cppclass Arrays[A]:
        const A* maps
        A* out
        const A* weights
        const void* at
        const A* slot_weights
    cdef cppclass Span:
        pass
    cdef cppclass Group:
        pass
    cdef cppclass Schedule:
        index* order
        Span* spans
        Group* groups
        index items
        double cost
    cdef cppclass Kernels[A]:
        int lanes
        Cut (*cut)(const Job&, const A*, index, Block*) noexcept nogil
        void (*fill)(const Job&, const A*, index, void*, A*) noexcept nogil
        void (*run)(const Job&, const Schedule&, const Arrays[A]&, index) noexcept nogil
    cdef cppclass Target:
        Kernels[float] floats
        Kernels[double] doubles
    index slot_capacity(index)
    index span_capacity(index, index)
    void make_schedule(const Job&, index, Schedule&)
