# distutils: language = c++
"""Gradients on the CPU, to the maps and to the boxes: the plan of the forward pass (`_core`), executed the other way.

Decisions
a) Tiles of bins outside, chunks of boxes inside, work items of a chunk in slices between which signals are looked at,
   all memory in one allocation before the first write: as in `_core`, whose text says why.
b) To the maps, an item is a region of the maps (to_maps.h), which the first chunk zeroes and every chunk adds to. So
   chunks run one after the other, and what bounds the time to the next look for signals is the boxes of a chunk.
c) To the boxes, an item is a run of boxes and a group of channels (box_sums.h). It leaves its sums in memory of the
   chunk, and they are added up in order after all of its items.
d) Tables of windows have a fixed room. Boxes beyond it do without, which costs time and no bit.
e) One thread takes an ordinary loop. Even a region that does not fork takes memory for a team of one, and OpenMP ends
   the process where it cannot be had.
"""
from cython.parallel cimport prange, threadid
from cpython.buffer cimport PyBUF_STRIDED, PyBUF_STRIDED_RO, PyBuffer_Release, PyObject_GetBuffer
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdlib cimport free, malloc

from ._core cimport (
    BAD_STRIDES, INTERRUPTED, NO_MEMORY, OK, Status, interrupted, raise_for, read_array, samples_per_box, seconds,
    thread_count,
)
from ._gradient_kernels cimport (
    GradientJob, GradientKernels, GradientTarget, Room, add_sums, batch_rows, chunk_cost, clear_sums, cost_bound,
    cut_runs, describe_boxes, describe_maps, lay_out, most_pieces, most_windows, order_boxes, place_windows,
    plan_slopes, publish, store_array,
)
from ._kernels cimport (
    _FLOAT32, _FLOAT64, _PIXELS, Array, BoxPlan, Cache, Operator, element_size, index, kChunkCost, kChunkSamples,
    kChunkSums, kFirstSlice, kGradientTaps, kGradientTile, kShares, kTables, kThreadCost, plan_box, set_tile,
    tap_capacity,
)

ctypedef fused geometry:  # coordinates
    float
    double

ctypedef fused real:  # what is computed with
    float
    double

cdef double SLICE_SECONDS = 0.015
cdef double WORK_PER_SAMPLE = 8   # cost units (schedule.h)
cdef double WORK_PER_BOX = 1000  # to turn its taps and fill its tables

cdef const GradientTarget* target = NULL
cdef Cache cache


def use_target(capsule, index own_cache, index uncached_result):
    """As `_core.use_target`, for the capsule `gradients` of a target module."""
    global target
    target = <const GradientTarget*> PyCapsule_GetPointer(capsule, "cyroi.GradientTarget")
    cache.own, cache.result = own_cache, uncached_result


cdef struct Call:
    # What does not change between chunks.
    bint to_boxes
    const GradientKernels* kernels
    const Py_ssize_t* images
    index boxes
    double* result  # to the boxes
    int num_threads


cdef struct Chunk:
    # How many boxes, and room for what they need.
    index boxes, taps, pieces


cdef Chunk next_chunk(const Operator& op, const GradientJob& g, const geometry* boxes, index count, bint to_boxes
                      ) noexcept nogil:
    """How many of the next `count` > 0 boxes make a chunk (one at least)."""
    cdef Chunk chunk
    cdef index taps, pieces = 0, most = min(count, kChunkSamples // samples_per_box(op))
    cdef index bins = op.tile.bins_y * op.tile.bins_x
    cdef double cost = 0
    chunk.boxes = chunk.taps = chunk.pieces = 0
    while True:
        taps = tap_capacity(op, boxes + 4 * chunk.boxes)
        cost += cost_bound(g, taps)
        if to_boxes:
            pieces = most_pieces(g, taps, bins)
        if chunk.boxes > 0 and (chunk.taps + taps > kGradientTaps or cost > <double> kChunkCost
                                or (chunk.pieces + pieces) * g.groups > kChunkSums):
            return chunk
        chunk.boxes, chunk.taps, chunk.pieces = chunk.boxes + 1, chunk.taps + taps, chunk.pieces + pieces
        if chunk.boxes >= most:
            return chunk


cdef Status measure(const Operator& op, const GradientJob& g, const geometry* boxes, const Call& call, Room& room
                    ) noexcept nogil:
    """The largest chunk; chunks are those of the largest tile, for every tile."""
    cdef Chunk chunk
    cdef index first = 0, windows
    room.boxes = room.taps = room.pieces = 0
    while first < call.boxes:
        chunk = next_chunk(op, g, boxes + 4 * first, call.boxes - first, call.to_boxes)
        room.boxes = max(room.boxes, chunk.boxes)
        room.taps = max(room.taps, chunk.taps)
        room.pieces = max(room.pieces, chunk.pieces)
        first += chunk.boxes
        if first < call.boxes and interrupted():
            return INTERRUPTED
    windows = most_windows(g.job, call.kernels.lanes) if g.job.route != _PIXELS else 0
    room.tables = min(kTables, room.boxes * windows * kShares * call.kernels.lanes)
    room.windows = min(room.boxes * windows, room.tables // call.kernels.lanes)
    return NO_MEMORY if room.taps >= <index> 1 << 31 else OK


cdef BoxPlan plan_one(const Operator& op, const geometry* box, index image, index first, const Room& room, index bins,
                      index k, bint to_boxes, real zero) noexcept nogil:
    cdef int* ends = room.ends + k * bins
    if to_boxes:
        return plan_slopes(op, box, image, first, room.pixels, <real*> room.weights, <real*> room.by_lo,
                           <real*> room.by_hi, ends)
    return plan_box(op, box, image, first, room.pixels, <real*> room.weights, ends)


cdef void plan_chunk(const Operator& op, GradientJob& g, const geometry* boxes, index count, const Call& call,
                     const Room& room, real zero) noexcept nogil:
    """Plans `count` boxes, turns their taps, and fills the tables of their windows."""
    cdef index k, here = 0, bins = op.tile.bins_y + op.tile.bins_x
    cdef const Py_ssize_t* images = call.images + g.job.first_box
    cdef int threads = thread_count(count * (WORK_PER_SAMPLE * samples_per_box(op) + WORK_PER_BOX), call.num_threads)
    for k in range(count):
        room.order[k] = here
        here += tap_capacity(op, boxes + 4 * k)
    if threads == 1:
        for k in range(count):
            room.plans[k] = plan_one(op, boxes + 4 * k, images[k], room.order[k], room, bins, k, call.to_boxes, zero)
            call.kernels.turn(g, k)
    else:
        for k in prange(count, num_threads=threads, schedule='static'):
            room.plans[k] = plan_one(op, boxes + 4 * k, images[k], room.order[k], room, bins, k, call.to_boxes, zero)
            call.kernels.turn(g, k)
    if g.job.route == _PIXELS:
        return
    place_windows(g, count, room.windows, room.tables)
    if threads == 1:
        for k in range(count):
            call.kernels.fill(g, k)
    else:
        for k in prange(count, num_threads=threads, schedule='static'):
            call.kernels.fill(g, k)


cdef Status run_items(const GradientJob& g, const Call& call, const Room& room, index items, double cost
                      ) noexcept nogil:
    """Runs all work items of a chunk, in slices, and looks for signals in between."""
    cdef index i, last, item = 0
    cdef int threads = thread_count(min(cost, <double> (items * kThreadCost)), call.num_threads)
    cdef index length = <index> (items * (kFirstSlice * <double> threads / (cost + 1)))
    cdef double start
    while item < items:
        last = item + min(items - item, max(length, <index> threads))
        start = seconds()
        if threads == 1:
            for i in range(item, last):
                call.kernels.run(g, i, room.scratch)
        else:
            for i in prange(item, last, num_threads=threads, schedule='dynamic'):
                call.kernels.run(g, i, room.scratch + threadid() * room.scratch_size)
        if last < items:
            if interrupted():
                return INTERRUPTED
            length = <index> ((last - item) * min(4.0, SLICE_SECONDS / (seconds() - start + 1e-9)))
        item = last
    return OK


cdef Status run_chunk(GradientJob& g, const Call& call, Room& room, index count) noexcept nogil:
    """Executes a planned chunk."""
    cdef double cost = chunk_cost(g, count)
    cdef Status status
    order_boxes(g, count, room.order, room.first)
    if not call.to_boxes:
        status = run_items(g, call, room, g.images * g.blocks * g.bands, cost)
        g.zero = False
        return status
    g.run_count = cut_runs(g, count, cost, call.num_threads, room.runs)
    clear_sums(g)
    status = run_items(g, call, room, g.run_count * g.parts, cost)
    if status == OK:
        add_sums(g, call.result)
    return status


cdef Status run_tile(const Operator& op, const Operator& largest, GradientJob& g, const geometry* boxes,
                     const Call& call, Room& room, real zero) noexcept nogil:
    """Plans and executes all boxes for the tile of `op`, in the chunks of `largest`."""
    cdef Status status
    cdef index first = 0, count
    g.job.bins_y, g.job.bins_x = op.tile.bins_y, op.tile.bins_x
    g.batch = batch_rows(g.job, call.to_boxes)
    while first < call.boxes:
        g.job.first_box = first
        count = next_chunk(largest, g, boxes + 4 * first, call.boxes - first, call.to_boxes).boxes
        plan_chunk(op, g, boxes + 4 * first, count, call, room, zero)
        if first > 0 and interrupted():
            return INTERRUPTED
        status = run_chunk(g, call, room, count)
        if status != OK:
            return status
        first += count
        if first < call.boxes and interrupted():
            return INTERRUPTED
    return OK


cdef Status run_tiles(Operator& op, GradientJob& g, const Array& grad, const geometry* boxes, const Call& call,
                      real zero) noexcept nogil:
    """All tiles, in memory that is allocated before the first."""
    cdef Room room
    cdef Status status
    cdef Operator largest
    cdef size_t size
    cdef char* memory
    cdef index y = 0, x
    op.tile.first_y, op.tile.first_x = 0, 0
    op.tile.bins_y, op.tile.bins_x = min(op.bins_y, kGradientTile), min(op.bins_x, kGradientTile)
    largest = op
    status = measure(largest, g, boxes, call, room)
    if status != OK:
        return status
    room.scratch_size = call.kernels.scratch(g)
    size = lay_out(room, g, NULL, largest.tile, sizeof(real), call.to_boxes, call.num_threads)
    memory = <char*> malloc(size + 64) if size < <size_t> -64 else NULL
    if memory == NULL:
        return NO_MEMORY
    lay_out(room, g, memory + (64 - <size_t> memory % 64), largest.tile, sizeof(real), call.to_boxes,
            call.num_threads)
    publish(room, g)
    while y < op.bins_y and status == OK:
        op.tile.first_y, op.tile.bins_y = y, min(op.bins_y - y, kGradientTile)
        x = 0
        while x < op.bins_x and status == OK:
            op.tile.first_x, op.tile.bins_x = x, min(op.bins_x - x, kGradientTile)
            set_tile(grad, y, x, g.job)
            if x + y > 0 and interrupted():
                status = INTERRUPTED
            else:
                status = run_tile(op, largest, g, boxes, call, room, zero)
            x += kGradientTile
        y += kGradientTile
    free(memory)
    return status


cdef Status apply(Operator& op, const Array& maps, const Array& grad, const void* boxes, bint wide, Call& call
                  ) noexcept nogil:
    """The gradient of a separable operator. Every argument was validated (see `_core.apply`), and nothing is empty."""
    cdef GradientJob g
    cdef bint doubles = maps.element == _FLOAT64
    op.height, op.width, op.bins_y, op.bins_x = maps.shape[2], maps.shape[3], grad.shape[2], grad.shape[3]
    g.zero, g.groups, g.parts, g.blocks, g.bands = not call.to_boxes, 1, 1, 1, 1
    if call.to_boxes:
        call.kernels = &target.to_boxes[maps.element]
        if not describe_boxes(maps, grad, cache, g):
            return BAD_STRIDES
    else:
        call.kernels = &target.to_maps[doubles]
        if not describe_maps(maps, grad, cache, call.num_threads, g):
            return BAD_STRIDES
    if wide and doubles:
        return run_tiles(op, g, grad, <const double*> boxes, call, <double> 0)
    if wide:
        return run_tiles(op, g, grad, <const double*> boxes, call, <float> 0)
    return run_tiles(op, g, grad, <const float*> boxes, call, <float> 0)


def execute(maps, grad, boxes, images, to_boxes, int maps_element, int grad_element, int convention,
            double spatial_scale, index sampling_ratio, bint aligned, int num_threads):
    """A gradient of a separable operator, for arrays that were validated.

    maps      images, channels, rows, columns; IN, or OUT: their gradient, float32 or float64, if `to_boxes` is None
    grad      boxes, channels, bins_y, bins_x
    boxes     (K, 4) float32, or float64, which it must be for float64 maps; contiguous
    images    (K,) intp, contiguous
    to_boxes  (K, 4) float64, contiguous, zeros; OUT; y1 x1 y2 x2. None for the gradient to the maps
    """
    cdef Py_buffer held[5]
    cdef Array source, gradient
    cdef Operator op
    cdef Call call
    cdef Status status
    cdef bint wide
    cdef int got = 0, maps_flags = PyBUF_STRIDED if to_boxes is None else PyBUF_STRIDED_RO
    op.convention, op.spatial_scale, op.sampling_ratio, op.aligned = convention, spatial_scale, sampling_ratio, aligned
    call.to_boxes, call.num_threads = to_boxes is not None, num_threads
    call.result = NULL
    wanted = [(maps, maps_flags), (grad, PyBUF_STRIDED_RO), (boxes, PyBUF_STRIDED_RO), (images, PyBUF_STRIDED_RO)]
    if to_boxes is not None:
        wanted.append((to_boxes, PyBUF_STRIDED))
    try:
        for array, flags in wanted:
            PyObject_GetBuffer(array, &held[got], flags)
            got += 1
        read_array(held[0], maps_element, source)
        read_array(held[1], grad_element, gradient)
        wide = held[2].itemsize == 8
        call.images, call.boxes = <const Py_ssize_t*> held[3].buf, gradient.shape[0]
        if got == 5:
            call.result = <double*> held[4].buf
        if not (held[2].shape[0] == held[3].shape[0] == call.boxes and source.shape[1] == gradient.shape[1]
                and held[2].shape[1] == 4 and held[0].itemsize == element_size(maps_element)
                and held[1].itemsize == element_size(grad_element) and (wide or maps_element != _FLOAT64)
                and (got == 4 or (held[4].shape[0] == call.boxes and held[4].itemsize == 8))):
            raise AssertionError("maps, gradient, boxes and images must agree")
        with nogil:
            status = apply(op, source, gradient, held[2].buf, wide, call)
    finally:
        while got > 0:
            got -= 1
            PyBuffer_Release(&held[got])
    raise_for(status)


cdef void read_padded(const Py_buffer& buffer, int element, Array& array) noexcept nogil:
    """As `read_array`, for up to four axes: those that are missing come first and have length 1."""
    cdef int axis, missing = 4 - buffer.ndim
    array.data, array.element = <char*> buffer.buf, element
    for axis in range(4):
        array.shape[axis] = buffer.shape[axis - missing] if axis >= missing else 1
        array.strides[axis] = buffer.strides[axis - missing] if axis >= missing else 0


cdef bint agree(const Py_buffer& source, const Py_buffer& target, int element) noexcept:
    cdef int axis
    if source.itemsize not in (4, 8) or target.itemsize != element_size(element):
        return False
    if source.ndim != target.ndim or source.ndim > 4:
        return False
    for axis in range(source.ndim):
        if source.shape[axis] != target.shape[axis]:
            return False
    return True


def store(list sources, list targets, list elements, list swapped):
    """Converts each of `sources` into the array of `targets` beside it. All memory is had before the first write, and
    from there on nothing raises.

    sources   float32 or float64, of at most four axes
    targets   of the same shapes, any strides, at any address; OUT
    elements  their storage types (`_core.ELEMENTS`)
    swapped   whether they are in the byte order that is not the machine's
    """
    cdef index i, count = len(targets), got = 0
    cdef Py_buffer* held = <Py_buffer*> malloc((2 * count + 1) * sizeof(Py_buffer))
    cdef int* kinds = <int*> malloc((2 * count + 1) * sizeof(int))
    cdef Array source, target
    try:
        if held == NULL or kinds == NULL:
            raise MemoryError("descriptions of the arrays cannot be allocated")
        for i in range(count):
            PyObject_GetBuffer(sources[i], &held[got], PyBUF_STRIDED_RO)
            got += 1
            PyObject_GetBuffer(targets[i], &held[got], PyBUF_STRIDED)
            got += 1
            kinds[2 * i], kinds[2 * i + 1] = elements[i], swapped[i]
            if not agree(held[2 * i], held[2 * i + 1], kinds[2 * i]):
                raise AssertionError("sources and targets must agree")
        with nogil:
            for i in range(count):
                read_padded(held[2 * i], _FLOAT64 if held[2 * i].itemsize == 8 else _FLOAT32, source)
                read_padded(held[2 * i + 1], kinds[2 * i], target)
                store_array(source, target, kinds[2 * i + 1])
    finally:
        while got > 0:
            got -= 1
            PyBuffer_Release(&held[got])
        free(held)
        free(kinds)
