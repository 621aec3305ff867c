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
 *    */
#ifndef CYROI_TURNED_H
#define CYROI_TURNED_H

#include <algorithm>

#include "cyroi/slopes.h"

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

    int begin(index i) const { return i > 0 ? line[i - 1].end : 0; }
};

template <class T>
struct ByLine {
    int batch; /* bins in one */
    bool operator()(const T& a, const T& b) const {
        const int of_a = a.bin / batch, of_b = b.bin / batch;
        if (of_a != of_b) return of_a < of_b;
        return a.pixel != b.pixel ? a.pixel < b.pixel : a.bin < b.bin;
    }
};

/* Sorts shares and makes lines of them; gives the number of lines, at most `count`. */
template <class T>
inline index make_lines(T* shares, index count, index batch, Line* lines /* OUT */) {
    const int bins = static_cast<int>(batch);
    std::sort(shares, shares + count, ByLine<T>{bins});
    index made = 0;
    for (index i = 0; i < count; ++i) {
        const int of = shares[i].bin / bins;
        if (made == 0 || lines[made - 1].pixel != shares[i].pixel || lines[made - 1].batch != of) {
            lines[made++] = Line{shares[i].pixel, of, 0};
        }
        lines[made - 1].end = static_cast<int>(i) + 1;
    }
    return made;
}

/* From the taps of the bins of one axis. */
template <class A>
inline index turn(const Bins<A>& bins, index count, index batch, Share<A, 1>* shares /* OUT */, Line* lines /* OUT */) {
    index n = 0;
    for (index q = 0; q < count; ++q) {
        const TapList<A> taps = bins[q];
        for (index t = 0; t < taps.count; ++t) {
            shares[n++] = Share<A, 1>{taps.pixel[t], static_cast<int>(q), {taps.weight[t]}};
        }
    }
    return make_lines(shares, n, batch, lines);
}

/* The same with the derivatives; by_lo, by_hi: of the first tap. */
template <class A>
inline index turn(const Bins<A>& bins, const A* by_lo, const A* by_hi, index count, Share<A, 3>* shares /* OUT */,
                  Line* lines /* OUT */) {
    index n = 0;
    for (index q = 0; q < count; ++q) {
        const TapList<A> taps = bins[q];
        for (index t = 0; t < taps.count; ++t, ++n) {
            shares[n] = Share<A, 3>{taps.pixel[t], static_cast<int>(q), {taps.weight[t], by_lo[n], by_hi[n]}};
        }
    }
    return make_lines(shares, n, larger<index>(count, 1), lines);
}

}  // namespace cyroi

#endif
