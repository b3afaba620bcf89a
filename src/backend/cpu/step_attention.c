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

#include <assert.h>
#include <math.h>
#include <string.h>

#define QUERIES_PER_CHUNK 64 /* heads times tokens that share a tile of keys and values */
#define CHUNKS_PER_WORKER 2  /* splits run in parallel where there are fewer blocks than this */
#define QUERIES_PER_MERGE 8
#define MOST_PARTS (1 << 16) /* splits times heads: their results stay below some hundred MiB */

static_assert(KW_ATTN_TILE == KW_ATTENTION_TILE && KW_ATTN_SPLIT == KW_ATTENTION_SPLIT &&
                  KW_ATTN_BLOCK == KW_ATTENTION_LANES,
              "where graph.h says that sums are cut");

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

/* What the tokens of a step from one on see. */
typedef struct sight {
    int64_t window;       /* 0: all */
    const int32_t *last;  /* of each token */
    const int32_t *first; /* NULL: the cache's */
} sight;

/* Tokens from `row` on and the heads of one key/value head: what a tile is loaded for. */
typedef struct block {
    const kw_step *step;
    const kw_exec *exec;
    int64_t row;
    size_t n, group, width;
    int head;
    sight sight;
    space s;
} block;

/* Splits [first, end), counted from position 0. */
typedef struct split_range {
    int64_t first, end;
} split_range;

static size_t group_size(const kw_attention_attr *a)
{
    return (size_t)(a->heads / a->kv_heads);
}

/* The next `bytes` from *at on, of a base that is NULL while only the size matters: then what is
 * returned is no address. */
static void *take(unsigned char *base, size_t *at, size_t bytes)
{
    void *p = (void *)((uintptr_t)base + *at);
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

static void load_queries(const block *b, size_t t)
{
    const kw_step *step = b->step;
    const kw_attention_attr *a = &step->node->attention;
    const kw_rope_attr *rope = &step->node->rope;
    const kw_cpu_kernels *k = &b->exec->program->device->kernels;
    const size_t dim = (size_t)a->head_dim, n = b->group * dim;
    const int64_t row = b->row + (int64_t)t;
    const float *q = kw_operand_row(b->exec, &step->src[0], row) + (size_t)b->head * n;
    const float scale = a->softcap > 0 ? a->scale / a->softcap : a->scale;
    float *to = b->s.q + t * n;
    if (rope->n_rot == 0) {
        k->scale(to, q, scale, n);
        return;
    }
    memcpy(to, q, n * sizeof *q);
    for (size_t i = 0; i < b->group; i++)
        k->rope(to + i * dim, kw_operand_row(b->exec, &step->src[step->n_src - 1], row),
                (size_t)rope->n_rot, rope->adjacent);
    k->scale(to, to, scale, n);
}

static sight sight_from(const kw_step *step, const kw_exec *exec, int64_t row)
{
    const kw_attention_attr *a = &step->node->attention;
    const int32_t *const last = kw_operand_in(exec, &step->src[3]);
    const int32_t *const first =
        a->begins ? kw_operand_in(exec, &step->src[a->biased ? 6 : 4]) : NULL;
    return (sight){a->window, last + row, first ? first + row : NULL};
}

/* What token t sees. */
static kw_attend_span seen(const sight *s, size_t t)
{
    const int64_t end = (int64_t)s->last[t] + 1, first = s->first ? s->first[t] : 0;
    const int64_t most = s->window > 0 && end > s->window ? end - s->window : 0;
    return (kw_attend_span){KW_MAX(first, most), end};
}

/* What n tokens from t on see. */
static split_range splits_of(const sight *s, size_t t, size_t n)
{
    split_range all = {INT64_MAX, 0};
    for (const size_t end = t + n; t < end; t++) {
        const kw_attend_span span = seen(s, t);
        all.first = KW_MIN(all.first, span.first / KW_ATTN_SPLIT);
        all.end = KW_MAX(all.end, (span.end + KW_ATTN_SPLIT - 1) / KW_ATTN_SPLIT);
    }
    return all;
}

/* That of a block. */
static kw_attend_bias bias_of(const block *b)
{
    const kw_step *step = b->step;
    const kw_attention_attr *a = &step->node->attention;
    if (!a->biased)
        return (kw_attend_bias){0};
    const float *table = kw_operand_in(b->exec, &step->src[4]);
    const int32_t *own = kw_operand_in(b->exec, &step->src[5]);
    return (kw_attend_bias){.table = table + (size_t)b->head * b->group * (size_t)step->src[4].n,
                            .own = own + b->row,
                            .n = step->src[4].n,
                            .first = a->bias_first};
}

/* Loads a block's queries. */
static block begin_block(const kw_step *step, const kw_exec *exec, int64_t row, size_t n, int head,
                         unsigned char *scratch)
{
    const kw_attention_attr *a = &step->node->attention;
    block b = {.step = step,
               .exec = exec,
               .row = row,
               .n = n,
               .group = group_size(a),
               .width = kw_attn_width((size_t)a->head_dim),
               .head = head,
               .sight = sight_from(step, exec, row)};
    (void)carve(a, n, scratch, &b.s);
    for (size_t t = 0; t < n; t++)
        load_queries(&b, t);
    return b;
}

/* What the kernel needs for a block; its results go to the space of the split at hand. */
static kw_attend_args attend_args(const block *b)
{
    const kw_step *step = b->step;
    const kw_attention_attr *a = &step->node->attention;
    const kw_dtype cache = step->src[1].dtype;
    const size_t head_bytes = kw_attn_tile_bytes(cache, (size_t)a->head_dim);
    const unsigned char *keys = kw_operand_in(b->exec, &step->src[1]);
    const unsigned char *values = kw_operand_in(b->exec, &step->src[2]);
    return (kw_attend_args){.q = b->s.q,
                            .n_q = (int)(b->n * b->group),
                            .group = (int)b->group,
                            .head_dim = a->head_dim,
                            .cache = cache,
                            .k = keys + (size_t)b->head * head_bytes,
                            .v = values + (size_t)b->head * head_bytes,
                            .tile_stride = (size_t)a->kv_heads * head_bytes,
                            .span = b->s.span,
                            .softcap = a->softcap,
                            .bias = bias_of(b),
                            .m = b->s.m2,
                            .l = b->s.l2,
                            .acc = b->s.acc2,
                            .work = b->s.work};
}

static void attend_split(const block *b, const kw_attend_args *args, int64_t split)
{
    const int64_t at = split * KW_ATTN_SPLIT;
    for (size_t t = 0; t < b->n; t++) {
        const kw_attend_span all = seen(&b->sight, t);
        b->s.span[t].first = KW_MAX(all.first, at);
        b->s.span[t].end = KW_MIN(all.end, at + KW_ATTN_SPLIT);
    }
    b->exec->program->device->kernels.attend(args);
}

/* Adds a split to what is merged of token t; it is the first of that token, or a later one. */
static void merge_split(const block *b, size_t t, bool first)
{
    const kw_cpu_kernels *k = &b->exec->program->device->kernels;
    const space *s = &b->s;
    for (size_t i = t * b->group; i < (t + 1) * b->group; i++) {
        if (!first) {
            k->attend_merge(&s->m[i], &s->l[i], s->acc + i * b->width, s->m2[i], s->l2[i],
                            s->acc2 + i * b->width, b->width);
            continue;
        }
        s->m[i] = s->m2[i];
        s->l[i] = s->l2[i];
        memcpy(s->acc + i * b->width, s->acc2 + i * b->width, b->width * sizeof(float));
    }
}

/* Splits of a block in index order, each merged into those before it; `range` begins with the
 * first that any token sees. */
static void attend_merged(const block *b, split_range range)
{
    const kw_attend_args args = attend_args(b);
    for (int64_t split = range.first; split < range.end; split++) {
        attend_split(b, &args, split);
        for (size_t t = 0; t < b->n; t++)
            if (b->s.span[t].first < b->s.span[t].end)
                merge_split(b, t, seen(&b->sight, t).first >= split * KW_ATTN_SPLIT);
    }
}

/* Over all splits, into the output. */
static void attend_whole(const block *b)
{
    const kw_attention_attr *a = &b->step->node->attention;
    const size_t dim = (size_t)a->head_dim;
    attend_merged(b, splits_of(&b->sight, 0, b->n));
    float *out = kw_operand_at(b->exec, &b->step->out);
    for (size_t i = 0; i < b->n * b->group; i++) {
        const size_t row = (size_t)b->row + i / b->group;
        const size_t head = (size_t)b->head * b->group + i % b->group;
        b->exec->program->device->kernels.scale(out + row * (size_t)b->step->out.n + head * dim,
                                                b->s.acc + i * b->width, 1.0f / b->s.l[i], dim);
    }
}

/* ---- splits in parallel ----------------------------------------------------------------------
 *
 * With few tokens and few key/value heads there are fewer blocks than workers. Then a chunk is a
 * range of a block's splits, whose results it leaves side by side (merged, if it is the first), and
 * a second step in the next wave merges them in index order: the same operations, so the same bits.
 * Results are computed in the worker's scratch and copied, since the lines of the parts are with
 * whoever merged the last ones. */

/* What splits leave of a step's queries: [splits][kv_heads][queries of a head]. */
typedef struct parts {
    float *m, *l, *acc; /* acc: [..][width] */
    size_t per_head, per_split;
} parts;

/* Lays out the parts of `splits` splits and returns their size. */
static size_t carve_parts(const kw_step *step, int64_t splits, unsigned char *base, parts *p)
{
    const kw_attention_attr *a = &step->node->attention;
    size_t at = 0;
    p->per_head = (size_t)step->out.rows * group_size(a);
    p->per_split = p->per_head * (size_t)a->kv_heads;
    const size_t n = (size_t)splits * p->per_split * sizeof(float);
    p->acc = take(base, &at, n * kw_attn_width((size_t)a->head_dim));
    p->m = take(base, &at, n);
    p->l = take(base, &at, n);
    return at;
}

static int64_t most_splits(const kw_step *step)
{
    return (step->src[1].rows + KW_ATTN_SPLIT - 1) / KW_ATTN_SPLIT;
}

static parts parts_of(const kw_step *step, const kw_exec *exec)
{
    parts p;
    (void)carve_parts(step, most_splits(step), exec->program->parts + step->parts_at, &p);
    return p;
}

/* Ranges that the splits of all live tokens are cut into; 1: not in parallel. */
static uint32_t count_ranges(const kw_step *step, const kw_exec *exec)
{
    const kw_attention_attr *a = &step->node->attention;
    const int64_t rows = kw_step_rows(step, exec->args);
    if (step->parts_bytes == 0 || rows == 0)
        return 1;
    const sight view = sight_from(step, exec, 0);
    const split_range all = splits_of(&view, 0, (size_t)rows);
    const int64_t chunks = (int64_t)exec->program->device->n_workers * CHUNKS_PER_WORKER;
    const int64_t wanted = (chunks + a->kv_heads - 1) / a->kv_heads;
    return (uint32_t)KW_MAX(KW_MIN(all.end - all.first, wanted), 1);
}

static uint32_t count_blocks(const kw_step *step, const kw_exec *exec)
{
    const int64_t rows = kw_step_rows(step, exec->args);
    const int64_t groups = (rows + step->rows_per_chunk - 1) / step->rows_per_chunk;
    return (uint32_t)groups * (uint32_t)step->node->attention.kv_heads * count_ranges(step, exec);
}

/* Splits of range `i` of n. */
static split_range range_of(split_range all, uint32_t i, uint32_t n)
{
    const int64_t splits = all.end - all.first;
    return (split_range){all.first + splits * i / n, all.first + splits * (i + 1) / n};
}

/* Copies what a token's heads have of a split, or have merged up to it. */
static void keep_part(const block *b, const parts *p, int64_t split, size_t t, const float *m,
                      const float *l, const float *acc)
{
    const size_t from = t * b->group, n = b->group * sizeof(float);
    const size_t to = (size_t)split * p->per_split + (size_t)b->head * p->per_head + from;
    memcpy(p->m + to, m + from, n);
    memcpy(p->l + to, l + from, n);
    memcpy(p->acc + to * b->width, acc + from * b->width, n * b->width);
}

/* Range i of n, to the parts. The first range leaves one of each token, in place of its first
 * split. */
static void attend_range(const block *b, uint32_t i, uint32_t n)
{
    const split_range all = splits_of(&b->sight, 0, b->n), range = range_of(all, i, n);
    const parts p = parts_of(b->step, b->exec);
    const space *s = &b->s;
    if (i == 0) {
        attend_merged(b, range);
        for (size_t t = 0; t < b->n; t++) {
            const int64_t first = splits_of(&b->sight, t, 1).first;
            if (first < range.end)
                keep_part(b, &p, first - all.first, t, s->m, s->l, s->acc);
        }
        return;
    }
    const kw_attend_args args = attend_args(b);
    for (int64_t split = range.first; split < range.end; split++) {
        attend_split(b, &args, split);
        for (size_t t = 0; t < b->n; t++)
            keep_part(b, &p, split - all.first, t, s->m2, s->l2, s->acc2);
    }
}

static void run_attention(const kw_step *step, const kw_exec *exec, uint32_t chunk,
                          unsigned char *scratch)
{
    const uint32_t kv_heads = (uint32_t)step->node->attention.kv_heads;
    const uint32_t n_ranges = count_ranges(step, exec), i = chunk / kv_heads;
    const int64_t rows = kw_step_rows(step, exec->args);
    const int64_t from = (int64_t)(i / n_ranges) * step->rows_per_chunk;
    const size_t n = (size_t)(KW_MIN(rows, from + step->rows_per_chunk) - from);
    const block b = begin_block(step, exec, from, n, (int)(chunk % kv_heads), scratch);
    if (n_ranges > 1)
        attend_range(&b, i % n_ranges, n_ranges);
    else
        attend_whole(&b);
}

/* Merges the parts of query head `head` of a token, in place, into the output. */
static void merge_query(const kw_step *step, const kw_exec *exec, size_t row, size_t head)
{
    const kw_attention_attr *a = &step->node->attention;
    const kw_cpu_kernels *k = &exec->program->device->kernels;
    const size_t dim = (size_t)a->head_dim, width = kw_attn_width(dim), group = group_size(a);
    const sight view = sight_from(step, exec, 0);
    const split_range all = splits_of(&view, 0, (size_t)kw_step_rows(step, exec->args));
    const split_range own = splits_of(&view, row, 1);
    const split_range begin = range_of(all, 0, count_ranges(step, exec));
    const parts p = parts_of(step, exec);
    const size_t query = head / group * p.per_head + row * group + head % group;
    const size_t first = (size_t)(own.first - all.first) * p.per_split + query;
    for (int64_t split = KW_MAX(own.first + 1, begin.end); split < own.end; split++) {
        const size_t at = (size_t)(split - all.first) * p.per_split + query;
        k->attend_merge(&p.m[first], &p.l[first], p.acc + first * width, p.m[at], p.l[at],
                        p.acc + at * width, width);
    }
    float *out = kw_operand_at(exec, &step->out);
    k->scale(out + row * (size_t)step->out.n + head * dim, p.acc + first * width, 1.0f / p.l[first],
             dim);
}

static void run_merge(const kw_step *step, const kw_exec *exec, uint32_t chunk,
                      unsigned char *scratch)
{
    (void)scratch;
    const size_t heads = (size_t)step->node->attention.heads;
    const size_t n = (size_t)kw_step_rows(step, exec->args) * heads;
    const size_t end = KW_MIN(n, (size_t)(chunk + 1) * QUERIES_PER_MERGE);
    for (size_t i = (size_t)chunk * QUERIES_PER_MERGE; i < end; i++)
        merge_query(step, exec, i / heads, i % heads);
}

static uint32_t count_merges(const kw_step *step, const kw_exec *exec)
{
    const int64_t n = kw_step_rows(step, exec->args) * step->node->attention.heads;
    return count_ranges(step, exec) > 1
               ? (uint32_t)((n + QUERIES_PER_MERGE - 1) / QUERIES_PER_MERGE)
               : 0;
}

bool kw_step_merge(const kw_step *attention, kw_step *merge)
{
    if (attention->parts_bytes == 0)
        return false;
    *merge = *attention;
    merge->run = run_merge;
    merge->count = count_merges;
    merge->kernel = "merge";
    merge->scratch_bytes = 0;
    return true;
}

/* Bytes of the parts of a step whose splits may run in parallel; 0: they may not. */
static size_t wanted_parts(const kw_device *device, const kw_step *step)
{
    const kw_attention_attr *a = &step->node->attention;
    const int64_t splits = most_splits(step);
    parts p;
    if (device->n_workers == 1 || a->kv_heads >= device->n_workers * CHUNKS_PER_WORKER ||
        splits < 2 || step->out.rows > KW_MIN((int64_t)step->rows_per_chunk, KW_FEW_TOKENS) ||
        splits * a->heads > MOST_PARTS)
        return 0;
    return carve_parts(step, splits, NULL, &p);
}

kw_status kw_step_attention(const kw_device *device, kw_step *step, kw_error *err)
{
    const kw_attention_attr *a = &step->node->attention;
    space s;
    if (a->head_dim > KW_MAX_HEAD_DIM)
        return kw_fail(err, KW_E_UNSUPPORTED, "cpu: heads of %d dimensions, the limit is %d",
                       a->head_dim, KW_MAX_HEAD_DIM);
    const size_t tokens = KW_MAX(QUERIES_PER_CHUNK / group_size(a), (size_t)1);
    const size_t rows = KW_MIN(tokens, (size_t)step->out.rows);
    step->run = run_attention;
    step->count = count_blocks;
    step->kernel = "attend";
    step->rows_per_chunk = (uint32_t)rows;
    step->scratch_bytes = carve(a, rows, NULL, &s);
    step->parts_bytes = wanted_parts(device, step);
    return KW_OK;
}
