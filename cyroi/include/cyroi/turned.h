/* Turned taps: what each pixel of an axis gives to which bins, where taps say what each bin reads.
 *
 * The gradient to the maps is  Ay.T @ grad_output @ Ax : the same two matrices, turned. A share is an entry of one of
 * them, seen from its pixel; a line is a pixel with its shares, bins ascending.
 *
 * Decisions
 * a) Lines of the y axis come in batches of kBatch rows of bins at most, so that what a kernel keeps of a batch stays
 *    in L1 whatever the output's size. Lines of the x axis are one batch.
 * b) A line lists its bins in ascending order, whatever the order of the pixels (reversed boxes): that is the order in
 *    which its shares are added up, so a result does not depend on how a kernel cuts the work.
 * c) N numbers belong to a share: its weight alone, or its weight and the derivatives of that to both sides of the box.
 * d) The taps of a bin ascend already, so a batch is a row of runs, which are merged two by two: in one step where one
 *    run lies before the other, as bins apart do, and in n log n at worst. Runs are lists through the lines that are
 *    about to be written, so there is neither memory to allocate nor a share to move twice.
 *
 * Compiled per SIMD target, and as device code. */
#ifndef CYROI_TURNED_H
#define CYROI_TURNED_H

#include "cyroi/taps.h"

namespace cyroi {

template <class A, int N>
struct Share {
    int pixel, bin;
    A weight[N];
};

/* The shares of one pixel begin where those of the line before end. */
struct Line {
    int pixel;
    int batch;
    int end;
};

/* The lines of one axis of one box. */
template <class A, int N>
struct Lines {
    const Line* line;
    const Share<A, N>* share;
    index count;

    CYROI_HD int begin(index i) const { return i > 0 ? line[i - 1].end : 0; }
};

/* Lists of taps, pixels ascending, equal ones in the order of their bins. A list is named by its last tap, which is
 * followed by the first. The fields of a line have other meanings here, tap t and list r by their numbers:
 *
 *     line[t].pixel   the bin of tap t
 *     line[t].end     the tap that follows tap t in its list
 *     line[r].batch   the last tap of list r */
struct TapLists {
    const int* pixel;
    Line* line;

    CYROI_HD int& next(int tap) const { return line[tap].end; }

    /* One list of two; `a` has the bins before those of `b`. */
    CYROI_HD int merged(int a_last, int b_last) const {
        int a = next(a_last), b = next(b_last);
        if (pixel[a_last] <= pixel[b] || pixel[b_last] < pixel[a]) { /* one after the other */
            next(a_last) = b;
            next(b_last) = a;
            return pixel[a_last] <= pixel[b] ? b_last : a_last;
        }
        next(a_last) = next(b_last) = -1;
        const int first = pixel[b] < pixel[a] ? b : a;
        int last = first;
        (first == b ? b : a) = next(first);
        while (a >= 0 && b >= 0) {
            int& from = pixel[b] < pixel[a] ? b : a;
            next(last) = from;
            last = from;
            from = next(from);
        }
        next(last) = a >= 0 ? a : b;
        last = a >= 0 ? a_last : b_last;
        next(last) = first;
        return last;
    }

    /* The one list that lists 0 ... count - 1 become. */
    CYROI_HD int merge(int count) const {
        for (; count > 1; count = (count + 1) / 2) {
            for (int r = 0; r < count; r += 2) {
                const int a = line[r].batch;
                line[r / 2].batch = r + 1 < count ? merged(a, line[r + 1].batch) : a;
            }
        }
        return line[0].batch;
    }
};

/* Turns bins [first, last), which are one batch, into shares in the places of their taps, and lines from `lines` on. */
template <class A, int N>
CYROI_HD index turn_batch(const Bins<A>& bins, const A* const (&number)[N], index first, index last, int batch,
                          Share<A, N>* shares /* OUT */, Line* lines /* OUT */, index made) {
    const int begin = first > 0 ? bins.ends[first - 1] : 0, count = bins.ends[last - 1] - begin;
    if (count == 0) return made;
    const TapLists lists = {bins.taps.pixel + begin, lines + begin};
    int tap = 0, list_count = 0;
    for (index q = first; q < last; ++q) {
        const int start = tap, end = bins.ends[q] - begin;
        if (end == start) continue;
        for (; tap < end; ++tap) {
            lists.line[tap].pixel = static_cast<int>(q);
            lists.next(tap) = tap + 1;
        }
        lists.next(tap - 1) = start;
        lists.line[list_count++].batch = tap - 1;
    }
    tap = lists.merge(list_count);
    for (int i = begin; i < begin + count; ++i) {
        tap = lists.next(tap);
        shares[i].pixel = lists.pixel[tap];
        shares[i].bin = lists.line[tap].pixel;
        for (int n = 0; n < N; ++n) shares[i].weight[n] = number[n][begin + tap];
    }
    for (int i = begin; i < begin + count; ++i) {
        if (i == begin || shares[i].pixel != shares[i - 1].pixel) lines[made++] = Line{shares[i].pixel, batch, 0};
        lines[made - 1].end = i + 1;
    }
    return made;
}

/* Turns the taps of the bins of one axis, `batch` bins at a time; gives the number of lines. */
template <class A, int N>
CYROI_HD index turn_all(const Bins<A>& bins, const A* const (&number)[N] /* IN: of each tap */, index count,
                        index batch, Share<A, N>* shares /* OUT: as many as taps */,
                        Line* lines /* OUT: room for as many as taps */) {
    index made = 0;
    int n = 0;
    for (index first = 0; first < count; first += batch, ++n) {
        made = turn_batch(bins, number, first, smaller(first + batch, count), n, shares, lines, made);
    }
    return made;
}

template <class A>
CYROI_HD index turn(const Bins<A>& bins, index count, index batch, Share<A, 1>* shares /* OUT */,
                    Line* lines /* OUT */) {
    const A* const number[1] = {bins.taps.weight};
    return turn_all(bins, number, count, batch, shares, lines);
}

/* The same with the derivatives, as one batch; by_lo, by_hi: of the first tap. */
template <class A>
CYROI_HD index turn(const Bins<A>& bins, const A* by_lo, const A* by_hi, index count, Share<A, 3>* shares /* OUT */,
                    Line* lines /* OUT */) {
    const A* const number[3] = {bins.taps.weight, by_lo, by_hi};
    return turn_all(bins, number, count, count, shares, lines);
}

}  // namespace cyroi

#endif
