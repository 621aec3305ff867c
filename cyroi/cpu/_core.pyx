# distutils: language = c++
"""Planning and execution on the CPU: typed memoryviews in, prange inside, nothing of Python in the parallel regions.

Decisions
a) One entry, `execute`, serves every separable operator: the operator is plain data (`cyroi/plan.h`), its geometry
   has become taps before the first pixel is read.
b) The output comes in tiles of MAX_TILE bins per axis, the boxes of a tile in chunks, the same chunks for every tile. A
   chunk is planned (parallel over boxes), scheduled (serial, cheap) and executed (parallel over work items). Tiles and
   chunks bound the time of planning and the memory of the taps; their sizes cannot change a result.
c) All memory of a call, for its largest chunk and for every thread, is allocated before anything is written to `out`.
   Inside the regions nothing is allocated, nothing raises, nobody takes the GIL.
d) A call runs in slices of about SLICE_SECONDS. Between two slices signals are looked at, so that Ctrl-C works; the
   slice length follows the clock, the results do not.
e) The number of threads is decided by `cyroi._threads`; here it is only lowered where the work is too small to pay for
   a team (WORK_PER_THREAD).
f) Kernels are functions of the SIMD target that `_targets` chose, called through the table `kernels`.
g) No function that contains a prange has default arguments (Cython issue 4755 miscompiles them).
"""
from cython.parallel cimport prange
from cpython.exc cimport PyErr_CheckSignals
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdlib cimport free, malloc
from time import perf_counter

from ._kernels cimport (
    _CROP_BILINEAR, _CROP_NEAREST, _FUSED, _MAX_FUSED_CHANNELS, _PIXELS, _PLANES, _ROI_ALIGN, Arrays, Block, BoxPlan,
    Cut, Group, Job, Operator, Schedule, Span, Target, Tile, index, make_schedule, plan_box, slot_capacity,
    span_capacity, tap_capacity,
)

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
cdef double FIRST_SLICE_WORK = 1e6       # cost units (cpu/schedule.h) per thread, about a millisecond
cdef double WORK_PER_THREAD = 1e5        # cost units that pay for one more thread, about 0.1 ms
cdef double WORK_PER_SAMPLE = 8          # cost units of planning one sample
cdef double MAX_CHUNK_SAMPLES = 1 << 22  # bounds the time of planning, which is one region per chunk
cdef index MAX_CHUNK_TAPS = 1 << 21
cdef index MAX_CHUNK_SLOTS = 1 << 18     # lanes * 8 or 16 bytes each, of which few are used
cdef index MAX_TILE = 2048               # bins per axis that are planned at once
cdef index MAX_FUSED_PIXEL = 16          # elements from a column to the next, up to which rows of pixels are fused

cdef const Target* kernels = NULL


def use_target(capsule):
    """Sets the SIMD target, the `table` of one of the target modules. Once, before the first call."""
    global kernels
    kernels = <const Target*> PyCapsule_GetPointer(capsule, "cyroi.Target")


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
    """The memory of a call's largest chunk: taps, bin ends, box plans, schedule, blocks and their tables."""
    cdef index most_boxes, most_taps
    cdef Memory pixels, weights, ends, boxes, order, spans, groups, cuts, blocks, at, slot_weights

    cdef int measure(self, const Operator& op, const geometry* boxes, index count) except -1:
        """The largest chunk. Boxes are cut into chunks as the largest tile wants it, for every tile alike (run_tile): a
        smaller one would put more boxes into a chunk than the memory of the largest holds."""
        cdef index first = 0, here, taps = 0
        while first < count:
            with nogil:
                here = count_chunk(op, boxes + 4 * first, count - first, &taps)
            self.most_boxes = max(self.most_boxes, here)
            self.most_taps = max(self.most_taps, taps)
            first += here
            PyErr_CheckSignals()
        return 0

    cdef int allocate(self, const Tile& tile, size_t weight_size, int lanes, bint blocks) except -1:
        cdef index n = self.most_boxes, slots = n * slot_capacity(tile.bins_x) * lanes if blocks else 0
        if self.most_taps >= 1 << 31:
            raise MemoryError("one box needs more than 2**31 taps")
        self.pixels = Memory(self.most_taps, sizeof(int))
        self.weights = Memory(self.most_taps, weight_size)
        self.ends = Memory(n * (tile.bins_y + tile.bins_x), sizeof(int))
        self.boxes = Memory(n, sizeof(BoxPlan))
        self.order = Memory(n, sizeof(index))
        self.spans = Memory(span_capacity(n, tile.bins_y), sizeof(Span))
        self.groups = Memory(n, sizeof(Group))
        self.cuts = Memory(n, sizeof(Cut))
        self.blocks = Memory(n * tile.bins_x if blocks else 0, sizeof(Block))
        self.at = Memory(slots, weight_size)
        self.slot_weights = Memory(slots, weight_size)
        return 0

    cdef void publish(self, Job& job, Schedule& schedule) noexcept:
        job.boxes, job.ends, job.pixels = <BoxPlan*> self.boxes.data, <int*> self.ends.data, <int*> self.pixels.data
        job.cuts, job.blocks = <Cut*> self.cuts.data, <Block*> self.blocks.data
        schedule.order, schedule.spans = <index*> self.order.data, <Span*> self.spans.data
        schedule.groups = <Group*> self.groups.data


cdef index samples_per_box(const Operator& op) noexcept nogil:
    """At most this many samples are looked at to plan one box."""
    cdef index bins = op.tile.bins_y + op.tile.bins_x
    return bins * op.sampling_ratio if op.sampling_ratio > 0 else bins + 2 * (op.height + op.width)


cdef index count_chunk(const Operator& op, const geometry* boxes, index count, index* taps) noexcept nogil:
    """How many of the next `count` > 0 boxes make a chunk (one at least); `taps`: room for their taps."""
    cdef index k, room, most = <index> (MAX_CHUNK_SAMPLES / samples_per_box(op))
    most = max(<index> 1, min(most, MAX_CHUNK_SLOTS // slot_capacity(op.tile.bins_x)))
    taps[0] = tap_capacity(op, boxes)
    for k in range(1, min(count, most)):
        room = tap_capacity(op, boxes + 4 * k)
        if taps[0] + room > MAX_CHUNK_TAPS:
            return k
        taps[0] += room
    return min(count, most)


cdef void plan_chunk(const Operator& op, const geometry* boxes, const Py_ssize_t* images, index count, index* offsets,
                     BoxPlan* plans, int* ends, int* pixels, real* weights, int threads) noexcept nogil:
    """Plans `count` boxes, each into its own part of the arrays. offsets: scratch, one per box."""
    cdef index k, room = 0
    for k in range(count):
        offsets[k] = room
        room += tap_capacity(op, boxes + 4 * k)
    for k in prange(count, num_threads=threads, use_threads_if=threads > 1, schedule='static'):
        plans[k] = plan_box(op, boxes + 4 * k, images[k], offsets[k], pixels, weights,
                            ends + k * (op.tile.bins_y + op.tile.bins_x))


cdef void cut_chunk(const Job& job, index count, Cut* cuts, Block* blocks, void* at, real* slot_weights,
                    const real* weights, int threads) noexcept nogil:
    """Cuts the rows of `count` planned boxes into blocks, then fills the blocks' tables, one box behind the other."""
    cdef index k, table = 0
    for k in prange(count, num_threads=threads, use_threads_if=threads > 1, schedule='static'):
        if real is float:
            cuts[k] = kernels.floats.cut(job, weights, k, blocks + k * job.bins_x)
        else:
            cuts[k] = kernels.doubles.cut(job, weights, k, blocks + k * job.bins_x)
    for k in range(count):
        cuts[k].table = table
        table += cuts[k].slots
    for k in prange(count, num_threads=threads, use_threads_if=threads > 1, schedule='static'):
        if real is float:
            kernels.floats.fill(job, weights, k, at, slot_weights)
        else:
            kernels.doubles.fill(job, weights, k, at, slot_weights)


cdef int run_items(const Job& job, const Schedule& schedule, const Arrays[float]* floats,
                   const Arrays[double]* doubles, int threads) except -1:
    """Runs all work items, in slices, and looks for signals in between."""
    cdef index i, last, item = 0
    cdef index length = <index> (schedule.items * (FIRST_SLICE_WORK * threads / (schedule.cost + 1)))
    cdef double start
    while item < schedule.items:
        last = item + min(schedule.items - item, max(length, <index> threads))
        start = perf_counter()
        with nogil:
            for i in prange(item, last, num_threads=threads, use_threads_if=threads > 1, schedule='dynamic'):
                if floats != NULL:
                    kernels.floats.run(job, schedule, floats[0], i)
                else:
                    kernels.doubles.run(job, schedule, doubles[0], i)
        PyErr_CheckSignals()
        length = <index> ((last - item) * min(4.0, SLICE_SECONDS / (perf_counter() - start + 1e-9)))
        item = last
    return 0


cdef int describe(Job& job, const real[:, :, :, :] maps, real[:, :, :, :] out, double fill) except -1:
    """Strides, route (cpu/executor.h) and what follows from them.

    The stride of an axis of length 1 means nothing (and NumPy exports another one than it shows): x takes 1 there.
    """
    cdef Py_ssize_t size = sizeof(real)
    job.maps.n, job.maps.c = maps.strides[0] // size, maps.strides[1] // size
    job.maps.y, job.maps.x = maps.strides[2] // size, maps.strides[3] // size if maps.shape[3] > 1 else 1
    job.out.n, job.out.c = out.strides[0] // size, out.strides[1] // size
    job.out.y, job.out.x = out.strides[2] // size, out.strides[3] // size
    job.channels, job.fill = maps.shape[1], fill
    if job.maps.x == 1:
        job.route = _PLANES
    elif job.maps.c != 1 and job.channels > 1:
        raise AssertionError("the innermost stride of the maps must be one element")
    elif job.channels <= _MAX_FUSED_CHANNELS and job.channels <= job.maps.x <= MAX_FUSED_PIXEL:
        job.route = _FUSED
    else:
        job.route = _PIXELS
    job.row_channels = job.channels if job.route == _FUSED else 1
    job.row_elements = (maps.shape[3] - 1) * job.maps.x + job.row_channels
    job.out_contiguous = job.out.x == job.row_channels and (job.row_channels == 1 or job.out.c == 1)
    return 0


cdef int thread_count(double work, int most) noexcept nogil:
    """Threads that the work pays for."""
    return <int> max(1.0, min(<double> most, work / WORK_PER_THREAD))


cdef int run_tile(const Operator& op, const Operator& largest, Job job, Plan plan, const geometry* boxes,
                  const Py_ssize_t* images, index total, const real* maps, real* out, int num_threads) except -1:
    """Plans and executes all boxes for the tile of `op`, in the chunks of `largest`; `out` points to its first bin."""
    cdef Schedule schedule
    cdef Arrays[real] arrays
    cdef index first = 0, count, taps = 0
    cdef real* weights = <real*> plan.weights.data
    cdef int threads
    plan.publish(job, schedule)
    job.bins_y, job.bins_x = op.tile.bins_y, op.tile.bins_x
    arrays.maps, arrays.out, arrays.weights = maps, out, weights
    arrays.at, arrays.slot_weights = plan.at.data, <real*> plan.slot_weights.data
    while first < total:
        with nogil:
            job.first_box = first
            count = count_chunk(largest, boxes + 4 * first, total - first, &taps)
            threads = thread_count(WORK_PER_SAMPLE * count * samples_per_box(op), num_threads)
            plan_chunk(op, boxes + 4 * first, images + first, count, schedule.order, <BoxPlan*> plan.boxes.data,
                       <int*> plan.ends.data, <int*> plan.pixels.data, weights, threads)
            if job.route != _PIXELS:
                cut_chunk(job, count, <Cut*> plan.cuts.data, <Block*> plan.blocks.data, plan.at.data,
                          <real*> plan.slot_weights.data, weights, threads)
            make_schedule(job, count, schedule)
            threads = thread_count(min(schedule.cost, schedule.items * WORK_PER_THREAD), num_threads)
        PyErr_CheckSignals()
        if real is float:
            run_items(job, schedule, &arrays, NULL, threads)
        else:
            run_items(job, schedule, NULL, &arrays, threads)
        first += count
    return 0


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
    cdef Operator op, largest
    cdef Job job
    cdef Plan plan = Plan()
    cdef index total = boxes.shape[0], y, x
    cdef const real* pixels = &maps[0, 0, 0, 0] if maps.shape[2] and maps.shape[3] else NULL

    if not (total == images.shape[0] == out.shape[0] and maps.shape[1] == out.shape[1] and boxes.shape[1] == 4):
        raise AssertionError("maps, boxes, images and out must agree")
    op.convention, op.spatial_scale = convention, spatial_scale
    op.sampling_ratio, op.aligned = sampling_ratio, aligned
    op.height, op.width, op.bins_y, op.bins_x = maps.shape[2], maps.shape[3], out.shape[2], out.shape[3]
    op.tile.first_y, op.tile.first_x = 0, 0
    op.tile.bins_y, op.tile.bins_x = min(op.bins_y, MAX_TILE), min(op.bins_x, MAX_TILE)
    largest = op
    describe(job, maps, out, fill)
    plan.measure(largest, &boxes[0, 0], total)
    plan.allocate(largest.tile, sizeof(real), kernels.floats.lanes if real is float else kernels.doubles.lanes,
                  job.route != _PIXELS)
    for y in range(0, op.bins_y, MAX_TILE):
        for x in range(0, op.bins_x, MAX_TILE):
            op.tile.first_y, op.tile.bins_y = y, min(op.bins_y - y, MAX_TILE)
            op.tile.first_x, op.tile.bins_x = x, min(op.bins_x - x, MAX_TILE)
            run_tile(op, largest, job, plan, &boxes[0, 0], &images[0], total, pixels, &out[0, 0, y, x], num_threads)
