/* The memory floor of a workload: as little as any method can do that treats each box on its own.
 *
 * forward   every row that a box touches is read once per box and channel, from its first touched column to its last,
 *           and added up with SIMD; the result is written once
 * backward  the maps are zeroed, the gradient of the result is read once, every touched row is read, changed and
 *           written once per box and channel
 * once      all maps are read once and the result is written once, whatever the boxes
 *
 * NCHW goes plane by plane, so that a plane stays in L2 while all its boxes read it; NHWC goes box by box, in backward
 * with a span of channels for each thread. Rows are read in whole vectors: behind the maps and behind the result must
 * lie LANES - 1 floats more. Without OpenMP everything runs on one thread. */
#include <stdint.h>
#include <string.h>

enum { LANES = 16, CHUNK = 4096 };
typedef float Lanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/* Two sums, so that an addition need not wait for the one before. */
typedef struct {
    Lanes even, odd;
} Sum;

/* floor.py has its twin. Box k touches rows[first_row[k]] to rows[first_row[k + 1] - 1], columns likewise; the boxes of
 * image n are first_box[n] to first_box[n + 1] - 1. */
typedef struct {
    int64_t images, channels, height, width, bins, threads;
    const int64_t *first_box, *first_row, *first_column;
    const int32_t *image, *rows, *columns;
    float *maps, *result;
} Work;

static inline Sum read_run(Sum sum, const float* first, int64_t count) {
    int64_t i = 0;
    for (; i + 2 * LANES <= count; i += 2 * LANES) {
        sum.even += *(const Lanes*)(first + i);
        sum.odd += *(const Lanes*)(first + i + LANES);
    }
    for (; i < count; i += LANES) sum.even += *(const Lanes*)(first + i);
    return sum;
}

static inline float total(Sum sum) {
    float lanes[LANES], value = 0;
    sum.even += sum.odd;
    memcpy(lanes, &sum.even, sizeof lanes);
    for (int i = 0; i < LANES; i++) value += lanes[i];
    return value;
}

static inline void write_run(float* first, int64_t count, float value) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) first[i] = value;
}

static inline void change_run(float* first, int64_t count, float value) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) first[i] += value;
}

/* From the first touched column to the last: a plane's row is contiguous, so what lies between comes along. */
static inline int64_t span(const Work* w, int64_t box) {
    int64_t start = w->first_column[box], end = w->first_column[box + 1];
    return start == end ? 0 : w->columns[end - 1] - w->columns[start] + 1;
}

static inline float* first_touched(const Work* w, float* plane, int64_t box) {
    return span(w, box) ? plane + w->columns[w->first_column[box]] : plane;
}

static inline float* pixel(const Work* w, int64_t box, int64_t row, int64_t column) {
    int64_t line = w->image[box] * w->height + w->rows[row];
    return w->maps + (line * w->width + w->columns[column]) * w->channels;
}

static void forward_plane(const Work* w, int64_t image, int64_t channel) {
    float* plane = w->maps + (image * w->channels + channel) * w->height * w->width;
    for (int64_t box = w->first_box[image]; box < w->first_box[image + 1]; box++) {
        Sum sum = {{0}, {0}};
        const float* start = first_touched(w, plane, box);
        int64_t count = span(w, box), width = w->width;
        for (int64_t row = w->first_row[box]; row < w->first_row[box + 1]; row++)
            sum = read_run(sum, start + w->rows[row] * width, count);
        write_run(w->result + (box * w->channels + channel) * w->bins, w->bins, total(sum));
    }
}

void forward_nchw(const Work* w) {
#pragma omp parallel for schedule(dynamic, 2) num_threads(w->threads)
    for (int64_t plane = 0; plane < w->images * w->channels; plane++)
        forward_plane(w, plane / w->channels, plane % w->channels);
}

static void forward_box(const Work* w, int64_t box) {
    int64_t start = w->first_column[box], end = w->first_column[box + 1];
    Sum sum = {{0}, {0}};
    for (int64_t row = w->first_row[box]; row < w->first_row[box + 1]; row++)
        if (span(w, box) == end - start)
            sum = read_run(sum, pixel(w, box, row, start), (end - start) * w->channels);
        else
            for (int64_t column = start; column < end; column++)
                sum = read_run(sum, pixel(w, box, row, column), w->channels);
    write_run(w->result + box * w->bins * w->channels, w->bins * w->channels, total(sum));
}

void forward_nhwc(const Work* w) {
#pragma omp parallel for schedule(dynamic, 4) num_threads(w->threads)
    for (int64_t box = 0; box < w->first_box[w->images]; box++) forward_box(w, box);
}

static void backward_plane(const Work* w, int64_t image, int64_t channel) {
    int64_t size = w->height * w->width;
    float* plane = w->maps + (image * w->channels + channel) * size;
    memset(plane, 0, sizeof(float) * size);
    for (int64_t box = w->first_box[image]; box < w->first_box[image + 1]; box++) {
        Sum none = {{0}, {0}};
        float value = total(read_run(none, w->result + (box * w->channels + channel) * w->bins, w->bins));
        float* start = first_touched(w, plane, box);
        int64_t count = span(w, box), width = w->width;
        for (int64_t row = w->first_row[box]; row < w->first_row[box + 1]; row++)
            change_run(start + w->rows[row] * width, count, value);
    }
}

void backward_nchw(const Work* w) {
#pragma omp parallel for schedule(dynamic, 2) num_threads(w->threads)
    for (int64_t plane = 0; plane < w->images * w->channels; plane++)
        backward_plane(w, plane / w->channels, plane % w->channels);
}

static void backward_channels(const Work* w, int64_t from, int64_t count) {
    for (int64_t i = 0; i < w->images * w->height * w->width; i++)
        memset(w->maps + i * w->channels + from, 0, sizeof(float) * count);
    for (int64_t box = 0; box < w->first_box[w->images]; box++) {
        Sum sum = {{0}, {0}};
        for (int64_t bin = 0; bin < w->bins; bin++)
            sum = read_run(sum, w->result + (box * w->bins + bin) * w->channels + from, count);
        float value = total(sum);
        for (int64_t row = w->first_row[box]; row < w->first_row[box + 1]; row++)
            for (int64_t column = w->first_column[box]; column < w->first_column[box + 1]; column++)
                change_run(pixel(w, box, row, column) + from, count, value);
    }
}

void backward_nhwc(const Work* w) {
#pragma omp parallel for schedule(static, 1) num_threads(w->threads)
    for (int64_t part = 0; part < w->threads; part++) {
        int64_t from = w->channels * part / w->threads, to = w->channels * (part + 1) / w->threads;
        backward_channels(w, from, to - from);
    }
}

/* The sum is returned so that no compiler can leave out the reading. */
float once(const Work* w) {
    int64_t cells = w->images * w->channels * w->height * w->width;
    int64_t values = w->first_box[w->images] * w->channels * w->bins;
    float sum = 0;
#pragma omp parallel for schedule(static) num_threads(w->threads) reduction(+ : sum)
    for (int64_t i = 0; i < cells; i += CHUNK) {
        Sum none = {{0}, {0}};
        sum += total(read_run(none, w->maps + i, cells - i < CHUNK ? cells - i : CHUNK));
    }
#pragma omp parallel for schedule(static) num_threads(w->threads)
    for (int64_t i = 0; i < values; i += CHUNK) write_run(w->result + i, values - i < CHUNK ? values - i : CHUNK, 1);
    return sum;
}

int is_threaded(void) {
#ifdef _OPENMP
    return 1;
#else
    return 0;
#endif
}
