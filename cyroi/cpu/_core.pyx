# distutils: language = c++
"""Planning and execution on the CPU: typed memoryviews in, prange inside, nothing of Python in the parallel regions.

Decisions
a) One entry, `execute`, serves every separable operator: the operator is plain data (`cyroi/plan.h`), its geometry
   has become taps before the first pixel is read.
b) Boxes come in chunks. A chunk is planned (parallel over boxes), scheduled (serial, cheap) and executed (parallel over
   work items). Chunks bound the memory of the taps; their size cannot change a result.
c) All memory of a call, for its largest chunk and for every thread, is allocated before anything is written to `out`.
   Inside the regions nothing is allocated, nothing raises, nobody takes the GIL.
d) A call runs in slices of about SLICE_SECONDS. Between two slices signals are looked at, so that Ctrl-C works; the
   slice length follows the clock, the results do not.
e) The number of threads is decided by `cyroi._threads`; here it is only lowered where the work is too small to pay for
   a team (WORK_PER_THREAD).
f) No function that contains a prange has default arguments (Cython issue 4755 miscompiles them).
"""
from cython.parallel cimport prange, threadid
from cpython.exc cimport PyErr_CheckSignals
from libc.stdlib cimport free, malloc
from time import perf_counter

cdef extern from "cyroi/plan.h" namespace "cyroi" nogil:
    ctypedef long long index "cyroi::index"
    cdef enum:
        _ROI_ALIGN "cyroi::ROI_ALIGN"
        _CROP_BILINEAR "cyroi::CROP_BILINEAR"
        _CROP_NEAREST "cyroi::CROP_NEAREST"
    cdef cppclass Operator:
        int convention
        bint aligned
        index sampling_ratio
        double spatial_scale
        index height, width, bins_y, bins_x
    cdef cppclass BoxPlan:
        pass
    index tap_capacity[G](const Operator&, const G*)
    BoxPlan plan_box[G, A](const Operator&, const G*, index, index, int*, A*, int*)

cdef extern from "schedule.h" namespace "cyroi" nogil:
    cdef enum:
        _PLANES "cyroi::PLANES"
        _FUSED "cyroi::FUSED"
        _PIXELS "cyroi::PIXELS"
    cdef cppclass Strides:
        index n, c, y, x
    cdef cppclass Job:
        Strides maps, out
        index channels, bins_y, bins_x, first_box
        double fill
        int route
        const BoxPlan* boxes
        const int* ends
        const int* pixels
    cdef cppclass Arrays[A]:
        const A* maps
        A* out
        const A* weights
        A* scratch
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
    index scratch_row(const Job&, index)
    index span_capacity(index, index)
    void make_schedule(const Job&, index, Schedule&)
    void run_item[A](const Job&, const Schedule&, const Arrays[A]&, index, int, index)

ROI_ALIGN = _ROI_ALIGN
CROP_BILINEAR = _CROP_BILINEAR
CROP_NEAREST = _CROP_NEAREST

ctypedef fused real:  # elements of the maps, weights of the taps
    float
    double

ctypedef fused geometry:  # coordinates
    float
    double

cdef double SLICE_SECONDS = 0.015
cdef double FIRST_SLICE_WORK = 4e6       # cost units (cpu/schedule.h) per thread: some milliseconds
cdef double WORK_PER_THREAD = 1e5        # cost units that pay for one more thread, about 0.1 ms
cdef double WORK_PER_SAMPLE = 8          # cost units of planning one sample
cdef double MAX_CHUNK_SAMPLES = 1 << 22  # bounds the time of planning, which is one region per chunk
cdef index MAX_CHUNK_TAPS = 1 << 21
cdef index MAX_FUSED_PIXEL = 16          # elements from a column to the next, up to which rows of pixels are fused
cdef index MAX_FUSED_CHANNELS = 8


cdef class Memory:
    """C memory that is freed with its owner."""
    cdef void* data

    def __cinit__(self, index count, size_t size):
        if <size_t> count <= (<size_t> -1) // 2 // size:
            self.data = malloc(max(<size_t> count * size, 1))
        if self.data == NULL:
            raise MemoryError(f"{count} x {size} bytes of working memory, for taps or rows, cannot be allocated")

    def __dealloc__(self):
        free(self.data)


cdef class Plan:
    """The memory of a call's largest chunk: taps, bin ends, box plans, schedule."""
    cdef index most_boxes, most_taps
    cdef Memory pixels, weights, ends, boxes, order, spans, groups

    cdef int allocate(self, const Operator& op, size_t weight_size) except -1:
        n = self.most_boxes
        if self.most_taps >= 1 << 31:
            raise MemoryError("one box needs more than 2**31 taps")
        self.pixels = Memory(self.most_taps, sizeof(int))
        self.weights = Memory(self.most_taps, weight_size)
        self.ends = Memory(n * (op.bins_y + op.bins_x), sizeof(int))
        self.boxes = Memory(n, sizeof(BoxPlan))
        self.order = Memory(n, sizeof(index))
        self.spans = Memory(span_capacity(n, op.bins_y), sizeof(Span))
        self.groups = Memory(n, sizeof(Group))
        return 0


cdef index samples_per_box(const Operator& op) noexcept nogil:
    """At most this many samples are looked at to plan one box."""
    if op.sampling_ratio > 0:
        return (op.bins_y + op.bins_x) * op.sampling_ratio
    return op.bins_y + op.bins_x + 2 * (op.height + op.width)


cdef index count_chunk(const Operator& op, const geometry* boxes, index count, index* taps) noexcept nogil:
    """How many of the next `count` > 0 boxes make a chunk (one at least); `taps`: room for their taps."""
    cdef index k, room, most = max(<index> 1, <index> (MAX_CHUNK_SAMPLES / samples_per_box(op)))
    taps[0] = tap_capacity(op, boxes)
    for k in range(1, min(count, most)):
        room = tap_capacity(op, boxes + 4 * k)
        if taps[0] + room > MAX_CHUNK_TAPS:
            return k
        taps[0] += room
    return min(count, most)


cdef void measure_chunks(const Operator& op, const geometry* boxes, index count, index* most_boxes,
                         index* most_taps) noexcept nogil:
    """Boxes of the largest chunk, and the most room for taps that any chunk needs."""
    cdef index first = 0, boxes_here, taps = 0
    while first < count:
        boxes_here = count_chunk(op, boxes + 4 * first, count - first, &taps)
        most_boxes[0] = max(most_boxes[0], boxes_here)
        most_taps[0] = max(most_taps[0], taps)
        first += boxes_here


cdef void plan_chunk(const Operator& op, const geometry* boxes, const Py_ssize_t* images, index count, index* offsets,
                     BoxPlan* plans, int* ends, int* pixels, real* weights, int threads) noexcept nogil:
    """Plans `count` boxes, each into its own part of the arrays. offsets: scratch, one per box."""
    cdef index k, room = 0
    for k in range(count):
        offsets[k] = room
        room += tap_capacity(op, boxes + 4 * k)
    for k in prange(count, num_threads=threads, use_threads_if=threads > 1, schedule='static'):
        plans[k] = plan_box(op, boxes + 4 * k, images[k], offsets[k], pixels, weights,
                            ends + k * (op.bins_y + op.bins_x))


cdef int run_items(const Job& job, const Schedule& schedule, const real* maps, real* out, const real* weights,
                   real* scratch, index row, int threads) except -1:
    """Runs all work items, in slices, and looks for signals in between."""
    cdef Arrays[real] arrays
    cdef index i, last, item = 0
    cdef index length = <index> (schedule.items * (FIRST_SLICE_WORK * threads / (schedule.cost + 1)))
    cdef double start
    arrays.maps, arrays.out, arrays.weights, arrays.scratch = maps, out, weights, scratch
    while item < schedule.items:
        last = item + min(schedule.items - item, max(length, <index> threads))
        start = perf_counter()
        with nogil:
            for i in prange(item, last, num_threads=threads, use_threads_if=threads > 1, schedule='dynamic'):
                run_item(job, schedule, arrays, i, threadid(), row)
        PyErr_CheckSignals()
        length = <index> ((last - item) * min(4.0, SLICE_SECONDS / (perf_counter() - start + 1e-9)))
        item = last
    return 0


cdef int choose_route(const Job& job) except -1:
    """The route (cpu/executor.h) that the strides of the maps allow."""
    if job.maps.x == 1:
        return _PLANES
    if job.maps.c != 1 and job.channels > 1:
        raise AssertionError("the innermost stride of the maps must be one element")
    if job.channels <= MAX_FUSED_CHANNELS and job.channels <= job.maps.x <= MAX_FUSED_PIXEL:
        return _FUSED
    return _PIXELS


cdef int thread_count(double work, int most) noexcept nogil:
    """Threads that the work pays for."""
    return <int> max(1.0, min(<double> most, work / WORK_PER_THREAD))


def execute(const real[:, :, :, :] maps, const geometry[:, ::1] boxes, const Py_ssize_t[::1] images,
            real[:, :, :, :] out, int convention, double spatial_scale, index sampling_ratio, bint aligned,
            double fill, int num_threads):
    """Applies a separable operator. Every argument was validated: shapes agree, indices are in range, nothing overlaps
    and neither out nor boxes is empty.

    maps: images, channels, rows, columns; x or c has a stride of one element      IN
    boxes: y1 x1 y2 x2 each, private to this call                                  IN
    images: the image of each box, private to this call                            IN
    out: boxes, channels, bins_y, bins_x; any strides                              OUT
    """
    cdef Operator op
    cdef Job job
    cdef Schedule schedule
    cdef Plan plan = Plan()
    cdef index first = 0, total = boxes.shape[0], count, taps = 0, row
    cdef int threads
    cdef const real* pixels = &maps[0, 0, 0, 0] if maps.shape[2] and maps.shape[3] else NULL

    op.convention, op.spatial_scale = convention, spatial_scale
    op.sampling_ratio, op.aligned = sampling_ratio, aligned
    op.height, op.width, op.bins_y, op.bins_x = maps.shape[2], maps.shape[3], out.shape[2], out.shape[3]
    set_strides(job.maps, maps.strides, sizeof(real))
    set_strides(job.out, out.strides, sizeof(real))
    job.channels, job.bins_y, job.bins_x, job.fill = maps.shape[1], op.bins_y, op.bins_x, fill
    job.route = choose_route(job)
    row = scratch_row(job, op.width)

    with nogil:
        measure_chunks(op, &boxes[0, 0], total, &plan.most_boxes, &plan.most_taps)
    plan.allocate(op, sizeof(real))
    cdef Memory scratch = Memory(2 * row * num_threads, sizeof(real))
    schedule.order, schedule.spans = <index*> plan.order.data, <Span*> plan.spans.data
    schedule.groups = <Group*> plan.groups.data
    job.boxes, job.ends, job.pixels = <BoxPlan*> plan.boxes.data, <int*> plan.ends.data, <int*> plan.pixels.data

    while first < total:
        with nogil:
            count = count_chunk(op, &boxes[first, 0], total - first, &taps)
            threads = thread_count(WORK_PER_SAMPLE * count * samples_per_box(op), num_threads)
            plan_chunk(op, &boxes[first, 0], &images[first], count, schedule.order, <BoxPlan*> plan.boxes.data,
                       <int*> plan.ends.data, <int*> plan.pixels.data, <real*> plan.weights.data, threads)
            job.first_box = first
            make_schedule(job, count, schedule)
            threads = thread_count(min(schedule.cost, schedule.items * WORK_PER_THREAD), num_threads)
        run_items(job, schedule, pixels, &out[0, 0, 0, 0], <real*> plan.weights.data, <real*> scratch.data, row,
                  threads)
        first += count


cdef void set_strides(Strides& strides, const Py_ssize_t* bytes, Py_ssize_t size) noexcept nogil:
    strides.n, strides.c, strides.y, strides.x = (bytes[0] // size, bytes[1] // size, bytes[2] // size,
                                                  bytes[3] // size)
