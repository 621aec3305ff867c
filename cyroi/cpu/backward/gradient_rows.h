/* Rows of the gradient of the result, and the walk over the windows of a box: what both gradients share on the routes
 * planes and fused. Compiled per SIMD target. */
#ifndef CYROI_CPU_BACKWARD_GRADIENT_ROWS_H
#define CYROI_CPU_BACKWARD_GRADIENT_ROWS_H

#include "backward/windows.h"
#include "call/gradient_schedule.h"

namespace cyroi {

template <class A>
struct ReadElements {
    const GradientJob& g;
    const char* row;
    A* to;

    template <class O>
    void operator()(O) const {
        const index channels = g.row_channels;
        for (index q = 0; q < g.bins_x; ++q) {
            for (index c = 0; c < channels; ++c) {
                const O* element = reinterpret_cast<const O*>(row + q * g.grad.x + c * g.grad.c);
                to[q * channels + c] = static_cast<A>(value_of(*element));
            }
        }
    }
};

/* Rows [p, p + count) of box k and channel c: where they lie, or converted into `room`. */
template <class A>
inline GradientRows<A> read_rows(const GradientJob& g, index k, index c, index p, index count, A* room) {
    const char* row = grad_row(g, k, c, p);
    const index size = static_cast<index>(sizeof(A));
    if (g.grad.plain) return GradientRows<A>{reinterpret_cast<const A*>(row), g.grad.y / size};
    const index elements = g.bins_x * g.row_channels;
    for (index i = 0; i < count; ++i) {
        with_element(g.grad.element, ReadElements<A>{g, row + i * g.grad.y, room + i * elements});
    }
    return GradientRows<A>{room, elements};
}

/* Asks for the rows of a box and channel, of which the first begins at `row`, early: each box has pages of its own, and a
 * channel few bytes of them. */
inline void expect_rows(const GradientJob& g, const char* row) {
    const index size = g.grad.y * g.bins_y;
    for (index i = 0; i < size + 63 && i < kExpectedBytes; i += 64) expect(row + i);
}

/* use(windows, count) for the windows of box k, at most kWindows at a time: those of its tables, or made on the way. */
template <class A, int N, class F>
inline void each_windows(const GradientJob& g, index k, F use) {
    const Turned& turned = g.turned[k];
    if (turned.tabled) {
        const Window* windows = g.windows + turned.window;
        for (index w = 0; w < turned.windows; w += kWindows)
            use(windows + w, smaller<index>(kWindows, turned.windows - w));
        return;
    }
    WindowCutter<A, N> cutter(g, x_lines<A, N>(g, k));
    Window windows[kWindows];
    for (bool more = true; more;) {
        int count = 0;
        while (count < kWindows && (more = cutter.next(windows[count]))) ++count;
        if (count > 0) use(windows, count);
    }
}

/* What windows reach, N vectors for each: not 0 in the lanes that have a share whose number is not 0. */
template <int N, class A>
inline void find_reach(const GradientJob& g, index k, const Window* windows, index count, A* reach /* OUT */) {
    typedef Lanes<A> L;
    const Turned& turned = g.turned[k];
    const index lanes = L::count;
    for (const Window* w = windows; w != windows + count; ++w, reach += N * lanes) {
        for (int n = 0; n < N; ++n) L::store(reach + n * lanes, L::set(0));
        if (turned.tabled) {
            const A* weight = static_cast<const A*>(g.table_weights) + N * (turned.table + w->table);
            for (int i = 0; i < N * w->slots; ++i, weight += lanes) {
                A* const to = reach + i % N * lanes;
                L::store(to, L::add(L::load(to), L::only(L::set(1), L::load(weight))));
            }
            continue;
        }
        const Lines<A, N> x = x_lines<A, N>(g, k);
        each_element(g, x, *w, [&](index element, index, int first, int last) {
            for (int s = first; s < last; ++s) {
                for (int n = 0; n < N; ++n) reach[n * lanes + element - w->column] += x.share[s].weight[n] != 0;
            }
        });
    }
}

/* Spreads rows over windows. */
template <int N, bool exact, class A>
inline void spread_rows(const GradientJob& g, index k, const Window* windows, index count, const GradientRows<A>& rows,
                        index p_count, A* to) {
    const Turned& turned = g.turned[k];
    if (!turned.tabled) {
        for (index w = 0; w < count; ++w) {
            spread_elements<N, exact>(g, x_lines<A, N>(g, k), windows[w], rows, p_count, spread_at<A, N>(to, 0, w));
        }
        return;
    }
    const typename Lanes<A>::Integer* at = static_cast<const typename Lanes<A>::Integer*>(g.at) + turned.table;
    const A* weight = static_cast<const A*>(g.table_weights) + N * turned.table;
    for (index w = 0, end; w < count; w = end) {
        for (end = w + 1; end < count && windows[end].vectors == windows[w].vectors;) ++end;
        const SpreadJob<A> job = {windows + w,
                                  windows + end,
                                  at,
                                  weight,
                                  rows,
                                  p_count,
                                  g.bins_x * g.row_channels,
                                  spread_at<A, N>(to, 0, w)};
        SpreadOf<Lanes<A>::permutes>::template run<N, exact>(job);
    }
}

}  // namespace cyroi

#endif
