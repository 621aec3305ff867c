/* The route fused where pixels of the maps are far from each other or reversed (image[..., :3] of many channels,
 * image[:, :, ::-1]): rows of the maps as if they were not. Compiled per SIMD target.
 *
 * Decisions
 * a) A row is copied pixel by pixel into a buffer, where channels of neighbouring columns follow each other, and is
 *    combined from there as any other row. So what lies between pixels costs nothing but its cache lines.
 * b) The rows copied last are kept: output rows that follow each other read the same ones, and each copied pixel may
 *    cost a cache line.
 * c) Only the columns of the segment (buffered_rows.h) are copied, so one small box of a large image stays cheap, and no
 *    memory is needed but that of the thread. */
#ifndef CYROI_CPU_FORWARD_GATHER_H
#define CYROI_CPU_FORWARD_GATHER_H

#include "forward/blocks.h"
#include "forward/part.h"

namespace cyroi {

/* The rows of one segment that were copied last, as elements of the type that is computed with. */
template <class A>
struct GatheredRows {
    static const int count = 4;
    RowBuffer<A> row[count];
    index held[count]; /* which row of the map; -1: none */
    int next;          /* to be replaced */

    void forget() {
        for (int i = 0; i < count; ++i) held[i] = -1;
        next = 0;
    }
    int find(index pixel) const {
        for (int i = 0; i < count; ++i) {
            if (held[i] == pixel) return i;
        }
        return -1;
    }
};

/* P pixels, `step` elements apart, behind each other. Vectors are stored whole: what they write too much is written
 * again, or lies in the slack of the buffer. */
template <int P, class S, class A>
CYROI_INLINE void copy_pixels(const S* map, index step, index channels, A* to) {
    typename Lanes<A>::Vector pixel[P];
    CYROI_UNROLL for (int i = 0; i < P; ++i) pixel[i] = Lanes<A>::load_part(map + i * step, channels);
    CYROI_UNROLL for (int i = 0; i < P; ++i) Lanes<A>::store(to + i * channels, pixel[i]);
}

/* `count` pixels of a row. */
template <class S, class A>
CYROI_KERNEL void copy_row(const S* map, index step, index channels, index count, A* to /* OUT */) {
    index x = 0;
    for (; x + 4 <= count; x += 4) copy_pixels<4>(map + x * step, step, channels, to + x * channels);
    for (; x < count; ++x) copy_pixels<1>(map + x * step, step, channels, to + x * channels);
}

/* The rows of at most GatheredRows::count taps into `rows`. where: where each of them is found. map: column 0 of the
 * segment. */
template <class S, class A>
inline void gather_rows(const S* map, const Strides& strides, index channels, index columns, const TapList<A>& y,
                        GatheredRows<A>& rows, int* where /* OUT */) {
    bool used[GatheredRows<A>::count] = {};
    for (index t = 0; t < y.count; ++t) {
        where[t] = rows.find(y.pixel[t]);
        if (where[t] >= 0) used[where[t]] = true;
    }
    for (index t = 0; t < y.count; ++t) {
        if (where[t] >= 0) continue;
        while (used[rows.next]) rows.next = (rows.next + 1) % GatheredRows<A>::count;
        const int slot = where[t] = rows.next;
        used[slot] = true;
        rows.held[slot] = y.pixel[t];
        copy_row(map + y.pixel[t] * strides.y, strides.x, channels, columns, rows.row[slot].row);
    }
}

}  // namespace cyroi

#endif
