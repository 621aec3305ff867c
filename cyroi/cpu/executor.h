/* The executor: applies the taps of one box to maps,
 *
 *     out[c, p, q] = sum over columns x of Ax[q, x] * (sum over rows y of Ay[p, y] * map[c, y, x]) .
 *
 * It knows nothing of conventions: taps come from cyroi/plan.h. Three routes, one order of summation.
 *
 *   planes    innermost stride is x (NCHW): channel by channel. The output row of a box is cut into blocks of bins whose
 *             columns fit four vectors (blocks.h). For each block and output row the tap rows are combined in
 *             registers, contiguous loads only, and the bins are picked out of the registers by permutations.
 *   fused     innermost stride is c and channels are few (an NHWC image): the same, with the row seen as one run of
 *             elements, and a lane for each bin and channel.
 *   pixels    innermost stride is c and channels are many: vectors of channels; for each bin and column tap the row taps
 *             are combined.
 *
 * Decisions
 * a) Rows first, then columns, in all routes. Rows: ascending, in blocks of kBlock whose sums are added in order.
 *    Columns: up to kSlots taps of a bin ascending; beyond, tap t goes to partial sum t modulo the number of
 *    lanes, and the partial sums are added by halves. An output element therefore has the same bits whatever the
 *    layout, the route, the other boxes, the channel count, the threads or the slicing.
 * b) Blocks and partial sums bound the rounding error. A plain sum of n taps costs n * eps; the average of a constant
 *    map over a thousand rows drifts by 1e-5 in float32.
 * c) A sum of up to kSlots taps starts with its first product (not with 0): a single tap of weight 1 copies its pixel,
 *    -0.0 included. Partial sums start with +0, so that lanes without a tap add nothing.
 * d) Only elements that some tap of the block spans are loaded; the last vector of a row is loaded in part. The
 *    fused route reads what lies between two pixels as well (image[..., :3] of RGBA), inside the row.
 * e) Pointers and numbers only; no allocation, no Python. */
#ifndef CYROI_CPU_EXECUTOR_H
#define CYROI_CPU_EXECUTOR_H

#include "blocks.h"
#include "lanes.h"

namespace cyroi {

static const index kBlock = 16; /* tap rows summed before their sum joins the total */

/* --- sums over tap rows -------------------------------------------------------------------------------------------- */

/* sum[r] = the taps' sum of weight * row, for R vectors of a row; of the last one, `tail` elements. */
template <int R, class A>
inline void combine_block(const A* base, index stride, const TapList<A>& taps, index tail,
                          typename Lanes<A>::Vector (&sum)[R]) {
    typedef Lanes<A> L;
    const A* row = base + taps.pixel[0] * stride;
    typename L::Vector w = L::set(taps.weight[0]);
    for (int r = 0; r < R - 1; ++r) sum[r] = L::mul(w, L::load(row + r * L::count));
    sum[R - 1] = L::mul(w, L::load_part(row + (R - 1) * L::count, tail));
    for (index t = 1; t < taps.count; ++t) {
        row = base + taps.pixel[t] * stride;
        w = L::set(taps.weight[t]);
        for (int r = 0; r < R - 1; ++r) sum[r] = L::fma(w, L::load(row + r * L::count), sum[r]);
        sum[R - 1] = L::fma(w, L::load_part(row + (R - 1) * L::count, tail), sum[R - 1]);
    }
}

/* The same for any number of taps, at least one. */
template <int R, class A>
inline void combine(const A* base, index stride, const TapList<A>& taps, index tail,
                    typename Lanes<A>::Vector (&sum)[R]) {
    combine_block<R>(base, stride, taps.part(0, smaller(taps.count, kBlock)), tail, sum);
    for (index b = kBlock; b < taps.count; b += kBlock) {
        typename Lanes<A>::Vector block[R];
        combine_block<R>(base, stride, taps.part(b, smaller(taps.count, b + kBlock)), tail, block);
        for (int r = 0; r < R; ++r) sum[r] = Lanes<A>::add(sum[r], block[r]);
    }
}

/* The same for a single element. */
template <class A>
inline A combine_one(const A* base, index stride, const TapList<A>& taps) {
    A total = 0;
    for (index b = 0; b < taps.count; b += kBlock) {
        A sum = taps.weight[b] * base[taps.pixel[b] * stride];
        for (index t = b + 1; t < smaller(taps.count, b + kBlock); ++t) {
            sum = fma_one(taps.weight[t], base[taps.pixel[t] * stride], sum);
        }
        total = b == 0 ? sum : total + sum;
    }
    return total;
}

/* --- what a work item sees ----------------------------------------------------------------------------------------- */

/* One box, some of its channels and output rows. */
template <class A>
struct Part {
    const Job& job;
    index k; /* number of the box in the chunk */
    Bins<A> y, x;
    index channels;
    index p0, p1;
    const A* map; /* IN: first channel, pixel (0, 0) */
    A* out;       /* OUT: first channel, bin (0, 0) */

    A fill() const { return static_cast<A>(job.fill); }
};

/* --- planes and fused: a block of bins in registers ---------------------------------------------------------------- */

/* Writes the first n lanes to elements [first, first + n) of an output row. */
template <class A>
inline void store_elements(const Job& job, index first, index n, typename Lanes<A>::Vector v, A* row) {
    if (job.out_contiguous) return Lanes<A>::store_part(row + first, v, n);
    A values[Lanes<A>::count];
    Lanes<A>::store(values, v);
    for (index e = 0; e < n; ++e) {
        const index element = first + e;
        row[element / job.row_channels * job.out.x + element % job.row_channels * job.out.c] = values[e];
    }
}

/* All rows of one block, for all channels. R: vectors that its columns fill. S: column taps, whose tables then stay in
 * registers; 0: block.slots of them, read anew for each row. */
template <int R, int S, class A>
inline void register_block(const Part<A>& part, const Block& block, const Tables<A>& tables) {
    typedef Lanes<A> L;
    const Job& job = part.job;
    const index tail = block.columns - (R - 1) * L::count;
    const typename L::Vector fill = L::set(part.fill());
    typename L::Index at[S ? S : 1];
    typename L::Vector weight[S ? S : 1];
    for (int s = 0; s < S; ++s) {
        at[s] = L::load_index(tables.at + s * L::count);
        weight[s] = L::load(tables.weight + s * L::count);
    }
    for (index c = 0; c < part.channels; c += job.row_channels) {
        const A* map = part.map + c * job.maps.c + block.column;
        A* out = part.out + c * job.out.c;
        for (index p = part.p0; p < part.p1; ++p) {
            const TapList<A> y = part.y[p];
            typename L::Vector sum = fill;
            if (y.count > 0) {
                typename L::template Table<R> row;
                combine<R>(map, job.maps.y, y, tail, row.v);
                row.keep();
                for (int s = 0; s < (S ? S : block.slots); ++s) {
                    const typename L::Index i = S ? at[S ? s : 0] : L::load_index(tables.at + s * L::count);
                    const typename L::Vector w = S ? weight[S ? s : 0] : L::load(tables.weight + s * L::count);
                    const typename L::Vector v = row.look_up(i);
                    sum = L::pick(i, sum, s == 0 ? L::mul(w, v) : L::fma(w, v, sum));
                }
            }
            store_elements(job, block.first, block.elements, sum, out + p * job.out.y);
        }
    }
}

/* The same without permutations: the combined row is kept in memory and the bins are read from it one by one. */
template <int R, class A>
inline void memory_block(const Part<A>& part, const Block& block) {
    typedef Lanes<A> L;
    const Job& job = part.job;
    const index tail = block.columns - (R - 1) * L::count;
    const index q0 = block.first / job.row_channels, q1 = q0 + block.elements / job.row_channels;
    for (index c = 0; c < part.channels; c += job.row_channels) {
        for (index p = part.p0; p < part.p1; ++p) {
            const TapList<A> y = part.y[p];
            typename L::template Table<R> row;
            if (y.count > 0) combine<R>(part.map + c * job.maps.c + block.column, job.maps.y, y, tail, row.v);
            row.keep();
            for (index q = q0; q < q1; ++q) {
                const TapList<A> x = part.x[q];
                A* bin = part.out + c * job.out.c + p * job.out.y + q * job.out.x;
                for (index channel = 0; channel < job.row_channels; ++channel) {
                    const A* column = row.memory + (channel - block.column);
                    A value = part.fill();
                    if (y.count > 0 && x.count > 0) {
                        value = x.weight[0] * column[x.pixel[0] * job.maps.x];
                        for (index s = 1; s < x.count; ++s) {
                            value = fma_one(x.weight[s], column[x.pixel[s] * job.maps.x], value);
                        }
                    }
                    bin[channel * job.out.c] = value;
                }
            }
        }
    }
}

/* Chooses between the two at compile time, so that a target without permutations need not have them. */
template <bool permutes>
struct BlockOf {
    template <int R, class A>
    static void run(const Part<A>& part, const Block& block, const Tables<A>& tables) {
        switch (block.slots) {
            case 1: return register_block<R, 1>(part, block, tables);
            case 2: return register_block<R, 2>(part, block, tables);
            case 3: return register_block<R, 3>(part, block, tables);
            case 4: return register_block<R, 4>(part, block, tables);
            default: return register_block<R, 0>(part, block, tables);
        }
    }
};
template <>
struct BlockOf<false> {
    template <int R, class A>
    static void run(const Part<A>& part, const Block& block, const Tables<A>&) {
        memory_block<R>(part, block);
    }
};

/* --- planes and fused: a bin too wide for registers, or with many taps ----------------------------------------------- */

/* partial += weight * column for the columns of R vectors, of the last one `tail` columns. */
template <int R, class A>
inline void add_columns(const A* map, index stride, const TapList<A>& y, const A* weight, index tail,
                        typename Lanes<A>::Vector& partial) {
    typedef Lanes<A> L;
    typename L::Vector row[R];
    combine<R>(map, stride, y, tail, row);
    for (int r = 0; r < R - 1; ++r) partial = L::fma(L::load(weight + r * L::count), row[r], partial);
    partial = L::fma(L::load_part(weight + (R - 1) * L::count, tail), row[R - 1], partial);
}

/* Partial sums of a bin whose columns are consecutive elements: up to four vectors of columns at a time. */
template <class A>
inline A consecutive_element(const A* map, index stride, const TapList<A>& y, const TapList<A>& x) {
    typedef Lanes<A> L;
    typename L::Vector partial = L::set(0);
    map += x.pixel[0];
    for (index j = 0; j < x.count; j += 4 * L::count) {
        const index n = smaller<index>(4 * L::count, x.count - j), vectors = (n + L::count - 1) / L::count;
        const index tail = n - (vectors - 1) * L::count;
        switch (vectors) {
            case 1: add_columns<1>(map + j, stride, y, x.weight + j, tail, partial); break;
            case 2: add_columns<2>(map + j, stride, y, x.weight + j, tail, partial); break;
            case 3: add_columns<3>(map + j, stride, y, x.weight + j, tail, partial); break;
            default: add_columns<4>(map + j, stride, y, x.weight + j, tail, partial); break;
        }
    }
    A values[L::count];
    L::store(values, partial);
    return sum_by_halves(values, L::count);
}

/* Any bin; `pixel` elements from a column to the next. */
template <class A>
inline A scattered_element(const A* map, index stride, index pixel, const TapList<A>& y, const TapList<A>& x) {
    if (x.count <= kSlots) {
        A sum = x.weight[0] * combine_one(map + x.pixel[0] * pixel, stride, y);
        for (index j = 1; j < x.count; ++j) {
            sum = fma_one(x.weight[j], combine_one(map + x.pixel[j] * pixel, stride, y), sum);
        }
        return sum;
    }
    A partial[Lanes<A>::count] = {};
    for (index j = 0; j < x.count; ++j) {
        A& sum = partial[j % Lanes<A>::count];
        sum = fma_one(x.weight[j], combine_one(map + x.pixel[j] * pixel, stride, y), sum);
    }
    return sum_by_halves(partial, Lanes<A>::count);
}

template <class A>
inline void wide_block(const Part<A>& part, const Block& block) {
    const Job& job = part.job;
    const index q = block.first / job.row_channels;
    const TapList<A> x = part.x[q];
    const bool consecutive =
        job.maps.x == 1 && x.count > kSlots && x.pixel[x.count - 1] - x.pixel[0] == static_cast<int>(x.count) - 1;
    for (index c = 0; c < part.channels; ++c) {
        for (index p = part.p0; p < part.p1; ++p) {
            const TapList<A> y = part.y[p];
            const A* map = part.map + c * job.maps.c;
            A value = part.fill();
            if (y.count > 0) {
                value = consecutive ? consecutive_element(map, job.maps.y, y, x)
                                    : scattered_element(map, job.maps.y, job.maps.x, y, x);
            }
            part.out[c * job.out.c + p * job.out.y + q * job.out.x] = value;
        }
    }
}

template <class A>
inline void empty_block(const Part<A>& part, const Block& block) {
    const Job& job = part.job;
    for (index c = 0; c < part.channels; c += job.row_channels) {
        for (index p = part.p0; p < part.p1; ++p) {
            A* row = part.out + c * job.out.c + p * job.out.y;
            for (index e = 0; e < block.elements; e += Lanes<A>::count) {
                store_elements(job, block.first + e, smaller<index>(Lanes<A>::count, block.elements - e),
                               Lanes<A>::set(part.fill()), row);
            }
        }
    }
}

template <class A>
inline void box_blocks(const Part<A>& part, const Arrays<A>& arrays) {
    const Cut& cut = part.job.cuts[part.k];
    for (index b = 0; b < cut.blocks; ++b) {
        const Block& block = part.job.blocks[part.k * part.job.bins_x + b];
        const Tables<A> tables = tables_of(arrays, cut.table + block.table);
        switch (block.vectors) {
            case kEmpty: empty_block(part, block); break;
            case kWide: wide_block(part, block); break;
            case 1: BlockOf<Lanes<A>::permutes>::template run<1>(part, block, tables); break;
            case 2: BlockOf<Lanes<A>::permutes>::template run<2>(part, block, tables); break;
            case 3: BlockOf<Lanes<A>::permutes>::template run<3>(part, block, tables); break;
            default: BlockOf<Lanes<A>::permutes>::template run<4>(part, block, tables); break;
        }
    }
}

/* --- pixels: one bin, vectors of channels -------------------------------------------------------------------------- */

/* sum = the bin's values for R vectors of channels, of the last one `tail` channels; both lists have taps. */
template <int R, class A>
inline void pixel_bin(const A* map, const Strides& strides, const TapList<A>& y, const TapList<A>& x, index tail,
                      typename Lanes<A>::Vector (&sum)[R]) {
    typedef Lanes<A> L;
    typename L::Vector column[R];
    if (x.count <= kSlots) {
        for (index j = 0; j < x.count; ++j) {
            combine<R>(map + x.pixel[j] * strides.x, strides.y, y, tail, column);
            const typename L::Vector w = L::set(x.weight[j]);
            for (int r = 0; r < R; ++r) sum[r] = j == 0 ? L::mul(w, column[r]) : L::fma(w, column[r], sum[r]);
        }
        return;
    }
    typename L::Vector partial[L::count][R];
    for (int i = 0; i < L::count; ++i) {
        for (int r = 0; r < R; ++r) partial[i][r] = L::set(0);
    }
    for (index j = 0; j < x.count; ++j) {
        combine<R>(map + x.pixel[j] * strides.x, strides.y, y, tail, column);
        typename L::Vector* into = partial[j % L::count];
        for (int r = 0; r < R; ++r) into[r] = L::fma(L::set(x.weight[j]), column[r], into[r]);
    }
    for (int half = L::count / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; ++i) {
            for (int r = 0; r < R; ++r) partial[i][r] = L::add(partial[i][r], partial[i + half][r]);
        }
    }
    for (int r = 0; r < R; ++r) sum[r] = partial[0][r];
}

/* One bin for R vectors of channels from c0 on. */
template <int R, class A>
inline void pixel_channels(const Part<A>& part, const TapList<A>& y, const TapList<A>& x, index c0, index n, A* bin) {
    typedef Lanes<A> L;
    const index tail = n - (R - 1) * L::count;
    typename L::Vector sum[R];
    if (y.count > 0 && x.count > 0) {
        pixel_bin<R>(part.map + c0, part.job.maps, y, x, tail, sum);
    } else {
        for (int r = 0; r < R; ++r) sum[r] = L::set(part.fill());
    }
    if (part.job.out.c == 1) {
        for (int r = 0; r < R - 1; ++r) L::store(bin + c0 + r * L::count, sum[r]);
        return L::store_part(bin + c0 + (R - 1) * L::count, sum[R - 1], tail);
    }
    A values[R * L::count];
    for (int r = 0; r < R; ++r) L::store(values + r * L::count, sum[r]);
    for (index c = 0; c < n; ++c) bin[(c0 + c) * part.job.out.c] = values[c];
}

template <class A>
inline void box_pixels(const Part<A>& part) {
    const Job& job = part.job;
    const index most = 4 * Lanes<A>::count;
    for (index p = part.p0; p < part.p1; ++p) {
        const TapList<A> y = part.y[p];
        for (index q = 0; q < job.bins_x; ++q) {
            const TapList<A> x = part.x[q];
            A* bin = part.out + p * job.out.y + q * job.out.x;
            index c = 0;
            for (; c + most <= part.channels; c += most) pixel_channels<4>(part, y, x, c, most, bin);
            for (; c < part.channels; c += Lanes<A>::count) {
                pixel_channels<1>(part, y, x, c, smaller<index>(Lanes<A>::count, part.channels - c), bin);
            }
        }
    }
}

/* --- one box ------------------------------------------------------------------------------------------------------- */

/* Channels [c0, c1) and output rows [p0, p1) of box `k` of the chunk. */
template <class A>
inline void run_box(const Job& job, const Arrays<A>& arrays, index k, index c0, index c1, index p0, index p1) {
    const BoxPlan& box = job.boxes[k];
    const Part<A> part = {job,
                          k,
                          y_bins(job, arrays.weights, k),
                          x_bins(job, arrays.weights, k),
                          c1 - c0,
                          p0,
                          p1,
                          arrays.maps + box.image * job.maps.n + c0 * job.maps.c,
                          arrays.out + (job.first_box + k) * job.out.n + c0 * job.out.c};
    if (job.route == PIXELS) return box_pixels(part);
    box_blocks(part, arrays);
}

}  // namespace cyroi

#endif
