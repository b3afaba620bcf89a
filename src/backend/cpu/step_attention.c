/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* step_attention.c - the key/value cache and attention over it.
 *
 * Cache layout, ours: tiles of 64 positions, in each a piece for every kv head, of four blocks of
 * 16 positions (kernels.h). Keys lie [width][16], so that scores of 16 positions are one vector;
 * values lie [16][width].
 * Attention runs over splits of KW_ATTN_SPLIT positions at absolute multiples, merged in index
 * order: the result depends on the position alone, not on how the prompt was cut. The score matrix
 * never exists. */
#include "backend/cpu/program.h"

#include "base/check.h"
#include "tensor/quant/blocks.h"

#include <math.h>
#include <string.h>

#define QUERIES_PER_CHUNK 64 /* heads times tokens that share a tile of keys and values */

/* The piece of a head in the block of a position. */
static unsigned char *block_at(void *cache, int64_t position, const kw_node *state, int head)
{
    const size_t dim = (size_t)state->state.head_dim;
    const size_t tile =
        (size_t)(position / KW_ATTN_TILE) * (size_t)state->state.kv_heads + (size_t)head;
    return (unsigned char *)cache + tile * kw_attn_tile_bytes(state->dtype, dim) +
           (size_t)(position % KW_ATTN_TILE / KW_ATTN_BLOCK) *
               kw_attn_block_bytes(state->dtype, dim);
}

/* Elements of one position: to[i * stride] = from[i], each of `bytes`. */
static void scatter(unsigned char *to, size_t stride, const void *from, size_t n, size_t bytes)
{
    for (size_t i = 0; i < n; i++)
        memcpy(to + i * stride * bytes, (const unsigned char *)from + i * bytes, bytes);
}

static void store_q8(const kw_node *node, unsigned char *block, const float *x, size_t slot)
{
    const size_t dim = (size_t)node->state.head_dim, groups = kw_attn_groups(dim);
    const size_t width = kw_attn_width(dim);
    const bool keys = node->state.kind == KW_STATE_KEYS;
    unsigned char *scales = block + KW_ATTN_BLOCK * width;
    float padded[KW_MAX_HEAD_DIM] = {0};
    kw_block_q8_0 q[KW_MAX_HEAD_DIM / KW_QK];
    memcpy(padded, x, dim * sizeof *x);
    kw_dtype_info(KW_Q8_0)->encode(q, padded, groups * KW_QK, NULL);
    for (size_t g = 0; g < groups; g++) {
        const size_t at = g * KW_QK, n = KW_MIN((size_t)KW_QK, dim - at);
        scatter(block + (keys ? at * KW_ATTN_BLOCK + slot : slot * width + at),
                keys ? KW_ATTN_BLOCK : 1, q[g].qs, n, 1);
        memcpy(scales + 2 * (keys ? g * KW_ATTN_BLOCK + slot : slot * groups + g), q[g].d, 2);
    }
}

/* Writes one head's row x[head_dim] at a position. */
static void store_head(const kw_cpu_kernels *k, const kw_node *node, void *cache, const float *x,
                       int64_t position, int head)
{
    const size_t dim = (size_t)node->state.head_dim;
    const size_t slot = (size_t)(position % KW_ATTN_BLOCK);
    const bool keys = node->state.kind == KW_STATE_KEYS;
    const size_t bytes = kw_dtype_info(node->dtype)->block_bytes;
    unsigned char *block = block_at(cache, position, node, head);
    uint16_t half[KW_MAX_HEAD_DIM];
    if (node->dtype == KW_Q8_0) {
        store_q8(node, block, x, slot);
        return;
    }
    if (node->dtype == KW_F16)
        k->f16_from_f32(half, x, dim);
    else if (node->dtype == KW_BF16)
        kw_dtype_info(KW_BF16)->encode(half, x, dim, NULL);
    scatter(block + (keys ? slot : slot * kw_attn_width(dim)) * bytes, keys ? KW_ATTN_BLOCK : 1,
            node->dtype == KW_F32 ? (const void *)x : half, dim, bytes);
}

static void run_store(const kw_step *step, const kw_exec *exec, uint32_t chunk,
                      unsigned char *scratch)
{
    const kw_node *node = step->node;
    const kw_cpu_kernels *k = &exec->program->device->kernels;
    const int32_t *positions = kw_operand_in(exec, &step->src[2]);
    const size_t dim = (size_t)node->state.head_dim;
    const int64_t rows = kw_step_rows(step, exec->args);
    const int64_t from = (int64_t)chunk * step->rows_per_chunk;
    const int64_t to = KW_MIN(rows, from + step->rows_per_chunk);
    float *head = (float *)(void *)scratch;
    void *cache = kw_operand_at(exec, &step->out);
    for (int64_t row = from; row < to; row++) {
        const float *x = kw_operand_row(exec, &step->src[1], row);
        for (int h = 0; h < node->state.kv_heads; h++) {
            memcpy(head, x + (size_t)h * dim, dim * sizeof *head);
            if (node->rope.n_rot > 0)
                k->rope(head, kw_operand_row(exec, &step->src[3], row), (size_t)node->rope.n_rot,
                        node->rope.adjacent);
            store_head(k, node, cache, head, positions[row], h);
        }
    }
}

kw_status kw_step_store(const kw_device *device, kw_step *step, kw_error *err)
{
    (void)device;
    if (step->node->state.head_dim > KW_MAX_HEAD_DIM)
        return kw_fail(err, KW_E_UNSUPPORTED, "cpu: heads of %d dimensions, the limit is %d",
                       step->node->state.head_dim, KW_MAX_HEAD_DIM);
    step->run = run_store;
    step->kernel = step->node->rope.n_rot > 0 ? "rope+store" : "store";
    step->rows_per_chunk = 32;
    step->chunks_per_row_group = 1;
    step->scratch_bytes = (size_t)step->node->state.head_dim * sizeof(float);
    return KW_OK;
}

/* Work space of one chunk, in the worker's scratch: n tokens times group heads are queries. */
typedef struct space {
    float *q;              /* [queries][dim] */
    float *acc, *m, *l;    /* [queries][width], [queries], [queries]: merged so far */
    float *acc2, *m2, *l2; /* the split at hand */
    kw_attend_span *span;  /* [n] */
    void *work;
} space;

static size_t group_size(const kw_attention_attr *a)
{
    return (size_t)(a->heads / a->kv_heads);
}

/* The next `bytes` from *at on, of a base that is NULL while only the size matters. */
static void *take(unsigned char *base, size_t *at, size_t bytes)
{
    void *p = base ? base + *at : NULL;
    *at += kw_align_up(bytes, 64);
    return p;
}

/* Lays out the space for n tokens and returns its size. */
static size_t carve(const kw_attention_attr *a, size_t n, unsigned char *base, space *s)
{
    const size_t queries = n * group_size(a), dim = (size_t)a->head_dim;
    const size_t row = kw_attn_width(dim) * sizeof(float);
    size_t at = 0;
    s->work = take(base, &at, kw_attend_work_bytes(dim, queries));
    s->q = take(base, &at, queries * row);
    s->acc = take(base, &at, queries * row);
    s->acc2 = take(base, &at, queries * row);
    s->m = take(base, &at, queries * sizeof(float));
    s->l = take(base, &at, queries * sizeof(float));
    s->m2 = take(base, &at, queries * sizeof(float));
    s->l2 = take(base, &at, queries * sizeof(float));
    s->span = take(base, &at, n * sizeof *s->span);
    return at;
}

static void load_queries(const kw_step *step, const kw_exec *exec, int64_t row, int head, float *to)
{
    const kw_attention_attr *a = &step->node->attention;
    const kw_rope_attr *rope = &step->node->rope;
    const kw_cpu_kernels *k = &exec->program->device->kernels;
    const size_t group = group_size(a), dim = (size_t)a->head_dim;
    const float *q = kw_operand_row(exec, &step->src[0], row) + (size_t)head * group * dim;
    const float scale = a->softcap > 0 ? a->scale / a->softcap : a->scale;
    if (rope->n_rot == 0) {
        k->scale(to, q, scale, group * dim);
        return;
    }
    memcpy(to, q, group * dim * sizeof *q);
    for (size_t i = 0; i < group; i++)
        k->rope(to + i * dim, kw_operand_row(exec, &step->src[step->n_src - 1], row),
                (size_t)rope->n_rot, rope->adjacent);
    k->scale(to, to, scale, group * dim);
}

/* What a token sees, up to its last position. */
static kw_attend_span seen(const kw_attention_attr *a, int64_t last)
{
    const int64_t end = last + 1;
    return (kw_attend_span){a->window > 0 && end > a->window ? end - a->window : 0, end};
}

/* Adds a split to what is merged of token t; it is the first of that token, or a later one. */
static void merge_split(const kw_cpu_kernels *k, const space *s, size_t t, size_t group,
                        size_t width, bool first)
{
    for (size_t i = t * group; i < (t + 1) * group; i++) {
        if (!first) {
            k->attend_merge(&s->m[i], &s->l[i], s->acc + i * width, s->m2[i], s->l2[i],
                            s->acc2 + i * width, width);
            continue;
        }
        s->m[i] = s->m2[i];
        s->l[i] = s->l2[i];
        memcpy(s->acc + i * width, s->acc2 + i * width, width * sizeof(float));
    }
}

/* That of a head's group, for tokens from `row` on. */
static kw_attend_bias bias_of(const kw_step *step, const kw_exec *exec, int64_t row, int head)
{
    const kw_attention_attr *a = &step->node->attention;
    const float *table = kw_operand_in(exec, &step->src[4]);
    const int32_t *own = kw_operand_in(exec, &step->src[5]);
    return (kw_attend_bias){.table = table + (size_t)head * group_size(a) * (size_t)step->src[4].n,
                            .own = own + row,
                            .n = step->src[4].n,
                            .first = a->bias_first};
}

/* A block of n tokens from `row` on, over all splits in index order. */
static void attend(const kw_step *step, const kw_exec *exec, int64_t row, size_t n, int head,
                   const space *s)
{
    const kw_attention_attr *a = &step->node->attention;
    const kw_cpu_kernels *k = &exec->program->device->kernels;
    const size_t group = group_size(a), width = kw_attn_width((size_t)a->head_dim);
    const kw_dtype cache = step->src[1].dtype;
    const size_t head_bytes = kw_attn_tile_bytes(cache, (size_t)a->head_dim);
    const unsigned char *keys = kw_operand_in(exec, &step->src[1]);
    const unsigned char *values = kw_operand_in(exec, &step->src[2]);
    const int32_t *last = (const int32_t *)kw_operand_in(exec, &step->src[3]) + row;
    const kw_attend_args args = {.q = s->q,
                                 .n_q = (int)(n * group),
                                 .group = (int)group,
                                 .head_dim = a->head_dim,
                                 .cache = cache,
                                 .k = keys + (size_t)head * head_bytes,
                                 .v = values + (size_t)head * head_bytes,
                                 .tile_stride = (size_t)a->kv_heads * head_bytes,
                                 .span = s->span,
                                 .softcap = a->softcap,
                                 .bias = a->biased ? bias_of(step, exec, row, head)
                                                   : (kw_attend_bias){0},
                                 .m = s->m2,
                                 .l = s->l2,
                                 .acc = s->acc2,
                                 .work = s->work};
    int64_t first = INT64_MAX, end = 0;
    for (size_t t = 0; t < n; t++) {
        const kw_attend_span all = seen(a, last[t]);
        first = KW_MIN(first, all.first);
        end = KW_MAX(end, all.end);
    }
    for (int64_t at = first / KW_ATTN_SPLIT * KW_ATTN_SPLIT; at < end; at += KW_ATTN_SPLIT) {
        for (size_t t = 0; t < n; t++) {
            const kw_attend_span all = seen(a, last[t]);
            s->span[t].first = KW_MAX(all.first, at);
            s->span[t].end = KW_MIN(all.end, at + KW_ATTN_SPLIT);
        }
        k->attend(&args);
        for (size_t t = 0; t < n; t++)
            if (s->span[t].first < s->span[t].end)
                merge_split(k, s, t, group, width, seen(a, last[t]).first >= at);
    }
}

static void run_attention(const kw_step *step, const kw_exec *exec, uint32_t chunk,
                          unsigned char *scratch)
{
    const kw_attention_attr *a = &step->node->attention;
    const kw_cpu_kernels *k = &exec->program->device->kernels;
    const size_t group = group_size(a), dim = (size_t)a->head_dim, width = kw_attn_width(dim);
    const int64_t rows = kw_step_rows(step, exec->args);
    const int head = (int)(chunk % (uint32_t)a->kv_heads);
    const int64_t from = (int64_t)(chunk / (uint32_t)a->kv_heads) * step->rows_per_chunk;
    const size_t n = (size_t)(KW_MIN(rows, from + step->rows_per_chunk) - from);
    space s;
    (void)carve(a, n, scratch, &s);
    for (size_t t = 0; t < n; t++)
        load_queries(step, exec, from + (int64_t)t, head, s.q + t * group * dim);
    attend(step, exec, from, n, head, &s);
    float *out = kw_operand_at(exec, &step->out);
    for (size_t i = 0; i < n * group; i++) {
        const size_t row = (size_t)from + i / group;
        float *to = out + row * (size_t)step->out.n + ((size_t)head * group + i % group) * dim;
        k->scale(to, s.acc + i * width, 1.0f / s.l[i], dim);
    }
}

kw_status kw_step_attention(const kw_device *device, kw_step *step, kw_error *err)
{
    const kw_attention_attr *a = &step->node->attention;
    space s;
    (void)device;
    if (a->head_dim > KW_MAX_HEAD_DIM)
        return kw_fail(err, KW_E_UNSUPPORTED, "cpu: heads of %d dimensions, the limit is %d",
                       a->head_dim, KW_MAX_HEAD_DIM);
    const size_t tokens = KW_MAX(QUERIES_PER_CHUNK / group_size(a), (size_t)1);
    const size_t rows = KW_MIN(tokens, (size_t)step->out.rows);
    step->run = run_attention;
    step->kernel = "attend";
    step->rows_per_chunk = (uint32_t)rows;
    step->chunks_per_row_group = (uint32_t)a->kv_heads;
    step->scratch_bytes = carve(a, rows, NULL, &s);
    return KW_OK;
}
