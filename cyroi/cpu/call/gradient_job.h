/* What one call of a gradient hands to the kernels: plain data, the same for every SIMD target. Compiled once. */
#ifndef CYROI_CPU_CALL_GRADIENT_JOB_H
#define CYROI_CPU_CALL_GRADIENT_JOB_H

#include "call/array.h"
#include "call/job.h"
#include "cyroi/turned.h"

namespace cyroi {

/* One vector of elements of the map's row, see windows.h. */
struct Window {
    index column;       /* element of the map's row, lane 0 */
    index elements;     /* lanes that lie in the row: all, if the row is that long */
    index start, end;   /* the elements that belong to it; other lanes are idle */
    index first_line;   /* that reaches it */
    index first;        /* element of the gradient's row, place 0 */
    index table;        /* its first table element among those of the box */
    int phase;          /* lane 0 is so many elements behind the first one of a pixel */
    int vectors, slots; /* of the gradient's row that places look into; places per lane */
};

/* One box, once its taps are turned. */
struct Turned {
    index y_lines, x_lines;
    int first_row, last_row; /* of the map */
    index windows, window;   /* how many, and the first of them among all */
    index elements, table;   /* of its tables, and the first of them among all */
    bool tabled;             /* windows and tables exist */
};

/* Boxes order[first] ... order[last - 1], of one image; or a piece of one box: taps [t0, t1) of its y axis. */
struct Run {
    index first, last;
    index sums; /* of the sums of the first box, among all; those of the others follow */
    index t0, t1;
};

struct GradientJob : MapsJob {
    Crops<const char> grad;             /* IN: the gradient of the output */
    void* to_maps;                      /* OUT: the gradient to the maps, which lies as they do; or NULL */
    index images, columns;              /* of the maps */
    index batch;                        /* rows of bins at once, at most kBatch */
    index channel_cuts, bands;          /* of channels, of map rows: an image is cut into so many work items */
    bool zero;                          /* the maps' gradient holds nothing yet */
    void *by_lo, *by_hi;                /* taps, derivatives of their weights */
    Turned* turned;                     /* of each box */
    Line* lines;                        /* room: as for taps, and in the same places */
    void* shares;                       /* ... */
    Window* windows;                    /* of all boxes */
    index window_room, table_room;      /* windows, and elements of tables, of all boxes */
    void* at;                           /* tables of all boxes: places */
    void* table_weights;                /* ... and N weights each */
    index* first;                       /* the boxes of image n are order[first[n]] ... order[first[n + 1] - 1] */
    Run* runs;                          /* gradient to the boxes: cuts of the order */
    index run_count, groups, run_items; /* groups of channels; work items of a run */
    double* sums;                       /* OUT: y1 x1 y2 x2 for each box, or piece of one, and group of channels */
};

template <class A, int N>
inline Lines<A, N> y_lines(const GradientJob& g, index k) {
    const index at = g.boxes[k].taps;
    return Lines<A, N>{g.lines + at, static_cast<const Share<A, N>*>(g.shares) + at, g.turned[k].y_lines};
}

template <class A, int N>
inline Lines<A, N> x_lines(const GradientJob& g, index k) {
    const index at = g.boxes[k].taps_x;
    return Lines<A, N>{g.lines + at, static_cast<const Share<A, N>*>(g.shares) + at, g.turned[k].x_lines};
}

/* The gradient's row p of a box and channel: elements of a bin and a channel each (bins alone on the route planes). */
inline const char* grad_row(const GradientJob& g, index k, index c, index p) {
    return g.grad.data + g.boxes[k].row * g.grad.n + c * g.grad.c + p * g.grad.y;
}

}  // namespace cyroi

#endif
