/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* step_rowwise.c - steps whose rows (tokens) are independent: gather, map, reduce, norm, rope,
 * casts.
 *
 * Each has one function for one row into f32. When the step's value is an activation, the row is
 * made in scratch and quantised into its column of a tile: so a norm or a map followed by
 * quantisation is one pass over the row. */
#include "backend/cpu/program.h"

#include "base/check.h"
#include "base/fmath.h"

#include <math.h>
#include <string.h>

#define ROWS_PER_CHUNK 24 /* at least: whole activation tiles */

static const kw_cpu_kernels *kernels_of(const kw_exec *exec)
{
    return &exec->program->device->kernels;
}

/* table [rows, n] any dtype, indices i32 [t]. An index out of range gives a row of zeros: the
 * engine checks token ids before a run. */
static void row_gather(const kw_step *step, const kw_exec *exec, int64_t row, float *y,
                       unsigned char *scratch)
{
    const kw_operand *table = &step->src[0];
    const int32_t *index = kw_operand_in(exec, &step->src[1]);
    const unsigned char *data = kw_operand_in(exec, table);
    const kw_cpu_kernels *k = kernels_of(exec);
    const size_t n = (size_t)step->out.n;
    (void)scratch;
    if (index[row] < 0 || index[row] >= table->rows) {
        memset(y, 0, n * sizeof *y);
        return;
    }
    const unsigned char *src = data + (size_t)index[row] * step->weight_row_bytes;
    if (k->decode[table->dtype])
        k->decode[table->dtype](y, src, n);
    else
        kw_dtype_info(table->dtype)->decode(y, src, n);
}

void kw_map_apply(const kw_device *device, const kw_step *step, float *out, const float *const *src,
                  size_t n)
{
    if (step->map2)
        step->map2(out, src[0], src[1], n);
    else
        device->kernels.map(step->node->program, out, src, n);
}

static void row_map(const kw_step *step, const kw_exec *exec, int64_t row, float *y,
                    unsigned char *scratch)
{
    const float *src[KW_MAP_MAX_SRC] = {NULL};
    const size_t n = (size_t)step->out.n;
    float *filled = (float *)(void *)scratch;
    for (int i = 0; i < step->n_src; i++) {
        src[i] = kw_operand_row(exec, &step->src[i], row);
        if (!step->src[i].scalar_row || n == 1)
            continue;
        for (size_t j = 0; j < n; j++)
            filled[j] = src[i][0];
        src[i] = filled;
        filled += n;
    }
    kw_map_apply(exec->program->device, step, y, src, n);
}

/* 16 lanes and the fixed tree for sums, as the kernels' own sums; any order for a maximum. */
static void row_reduce(const kw_step *step, const kw_exec *exec, int64_t row, float *y,
                       unsigned char *scratch)
{
    const float *x = kw_operand_row(exec, &step->src[0], row);
    const size_t n = (size_t)step->src[0].n;
    (void)scratch;
    if (step->node->reduce == KW_REDUCE_MAX) {
        float best = x[0];
        for (size_t i = 1; i < n; i++)
            best = x[i] > best ? x[i] : best;
        y[0] = best;
        return;
    }
    float lane[16] = {0};
    for (size_t i = 0; i < n; i++)
        lane[i % 16] += x[i];
    for (size_t half = 8; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            lane[i] += lane[i + half];
    y[0] = lane[0];
}

static void row_norm(const kw_step *step, const kw_exec *exec, int64_t row, float *y,
                     unsigned char *scratch)
{
    const kw_node *node = step->node;
    const float *x = kw_operand_row(exec, &step->src[0], row);
    const float *w = step->n_src > 1 ? kw_operand_row(exec, &step->src[1], row) : NULL;
    const float *b = step->n_src > 2 ? kw_operand_row(exec, &step->src[2], row) : NULL;
    (void)scratch;
    const size_t parts = (size_t)KW_MAX(node->norm.parts, 1), n = (size_t)step->out.n / parts;
    for (size_t at = 0; at < parts * n; at += n)
        if (node->norm.kind == KW_NORM_RMS)
            kernels_of(exec)->rms_norm(y + at, x + at, w, n, node->norm.eps);
        else
            kernels_of(exec)->layer_norm(y + at, x + at, w, b, n, node->norm.eps);
}

static void row_columns(const kw_step *step, const kw_exec *exec, int64_t row, float *y,
                        unsigned char *scratch)
{
    const kw_node *node = step->node;
    const float *x = kw_operand_row(exec, &step->src[0], row) + node->columns.first;
    const int64_t width = node->columns.width, runs = step->out.n / width;
    (void)scratch;
    for (int64_t r = 0; r < runs; r++)
        memcpy(y + r * width, x + r * node->columns.stride, (size_t)width * sizeof *y);
}

static void row_rope_table(const kw_step *step, const kw_exec *exec, int64_t row, float *y,
                           unsigned char *scratch)
{
    const kw_node *node = step->node;
    const int32_t *positions = kw_operand_in(exec, &step->src[0]);
    const double magnitude = (double)node->rope_table.magnitude;
    (void)scratch;
    for (int i = 0; i < node->rope_table.n_rot / 2; i++) {
        double s, c;
        kw_sincos((double)positions[row] * node->rope_table.inv_freq[i], &s, &c);
        y[2 * i] = (float)(c * magnitude);
        y[2 * i + 1] = (float)(s * magnitude);
    }
}

static void row_rope(const kw_step *step, const kw_exec *exec, int64_t row, float *y,
                     unsigned char *scratch)
{
    const kw_rope_attr *attr = &step->node->rope;
    const float *x = kw_operand_row(exec, &step->src[0], row);
    const float *table = kw_operand_row(exec, &step->src[1], row);
    (void)scratch;
    if (x != y)
        memcpy(y, x, (size_t)step->out.n * sizeof *y);
    for (int64_t h = 0; h + attr->head_dim <= step->out.n; h += attr->head_dim)
        kernels_of(exec)->rope(y + h, table, (size_t)attr->n_rot, attr->adjacent);
}

static void row_copy(const kw_step *step, const kw_exec *exec, int64_t row, float *y,
                     unsigned char *scratch)
{
    (void)scratch;
    memcpy(y, kw_operand_row(exec, &step->src[0], row), (size_t)step->out.n * sizeof *y);
}

static void quantize_row(const kw_step *step, const kw_exec *exec, int64_t row, const float *x)
{
    const kw_operand *out = &step->out;
    const size_t cols = out->cols, n = (size_t)out->n;
    unsigned char *tile = (unsigned char *)kw_operand_at(exec, out) +
                          (size_t)row / cols * kw_activation_bytes(out->dtype, n, cols);
    step->pack(tile, x, n, cols, (size_t)row % cols);
}

static void run_f32(const kw_step *step, const kw_exec *exec, uint32_t chunk,
                    unsigned char *scratch)
{
    const int64_t rows = kw_step_rows(step, exec->args);
    const int64_t from = (int64_t)chunk * step->rows_per_chunk;
    const int64_t to = KW_MIN(rows, from + step->rows_per_chunk);
    float *out = kw_operand_at(exec, &step->out);
    for (int64_t row = from; row < to; row++)
        step->row(step, exec, row, out + row * step->out.n, scratch);
}

static void run_quantized(const kw_step *step, const kw_exec *exec, uint32_t chunk,
                          unsigned char *scratch)
{
    const int64_t rows = kw_step_rows(step, exec->args);
    const int64_t from = (int64_t)chunk * step->rows_per_chunk;
    const int64_t to = KW_MIN(rows, from + step->rows_per_chunk);
    float *y = (float *)(void *)scratch;
    unsigned char *rest = scratch + kw_align_up((size_t)step->out.n * sizeof *y, 64);
    for (int64_t row = from; row < to; row++) {
        step->row(step, exec, row, y, rest);
        quantize_row(step, exec, row, y);
    }
}

static void run_cast(const kw_step *step, const kw_exec *exec, uint32_t chunk,
                     unsigned char *scratch)
{
    const int64_t rows = kw_step_rows(step, exec->args);
    const int64_t from = (int64_t)chunk * step->rows_per_chunk;
    const int64_t to = KW_MIN(rows, from + step->rows_per_chunk);
    (void)scratch;
    for (int64_t row = from; row < to; row++)
        quantize_row(step, exec, row, kw_operand_row(exec, &step->src[0], row));
}

void (*kw_map_hot(const kw_cpu_kernels *kernels, const kw_map_program *program,
                  const char **name))(float *, const float *, const float *, size_t)
{
    const kw_map_program add = {2, 1, {{KW_MAP_ADD, 0, 1, 0}}};
    const kw_map_program mul = {2, 1, {{KW_MAP_MUL, 0, 1, 0}}};
    const kw_map_program silu_mul = {
        2, 3, {{KW_MAP_SIGMOID, 0, 0, 0}, {KW_MAP_MUL, 0, 2, 0}, {KW_MAP_MUL, 3, 1, 0}}};
    *name = "map";
    if (kw_map_equal(program, &add)) {
        *name = "add";
        return kernels->map_add;
    }
    if (kw_map_equal(program, &mul)) {
        *name = "mul";
        return kernels->map_mul;
    }
    if (kw_map_equal(program, &silu_mul)) {
        *name = "silu_mul";
        return kernels->map_silu_mul;
    }
    return NULL;
}

static const struct {
    kw_row_fn row;
    const char *kernel;
} row_ops[KW_N_OPS] = {
    [KW_OP_GATHER] = {row_gather, "gather"}, [KW_OP_CAST] = {row_copy, "quantize"},
    [KW_OP_MAP] = {row_map, "map"},          [KW_OP_REDUCE] = {row_reduce, "reduce"},
    [KW_OP_NORM] = {row_norm, "norm"},       [KW_OP_ROPE_TABLE] = {row_rope_table, "rope_table"},
    [KW_OP_ROPE] = {row_rope, "rope"},       [KW_OP_ROUTE] = {kw_row_route, "route"},
    [KW_OP_MIX] = {kw_row_mix, "mix"},       [KW_OP_COLUMNS] = {row_columns, "columns"},
};

/* Bytes of scratch that a map needs for sources of one element a row. */
static size_t filled_bytes(const kw_step *step)
{
    size_t bytes = 0;
    for (int i = 0; i < step->n_src; i++)
        if (step->src[i].scalar_row)
            bytes += (size_t)step->out.n * sizeof(float);
    return bytes;
}

kw_status kw_step_rowwise(const kw_device *device, kw_step *step, kw_error *err)
{
    const kw_node *node = step->node;
    const bool quantized = step->out.dtype != KW_F32;
    if (!row_ops[node->op].row)
        return kw_fail(err, KW_E_INTERNAL, "cpu: op %s has no row kernel",
                       kw_op_get(node->op)->name);
    step->row = row_ops[node->op].row;
    step->kernel = row_ops[node->op].kernel;
    const kw_cpu_kernels *k = &device->kernels;
    const size_t cols = step->out.cols;
    step->rows_per_chunk = (uint32_t)((ROWS_PER_CHUNK + cols - 1) / cols * cols);
    step->pack = kw_packer(k, step->out.dtype);
    step->run = node->op == KW_OP_CAST ? run_cast : quantized ? run_quantized : run_f32;
    if (node->op == KW_OP_NORM)
        step->kernel = node->norm.kind == KW_NORM_RMS
                           ? (quantized ? "rms_norm+quantize" : "rms_norm")
                           : (quantized ? "layer_norm+quantize" : "layer_norm");
    if (node->op == KW_OP_MAP) {
        step->map2 = kw_map_hot(&device->kernels, node->program, &step->kernel);
        if (quantized && step->map2 == device->kernels.map_silu_mul)
            step->kernel = "silu_mul+quantize";
    }
    if (node->op == KW_OP_GATHER &&
        !kw_row_bytes(step->src[0].dtype, step->src[0].n, &step->weight_row_bytes))
        return kw_fail(err, KW_E_ARG, "cpu: gather: rows of %lld elements are no whole blocks",
                       (long long)step->src[0].n);
    step->scratch_bytes = kw_align_up((size_t)step->out.n * sizeof(float), 64) + filled_bytes(step);
    if (node->op == KW_OP_ROUTE) /* probabilities, and which were taken */
        step->scratch_bytes += 2 * (size_t)step->src[0].n * sizeof(float);
    return KW_OK;
}
