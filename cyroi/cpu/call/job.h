/* What one call hands to the kernels: plain data, the same for every SIMD target. */
#ifndef CYROI_CPU_CALL_JOB_H
#define CYROI_CPU_CALL_JOB_H

#include "call/chunk.h"
#include "call/sizes.h"
#include "cyroi/plan.h"

namespace cyroi {

enum Route { PLANES = 0, FUSED = 1, PIXELS = 2 }; /* see executor.h */

/* Strides of maps: images, channels, rows, columns. They may be negative. */
struct Strides {
    index n, c, y, x;
};

/* Where crops lie, and how: the output, or (of const bytes) its gradient. */
template <class Byte>
struct Crops {
    Byte* data;       /* boxes, channels, bins_y, bins_x */
    index n, c, y, x; /* bytes from a box, a channel, a row, a bin to the next */
    int element;      /* see elements.h */
    bool contiguous;  /* elements of a row follow each other */
    bool plain;       /* ... and are of the type that is computed with, apart by whole elements */
};
typedef Crops<char> Output;

/* A run of bins of one output row, see blocks.h. */
struct Block {
    index first, elements; /* elements of the output row: bin * row_channels + channel */
    index column, columns; /* elements of the map row that its taps span */
    index table;           /* its first table element among those of the box */
    int vectors;           /* that its columns fill; or one of the kinds of blocks.h */
    int slots;
    int lanes; /* of a slot in its tables */
};

/* The blocks of one box. */
struct Cut {
    index blocks;
    index elements; /* of its tables */
    index table;    /* the first of them among all */
    bool buffered;  /* a combined row goes to memory before its bins are formed (buffer.h) */
};

/* Boxes order[first] ... order[last - 1], all of one image, and some of their output rows. */
struct Span {
    index first, last;
    index p0, p1;
};

/* The spans of one image and the channel blocks that repeat them, see schedule.h. */
struct ImageItems {
    index first_span, spans;
    index channels, repeats; /* of an item; of the spans, for so many channels each */
    index first_item;
    bool fetch; /* the boxes read so much of a plane that it is worth fetching whole, before the first of them */
};

/* What is the same for all work items of a chunk, in every direction: the maps and how they are walked through. */
struct MapsJob : Chunk {
    Strides maps; /* in elements */
    index channels;
    index row_channels; /* that one row of the maps holds: 1, or all of them on the fused route */
    index rows;         /* of a map */
    index row_elements; /* of a row of the maps, from its first element to its last; gathered: of its pixels together */
    index pixel;        /* elements from a column to the next of a combined row: maps.x, or fewer if gathered */
    bool gathered;      /* the pixels of a row are read one by one: they are far from each other, or reversed */
    index bins_y, bins_x;
    index planes; /* channels that share a pass over the boxes */
    int route;
    int maps_element;     /* see elements.h */
    const void* map_data; /* images, channels, rows, columns */
};

/* The forward pass. */
struct Job : MapsJob {
    Output out;         /* OUT */
    bool streams;       /* results go past the caches, see executor.h */
    double fill;        /* value of a bin that has no sample inside */
    Cut* cuts;          /* of each box */
    Block* blocks;      /* block_capacity() of them per box */
    void* at;           /* tables of the blocks, places as wide as weights */
    void* slot_weights; /* tables of the blocks */
    Span* spans;
    ImageItems* of_images;
    index image_count;
};

template <class A>
inline Bins<A> y_bins(const MapsJob& job, index k) {
    const A* weights = static_cast<const A*>(job.weights);
    return y_bins(job.boxes[k], job.pixels, weights, job.ends + k * (job.bins_y + job.bins_x));
}

template <class A>
inline Bins<A> x_bins(const MapsJob& job, index k) {
    const A* weights = static_cast<const A*>(job.weights);
    return x_bins(job.boxes[k], job.pixels, weights, job.ends + k * (job.bins_y + job.bins_x), job.bins_y);
}

/* Room for the blocks of a box: each has the last element of a bin, or is followed by one that has. */
inline index block_capacity(index bins_x) {
    return 2 * bins_x + 1;
}

/* Room that the tables of a box may need, in slots. */
inline index slot_capacity(index bins_x) {
    return block_capacity(bins_x) * kSlots;
}

}  // namespace cyroi

#endif
