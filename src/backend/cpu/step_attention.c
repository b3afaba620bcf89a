/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* step_attention.c - the key/value cache and attention over it.
 *
 * Cache layout, ours: blocks of 16 positions, in each a block for every kv head. Keys lie
 * [head_dim] [16], so that scores of 16 positions are one vector; values lie [16][head_dim].
 * Attention runs over splits of KW_ATTN_SPLIT positions at absolute multiples, merged in index
 * order: the result depends on the position alone, not on how the prompt was cut. The score matrix
 * never exists. */
#include "backend/cpu/program.h"

#include "base/check.h"

#include <math.h>
#include <string.h>

#define QUERIES_PER_CHUNK 8 /* tokens of one kv head */

/* Element offset of (position, head) block within a cache of kv_heads. */
static size_t block_at(int64_t position, int kv_heads, int head, int head_dim)
{
    const size_t block = (size_t)(position / KW_ATTN_BLOCK) * (size_t)kv_heads + (size_t)head;
    return block * (size_t)head_dim * KW_ATTN_BLOCK;
}

/* Writes one head's row x[head_dim] at a position. */
static void store_head(const kw_cpu_kernels *k, const kw_node *node, void *cache, const float *x,
                       int64_t position, int head)
{
    const size_t dim = (size_t)node->state.head_dim;
    const size_t slot = (size_t)(position % KW_ATTN_BLOCK);
    const size_t base = block_at(position, node->state.kv_heads, head, (int)dim);
    const bool keys = node->state.kind == KW_STATE_KEYS;
    const size_t first = base + (keys ? slot : slot * dim), stride = keys ? KW_ATTN_BLOCK : 1;
    if (node->dtype == KW_F32) {
        float *to = (float *)cache + first;
        for (size_t i = 0; i < dim; i++)
            to[i * stride] = x[i];
        return;
    }
    uint16_t half[KW_MAX_HEAD_DIM];
    uint16_t *to = (uint16_t *)cache + first;
    k->f16_from_f32(half, x, dim);
    for (size_t i = 0; i < dim; i++)
        to[i * stride] = half[i];
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

/* Work space of one chunk, in the worker's scratch. */
typedef struct space {
    float *q;              /* [group][dim] */
    float *acc, *m, *l;    /* [group][dim], [group], [group]: merged so far */
    float *acc2, *m2, *l2; /* the split at hand */
} space;

static size_t group_size(const kw_attention_attr *a)
{
    return (size_t)(a->heads / a->kv_heads);
}

static space carve(const kw_attention_attr *a, unsigned char *scratch)
{
    const size_t group = group_size(a), dim = (size_t)a->head_dim;
    float *p = (float *)(void *)scratch;
    space s;
    s.q = p;
    s.acc = s.q + group * dim;
    s.acc2 = s.acc + group * dim;
    s.m = s.acc2 + group * dim;
    s.l = s.m + group;
    s.m2 = s.l + group;
    s.l2 = s.m2 + group;
    return s;
}

static void load_queries(const kw_step *step, const kw_exec *exec, int64_t row, int head,
                         const space *s)
{
    const kw_attention_attr *a = &step->node->attention;
    const kw_rope_attr *rope = &step->node->rope;
    const kw_cpu_kernels *k = &exec->program->device->kernels;
    const size_t group = group_size(a), dim = (size_t)a->head_dim;
    const float *q = kw_operand_row(exec, &step->src[0], row) + (size_t)head * group * dim;
    if (rope->n_rot == 0) {
        k->scale(s->q, q, a->scale, group * dim);
        return;
    }
    memcpy(s->q, q, group * dim * sizeof *q);
    for (size_t i = 0; i < group; i++)
        k->rope(s->q + i * dim, kw_operand_row(exec, &step->src[4], row), (size_t)rope->n_rot,
                rope->adjacent);
    k->scale(s->q, s->q, a->scale, group * dim);
}

/* One query group at its position, over all splits in index order. */
static void attend(const kw_step *step, const kw_exec *exec, int64_t position, int head,
                   const space *s, float *out)
{
    const kw_attention_attr *a = &step->node->attention;
    const kw_cpu_kernels *k = &exec->program->device->kernels;
    const size_t group = group_size(a), dim = (size_t)a->head_dim;
    const size_t elem = step->src[1].dtype == KW_F16 ? sizeof(uint16_t) : sizeof(float);
    const size_t head_block = block_at(0, a->kv_heads, head, a->head_dim) * elem;
    const int64_t end = position + 1;
    const int64_t first = a->window > 0 && end > a->window ? end - a->window : 0;
    kw_attend_args args = {
        .q = s->q,
        .n_q = (int)group,
        .head_dim = a->head_dim,
        .k = (const unsigned char *)kw_operand_in(exec, &step->src[1]) + head_block,
        .v = (const unsigned char *)kw_operand_in(exec, &step->src[2]) + head_block,
        .block_stride = (size_t)a->kv_heads * dim * KW_ATTN_BLOCK * elem,
        .m = s->m,
        .l = s->l,
        .acc = s->acc};
    for (int64_t split = first / KW_ATTN_SPLIT; split * KW_ATTN_SPLIT < end; split++) {
        args.first = KW_MAX(first, split * KW_ATTN_SPLIT);
        args.end = KW_MIN(end, (split + 1) * KW_ATTN_SPLIT);
        (elem == sizeof(uint16_t) ? k->attend_f16 : k->attend_f32)(&args);
        if (args.acc == s->acc2)
            for (size_t i = 0; i < group; i++)
                k->attend_merge(&s->m[i], &s->l[i], s->acc + i * dim, s->m2[i], s->l2[i],
                                s->acc2 + i * dim, dim);
        args.m = s->m2;
        args.l = s->l2;
        args.acc = s->acc2;
    }
    for (size_t i = 0; i < group; i++)
        k->scale(out + i * dim, s->acc + i * dim, 1.0f / s->l[i], dim);
}

static void run_attention(const kw_step *step, const kw_exec *exec, uint32_t chunk,
                          unsigned char *scratch)
{
    const kw_attention_attr *a = &step->node->attention;
    const size_t width = group_size(a) * (size_t)a->head_dim;
    const int32_t *positions = kw_operand_in(exec, &step->src[3]);
    const int64_t rows = kw_step_rows(step, exec->args);
    const int head = (int)(chunk % (uint32_t)a->kv_heads);
    const int64_t from = (int64_t)(chunk / (uint32_t)a->kv_heads) * step->rows_per_chunk;
    const int64_t to = KW_MIN(rows, from + step->rows_per_chunk);
    const space s = carve(a, scratch);
    float *out = kw_operand_at(exec, &step->out);
    for (int64_t row = from; row < to; row++) {
        load_queries(step, exec, row, head, &s);
        attend(step, exec, positions[row], head, &s,
               out + row * step->out.n + (size_t)head * width);
    }
}

kw_status kw_step_attention(const kw_device *device, kw_step *step, kw_error *err)
{
    const kw_attention_attr *a = &step->node->attention;
    const size_t group = group_size(a), dim = (size_t)a->head_dim;
    (void)device;
    if (a->head_dim > KW_MAX_HEAD_DIM)
        return kw_fail(err, KW_E_UNSUPPORTED, "cpu: heads of %d dimensions, the limit is %d",
                       a->head_dim, KW_MAX_HEAD_DIM);
    step->run = run_attention;
    step->kernel = step->src[1].dtype == KW_F16 ? "attend_f16" : "attend_f32";
    step->rows_per_chunk = QUERIES_PER_CHUNK;
    step->chunks_per_row_group = (uint32_t)a->kv_heads;
    step->scratch_bytes = (3 * group * dim + 4 * group) * sizeof(float);
    return KW_OK;
}
