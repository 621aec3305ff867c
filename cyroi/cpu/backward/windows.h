/* Windows: the vectors of a map's row that the bins of a box reach, and how a row of the gradient is spread over them,
 *
 *     spread[x] = sum over bins q of Ax[q, x] * grad_output[p, q]        (q ascending)
 *
 * It is the forward pass's picking of bins (blocks.h) turned: a lane is an element of the map's row, and its table says
 * in which places of the gradient's row it finds its bins, and their weights.
 *
 * Decisions
 * a) Windows begin where vectors of every row lie within cache lines, if strides allow that. Vectors of a row that no
 *    bin reaches are no windows: nothing is read or written there.
 * b) Windows at the ends of a row may overlap the next one. Each element belongs to one of them; the other's lane is
 *    idle. A row that is not longer than a vector is one window, wherever it begins.
 * c) The places of a window are relative to the first bin that reaches it, so an output may have any width.
 * d) Where an element has more bins than kShares, where bins of a window span more than four vectors, where tables have
 *    no room left, and on targets without permutations, spreading goes element by element. The sums are the same ones
 *    in the same order, so the bits are too.
 *
 * Compiled per SIMD target. */
#ifndef CYROI_CPU_BACKWARD_WINDOWS_H
#define CYROI_CPU_BACKWARD_WINDOWS_H

#include "call/gradient_job.h"
#include "forward/blocks.h"

namespace cyroi {

static const int kWindows = kRegisters / 8; /* that are worked on at once */

/* Cuts the lines of the x axis into windows, one after the other. */
template <class A, int N>
class WindowCutter {
  public:
    WindowCutter(const GradientJob& g, const Lines<A, N>& x)
        : g_(g), x_(x), pixel_(g.route == FUSED ? g.maps.x : 1), line_(0), next_(0) {}

    bool next(Window& w /* OUT: all but the tables */) {
        while (line_ < x_.count && end_of(line_) <= next_) ++line_;
        if (line_ == x_.count) return false;
        const index lanes = Lanes<A>::count;
        w.first_line = line_;
        w.start = larger(next_, x_.line[line_].pixel * pixel_);
        w.column = aligned_column<A>(g_, w.start);
        next_ = w.column > 0 ? w.column + lanes : aligned_column<A>(g_, lanes); /* a row may begin within a line */
        if (g_.row_elements <= lanes) next_ = g_.row_elements;                  /* ... but a short one is one window */
        w.end = next_ = smaller(next_, g_.row_elements);
        w.elements = smaller(lanes, g_.row_elements);
        w.column = smaller(w.column, g_.row_elements - w.elements);
        w.phase = static_cast<int>(pixel_ > 1 ? w.column % pixel_ : 0);
        return true;
    }

  private:
    index end_of(index line) const { return x_.line[line].pixel * pixel_ + g_.row_channels; }

    const GradientJob& g_;
    Lines<A, N> x_;
    index pixel_; /* elements from a pixel to the next */
    index line_, next_;
};

/* use(element, channel, first share, last share) for each element of a window that bins reach. */
template <class A, int N, class F>
inline void each_element(const GradientJob& g, const Lines<A, N>& x, const Window& w, F use) {
    const index pixel = g.route == FUSED ? g.maps.x : 1;
    for (index i = w.first_line; i < x.count && x.line[i].pixel * pixel < w.end; ++i) {
        for (index c = 0; c < g.row_channels; ++c) {
            const index element = x.line[i].pixel * pixel + c;
            if (element >= w.start && element < w.end) use(element, c, x.begin(i), x.line[i].end);
        }
    }
}

/* Slots and vectors of a window; false where tables have no room for it. */
template <class A, int N>
inline bool measure_window(const GradientJob& g, const Lines<A, N>& x, Window& w /* OUT */) {
    index slots = 0, low = g.bins_x, high = -1;
    each_element(g, x, w, [&](index, index, int first, int last) {
        slots = larger<index>(slots, last - first);
        low = smaller<index>(low, x.share[first].bin);
        high = larger<index>(high, x.share[last - 1].bin);
    });
    w.slots = static_cast<int>(slots);
    const bool all = g.bins_x * g.row_channels <= Lanes<A>::count; /* so that windows look into the same bins */
    w.first = all ? 0 : low * g.row_channels;
    const index vectors = all ? 1 : vectors_of<A>((high + 1 - low) * g.row_channels);
    w.vectors = static_cast<int>(vectors);
    return slots <= kShares && vectors <= 4;
}

/* Counts the windows of box k and the elements of their tables. */
template <class A, int N>
inline void measure_windows(const GradientJob& g, index k, Turned& turned /* OUT */) {
    const Lines<A, N> x = x_lines<A, N>(g, k);
    WindowCutter<A, N> cutter(g, x);
    Window w = Window();
    turned.windows = turned.elements = 0;
    turned.tabled = Lanes<A>::permutes && turned.y_lines > 0;
    while (turned.tabled && cutter.next(w)) {
        turned.tabled = measure_window(g, x, w);
        ++turned.windows;
        turned.elements += w.slots * Lanes<A>::count;
    }
    if (!turned.tabled) turned.windows = turned.elements = 0;
}

/* Windows and tables of box k, whose places among all are known by now. */
template <class A, int N>
inline void tabulate_windows(const GradientJob& g, index k) {
    typedef typename Lanes<A>::Integer Place;
    const Turned& turned = g.turned[k];
    if (!turned.tabled) return;
    const Lines<A, N> x = x_lines<A, N>(g, k);
    WindowCutter<A, N> cutter(g, x);
    const index lanes = Lanes<A>::count;
    Window* w = g.windows + turned.window;
    Place* at = static_cast<Place*>(g.at) + turned.table;
    A* weight = static_cast<A*>(g.table_weights) + N * turned.table;
    for (index table = 0; cutter.next(*w); table += w->slots * lanes, ++w) {
        measure_window(g, x, *w);
        w->table = table;
        const index size = w->slots * lanes;
        for (index i = 0; i < size; ++i) at[table + i] = -1;
        for (index i = 0; i < N * size; ++i) weight[N * table + i] = 0;
        each_element(g, x, *w, [&](index element, index c, int first, int last) {
            for (int s = first; s < last; ++s) {
                const index slot = (s - first) * lanes + element - w->column;
                at[table + slot] = static_cast<Place>(x.share[s].bin * g.row_channels + c - w->first);
                for (int n = 0; n < N; ++n)
                    weight[N * (table + (s - first) * lanes) + n * lanes + element - w->column] = x.share[s].weight[n];
            }
        });
    }
}

/* Rows of the gradient of one box and channel, contiguous and of the type that is computed with. */
template <class A>
struct GradientRows {
    const A* row;
    index next; /* elements from a row to the next */

    const A* operator[](index p) const { return row + p * next; }
};

/* Where spread rows go: row p, window v, number n begin at  to + ((p * kWindows + v) * N + n) * lanes . */
template <class A, int N>
inline A* spread_at(A* to, index p, index v) {
    return to + (p * kWindows + v) * N * Lanes<A>::count;
}

/* Rows [0, count) over windows that look into as many vectors of bins each. */
template <class A>
struct SpreadJob {
    const Window* window;
    const Window* end;
    const typename Lanes<A>::Integer* at; /* tables of the box */
    const A* weight;
    GradientRows<A> rows;
    index count;
    index elements; /* of a row */
    A* to;
};

/* exact: a share whose number is 0 adds nothing, also where the gradient is not finite. */
template <bool permutes>
struct SpreadOf {
    /* Rows [p, p + G), whose bins lie in R vectors. Windows share what is loaded of a row where they look into the same
     * bins. */
    template <int N, bool exact, int R, int G, class A>
    static CYROI_INLINE void some_rows(const SpreadJob<A>& job, index p) {
        typedef Lanes<A> L;
        typedef typename L::Bins B;
        const index lanes = L::count;
        typename L::Vector row[G][R];
        CYROI_UNROLL for (int g = 0; g < G; ++g) {
            /* Never read, but gcc cannot know that the first window is another than this one. */
            CYROI_UNROLL for (int r = 0; r < R; ++r) row[g][r] = L::set(0);
        }
        index first = -1;
        A* to = spread_at<A, N>(job.to, p, 0);
        for (const Window* w = job.window; w != job.end; ++w, to += N * lanes) {
            if (w->first != first) {
                first = w->first;
                const index n = smaller(lanes, job.elements - first - (R - 1) * lanes);
                CYROI_UNROLL for (int g = 0; g < G; ++g) {
                    const A* from = job.rows[p + g] + first;
                    CYROI_UNROLL for (int r = 0; r < R - 1; ++r) row[g][r] = L::load(from + r * lanes);
                    row[g][R - 1] = L::load_part(from + (R - 1) * lanes, n);
                }
            }
            typename L::Vector sum[N][G];
            CYROI_UNROLL for (int g = 0; g < G; ++g) {
                CYROI_UNROLL for (int k = 0; k < N; ++k) sum[k][g] = L::set(0);
            }
            const typename L::Integer* at = job.at + w->table;
            const A* weight = job.weight + N * w->table;
            for (int s = 0; s < w->slots; ++s, at += lanes, weight += N * lanes) {
                const typename B::template Places<R> places(at);
                CYROI_UNROLL for (int k = 0; k < N; ++k) {
                    const typename L::Vector v = L::load(weight + k * lanes);
                    CYROI_UNROLL for (int g = 0; g < G; ++g) {
                        if (exact) {
                            const typename L::Vector found = places.mul(row[g], L::set(1), L::set(0));
                            sum[k][g] = L::fma(L::only(found, v), v, sum[k][g]);
                        } else {
                            sum[k][g] = places.fma(row[g], v, sum[k][g]);
                        }
                    }
                }
            }
            CYROI_UNROLL for (int g = 0; g < G; ++g) {
                CYROI_UNROLL for (int k = 0; k < N; ++k) {
                    L::store(to + g * kWindows * N * lanes + k * lanes, sum[k][g]);
                }
            }
        }
    }

    /* Rows [p, job.count): G at a time, then fewer. */
    template <int N, bool exact, int R, int G, class A>
    static CYROI_INLINE void all_rows(const SpreadJob<A>& job, index p) {
        for (; p + G <= job.count; p += G) some_rows<N, exact, R, G>(job, p);
        if (G > 1 && p < job.count) all_rows<N, exact, R, (G > 1 ? G - 1 : 1)>(job, p);
    }

    template <int N, bool exact, int R, class A>
    static CYROI_KERNEL void windows(const SpreadJob<A>& job) {
        const int G = kRegisters / 2 / (N + R); /* rows and sums take half of the registers */
        all_rows<N, exact, R, G>(job, 0);
    }

    template <int N, bool exact, class A>
    static void run(const SpreadJob<A>& job) {
        switch (job.window->vectors) {
            case 1: return windows<N, exact, 1>(job);
            case 2: return windows<N, exact, 2>(job);
            case 3: return windows<N, exact, 3>(job);
            default: return windows<N, exact, 4>(job);
        }
    }
};

template <>
struct SpreadOf<false> {
    template <int N, bool exact, class A>
    static void run(const SpreadJob<A>&) {}
};

/* Spreads `count` rows over one window, element by element. */
template <int N, bool exact, class A>
inline void spread_elements(const GradientJob& g, const Lines<A, N>& x, const Window& w, const GradientRows<A>& rows,
                            index count, A* to) {
    const index lanes = Lanes<A>::count;
    for (index p = 0; p < count; ++p) {
        A* all = spread_at<A, N>(to, p, 0);
        for (index i = 0; i < N * lanes; ++i) all[i] = 0;
        each_element(g, x, w, [&](index element, index c, int first, int last) {
            const A* row = rows[p] + c;
            for (int n = 0; n < N; ++n) {
                A sum = 0;
                for (int s = first; s < last; ++s) {
                    if (exact && x.share[s].weight[n] == 0) continue;
                    sum = fma_one(x.share[s].weight[n], row[x.share[s].bin * g.row_channels], sum);
                }
                all[n * lanes + element - w.column] = sum;
            }
        });
    }
}

}  // namespace cyroi

#endif
