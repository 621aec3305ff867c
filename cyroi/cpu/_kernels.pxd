# The C++ side, as the modules of this package see it.

cdef extern from "cyroi/plan.h" namespace "cyroi" nogil:
    ctypedef long long index "cyroi::index"
    cdef enum:
        _ROI_ALIGN "cyroi::ROI_ALIGN"
        _CROP_BILINEAR "cyroi::CROP_BILINEAR"
        _CROP_NEAREST "cyroi::CROP_NEAREST"
    int kBoxSides
    cdef cppclass Tile:
        index first_y, first_x, bins_y, bins_x
    cdef cppclass Operator:
        int convention
        bint aligned
        index sampling_ratio
        double spatial_scale
        bint snap_edges
        index height, width, bins_y, bins_x
        Tile tile
    cdef cppclass BoxPlan:
        index taps

cdef extern from "cyroi/elements.h" namespace "cyroi" nogil:
    cdef enum:
        _FLOAT32 "cyroi::FLOAT32"
        _FLOAT64 "cyroi::FLOAT64"
        _FLOAT16 "cyroi::FLOAT16"
        _BFLOAT16 "cyroi::BFLOAT16"
        _UINT8 "cyroi::UINT8"
        _INT8 "cyroi::INT8"
        _UINT16 "cyroi::UINT16"
        _INT16 "cyroi::INT16"
    index element_size(int)

cdef extern from "call/sizes.h" namespace "cyroi" nogil:
    cdef cppclass Size:
        const char* name
        const char* bounds
        index value
    const Size* sizes(int&)
    index kBoxesTogether, kThreadCost

cdef extern from "call/array.h" namespace "cyroi" nogil:
    cdef cppclass Array:
        char* data
        int element
        index shape[4]
        index strides[4]

cdef extern from "call/route.h" namespace "cyroi" nogil:
    cdef cppclass Cache:
        index own, result

cdef extern from "call/kernels.h" namespace "cyroi" nogil:
    cdef cppclass Kernels:
        int lanes
    cdef cppclass Target:
        Kernels forward[8]

cdef extern from "call/pass.h" namespace "cyroi" nogil:
    cdef enum Status:
        OK "cyroi::OK"
        NO_MEMORY "cyroi::NO_MEMORY"
        INTERRUPTED "cyroi::INTERRUPTED"
        BAD_STRIDES "cyroi::BAD_STRIDES"
    cdef enum Phase:
        PLAN "cyroi::PLAN"
        PREPARE "cyroi::PREPARE"
        RUN "cyroi::RUN"
    cdef cppclass Need:
        index boxes, taps, pieces
        double cost
    cdef cppclass Boxes:
        const void* values
        bint wide
        const unsigned char* narrow
        const Py_ssize_t* images
        const Py_ssize_t* rows
        index count
    cdef cppclass Chunk:
        BoxPlan* boxes
    cdef cppclass Watch:
        bint stopped()
        void stop()
        bint is_due()
        void begin()
        void judge()
    bint teams_pay()
    double& patience()
    cdef cppclass Pass:
        Boxes boxes
        Operator op, largest
        index tile, first
        Chunk* chunk
        int threads
        Watch watch
        bint bound(index k, Need& need)
        size_t lay_out(const Need& need, char* base)
        void set_tile()
        double planning()
        bint place(index count)
        index schedule(index count, double& cost)
        void work(Phase phase, index i, int thread)
        void run_watched(index item, int thread)
        void finish()

cdef extern from "call/forward_pass.h" namespace "cyroi" nogil:
    Status forward(const Target& target, const Cache& cache, const Operator& op, const Array& maps, const Array& out,
                   const Boxes& boxes, double fill, int threads, bint interruptible, Status (*drive)(Pass&) noexcept)

cdef extern from "call/gradient_pass.h" namespace "cyroi" nogil:
    Status gradient(const Target& target, const Cache& cache, const Operator& op, const Array& maps, const Array& grad,
                    const Boxes& boxes, double* result, int threads, Status (*drive)(Pass&) noexcept)

cdef extern from "call/store_array.h" namespace "cyroi" nogil:
    void store_array(const Array& source, const Array& target, bint swapped)
