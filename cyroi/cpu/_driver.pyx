# distutils: language = c++
"""The driver: how a call is cut, which threads do what, and when signals are looked at. What is done is in the hooks of
a pass (call/pass.h): the forward pass and both gradients of the separable operators.

Decisions
a) The output comes in tiles of bins, the boxes of a tile in chunks, the same chunks for every tile. A chunk is planned
   (parallel over boxes), scheduled (serial, cheap) and executed (parallel over work items). Tiles and chunks bound the
   time of planning and the memory of the taps; their sizes cannot change a result.
b) All memory of a call, for its largest chunk, is one allocation before anything is written to a result. Inside the
   regions nothing is allocated and nothing raises.
c) Threads meet at the end of a phase and nowhere else. The calling thread looks for signals between its own items
   (call/watch.h), so that Ctrl-C works, and between chunks.
d) The number of threads is decided by `cyroi`'s thread policy; here it is only lowered, where the work is too small to
   pay for a team (kThreadCost), where teams lost to other processes lately (call/watch.h), or where the system refuses
   one (`_host.team`).
e) One thread takes an ordinary loop: a region costs half a microsecond even where it does not fork, and takes memory
   for a team of one, where OpenMP ends the process if it cannot be had.
f) No function that contains a prange has default arguments (Cython issue 4755 miscompiles them).

Compiled once. The kernels that it ends in are those of the SIMD target that _targets.py chose.
"""
from cython.parallel cimport prange, threadid
from cpython.exc cimport PyErr_Occurred
from libc.stdlib cimport free, malloc

from ._host cimport team
from ._kernels cimport (
    BAD_STRIDES, INTERRUPTED, NO_MEMORY, OK, PLAN, PREPARE, RUN, BoxPlan, Need, Pass, Phase, Status, index,
    kBoxesTogether, kThreadCost, patience, teams_pay,
)

cdef extern from "Python.h":
    # Not Cython's declaration, whose exception a function without exceptions would drop.
    int check_signals "PyErr_CheckSignals"()


def use_patience(double times):
    """Sets how many times as long as a team lost calls do without one; 0: they never do."""
    (&patience())[0] = times


cdef bint interrupted() noexcept with gil:
    """Whether a signal handler raised; its exception is then set, see raise_for()."""
    return check_signals() != 0


cdef bint look(Pass& p) noexcept nogil:
    """Whether all is to stop: looks for signals, if it is time for that."""
    if p.watch.is_due() and interrupted():
        p.watch.stop()
    return p.watch.stopped()


cdef int raise_for(Status status) except -1:
    """Raises what a status stands for; after INTERRUPTED, the exception that a signal handler left."""
    if status == NO_MEMORY:
        raise MemoryError("working memory, for taps or tables, cannot be allocated")
    if status == BAD_STRIDES:
        raise AssertionError("the innermost stride of the maps must be one element")
    return -1 if status == INTERRUPTED and PyErr_Occurred() else 0


cdef int thread_count(double work, int most) noexcept nogil:
    """Threads that the work pays for and the system grants. Asked right before a region opens, and outside of any."""
    cdef int threads = <int> max(1.0, min(<double> most, work / <double> kThreadCost))
    return team(threads, most) if threads > 1 and teams_pay() else 1


cdef index next_chunk(Pass& p, index first, Need& need, BoxPlan* plans) noexcept nogil:
    """How many boxes from `first` on make a chunk, one at least; what they need, and where the taps of each begin."""
    cdef index k = first, taps = 0
    need.boxes = need.taps = need.pieces = 0
    need.cost = 0
    while k < p.boxes.count and p.bound(k, need):
        if plans != NULL:
            plans[k - first].taps = taps
        taps = need.taps
        k += 1
    return k - first


cdef Status measure(Pass& p, Need& largest) noexcept nogil:
    """What chunks need at most."""
    cdef Need need
    cdef index first = 0
    while first < p.boxes.count:
        first += next_chunk(p, first, need, NULL)
        largest.boxes = max(largest.boxes, need.boxes)
        largest.taps = max(largest.taps, need.taps)
        largest.pieces = max(largest.pieces, need.pieces)
        if first < p.boxes.count and look(p):
            return INTERRUPTED
    return NO_MEMORY if largest.taps >= <index> 1 << 31 else OK


cdef void work(Pass& p, Phase phase, index i, int thread, bint alone, bint last) noexcept nogil:
    """Box or item i of a phase, unless all threads are to stop. Thread 0 is the one that called."""
    if p.watch.stopped():
        return
    if phase == RUN and not alone:
        p.run_watched(i, thread)
    else:
        p.work(phase, i, thread)
    if thread == 0 and not last and (phase == RUN or i % kBoxesTogether == 0):
        look(p)


cdef Status run_phase(Pass& p, Phase phase, index count, index together, int threads) noexcept nogil:
    """All boxes or items of a phase, some at a time."""
    cdef index i
    if threads == 1:
        for i in range(count):
            work(p, phase, i, 0, True, i + 1 == count)
    else:
        p.watch.begin()
        for i in prange(count, num_threads=threads, schedule='dynamic', chunksize=together):
            work(p, phase, i, threadid(), False, False)
        if phase == RUN:
            p.watch.judge()
    return INTERRUPTED if p.watch.stopped() else OK


cdef Status run_chunk(Pass& p, index count) noexcept nogil:
    cdef double cost = p.planning() * <double> count
    cdef int threads = thread_count(cost, p.threads)
    cdef index items, together = max(<index> 1, min(kBoxesTogether, count // (4 * threads)))
    cdef Status status = run_phase(p, PLAN, count, together, threads)
    if status == OK and p.place(count):
        status = run_phase(p, PREPARE, count, together, threads)
    if status != OK:
        return status
    items = p.schedule(count, cost)
    threads = thread_count(min(cost, <double> (items * kThreadCost)), p.threads)
    status = run_phase(p, RUN, items, 1, threads)
    if status == OK:
        p.finish()
    return status


cdef Status run_tile(Pass& p) noexcept nogil:
    """All boxes, chunk by chunk."""
    cdef Need need
    cdef Status status
    cdef index count
    p.set_tile()
    p.first = 0
    while p.first < p.boxes.count:
        count = next_chunk(p, p.first, need, p.chunk.boxes)
        status = run_chunk(p, count)
        if status != OK:
            return status
        p.first += count
        if p.first < p.boxes.count and look(p):
            return INTERRUPTED
    return OK


cdef Status run_tiles(Pass& p) noexcept nogil:
    cdef Status status = OK
    cdef index y = 0, x
    while y < p.op.bins_y and status == OK:
        p.op.tile.first_y, p.op.tile.bins_y = y, min(p.op.bins_y - y, p.tile)
        x = 0
        while x < p.op.bins_x and status == OK:
            p.op.tile.first_x, p.op.tile.bins_x = x, min(p.op.bins_x - x, p.tile)
            status = run_tile(p) if x + y == 0 or not look(p) else INTERRUPTED
            x += p.tile
        y += p.tile
    return status


cdef Status drive(Pass& p) noexcept nogil:
    """Drives a pass to its end: all tiles, in memory that is allocated before the first."""
    cdef Need need
    cdef Status status
    cdef size_t size
    cdef char* memory
    p.largest = p.op
    p.largest.tile.first_y, p.largest.tile.first_x = 0, 0
    p.largest.tile.bins_y, p.largest.tile.bins_x = min(p.op.bins_y, p.tile), min(p.op.bins_x, p.tile)
    status = measure(p, need)
    if status != OK:
        return status
    size = p.lay_out(need, NULL)
    memory = <char*> malloc(size + 64) if size < <size_t> -64 else NULL
    if memory == NULL:
        return NO_MEMORY
    p.lay_out(need, memory + (64 - <size_t> memory % 64))
    status = run_tiles(p)
    free(memory)
    return status
