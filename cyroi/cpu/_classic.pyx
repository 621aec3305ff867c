# distutils: language = c++
"""The classic kernels, as everybody writes them: plain loops over typed memoryviews, one sample after the other.

To be read after the NumPy loop of `cyroi.reference.roi_align`; and a second oracle, quick enough for whole workloads:
it shares nothing with the engine. `cyroi.reference.classic` is its face and checks all. Compiled once, for any CPU.

a) Coordinates have the type of the boxes and the order of operations of docs/design.md, because they decide what is
   sampled. All else is double, and a result is rounded once, when it is stored. A pixel of weight 0 is not read. Of an
   adaptive grid, which may have 10**10 samples, those far from the map are found by bisection and left out.
b) A plane, one box on one channel, is work for one thread. Nothing in a region raises or takes the GIL, so Ctrl-C waits
   until the call returns. No function with a prange has default arguments (Cython issue 4755 miscompiles them).
"""
from cython.parallel cimport prange
from libc.math cimport ceil

from ._host cimport team

ctypedef fused real:  # maps and results
    float
    double
ctypedef fused geometry:  # boxes and coordinates
    float
    double

cdef struct Place:  # of a sample on one axis
    Py_ssize_t pixel  # the one at or before it; -1: outside, the sample does not count
    double fraction   # how far it is on the way to the next pixel


cdef inline Place place(geometry t, geometry lowest, geometry highest, Py_ssize_t size) noexcept nogil:
    """Before the first pixel and beyond the last one it is that pixel. NaN fails both comparisons: it is outside."""
    cdef double clamped = min(max(<double> t, 0.0), <double> (size - 1))
    if not (size > 0 and t >= lowest and t <= highest):
        return Place(-1, 0)
    return Place(<Py_ssize_t> clamped, clamped - <Py_ssize_t> clamped)


cdef inline double bilinear(const real[:, :, :, :] maps, Py_ssize_t n, Py_ssize_t c, Place y, Place x) noexcept nogil:
    cdef double value = (1 - y.fraction) * (1 - x.fraction) * maps[n, c, y.pixel, x.pixel]
    if x.fraction > 0:
        value += (1 - y.fraction) * x.fraction * maps[n, c, y.pixel, x.pixel + 1]
    if y.fraction > 0:
        value += y.fraction * (1 - x.fraction) * maps[n, c, y.pixel + 1, x.pixel]
    if y.fraction > 0 and x.fraction > 0:
        value += y.fraction * x.fraction * maps[n, c, y.pixel + 1, x.pixel + 1]
    return value


cdef inline Py_ssize_t divide(geometry low, geometry high, Py_ssize_t bins, geometry scale, Py_ssize_t sampling_ratio,
                              bint aligned, geometry* start, geometry* step) noexcept nogil:
    """Where the first bin of an axis starts and how long each bin is; gives the number of samples in a bin."""
    cdef geometry offset = <geometry> (0.5 if aligned else 0), extent
    start[0] = low * scale - offset
    extent = (high * scale - offset) - start[0]
    if not aligned and extent < 1:
        extent = 1
    step[0] = extent / <geometry> bins
    if sampling_ratio > 0:
        return sampling_ratio
    return <Py_ssize_t> ceil(<double> step[0]) if step[0] > 0 and step[0] <= 2147483648.0 else 0


cdef geometry coordinate(geometry start, geometry step, Py_ssize_t grid, Py_ssize_t p, Py_ssize_t i) noexcept nogil:
    return (start + <geometry> p * step) + (<geometry> i + <geometry> 0.5) * step / <geometry> grid


cdef Py_ssize_t count_below(geometry end, geometry start, geometry step, Py_ssize_t grid, Py_ssize_t p) noexcept nogil:
    """How many samples of bin p lie below `end`. In an adaptive grid coordinates never decrease."""
    cdef Py_ssize_t low = 0, high = grid, middle
    while low < high:
        middle = (low + high) // 2
        if coordinate(start, step, grid, p, middle) < end:
            low = middle + 1
        else:
            high = middle
    return low


cdef void align(const real[:, :, :, :] maps, const geometry[:, ::1] boxes, const Py_ssize_t[::1] images,
                real[:, :, :, :] out, geometry scale, Py_ssize_t ratio, bint aligned, Py_ssize_t item) noexcept nogil:
    cdef Py_ssize_t k = item // out.shape[1], c = item % out.shape[1], height = maps.shape[2], width = maps.shape[3]
    cdef Py_ssize_t grid_y, grid_x, first_y, first_x, last_y, last_x, p, q, i, j
    cdef geometry start_y, start_x, step_y, step_x
    cdef double total
    cdef Place y, x
    grid_y = divide(boxes[k, 0], boxes[k, 2], out.shape[2], scale, ratio, aligned, &start_y, &step_y)
    grid_x = divide(boxes[k, 1], boxes[k, 3], out.shape[3], scale, ratio, aligned, &start_x, &step_x)
    cdef bint cut_y = ratio <= 0 and grid_y > height, cut_x = ratio <= 0 and grid_x > width
    for p in range(out.shape[2]):
        first_y = count_below(<geometry> -1, start_y, step_y, grid_y, p) if cut_y else 0
        last_y = count_below(<geometry> (2 * height), start_y, step_y, grid_y, p) if cut_y else grid_y
        for q in range(out.shape[3]):
            first_x = count_below(<geometry> -1, start_x, step_x, grid_x, q) if cut_x else 0
            last_x = count_below(<geometry> (2 * width), start_x, step_x, grid_x, q) if cut_x else grid_x
            total = 0
            for i in range(first_y, last_y):
                y = place(coordinate(start_y, step_y, grid_y, p, i), <geometry> -1, <geometry> height, height)
                for j in range(first_x, last_x if y.pixel >= 0 else first_x):
                    x = place(coordinate(start_x, step_x, grid_x, q, j), <geometry> -1, <geometry> width, width)
                    if x.pixel >= 0:
                        total += bilinear(maps, images[k], c, y, x)
            out[k, c, p, q] = <real> (total / max(grid_y * grid_x, <Py_ssize_t> 1))


cdef inline Place crop_place(geometry low, geometry high, Py_ssize_t bins, Py_ssize_t size, Py_ssize_t p, bint nearest
                             ) noexcept nogil:
    cdef geometry last = <geometry> (size - 1), t = <geometry> 0.5 * (low + high) * last
    if bins > 1:
        t = low * last + <geometry> p * ((high - low) * last / <geometry> (bins - 1))
    cdef Place found = place(t, <geometry> 0, last, size)
    return Place(found.pixel + (found.fraction >= 0.5), 0) if nearest else found  # halves go up


cdef void crop(const real[:, :, :, :] maps, const geometry[:, ::1] boxes, const Py_ssize_t[::1] images,
               real[:, :, :, :] out, bint nearest, double fill, Py_ssize_t item) noexcept nogil:
    cdef Py_ssize_t k = item // out.shape[1], c = item % out.shape[1], p, q
    cdef Place y, x
    for p in range(out.shape[2]):
        y = crop_place(boxes[k, 0], boxes[k, 2], out.shape[2], maps.shape[2], p, nearest)
        for q in range(out.shape[3]):
            x = crop_place(boxes[k, 1], boxes[k, 3], out.shape[3], maps.shape[3], q, nearest)
            out[k, c, p, q] = <real> (bilinear(maps, images[k], c, y, x) if y.pixel >= 0 and x.pixel >= 0 else fill)


def roi_align(const real[:, :, :, :] maps, const geometry[:, ::1] boxes, const Py_ssize_t[::1] images,
              real[:, :, :, :] out, double spatial_scale, Py_ssize_t sampling_ratio, bint aligned, int num_threads):
    """maps (N, C, H, W), boxes (K, 4) y1 x1 y2 x2, images (K,), out (K, C, bins, bins)."""
    cdef Py_ssize_t item, planes = out.shape[0] * out.shape[1]
    cdef int threads = team(<int> min(planes, <Py_ssize_t> num_threads), num_threads) if planes > 1 else 1
    if threads > 1:
        for item in prange(planes, nogil=True, num_threads=threads, schedule="dynamic"):
            align(maps, boxes, images, out, <geometry> spatial_scale, sampling_ratio, aligned, item)
    else:
        with nogil:
            for item in range(planes):
                align(maps, boxes, images, out, <geometry> spatial_scale, sampling_ratio, aligned, item)


def crop_and_resize(const real[:, :, :, :] maps, const geometry[:, ::1] boxes, const Py_ssize_t[::1] images,
                    real[:, :, :, :] out, bint nearest, double fill, int num_threads):
    """Arrays as for `roi_align`."""
    cdef Py_ssize_t item, planes = out.shape[0] * out.shape[1]
    cdef int threads = team(<int> min(planes, <Py_ssize_t> num_threads), num_threads) if planes > 1 else 1
    if threads > 1:
        for item in prange(planes, nogil=True, num_threads=threads, schedule="dynamic"):
            crop(maps, boxes, images, out, nearest, fill, item)
    else:
        with nogil:
            for item in range(planes):
                crop(maps, boxes, images, out, nearest, fill, item)
