# distutils: language = c++
"""Planning and execution on the CPU: boxes to taps, taps to results, prange inside, nothing of Python in between.

Decisions
a) One entry, `apply`, serves every separable operator: the operator is plain data (`cyroi/plan.h`), its geometry
   has become taps before the first pixel is read. It runs without the GIL and without a Python object, so that the
   Python face (`execute`), the quick face of small calls (`_quick`) and the C face (`_c_api`) are one implementation.
b) Arrays arrive as pointers and strides, not as typed memoryviews: four of those cost more than a whole small call.
c) The output comes in tiles of kTile (sizes.h) bins per axis, the boxes of a tile in chunks, the same chunks for every
   tile. A chunk is planned (parallel over boxes), scheduled (serial, cheap) and executed (parallel over work items).
   Tiles and chunks bound the time of planning and the memory of the taps; their sizes cannot change a result.
d) All memory of a call, for its largest chunk, is one allocation before anything is written to `out`.
   Inside the regions nothing is allocated, nothing raises, nobody takes the GIL.
e) A call runs in slices of about SLICE_SECONDS. Between two slices signals are looked at, so that Ctrl-C works; the
   slice length follows the clock, the results do not.
f) The number of threads is decided by `cyroi.arguments.threads`; here it is only lowered, where the work is too small to pay for
   a team (kThreadCost) or the system refuses one (`_host.team`).
g) Kernels are functions of the SIMD target that `_targets` chose, called through the table `target`.
h) One thread takes an ordinary loop: a region costs half a microsecond even where it does not fork.
i) No function that contains a prange has default arguments (Cython issue 4755 miscompiles them).
"""
from cython.parallel cimport prange, threadid
from cpython.buffer cimport PyBUF_STRIDED, PyBUF_STRIDED_RO, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_Occurred
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdlib cimport free, malloc

from ._host cimport team
from ._kernels cimport (
    _BFLOAT16, _CROP_BILINEAR, _CROP_NEAREST, _FLOAT16, _FLOAT32, _FLOAT64, _INT8, _INT16, _PIXELS, _ROI_ALIGN, _UINT8,
    _UINT16, Array, Cache, Job, Kernels, Operator, Plan, Schedule, Size, Target, block_capacity, describe, element_size,
    index, kChunkSamples, kChunkSlots, kChunkTaps, kFirstSlice, kThreadCost, kTile, lay_out, make_schedule, plan_box,
    publish, set_tile, sizes, slot_capacity, tap_capacity,
)

ROI_ALIGN = _ROI_ALIGN
CROP_BILINEAR = _CROP_BILINEAR
CROP_NEAREST = _CROP_NEAREST
# Storage types by the name of their dtype.
ELEMENTS = {
    "float32": _FLOAT32, "float64": _FLOAT64, "float16": _FLOAT16, "bfloat16": _BFLOAT16,
    "uint8": _UINT8, "int8": _INT8, "uint16": _UINT16, "int16": _INT16,
}

cdef dict listed_sizes():
    cdef int count = 0, i
    cdef const Size* all = sizes(count)
    return {all[i].name.decode(): (all[i].value, all[i].bounds.decode()) for i in range(count)}


# The list of sizes.h: name -> (value, what of a call it bounds).
SIZES = listed_sizes()

cdef extern from *:
    """
    #include <chrono>
    static double cyroi_seconds() {
        return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    }
    """
    double cyroi_seconds() noexcept nogil

cdef extern from "Python.h":
    # Not Cython's declaration, whose exception a function without exceptions would drop.
    int check_signals "PyErr_CheckSignals"()

ctypedef fused geometry:  # coordinates
    float
    double

ctypedef fused real:  # what is computed with; weights of the taps
    float
    double

cdef double SLICE_SECONDS = 0.015
cdef double WORK_PER_SAMPLE = 8  # cost units (cpu/schedule.h) of planning one sample

cdef const Target* target = NULL
cdef Cache cache


def use_target(capsule):
    """Sets the SIMD target, the `table` of one of the target modules. Once, before the first call."""
    global target
    target = <const Target*> PyCapsule_GetPointer(capsule, "cyroi.Target")


def lanes():
    """Elements in a vector of the target, by the name of the type that is computed with."""
    return {"float32": target.of[<int> _FLOAT32].lanes, "float64": target.of[<int> _FLOAT64].lanes}


def use_caches(index own, index result):
    """Sets the bytes of cache that a core has to itself, and of a result that is not worth keeping in the caches."""
    cache.own, cache.result = own, result


cdef double seconds() noexcept nogil:
    return cyroi_seconds()


cdef bint interrupted() noexcept with gil:
    """Whether a signal handler raised; its exception is then set, see raise_for()."""
    return check_signals() != 0


cdef index samples_per_box(const Operator& op) noexcept nogil:
    """At most this many samples are looked at to plan one box."""
    cdef index bins = op.tile.bins_y + op.tile.bins_x
    return bins * op.sampling_ratio if op.sampling_ratio > 0 else bins + 2 * (op.height + op.width)


cdef index count_chunk(const Operator& op, const geometry* boxes, index count, index* taps) noexcept nogil:
    """How many of the next `count` > 0 boxes make a chunk (one at least); `taps`: room for their taps."""
    cdef index k, room, most = kChunkSamples // samples_per_box(op)
    most = max(<index> 1, min(most, kChunkSlots // slot_capacity(op.tile.bins_x)))
    taps[0] = tap_capacity(op, boxes)
    for k in range(1, min(count, most)):
        room = tap_capacity(op, boxes + 4 * k)
        if taps[0] + room > kChunkTaps:
            return k
        taps[0] += room
    return min(count, most)


cdef Status measure(const Operator& op, const geometry* boxes, index count, bint interruptible, Plan& plan
                    ) noexcept nogil:
    """The largest chunk. Boxes are cut into chunks as the largest tile wants it, for every tile alike (run_tile): a
    smaller one would put more boxes into a chunk than the memory of the largest holds."""
    cdef index first = 0, here, taps = 0
    plan.boxes = plan.taps = 0
    while first < count:
        here = count_chunk(op, boxes + 4 * first, count - first, &taps)
        plan.boxes = max(plan.boxes, here)
        plan.taps = max(plan.taps, taps)
        first += here
        if first < count and interruptible and interrupted():
            return INTERRUPTED
    if plan.taps >= <index> 1 << 31:
        return NO_MEMORY
    return OK


cdef void plan_chunk(const Operator& op, const geometry* boxes, const Py_ssize_t* images, index count, const Plan& plan,
                     real* weights, int threads) noexcept nogil:
    """Plans `count` boxes, each into its own part of the arrays."""
    cdef index k, room = 0, bins = op.tile.bins_y + op.tile.bins_x
    cdef index* offsets = plan.order  # not in use yet
    for k in range(count):
        offsets[k] = room
        room += tap_capacity(op, boxes + 4 * k)
    if threads == 1:
        for k in range(count):
            plan.plans[k] = plan_box(op, boxes + 4 * k, images[k], offsets[k], plan.pixels, weights,
                                     plan.ends + k * bins)
        return
    for k in prange(count, num_threads=threads, schedule='static'):
        plan.plans[k] = plan_box(op, boxes + 4 * k, images[k], offsets[k], plan.pixels, weights, plan.ends + k * bins)


cdef void cut_chunk(const Job& job, const Kernels& kernels, index count, const Plan& plan, int threads) noexcept nogil:
    """Cuts the rows of `count` planned boxes into blocks, then fills the blocks' tables, one box behind the other."""
    cdef index k, table = 0
    if threads == 1:
        for k in range(count):
            plan.cuts[k] = kernels.cut(job, k, plan.blocks + k * block_capacity(job.bins_x))
            plan.cuts[k].table = table
            table += plan.cuts[k].elements
            kernels.fill(job, k, plan.at, plan.slot_weights)
        return
    for k in prange(count, num_threads=threads, schedule='static'):
        plan.cuts[k] = kernels.cut(job, k, plan.blocks + k * block_capacity(job.bins_x))
    for k in range(count):
        plan.cuts[k].table = table
        table += plan.cuts[k].elements
    for k in prange(count, num_threads=threads, schedule='static'):
        kernels.fill(job, k, plan.at, plan.slot_weights)


cdef Status run_items(const Job& job, const Kernels& kernels, const Schedule& schedule, const Plan& plan, int threads,
                      bint interruptible) noexcept nogil:
    """Runs all work items, in slices, and looks for signals in between."""
    cdef index i, last, item = 0
    cdef index length = <index> (schedule.items * (kFirstSlice * <double> threads / (schedule.cost + 1)))
    cdef double start
    if not interruptible:
        length = schedule.items
    while item < schedule.items:
        last = item + min(schedule.items - item, max(length, <index> threads))
        start = cyroi_seconds() if last < schedule.items else 0
        if threads == 1:
            for i in range(item, last):
                kernels.run(job, schedule, i, plan.scratch)
        else:
            for i in prange(item, last, num_threads=threads, schedule='dynamic'):
                kernels.run(job, schedule, i, plan.scratch + threadid() * plan.scratch_size)
        if last < schedule.items:
            if interrupted():
                return INTERRUPTED
            length = <index> ((last - item) * min(4.0, SLICE_SECONDS / (cyroi_seconds() - start + 1e-9)))
        item = last
    return OK


cdef int thread_count(double work, int most) noexcept nogil:
    """Threads that the work pays for and the system grants. Asked right before a region opens, and outside of any."""
    cdef int threads = <int> max(1.0, min(<double> most, work / <double> kThreadCost))
    return team(threads, most) if threads > 1 else 1


cdef Status run_tile(const Operator& op, const Operator& largest, Job job, const Kernels& kernels, const Plan& plan,
                     const geometry* boxes, const Py_ssize_t* images, index total, real* weights, int num_threads,
                     bint interruptible) noexcept nogil:
    """Plans and executes all boxes for the tile of `op`, in the chunks of `largest`."""
    cdef Schedule schedule
    cdef Status status
    cdef index first = 0, count, taps = 0
    cdef int threads
    publish(plan, job, schedule)
    job.bins_y, job.bins_x = op.tile.bins_y, op.tile.bins_x
    while first < total:
        job.first_box = first
        count = count_chunk(largest, boxes + 4 * first, total - first, &taps)
        threads = thread_count(WORK_PER_SAMPLE * count * samples_per_box(op), num_threads)
        plan_chunk(op, boxes + 4 * first, images + first, count, plan, weights, threads)
        if job.route != _PIXELS:
            cut_chunk(job, kernels, count, plan, threads)
        make_schedule(job, count, num_threads, schedule)
        threads = thread_count(min(schedule.cost, <double> (schedule.items * kThreadCost)), num_threads)
        status = run_items(job, kernels, schedule, plan, threads, interruptible)
        first += count
        if status != OK:
            return status
        if first < total and interruptible and interrupted():
            return INTERRUPTED
    return OK


cdef Status run_tiles(Operator& op, Job& job, const Array& out, const Kernels& kernels, const geometry* boxes,
                      const Py_ssize_t* images, index total, real zero, int num_threads, bint interruptible
                      ) noexcept nogil:
    """All tiles, in memory that is allocated before the first. zero: says in which type is computed."""
    cdef Plan plan
    cdef Status status = OK
    cdef Operator largest
    cdef size_t size
    cdef char* memory
    cdef index y = 0, x
    op.tile.first_y, op.tile.first_x = 0, 0
    op.tile.bins_y, op.tile.bins_x = min(op.bins_y, kTile), min(op.bins_x, kTile)
    largest = op
    status = measure(largest, boxes, total, interruptible, plan)
    if status != OK:
        return status
    plan.scratch_size = kernels.scratch(job)
    size = lay_out(plan, NULL, largest.tile, sizeof(real), kernels.lanes, job.route != _PIXELS, num_threads)
    memory = <char*> malloc(size + 64) if size < <size_t> -64 else NULL
    if memory == NULL:
        return NO_MEMORY
    lay_out(plan, memory + (64 - <size_t> memory % 64), largest.tile, sizeof(real), kernels.lanes,
            job.route != _PIXELS, num_threads)
    while y < op.bins_y:
        op.tile.first_y, op.tile.bins_y = y, min(op.bins_y - y, kTile)
        x = 0
        while x < op.bins_x:
            op.tile.first_x, op.tile.bins_x = x, min(op.bins_x - x, kTile)
            set_tile(out, y, x, job)
            if x + y > 0 and interruptible and interrupted():
                status = INTERRUPTED
            else:
                status = run_tile(op, largest, job, kernels, plan, boxes, images, total, <real*> plan.weights,
                                  num_threads, interruptible)
            if status != OK:
                free(memory)
                return status
            x += kTile
        y += kTile
    free(memory)
    return OK


cdef Status apply(Operator& op, const Array& maps, const Array& out, const void* boxes, bint wide,
                  const Py_ssize_t* images, index count, double fill, int num_threads, bint interruptible
                  ) noexcept nogil:
    """Applies a separable operator, convention and arguments in `op`. Every argument was validated: indices are in
    range, nothing overlaps, out has `count` boxes, as many channels as maps, and at least one element.

    maps    x or c has a stride of one element                                  IN
    out     any strides                                                         OUT
    boxes   y1 x1 y2 x2 each, in doubles if `wide`, else in floats; private     IN
    images  the image of each box, private                                      IN
    """
    cdef Job job
    cdef const Kernels* kernels = &target.of[maps.element]
    cdef bint doubles = maps.element == _FLOAT64
    op.height, op.width, op.bins_y, op.bins_x = maps.shape[2], maps.shape[3], out.shape[2], out.shape[3]
    if not describe(maps, out, fill, cache, job):
        return BAD_STRIDES
    if wide and doubles:
        return run_tiles(op, job, out, kernels[0], <const double*> boxes, images, count, <double> 0, num_threads,
                         interruptible)
    if wide:
        return run_tiles(op, job, out, kernels[0], <const double*> boxes, images, count, <float> 0, num_threads,
                         interruptible)
    return run_tiles(op, job, out, kernels[0], <const float*> boxes, images, count, <float> 0, num_threads,
                     interruptible)


cdef int raise_for(Status status) except -1:
    """Raises what a status stands for; after INTERRUPTED, the exception that a signal handler left."""
    if status == NO_MEMORY:
        raise MemoryError("working memory, for taps or tables, cannot be allocated")
    if status == BAD_STRIDES:
        raise AssertionError("the innermost stride of the maps must be one element")
    return -1 if status == INTERRUPTED and PyErr_Occurred() else 0


cdef void read_array(const Py_buffer& buffer, int element, Array& array) noexcept:
    cdef int axis
    array.data, array.element = <char*> buffer.buf, element
    for axis in range(4):
        array.shape[axis], array.strides[axis] = buffer.shape[axis], buffer.strides[axis]


def execute(maps, boxes, images, out, int maps_element, int out_element, int convention, double spatial_scale,
            index sampling_ratio, bint aligned, double fill, int num_threads):
    """Applies a separable operator to arrays that were validated (see `apply`).

    maps    images, channels, rows, columns
    boxes   (K, 4) float32, or float64, which it must be for float64 maps; contiguous
    images  (K,) intp, contiguous
    out     boxes, channels, bins_y, bins_x
    """
    cdef Py_buffer held[4]
    cdef Array source, result
    cdef Operator op
    cdef Status status
    cdef bint wide
    cdef int got = 0
    op.convention, op.spatial_scale, op.sampling_ratio, op.aligned = convention, spatial_scale, sampling_ratio, aligned
    try:
        for array, flags in ((maps, PyBUF_STRIDED_RO), (boxes, PyBUF_STRIDED_RO), (images, PyBUF_STRIDED_RO),
                             (out, PyBUF_STRIDED)):
            PyObject_GetBuffer(array, &held[got], flags)
            got += 1
        read_array(held[0], maps_element, source)
        read_array(held[3], out_element, result)
        wide = held[1].itemsize == 8
        if not (held[1].shape[0] == held[2].shape[0] == result.shape[0] and source.shape[1] == result.shape[1]
                and held[1].shape[1] == 4 and held[0].itemsize == element_size(maps_element)
                and held[3].itemsize == element_size(out_element) and (wide or maps_element != _FLOAT64)):
            raise AssertionError("maps, boxes, images and out must agree")
        with nogil:
            status = apply(op, source, result, held[1].buf, wide, <const Py_ssize_t*> held[2].buf, result.shape[0],
                           fill, num_threads, True)
    finally:
        while got > 0:
            got -= 1
            PyBuffer_Release(&held[got])
    raise_for(status)
