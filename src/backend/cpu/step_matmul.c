/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* step_matmul.c - out [t, n] = x [t, k] . w [n, k]^T, weights in the layout of the file.
 *
 * One token: rows of the weight straight from the map, in long chunks first and short ones last. A
 * batch: a chunk is one tile of 32 rows, converted to a panel in the worker's scratch and
 * multiplied with every column of the batch. Both give the same bits. The epilogue (residual, bias)
 * runs over the chunk's rows while they are in cache. */
#include "backend/cpu/program.h"

#include "base/check.h"

#include <string.h>

#define CHUNK_BYTES 98304            /* weights of one decode chunk */
#define MIN_CHUNKS 4                 /* of a weight for each worker, when it is large enough */
#define LONG_BYTES 524288            /* weights of one of the first chunks */
#define NEAR_BYTES ((size_t)1 << 20) /* activations that stay in a second-level cache */
#define NEAR_PANEL_BYTES ((size_t)3 << 18) /* panels beside a tile of them */
#define MAX_PANELS 4
#define FEW_ROWS 4    /* rows that stay near while a few columns are multiplied */
#define LONG_ROUNDS 3 /* a weight is at least so many long chunks for each worker */

/* Applies the epilogue to rows [r0, r0 + n) of token t. */
static void epilogue(const kw_step *step, const kw_exec *exec, float *out, int64_t t, size_t r0,
                     size_t n)
{
    const kw_node *node = step->node;
    if (!node->program)
        return;
    const float *src[KW_MAP_MAX_SRC] = {NULL};
    int operand = 2;
    for (int i = 0; i < node->program->n_src; i++)
        src[i] =
            i == node->program_slot ? out : kw_operand_row(exec, &step->src[operand++], t) + r0;
    kw_map_apply(exec->program->device, step, out, src, n);
}

bool kw_cpu_redoes(const kw_device *device, const kw_node *node)
{
    return device->n_workers > 1 && node->op == KW_OP_MATMUL &&
           (node->shape.rank == 1 || node->shape.dim[0] == 1);
}

/* Chunks go round the stretches, one of which is what each worker finds when they all keep step: it
 * reads memory in order, and the others elsewhere. */
kw_row_range kw_matmul_rows(const kw_step *step, uint32_t chunk)
{
    const uint32_t stretch = chunk % step->n_stretches, i = chunk / step->n_stretches;
    const size_t n = (size_t)step->out.n, begin = (size_t)stretch * step->stretch_rows;
    const uint32_t n_long = KW_MIN(i, step->n_long);
    const size_t first =
        begin + (size_t)n_long * step->long_rows + (size_t)(i - n_long) * step->weight_rows;
    const size_t rows = i < step->n_long ? step->long_rows : step->weight_rows;
    const size_t end = KW_MIN(KW_MIN(first + rows, begin + step->stretch_rows), n);
    return (kw_row_range){KW_MIN(first, n), end > first ? end - first : 0, i == 0};
}

/* The chunk after this one in its stretch, or the first one of the stretch in a matmul that
 * follows, which *step becomes. */
static uint32_t chunk_after(const kw_step **step, uint32_t chunk)
{
    chunk += (*step)->n_stretches;
    while (chunk >= (*step)->weight_chunks) {
        chunk -= (*step)->weight_chunks;
        *step = (*step)->following;
    }
    return chunk;
}

/* Where the weights are that this worker will probably multiply after this chunk. */
static const unsigned char *weights_ahead(const kw_step *step, const kw_exec *exec, uint32_t chunk)
{
    chunk = chunk_after(&step, chunk);
    const unsigned char *w = kw_operand_in(exec, &step->src[1]);
    return w + kw_matmul_rows(step, chunk).first * step->weight_row_bytes;
}

/* Rows of the weight into scratch; commit_gemv puts them in place. */
static void run_gemv(const kw_step *step, const kw_exec *exec, uint32_t chunk,
                     unsigned char *scratch)
{
    const kw_row_range rows = kw_matmul_rows(step, chunk);
    const unsigned char *w = kw_operand_in(exec, &step->src[1]);
    float *out = (float *)(void *)scratch;
    step->matmul->gemv(out, w + rows.first * step->weight_row_bytes, step->weight_row_bytes, rows.n,
                       kw_operand_in(exec, &step->src[0]), (size_t)step->src[0].n,
                       weights_ahead(step, exec, chunk));
    epilogue(step, exec, out, 0, rows.first, rows.n);
}

static void commit_gemv(const kw_step *step, const kw_exec *exec, uint32_t chunk,
                        unsigned char *scratch)
{
    const kw_row_range rows = kw_matmul_rows(step, chunk);
    float *out = (float *)kw_operand_at(exec, &step->out) + rows.first;
    memcpy(out, scratch, rows.n * sizeof *out);
}

/* Where columns c.. of the activations start, c being the first of a tile. */
static const unsigned char *column(const kw_step *step, const unsigned char *x, size_t c)
{
    const kw_operand *src = &step->src[0];
    return x + c / src->cols * kw_activation_bytes(src->dtype, (size_t)src->n, src->cols);
}

/* Rows times a few columns: four rows come from memory once, for all of them. */
static void run_few(const kw_step *step, const kw_exec *exec, uint32_t chunk,
                    unsigned char *scratch)
{
    (void)scratch;
    const size_t n = (size_t)step->out.n, k = (size_t)step->src[0].n;
    const size_t tokens = (size_t)kw_step_rows(step, exec->args);
    const size_t row_bytes = step->weight_row_bytes;
    const kw_row_range rows = kw_matmul_rows(step, chunk);
    const unsigned char *w = kw_operand_in(exec, &step->src[1]);
    const unsigned char *x = kw_operand_in(exec, &step->src[0]);
    float *out = kw_operand_at(exec, &step->out);
    for (size_t r = rows.first; r < rows.first + rows.n; r += FEW_ROWS) {
        const size_t live = KW_MIN(rows.first + rows.n - r, (size_t)FEW_ROWS);
        const unsigned char *next = r + live < rows.first + rows.n
                                        ? w + (r + live) * row_bytes
                                        : weights_ahead(step, exec, chunk);
        for (size_t t = 0; t < tokens; t++)
            step->matmul->gemv(out + t * n + r, w + r * row_bytes, row_bytes, live,
                               column(step, x, t), k, t == 0 ? next : NULL);
    }
    for (size_t t = 0; t < tokens; t++)
        epilogue(step, exec, out + t * n + rows.first, (int64_t)t, rows.first, rows.n);
}

/* The same, by a kernel for a small batch. */
static void run_small(const kw_step *step, const kw_exec *exec, uint32_t chunk,
                      unsigned char *scratch)
{
    (void)scratch;
    const size_t n = (size_t)step->out.n, k = (size_t)step->src[0].n;
    const size_t tokens = (size_t)kw_step_rows(step, exec->args);
    const kw_row_range rows = kw_matmul_rows(step, chunk);
    const unsigned char *w = kw_operand_in(exec, &step->src[1]);
    float *out = (float *)kw_operand_at(exec, &step->out) + rows.first;
    step->matmul->few(&(kw_few_args){.out = out,
                                     .out_stride = n,
                                     .w = w + rows.first * step->weight_row_bytes,
                                     .row_bytes = step->weight_row_bytes,
                                     .n_rows = rows.n,
                                     .x = kw_operand_in(exec, &step->src[0]),
                                     .x_stride = kw_activation_bytes(step->src[0].dtype, k, 1),
                                     .n_cols = tokens,
                                     .k = k,
                                     .next = weights_ahead(step, exec, chunk)});
    for (size_t t = 0; t < tokens; t++)
        epilogue(step, exec, out + t * n, (int64_t)t, rows.first, rows.n);
}

/* All tokens times the panels of one chunk. A tile of tokens meets every panel while it is near. */
static void run_gemm(const kw_step *step, const kw_exec *exec, uint32_t chunk,
                     unsigned char *scratch)
{
    const size_t n = (size_t)step->out.n, k = (size_t)step->src[0].n;
    const size_t cols = step->matmul->columns, row_bytes = step->weight_row_bytes;
    const size_t tokens = (size_t)kw_step_rows(step, exec->args);
    const kw_row_range range = kw_matmul_rows(step, chunk);
    const size_t r0 = range.first, rows = range.n;
    const size_t panel_rows = step->matmul->panel_rows;
    const size_t panels = (rows + panel_rows - 1) / panel_rows;
    const unsigned char *w = kw_operand_in(exec, &step->src[1]);
    const unsigned char *x = kw_operand_in(exec, &step->src[0]);
    float *out = (float *)kw_operand_at(exec, &step->out) + r0;
    for (size_t p = 0; p < panels; p++)
        step->matmul->panel(scratch + p * step->panel_bytes, w + (r0 + p * panel_rows) * row_bytes,
                            row_bytes, KW_MIN(rows - p * panel_rows, panel_rows), k);

    /* The rows this worker will probably convert next, prefetched in shares. */
    const uint32_t after = chunk + step->n_stretches;
    const kw_row_range next =
        after < step->weight_chunks ? kw_matmul_rows(step, after) : (kw_row_range){0};
    const size_t next_bytes = next.n * row_bytes;
    const unsigned char *ahead = w + next.first * row_bytes;
    const size_t tiles = (tokens + cols - 1) / cols, calls = tiles * panels;
    for (size_t i = 0; i < calls; i++) {
        const size_t c = i / panels * cols, live = KW_MIN(tokens - c, cols), p = i % panels;
        const size_t first = p * panel_rows;
        const size_t from = next_bytes * i / calls, to = next_bytes * (i + 1) / calls;
        step->matmul->gemm(
            &(kw_gemm_args){.out = out + c * n + first,
                            .out_stride = n,
                            .panel = scratch + p * step->panel_bytes,
                            .x = column(step, x, c),
                            .work = scratch + step->scratch_bytes - step->matmul->work_bytes,
                            .k = k,
                            .n_rows = KW_MIN(rows - first, panel_rows),
                            .n_cols = live,
                            .next = next_bytes ? ahead + from : NULL,
                            .next_bytes = to - from});
        for (size_t t = c; step->node->program && p + 1 == panels && t < c + live; t++)
            epilogue(step, exec, out + t * n, (int64_t)t, r0, rows);
    }
}

/* A chunk of a batch is one panel, or several where the activations would come from beyond the
 * second-level cache once more for each. */
static void cut_gemm(kw_step *step, size_t n_workers)
{
    const size_t n = (size_t)step->out.n, k = (size_t)step->src[0].n;
    const size_t act_row = kw_activation_bytes(step->src[0].dtype, k, 1);
    const size_t panel_rows = step->matmul->panel_rows;
    size_t panels = 1;
    step->panel_bytes = kw_align_up(step->matmul->panel_bytes(k), 64);
    if ((size_t)step->rows_bound * act_row > NEAR_BYTES)
        panels = KW_MIN((size_t)NEAR_PANEL_BYTES / step->panel_bytes,
                        n / (panel_rows * n_workers * MIN_CHUNKS));
    panels = KW_MIN(KW_MAX(panels, (size_t)1), (size_t)MAX_PANELS);
    step->weight_rows = (uint32_t)(panels * panel_rows);
    step->scratch_bytes = panels * step->panel_bytes + step->matmul->work_bytes;
}

/* Long chunks for as long as a stretch has one more, for a worker is fastest on rows that follow
 * each other; then short ones, so that all end together. */
static void cut_gemv(kw_step *step, size_t n_workers)
{
    const size_t n = (size_t)step->out.n, row_bytes = KW_MAX(step->weight_row_bytes, 1);
    const size_t by_bytes = KW_MAX((size_t)CHUNK_BYTES / row_bytes, 1);
    const size_t by_share = KW_MAX(n / (n_workers * MIN_CHUNKS), 1);
    const size_t at_once = KW_MIN((size_t)LONG_BYTES / row_bytes, n / (n_workers * LONG_ROUNDS));
    step->weight_rows = (uint32_t)kw_align_up(KW_MIN(by_bytes, by_share), 16);
    step->long_rows = (uint32_t)(at_once / 16 * 16);
    if (step->long_rows <= step->weight_rows)
        step->long_rows = 0;
    else
        step->n_long = (uint32_t)(n / n_workers / step->long_rows - 1);
    step->scratch_bytes = KW_MAX(step->weight_rows, step->long_rows) * sizeof(float);
}

/* A stretch of rows for each worker, in whole chunks of `unit` rows. */
static void cut_stretches(kw_step *step, size_t n_workers, size_t unit)
{
    const size_t n = (size_t)step->out.n;
    step->n_stretches = (uint32_t)n_workers;
    step->stretch_rows = kw_align_up((n + n_workers - 1) / n_workers, unit);
    const size_t short_rows = step->stretch_rows - (size_t)step->n_long * step->long_rows;
    const size_t chunks = step->n_long + (short_rows + step->weight_rows - 1) / step->weight_rows;
    step->weight_chunks = (uint32_t)(n_workers * chunks);
}

kw_status kw_step_matmul(const kw_device *device, kw_step *step, kw_error *err)
{
    const kw_dtype w = step->src[1].dtype;
    const size_t k = (size_t)step->src[0].n;
    const char *hot;
    step->matmul = kw_batch_kernels(device, w, step->rows_bound);
    const bool fast = step->matmul == &device->kernels.fast[w];
    if (step->matmul->weight_class == KW_CLASS_NONE || step->src[1].place != KW_AT_CONST ||
        !kw_row_bytes(w, (int64_t)k, &step->weight_row_bytes))
        return kw_fail(err, KW_E_UNSUPPORTED, "cpu: matmul with a %s weight of %zu columns",
                       kw_dtype_info(w)->name, k);
    if (step->node->program)
        step->map2 = kw_map_hot(&device->kernels, step->node->program, &hot);
    const bool one = step->rows_bound == 1;
    const bool small = step->matmul->few && step->rows_bound <= (int64_t)device->kernels.few_tokens;
    if (step->rows_bound <= KW_FEW_TOKENS || small) {
        step->run = one ? run_gemv : small ? run_small : run_few;
        step->commit = one ? commit_gemv : NULL;
        step->kernel = one ? "gemv" : small ? "few" : "gemv few";
        cut_gemv(step, (size_t)device->n_workers);
    } else {
        step->run = run_gemm;
        step->kernel = fast ? "gemm fast" : "gemm";
        cut_gemm(step, (size_t)device->n_workers);
    }
    cut_stretches(step, (size_t)device->n_workers,
                  step->run == run_gemm ? step->matmul->panel_rows : (size_t)16);
    return KW_OK;
}

void kw_steps_follow(kw_step *steps, uint32_t n_steps)
{
    const kw_step *first = NULL;
    kw_step *last = NULL;
    for (uint32_t s = 0; s < n_steps; s++) {
        if (steps[s].node->op != KW_OP_MATMUL)
            continue;
        first = first ? first : &steps[s];
        if (last)
            last->following = &steps[s];
        last = &steps[s];
    }
    if (last)
        last->following = first;
}
