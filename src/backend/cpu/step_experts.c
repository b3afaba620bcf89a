/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* step_experts.c - the three parts of a mixture of experts: who gets a token, the products with
 * those experts' matrices alone, and the weighted sum.
 *
 * A few tokens: rows of an expert straight from the map for each token that goes to it, as in
 * step_matmul.c. A batch: a chunk is some rows of one expert, converted to panels and multiplied
 * with every token that goes to it, gathered side by side; an expert that gets no token is not
 * read. Both give the bits that a product with that matrix would. */
#include "backend/cpu/program.h"

#include "base/check.h"

#include <string.h>

#define CHUNK_BYTES 98304                  /* weights of one chunk for a few tokens */
#define NEAR_PANEL_BYTES ((size_t)3 << 18) /* panels that stay in a second-level cache */
#define MAX_PANELS 4

/* ---- routing: logits [t, experts] -> [t, 2 * used], weights then experts --------------------- */

void kw_row_route(const kw_step *step, const kw_exec *exec, int64_t row, float *y,
                  unsigned char *scratch)
{
    const size_t n = (size_t)step->src[0].n, used = (size_t)step->out.n / 2;
    const float *logits = kw_operand_row(exec, &step->src[0], row);
    float *p = (float *)(void *)scratch, *taken = p + n;
    memcpy(p, logits, n * sizeof *p);
    memset(taken, 0, n * sizeof *taken);
    exec->program->device->kernels.softmax(p, n);
    float sum = 0.0f;
    for (size_t rank = 0; rank < used; rank++) {
        size_t best = n;
        for (size_t i = 0; i < n; i++)
            if (taken[i] < 1.0f && (best == n || logits[i] > logits[best]))
                best = i;
        taken[best] = 1.0f;
        y[rank] = p[best];
        y[used + rank] = (float)best;
        sum = sum + p[best];
    }
    for (size_t rank = 0; step->node->route.renormalise && rank < used; rank++)
        y[rank] = y[rank] / sum;
}

/* ---- the sum: y [t, used * n], route -> [t, n] ----------------------------------------------- */

void kw_row_mix(const kw_step *step, const kw_exec *exec, int64_t row, float *y,
                unsigned char *scratch)
{
    const size_t n = (size_t)step->out.n, used = (size_t)step->src[1].n / 2;
    const float *parts = kw_operand_row(exec, &step->src[0], row);
    const float *weight = kw_operand_row(exec, &step->src[1], row);
    (void)scratch;
    for (size_t i = 0; i < n; i++)
        y[i] = weight[0] * parts[i];
    for (size_t s = 1; s < used; s++)
        for (size_t i = 0; i < n; i++)
            y[i] = y[i] + weight[s] * parts[s * n + i];
}

/* ---- products -------------------------------------------------------------------------------- */

static size_t used_of(const kw_step *step)
{
    return (size_t)step->src[2].n / 2;
}

static size_t rows_of(const kw_step *step)
{
    return (size_t)step->out.n / used_of(step);
}

/* Columns of the weights. */
static size_t depth_of(const kw_step *step)
{
    return (size_t)step->experts.k;
}

/* Row `row` of an expert's matrix. */
static const unsigned char *expert_rows(const kw_step *step, size_t expert, size_t row)
{
    const void *const *parts = step->experts.parts;
    const size_t bytes = rows_of(step) * step->weight_row_bytes;
    const unsigned char *first = parts ? (const unsigned char *)parts[expert]
                                       : (const unsigned char *)step->src[1].data + expert * bytes;
    return first + row * step->weight_row_bytes;
}

/* What is multiplied for a token's rank: all of its row, or the part of that rank. */
static const unsigned char *input_of(const kw_step *step, const kw_exec *exec, size_t token,
                                     size_t rank)
{
    const kw_operand *x = &step->src[0];
    const size_t part = kw_activation_bytes(x->dtype, depth_of(step), 1);
    const bool shared = (size_t)x->n == depth_of(step);
    const unsigned char *row = (const unsigned char *)kw_operand_in(exec, x) +
                               token * kw_activation_bytes(x->dtype, (size_t)x->n, 1);
    return shared ? row : row + rank * part;
}

static size_t routed_to(const kw_step *step, const kw_exec *exec, size_t token, size_t rank)
{
    return (size_t)kw_operand_row(exec, &step->src[2], (int64_t)token)[used_of(step) + rank];
}

/* Chunk: rows of one expert for one rank of one token. */
static void run_few(const kw_step *step, const kw_exec *exec, uint32_t chunk,
                    unsigned char *scratch)
{
    const size_t used = used_of(step), n = rows_of(step), cuts = step->weight_chunks;
    const size_t pair = chunk / cuts, token = pair / used, rank = pair % used;
    const size_t first = chunk % cuts * step->weight_rows;
    const size_t rows = KW_MIN(n - first, (size_t)step->weight_rows);
    float *out = (float *)kw_operand_at(exec, &step->out) + pair * n + first;
    (void)scratch;
    step->matmul->gemv(out, expert_rows(step, routed_to(step, exec, token, rank), first),
                       step->weight_row_bytes, rows, input_of(step, exec, token, rank),
                       depth_of(step), NULL);
}

static uint32_t count_few(const kw_step *step, const kw_exec *exec)
{
    return (uint32_t)(kw_step_rows(step, exec->args) * (int64_t)used_of(step)) *
           step->weight_chunks;
}

/* Work space of a batch's chunk. */
typedef struct space {
    unsigned char *panels;
    unsigned char *x; /* tiles of the columns of one call of gemm */
    float *out;       /* [columns][rows of a chunk] */
    unsigned char *work;
    uint32_t *pairs; /* [tokens] that go to this expert: token * used + rank */
} space;

static void *take(unsigned char *base, size_t *at, size_t bytes)
{
    void *p = base ? base + *at : NULL;
    *at += kw_align_up(bytes, 64);
    return p;
}

/* Lays out the space from base on (NULL: only counts) and returns its size. */
static size_t carve(const kw_step *step, unsigned char *base, space *s)
{
    const kw_matmul_kernels *m = step->matmul;
    const size_t tiles = (m->columns + step->experts.cols - 1) / step->experts.cols;
    size_t at = 0;
    s->panels = take(base, &at, step->weight_rows / m->panel_rows * step->panel_bytes);
    s->x = take(base, &at,
                tiles * kw_activation_bytes(m->activation, depth_of(step), step->experts.cols));
    s->out = take(base, &at, m->columns * step->weight_rows * sizeof(float));
    s->work = take(base, &at, m->work_bytes);
    s->pairs = take(base, &at, (size_t)step->rows_bound * sizeof(uint32_t));
    return at;
}

/* Those that go to an expert, in order; how many. */
static size_t find_pairs(const kw_step *step, const kw_exec *exec, size_t expert, uint32_t *pairs)
{
    const size_t tokens = (size_t)kw_step_rows(step, exec->args), used = used_of(step);
    size_t n = 0;
    for (size_t t = 0; t < tokens; t++)
        for (size_t rank = 0; rank < used; rank++)
            if (routed_to(step, exec, t, rank) == expert) {
                pairs[n++] = (uint32_t)(t * used + rank);
                break; /* a token goes to an expert once */
            }
    return n;
}

/* The inputs of n pairs, side by side in tiles. */
static void gather(const kw_step *step, const kw_exec *exec, const uint32_t *pairs, size_t n,
                   unsigned char *to)
{
    const size_t k = depth_of(step), cols = step->experts.cols, used = used_of(step);
    const kw_dtype dtype = step->matmul->activation;
    for (size_t i = 0; i < n; i++) {
        const void *x = input_of(step, exec, pairs[i] / used, pairs[i] % used);
        unsigned char *tile = to + i / cols * kw_activation_bytes(dtype, k, cols);
        if (dtype == KW_F32)
            memcpy(tile, x, k * sizeof(float));
        else
            step->pack(tile, x, k, cols, i % cols);
    }
}

/* Chunk: rows of one expert for all of a batch's tokens that go to it. */
static void run_batch(const kw_step *step, const kw_exec *exec, uint32_t chunk,
                      unsigned char *scratch)
{
    const kw_matmul_kernels *m = step->matmul;
    const size_t n = rows_of(step), k = depth_of(step), cuts = step->weight_chunks;
    const size_t expert = chunk / cuts, first = chunk % cuts * step->weight_rows;
    const size_t rows = KW_MIN(n - first, (size_t)step->weight_rows);
    float *out = (float *)kw_operand_at(exec, &step->out) + first;
    space s;
    (void)carve(step, scratch, &s);
    const size_t n_pairs = find_pairs(step, exec, expert, s.pairs);
    for (size_t r = 0; n_pairs > 0 && r < rows; r += m->panel_rows)
        m->panel(s.panels + r / m->panel_rows * step->panel_bytes,
                 expert_rows(step, expert, first + r), step->weight_row_bytes,
                 KW_MIN(rows - r, m->panel_rows), k);
    for (size_t at = 0; at < n_pairs; at += m->columns) {
        const size_t live = KW_MIN(n_pairs - at, m->columns);
        gather(step, exec, s.pairs + at, live, s.x);
        for (size_t r = 0; r < rows; r += m->panel_rows)
            m->gemm(&(kw_gemm_args){.out = s.out + r,
                                    .out_stride = step->weight_rows,
                                    .panel = s.panels + r / m->panel_rows * step->panel_bytes,
                                    .x = s.x,
                                    .work = s.work,
                                    .k = k,
                                    .n_rows = KW_MIN(rows - r, m->panel_rows),
                                    .n_cols = live});
        for (size_t i = 0; i < live; i++)
            memcpy(out + s.pairs[at + i] * n, s.out + i * step->weight_rows, rows * sizeof *out);
    }
}

static uint32_t count_batch(const kw_step *step, const kw_exec *exec)
{
    return kw_step_rows(step, exec->args) > 0 ? step->experts.n * step->weight_chunks : 0;
}

/* Rows of a chunk: enough weights, or panels that stay near. */
static void cut(const kw_device *device, kw_step *step)
{
    const kw_matmul_kernels *m = step->matmul;
    const size_t n = rows_of(step), workers = (size_t)device->n_workers;
    size_t rows;
    if (step->run == run_few) {
        const size_t share = (n + workers - 1) / workers; /* of one expert */
        rows = KW_MAX((size_t)CHUNK_BYTES / KW_MAX(step->weight_row_bytes, 1), (size_t)16);
        rows = kw_align_up(KW_MIN(rows, KW_MAX(share, (size_t)16)), 16);
    } else {
        step->panel_bytes = kw_align_up(m->panel_bytes(depth_of(step)), 64);
        size_t panels = KW_MAX((size_t)NEAR_PANEL_BYTES / step->panel_bytes, (size_t)1);
        panels = KW_MIN(panels, (n + m->panel_rows - 1) / m->panel_rows);
        rows = KW_MIN(panels, (size_t)MAX_PANELS) * m->panel_rows;
    }
    step->weight_rows = (uint32_t)rows;
    step->weight_chunks = (uint32_t)((n + rows - 1) / rows);
}

kw_status kw_step_experts(const kw_device *device, kw_step *step, const kw_node *weight,
                          kw_error *err)
{
    const kw_cpu_kernels *kernels = &device->kernels;
    const kw_dtype w = weight->dtype;
    space s;
    step->matmul = &kernels->matmul[w];
    step->experts.n = (uint32_t)weight->shape.dim[0];
    step->experts.k = weight->shape.dim[2];
    step->experts.parts = weight->weight.parts;
    if (step->matmul->weight_class == KW_CLASS_NONE || step->src[1].place != KW_AT_CONST ||
        !kw_row_bytes(w, step->experts.k, &step->weight_row_bytes))
        return kw_fail(err, KW_E_UNSUPPORTED, "cpu: experts with a %s weight of %lld columns",
                       kw_dtype_info(w)->name, (long long)step->experts.k);
    const bool few = step->rows_bound <= KW_FEW_TOKENS;
    step->kernel = few ? "experts few" : "experts";
    step->run = few ? run_few : run_batch;
    step->count = few ? count_few : count_batch;
    const kw_dtype a = step->matmul->activation;
    step->experts.cols = a == KW_F32 ? 1 : kw_tile_cols(device, a);
    step->pack = kw_packer(kernels, a);
    cut(device, step);
    step->scratch_bytes = few ? 0 : carve(step, NULL, &s);
    return KW_OK;
}
