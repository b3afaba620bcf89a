/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* bench_kernels.c - the speed of every slot of the kernel table, one thread, beside the machine's
 * limits measured in the same run.
 *
 *   bench_kernels [isa] [slot]     isa: a name or "all"; slot: a part of a name, "gemm" or "q4_0"
 *
 * Each figure is the best of many short runs: on a shared machine the best is the kernel, the mean
 * is the neighbours. gemv is quoted for weights in the second-level cache and for weights that come
 * from memory, where the plain read next to it is the limit. */
#include "backend/cpu/kernels.h"
#include "base/check.h"
#include "os/system.h"
#include "tensor/quant/blocks.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum {
    NEAR_BYTES = 192 << 10,
    FAR_BYTES = 256 << 20,
    STRETCH = 2 << 20,
    CHUNK = 96 << 10, /* what the engine gives gemv at once */
    DIM = 2048,
    POSITIONS = 512
};

static volatile uint64_t sink;

/* ---- timing ---- */

typedef void (*work_fn)(void *context);

enum { MAX_RUNS = 4096 };

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds of one run within the time given: the quickest, or the one in the middle. */
static double run_time(work_fn work, void *context, double seconds, bool middle)
{
    static double times[MAX_RUNS];
    const uint64_t begin = kw_clock_ns(), limit = (uint64_t)(seconds * 1e9);
    size_t n = 0;
    work(context);
    while (n < 3 || (n < MAX_RUNS && kw_clock_ns() - begin < limit)) {
        const uint64_t t = kw_clock_ns();
        work(context);
        times[n++] = (double)(kw_clock_ns() - t) * 1e-9;
    }
    qsort(times, n, sizeof *times, by_size);
    return times[middle ? n / 2 : 0];
}

static double best_time(work_fn work, void *context, double seconds)
{
    return run_time(work, context, seconds, false);
}

/* ---- the machine's limits ---- */

/* A walk through memory, one stretch a run, around in a circle. */
typedef struct walk {
    const uint8_t *data;
    size_t bytes, stretch, at;
} walk;

static const uint8_t *walk_next(walk *w)
{
    const uint8_t *p = w->data + w->at;
    w->at += w->stretch;
    if (w->at + w->stretch > w->bytes)
        w->at = 0;
    return p;
}

/* What walk_next will return. */
static const uint8_t *walk_ahead(const walk *w)
{
    return w->data + w->at;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void read_stretch(void *context)
{
    walk *w = context;
    const uint8_t *p = walk_next(w);
    __m256i sum[8];
    for (int j = 0; j < 8; j++)
        sum[j] = _mm256_setzero_si256();
    for (size_t i = 0; i + 256 <= w->stretch; i += 256)
        for (int j = 0; j < 8; j++)
            sum[j] = _mm256_xor_si256(
                sum[j], _mm256_loadu_si256((const __m256i *)(const void *)(p + i + 32 * j)));
    for (int j = 0; j < 8; j++)
        sink ^= (uint64_t)_mm256_extract_epi64(sum[j], 0);
}
#else
static void read_stretch(void *context)
{
    walk *w = context;
    const uint8_t *p = walk_next(w);
    uint64_t sum[16] = {0}, word[16];
    for (size_t i = 0; i + sizeof word <= w->stretch; i += sizeof word) {
        memcpy(word, p + i, sizeof word);
        for (int j = 0; j < 16; j++)
            sum[j] ^= word[j];
    }
    for (int j = 0; j < 16; j++)
        sink ^= sum[j];
}
#endif

/* GB/s of reading a cached stretch, best, or all of the memory, typical. */
static double read_rate(const uint8_t *data, bool far)
{
    walk w = {data, far ? FAR_BYTES : NEAR_BYTES, far ? STRETCH : NEAR_BYTES, 0};
    return (double)w.stretch / run_time(read_stretch, &w, 0.4, far) * 1e-9;
}

enum { PEAK_ROUNDS = 20000 };

static void run_peak_int8(void *context)
{
    sink ^= ((const kw_cpu_kernels *)context)->peak_int8(PEAK_ROUNDS);
}

static void run_peak_f32(void *context)
{
    sink ^= ((const kw_cpu_kernels *)context)->peak_f32(PEAK_ROUNDS);
}

/* ---- data ---- */

typedef struct bench {
    kw_cpu_kernels table;
    const char *filter;
    uint8_t *far;     /* [FAR_BYTES] weights */
    float *x, *y, *z; /* [1 << 20] activations */
    uint8_t *tile;    /* activation tiles */
    uint8_t *panel;
    double near_rate, far_rate, byte_peak, float_peak;
    kw_dtype dtype;
    size_t row_bytes, k, n_rows, n_cols;
    walk walk;
    kw_attend_args attend;
} bench;

/* A few encoded blocks over and over, of numbers as weights are: no nan, no infinity, no subnormal
 * results. */
static void fill_weights(bench *b)
{
    enum { PATTERN = 4096 };
    static float values[PATTERN];
    const size_t whole = NEAR_BYTES / b->row_bytes * b->row_bytes;
    size_t bytes = 0;
    uint32_t state = 12345;
    for (size_t i = 0; i < PATTERN; i++) {
        state = state * 1664525u + 1013904223u;
        values[i] = (float)(int32_t)state * 0x1p-36f;
    }
    if (!kw_row_bytes(b->dtype, PATTERN, &bytes))
        return;
    kw_dtype_info(b->dtype)->encode(b->far, values, PATTERN, NULL);
    for (size_t at = bytes; at < whole; at += bytes)
        memcpy(b->far + at, b->far, KW_MIN(bytes, whole - at));
    for (size_t at = whole; at < FAR_BYTES; at += whole)
        memcpy(b->far + at, b->far, KW_MIN(whole, FAR_BYTES - at));
}

static const void *activations(bench *b)
{
    switch (b->table.matmul[b->dtype].weight_class) {
    case KW_CLASS_S32:
        b->table.quantize_a32(b->tile, b->x, b->k, 1, 0);
        return b->tile;
    case KW_CLASS_K:
        b->table.quantize_a256(b->tile, b->x, b->k, 1, 0);
        return b->tile;
    default:
        return b->x;
    }
}

/* ---- matrix products ---- */

static void run_gemv(void *context)
{
    bench *b = context;
    const void *x = b->dtype <= KW_BF16 ? (void *)b->x : b->tile;
    const uint8_t *w = walk_next(&b->walk); /* before walk_ahead: arguments have no order */
    b->table.matmul[b->dtype].gemv(b->y, w, b->row_bytes, b->n_rows, x, b->k, walk_ahead(&b->walk));
}

static void bench_gemv(bench *b)
{
    activations(b);
    b->n_rows = NEAR_BYTES / b->row_bytes / 4 * 4;
    b->walk = (walk){b->far, b->n_rows * b->row_bytes, b->n_rows * b->row_bytes, 0};
    const double near = (double)b->walk.stretch / best_time(run_gemv, b, 0.3) * 1e-9;
    b->n_rows = CHUNK / b->row_bytes / 4 * 4;
    b->walk = (walk){b->far, FAR_BYTES, b->n_rows * b->row_bytes, 0};
    const double far = (double)b->walk.stretch / run_time(run_gemv, b, 0.6, true) * 1e-9;
    const double reading = read_rate(b->far, true);
    printf("  gemv  %-5s cached %6.1f GB/s (%3.0f %% of reading)   memory %6.1f of %5.1f GB/s "
           "(%3.0f %%)\n",
           kw_dtype_info(b->dtype)->name, near, 100 * near / b->near_rate, far, reading,
           100 * far / reading);
}

static void run_panel(void *context)
{
    bench *b = context;
    const kw_matmul_kernels *m = &b->table.matmul[b->dtype];
    m->panel(b->panel, b->far, b->row_bytes, m->panel_rows, b->k);
}

enum { TOKENS = 96, MAX_WORK = 1 << 18 };

/* Columns of an activation tile. */
static size_t tile_columns(const bench *b, kw_dtype activation)
{
    return activation == KW_F32     ? 1
           : activation == KW_F32_A ? b->table.columns_f32
                                    : b->table.columns;
}

static void run_gemm(void *context)
{
    static _Alignas(64) uint8_t work[MAX_WORK];
    bench *b = context;
    const kw_matmul_kernels *m = &b->table.matmul[b->dtype];
    for (size_t c = 0; c < TOKENS; c += m->columns)
        m->gemm(&(kw_gemm_args){.out = b->y + c * m->panel_rows,
                                .out_stride = m->panel_rows,
                                .panel = b->panel,
                                .x = b->tile + kw_activation_bytes(m->activation, b->k, c),
                                .work = work,
                                .k = b->k,
                                .n_rows = m->panel_rows,
                                .n_cols = KW_MIN(m->columns, TOKENS - c)});
}

static void bench_gemm(bench *b)
{
    const kw_matmul_kernels *m = &b->table.matmul[b->dtype];
    const size_t cols = tile_columns(b, m->activation);
    if (m->work_bytes > MAX_WORK)
        return;
    for (size_t c = 0; c < TOKENS; c++) {
        uint8_t *dst = b->tile + kw_activation_bytes(m->activation, b->k, c / cols * cols);
        const float *x = b->x + c * b->k;
        if (m->activation == KW_F32)
            memcpy(dst, x, b->k * sizeof *x);
        else
            (m->activation == KW_Q8_A32    ? b->table.quantize_a32
             : m->activation == KW_Q8_A256 ? b->table.quantize_a256
                                           : b->table.pack_f32)(dst, x, b->k, cols, c % cols);
    }
    const double convert = best_time(run_panel, b, 0.1);
    const double ops = 2.0 * (double)m->panel_rows * (double)TOKENS * (double)b->k;
    const double seconds = best_time(run_gemm, b, 0.4);
    const double peak = b->dtype <= KW_BF16 ? b->float_peak : b->byte_peak;
    printf(
        "  gemm  %-5s %7.1f GOP/s (%3.0f %% of peak)   panel %6.2f us = %4.1f %% of 512 tokens\n",
        kw_dtype_info(b->dtype)->name, ops / seconds * 1e-9,
        peak > 0.0 ? 100 * ops / seconds * 1e-9 / peak : 0.0, convert * 1e6,
        100 * convert / (seconds * 512 / (double)TOKENS));
}

static void run_few(void *context)
{
    bench *b = context;
    const uint8_t *w = walk_next(&b->walk);
    b->table.matmul[b->dtype].few(&(kw_few_args){b->y, b->n_rows, w, b->row_bytes, b->n_rows,
                                                 b->tile, b->k / KW_QK * KW_ACT_BLOCK, b->n_cols,
                                                 b->k, walk_ahead(&b->walk)});
}

/* Weights from the second-level cache, and from memory, for each number of columns. */
static void bench_few(bench *b)
{
    static const size_t columns[] = {1, 2, 4, 8, 16, 32};
    const size_t x_stride = b->k / KW_QK * KW_ACT_BLOCK;
    activations(b);
    for (size_t c = 1; c < KW_FEW_COLUMNS; c++)
        memcpy(b->tile + c * x_stride, b->tile, x_stride);
    printf("  few   %-5s GB/s cached, from memory", kw_dtype_info(b->dtype)->name);
    for (size_t i = 0; i < KW_COUNT(columns); i++) {
        b->n_cols = columns[i];
        b->n_rows = NEAR_BYTES / b->row_bytes / 16 * 16;
        b->walk = (walk){b->far, b->n_rows * b->row_bytes, b->n_rows * b->row_bytes, 0};
        const double near = (double)b->walk.stretch / best_time(run_few, b, 0.1) * 1e-9;
        b->n_rows = CHUNK / b->row_bytes / 16 * 16;
        b->walk = (walk){b->far, FAR_BYTES, b->n_rows * b->row_bytes, 0};
        const double far = (double)b->walk.stretch / run_time(run_few, b, 0.2, true) * 1e-9;
        printf("   x%zu %.1f, %.1f", b->n_cols, near, far);
    }
    printf("\n");
}

static void bench_matmul(bench *b)
{
    for (int dtype = 0; dtype < KW_N_DTYPES; dtype++) {
        const char *name = kw_dtype_info((kw_dtype)dtype)->name;
        const bool gemv = !b->filter || strstr("gemv", b->filter) || strstr(name, b->filter);
        const bool gemm = !b->filter || strstr("gemm", b->filter) || strstr(name, b->filter);
        const bool few = !b->filter || strstr("few", b->filter) || strstr(name, b->filter);
        if (b->table.matmul[dtype].weight_class == KW_CLASS_NONE || !(gemv || gemm || few))
            continue;
        b->dtype = (kw_dtype)dtype;
        b->k = DIM;
        (void)kw_row_bytes(b->dtype, DIM, &b->row_bytes);
        fill_weights(b);
        if (gemv)
            bench_gemv(b);
        if (gemm)
            bench_gemm(b);
        if (few && b->table.matmul[dtype].few)
            bench_few(b);
    }
}

/* ---- attention ---- */

static void run_attend(void *context)
{
    bench *b = context;
    b->table.attend(&b->attend);
}

static void bench_attend(bench *b)
{
    static const kw_dtype types[] = {KW_F16, KW_BF16, KW_F32, KW_Q8_0};
    static const int queries[] = {1, 8, 64};
    static _Alignas(64) uint8_t work[KW_ATTN_TILE * (2 * 128 + 64) * sizeof(float)];
    static float acc[64 * 128], m[64], l[64];
    static const kw_attend_span span = {0, POSITIONS};
    if (b->filter && !strstr("attend", b->filter))
        return;
    for (int dim = 64; dim <= 128; dim *= 2) {
        for (size_t i = 0; i < KW_COUNT(types) * KW_COUNT(queries); i++) {
            const kw_dtype type = types[i / KW_COUNT(queries)];
            const int n_q = queries[i % KW_COUNT(queries)];
            const size_t tile = kw_attn_tile_bytes(type, (size_t)dim);
            const double bytes = 2.0 * (double)(tile * POSITIONS / KW_ATTN_TILE);
            memset(b->far, 0x14, (size_t)bytes);
            b->attend = (kw_attend_args){.q = b->x,
                                         .n_q = n_q,
                                         .group = n_q,
                                         .head_dim = dim,
                                         .cache = type,
                                         .k = b->far,
                                         .v = b->far + tile,
                                         .tile_stride = 2 * tile,
                                         .span = &span,
                                         .m = m,
                                         .l = l,
                                         .acc = acc,
                                         .work = work};
            const double s = best_time(run_attend, b, 0.15);
            const double ops = 4.0 * n_q * dim * (double)POSITIONS;
            printf("  attend %-4s dim %-3d queries %-2d  %6.1f GB/s of cache  %6.1f GFLOP/s "
                   "(%3.0f %% of peak)\n",
                   kw_dtype_info(type)->name, dim, n_q, bytes / s * 1e-9, ops / s * 1e-9,
                   b->float_peak > 0.0 ? 100 * ops / s * 1e-9 / b->float_peak : 0.0);
        }
    }
}

/* ---- rows ---- */

static void run_quantize_a32(void *c)
{
    bench *b = c;
    b->table.quantize_a32(b->tile, b->x, DIM, 1, 0);
}

static void run_quantize_tile(void *c)
{
    bench *b = c;
    b->table.quantize_a256(b->tile, b->x, DIM, b->table.columns, 0);
}

static void run_rms_norm(void *c)
{
    bench *b = c;
    b->table.rms_norm(b->y, b->x, b->z, DIM, 1e-5f);
}

static void run_layer_norm(void *c)
{
    bench *b = c;
    b->table.layer_norm(b->y, b->x, b->z, b->z, DIM, 1e-5f);
}

static void run_softmax(void *c)
{
    bench *b = c;
    b->table.softmax(b->y, DIM);
}

static void run_silu_mul(void *c)
{
    bench *b = c;
    b->table.map_silu_mul(b->y, b->x, b->z, DIM);
}

static void run_add(void *c)
{
    bench *b = c;
    b->table.map_add(b->y, b->x, b->z, DIM);
}

static void run_map_gelu(void *c)
{
    bench *b = c;
    static const kw_map_program gelu = {1,
                                        6,
                                        {{KW_MAP_CONST, 0, 0, 0.70710678f},
                                         {KW_MAP_MUL, 0, 1, 0},
                                         {KW_MAP_ERF, 2, 0, 0},
                                         {KW_MAP_CONST, 0, 0, 1.0f},
                                         {KW_MAP_ADD, 3, 4, 0},
                                         {KW_MAP_MUL, 0, 5, 0}}};
    const float *src[KW_MAP_MAX_SRC] = {b->x};
    b->table.map(&gelu, b->y, src, DIM);
}

static void run_rope(void *c)
{
    bench *b = c;
    for (size_t i = 0; i < DIM; i += 64)
        b->table.rope(b->y + i, b->z, 64, 0);
}

static void run_f16(void *c)
{
    bench *b = c;
    b->table.f16_from_f32((uint16_t *)b->tile, b->x, DIM);
}

static void run_decode(void *c)
{
    bench *b = c;
    b->table.decode[KW_F16](b->y, b->far, DIM);
}

static void bench_rows(bench *b)
{
    static const struct {
        const char *name;
        work_fn run;
    } rows[] = {{"quantize_a32", run_quantize_a32},
                {"quantize_a256", run_quantize_tile},
                {"rms_norm", run_rms_norm},
                {"layer_norm", run_layer_norm},
                {"softmax", run_softmax},
                {"map_silu_mul", run_silu_mul},
                {"map_add", run_add},
                {"map_gelu", run_map_gelu},
                {"rope", run_rope},
                {"f16_from_f32", run_f16},
                {"decode_f16", run_decode}};
    for (size_t i = 0; i < KW_COUNT(rows); i++)
        if (!b->filter || strstr(rows[i].name, b->filter))
            printf("  %-14s %6.3f ns an element\n", rows[i].name,
                   best_time(rows[i].run, b, 0.05) * 1e9 / (double)DIM);
}

static void bench_isa(bench *b, uint32_t features, const char *isa)
{
    if (!kw_cpu_kernels_select(&b->table, features, isa)) {
        printf("%s: not on this processor\n", isa);
        return;
    }
    memset(b->far, 0x14, FAR_BYTES);
    b->near_rate = read_rate(b->far, false);
    b->far_rate = read_rate(b->far, true);
    b->byte_peak =
        (double)b->table.peak_int8(PEAK_ROUNDS) * 1e-9 / best_time(run_peak_int8, &b->table, 0.2);
    b->float_peak =
        (double)b->table.peak_f32(PEAK_ROUNDS) * 1e-9 / best_time(run_peak_f32, &b->table, 0.2);
    printf("%s: reading %.1f GB/s cached, %.1f GB/s from memory; peak %.0f GOP/s of bytes, %.0f of "
           "floats\n",
           isa, b->near_rate, b->far_rate, b->byte_peak, b->float_peak);
    bench_matmul(b);
    bench_attend(b);
    bench_rows(b);
}

int main(int argc, char **argv)
{
    static bench b;
    kw_system system;
    kw_system_query(&system);
    const char *isa = argc > 1 ? argv[1] : "all";
    b.filter = argc > 2 ? argv[2] : NULL;
    b.far = kw_pages_alloc(FAR_BYTES + 4096);
    b.x = kw_pages_alloc(4 << 20);
    b.y = kw_pages_alloc(4 << 20);
    b.z = kw_pages_alloc(4 << 20);
    b.tile = kw_pages_alloc(4 << 20);
    b.panel = kw_pages_alloc(4 << 20);
    if (!b.far || !b.x || !b.y || !b.z || !b.tile || !b.panel)
        return 1;
    for (size_t i = 0; i < 1 << 20; i++)
        b.x[i] = b.z[i] = (float)((int)(i * 2654435761u >> 8 & 0xffff) - 32768) * 0x1p-15f;
    size_t n = 0;
    const char *const *names = kw_cpu_isa_names(&n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(isa, "all") == 0 || strcmp(isa, names[i]) == 0)
            bench_isa(&b, system.features, names[i]);
    return 0;
}
