/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* attend.inc.h - attention of a block of queries over a range of the cache.
 *
 * For each tile of 64 positions: its keys become f32 in the first-level cache, once for all
 * queries; scores are an outer product (a lane is a position, sequential over dimensions); then
 * exponentials, query by query; then values, likewise (a lane is a dimension, sequential over
 * positions). Both have the order of the scalar definition. Only where a span begins or ends inside
 * the tile do the queries of a block differ, and there the odd positions are added one query at a
 * time.
 * Source: Milakov and Gimelshein 2018, arXiv:1805.02867 (online softmax). */

enum { ATTN_BLOCKS = KW_ATTN_TILE / KW_ATTN_BLOCK };

/* One call, and the tile it is at: positions from `start` on, of which the blocks
 * [first_block, end_block) hold what any query wants. */
typedef struct attend_call {
    const kw_attend_args *args;
    size_t dim, width;
    float *keys;   /* [dim][64] */
    float *values; /* [64][width] */
    float *score;  /* [n_q][64], then exponentials */
    int64_t start;
    int first_block, end_block;
} attend_call;

/* ---- the tile in f32 ---- */

static KV_INLINE const uint8_t *attend_tile(const attend_call *c, const void *cache)
{
    return (const uint8_t *)cache + (size_t)c->start / KW_ATTN_TILE * c->args->tile_stride;
}

static KV_INLINE const uint8_t *attend_block(const attend_call *c, const void *cache, int b)
{
    return attend_tile(c, cache) + (size_t)b * kw_attn_block_bytes(c->args->cache, c->dim);
}

/* Byte `at` of a block is being converted: its line in the next tile, as far away as a whole tile's
 * work, comes nearer meanwhile. */
static KV_INLINE void attend_fetch(const attend_call *c, const uint8_t *block, size_t at)
{
    if (at % 64 == 0)
        kv_prefetch(block + c->args->tile_stride + at);
}

/* rows of `vectors` vectors each, dst_stride apart in dst */
static KV_INLINE void attend_load_f(const attend_call *c, float *dst, size_t dst_stride,
                                    const uint8_t *src, size_t rows, size_t vectors,
                                    const f_type type)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t v = 0; v < vectors; v++) {
            const size_t at = (r * vectors + v) * 16 * type.bytes;
            attend_fetch(c, src, at);
            kv_store(dst + r * dst_stride + 16 * v, load_f(type, src + at));
        }
}

/* Keys: a scale is a lane's. */
static KV_INLINE void attend_keys_q8(const attend_call *c, float *dst, const uint8_t *src)
{
    const uint8_t *scales = src + KW_ATTN_BLOCK * c->width;
    for (size_t d = 0; d < c->dim; d += 32) {
        const kv_f scale = kv_load_f16((const uint16_t *)(const void *)(scales + d));
        const size_t end = KW_MIN(d + 32, c->dim);
        for (size_t i = d; i < end; i++) {
            const int8_t *x = (const int8_t *)src + 16 * i;
            attend_fetch(c, src, 16 * i);
            kv_store(dst + KW_ATTN_TILE * i, kv_mul(kv_load_i8(x), scale));
        }
    }
}

/* Values: a scale is that of two vectors. */
static KV_INLINE void attend_values_q8(const attend_call *c, float *dst, const uint8_t *src)
{
    const size_t width = c->width, groups = kw_attn_groups(c->dim);
    const uint8_t *scales = src + KW_ATTN_BLOCK * width;
    float scale[KW_ATTN_BLOCK * KW_MAX_HEAD_DIM / 32];
    for (size_t i = 0; i < groups; i++)
        kv_store(scale + 16 * i, kv_load_f16((const uint16_t *)(const void *)(scales + 32 * i)));
    for (size_t at = 0; at < KW_ATTN_BLOCK; at++)
        for (size_t d = 0; d < width; d += 16) {
            const kv_f x = kv_load_i8((const int8_t *)src + at * width + d);
            attend_fetch(c, src, at * width + d);
            kv_store(dst + at * width + d, kv_mul(x, kv_set1(scale[at * groups + d / 32])));
        }
}

static KV_INLINE void attend_load_keys(const attend_call *c, const f_type type)
{
    for (int b = c->first_block; b < c->end_block; b++)
        attend_load_f(c, c->keys + KW_ATTN_BLOCK * b, KW_ATTN_TILE, attend_block(c, c->args->k, b),
                      c->dim, 1, type);
}

static KV_INLINE void attend_load_values(const attend_call *c, const f_type type)
{
    for (int b = c->first_block; b < c->end_block; b++)
        attend_load_f(c, c->values + (size_t)(KW_ATTN_BLOCK * b) * c->width, c->width,
                      attend_block(c, c->args->v, b), KW_ATTN_BLOCK, c->width / 16, type);
}

static void attend_keys(const attend_call *c)
{
    if (c->args->cache == KW_F16)
        attend_load_keys(c, TYPE_F16);
    else if (c->args->cache == KW_BF16)
        attend_load_keys(c, TYPE_BF16);
    else if (c->args->cache == KW_F32)
        attend_load_keys(c, TYPE_F32);
    else
        for (int b = c->first_block; b < c->end_block; b++)
            attend_keys_q8(c, c->keys + KW_ATTN_BLOCK * b, attend_block(c, c->args->k, b));
}

static void attend_values(const attend_call *c)
{
    if (c->args->cache == KW_F16)
        attend_load_values(c, TYPE_F16);
    else if (c->args->cache == KW_BF16)
        attend_load_values(c, TYPE_BF16);
    else if (c->args->cache == KW_F32)
        attend_load_values(c, TYPE_F32);
    else
        for (int b = c->first_block; b < c->end_block; b++)
            attend_values_q8(c, c->values + (size_t)(KW_ATTN_BLOCK * b) * c->width,
                             attend_block(c, c->args->v, b));
}

/* ---- one tile ---- */

/* Positions of the tile that query i sees, counted from its start; to <= from: none. */
typedef struct tile_span {
    int from, to;
} tile_span;

static KV_INLINE tile_span attend_span(const attend_call *c, int i)
{
    const kw_attend_span span = c->args->span[i / c->args->group];
    const int64_t from = KW_MAX(span.first - c->start, 0);
    const int64_t to = KW_MIN(span.end - c->start, KW_ATTN_TILE);
    return from < to ? (tile_span){(int)from, (int)to} : (tile_span){0, 0};
}

static void attend_scores(const attend_call *c)
{
    const outer_args o = {.a = c->args->q,
                          .a_stride = c->dim,
                          .b = c->keys + KW_ATTN_BLOCK * c->first_block,
                          .b_stride = KW_ATTN_TILE,
                          .out = c->score + KW_ATTN_BLOCK * c->first_block,
                          .out_stride = KW_ATTN_TILE,
                          .n_k = c->dim};
    outer(&o, (size_t)c->args->n_q, (size_t)(c->end_block - c->first_block));
}

/* The bias of query i at 16 positions from `pos` on. */
static KV_INLINE kv_f attend_bias(const attend_call *c, int i, int64_t pos)
{
    const kw_attend_bias *b = &c->args->bias;
    const float *row = b->table + (size_t)(i % c->args->group) * (size_t)b->n;
    const int64_t at = pos - b->own[i / c->args->group] - b->first;
    if (at >= 0 && at + 16 <= b->n)
        return kv_load(row + at);
    float lane[16];
    for (int64_t j = 0; j < 16; j++)
        lane[j] = row[KW_MIN(KW_MAX(at + j, 0), b->n - 1)];
    return kv_load(lane);
}

/* Query i's scores as they are before the softmax, in all of the blocks that it sees. */
static void attend_adjust(const attend_call *c, int i, const tile_span span)
{
    float *lane = c->score + (size_t)i * KW_ATTN_TILE;
    const float softcap = c->args->softcap;
    for (int j = span.from / KW_ATTN_BLOCK * KW_ATTN_BLOCK; j < span.to; j += KW_ATTN_BLOCK) {
        kv_f s = kv_load(lane + j);
        if (softcap > 0)
            s = kv_mul(kv_set1(softcap), v_tanh(s));
        if (c->args->bias.table)
            s = kv_add(s, attend_bias(c, i, c->start + j));
        kv_store(lane + j, s);
    }
}

/* The largest of query i's scores and of those before; scores that it does not see become -inf. */
static KV_INLINE float attend_largest(const attend_call *c, int i, const tile_span span)
{
    float *lane = c->score + (size_t)i * KW_ATTN_TILE;
    const int first = span.from / KW_ATTN_BLOCK;
    const int end = (span.to + KW_ATTN_BLOCK - 1) / KW_ATTN_BLOCK;
    kv_f most = kv_set1(c->args->m[i]);
    for (int j = first * KW_ATTN_BLOCK; j < span.from; j++)
        lane[j] = -INFINITY;
    for (int j = span.to; j < end * KW_ATTN_BLOCK; j++)
        lane[j] = -INFINITY;
    for (int b = first; b < end; b++)
        most = kv_max(kv_load(lane + b * KW_ATTN_BLOCK), most);
    return kv_largest(most);
}

/* Scores of query i to exponentials, and what is summed so far times `carry`. */
static KV_INLINE void attend_exponentials(const attend_call *c, int i, const tile_span span,
                                          float largest, float carry)
{
    float *lane = c->score + (size_t)i * KW_ATTN_TILE, *acc = c->args->acc + (size_t)i * c->width;
    kv_f sum = kv_zero();
    for (int b = span.from / KW_ATTN_BLOCK; b * KW_ATTN_BLOCK < span.to; b++) {
        float *block = lane + b * KW_ATTN_BLOCK;
        const kv_f e = v_exp(kv_sub(kv_load(block), kv_set1(largest)));
        kv_store(block, e);
        sum = kv_add(sum, e);
    }
    c->args->l[i] = c->args->l[i] * carry + kv_sum(sum);
    c->args->m[i] = largest;
    if (carry == 1.0f)
        return;
    for (size_t d = 0; d < c->width; d += 16)
        kv_store(acc + d, kv_mul(kv_load(acc + d), kv_set1(carry)));
}

/* n <= 16 queries from i on: one exponential gives all of them what is carried. */
static void attend_softmax(const attend_call *c, int i, int n)
{
    tile_span span[16];
    float largest[16] = {0}, old[16] = {0}, carry[16];
    const bool adjust = c->args->softcap > 0 || c->args->bias.table;
    for (int j = 0; j < n; j++) {
        span[j] = attend_span(c, i + j);
        if (adjust)
            attend_adjust(c, i + j, span[j]);
        old[j] = c->args->m[i + j];
        largest[j] = span[j].from < span[j].to ? attend_largest(c, i + j, span[j]) : old[j];
    }
    const kv_f before = kv_load(old), change = v_exp(kv_sub(before, kv_load(largest)));
    kv_store(carry, kv_select(kv_equal(before, kv_set1(-INFINITY)), kv_zero(), change));
    for (int j = 0; j < n; j++)
        if (span[j].from < span[j].to)
            attend_exponentials(c, i + j, span[j], largest[j], carry[j]);
}

/* Adds values of the positions [from, to) to n queries from i on. */
static void attend_add(const attend_call *c, int i, int n, int from, int to)
{
    const outer_args o = {.a = c->score + (size_t)i * KW_ATTN_TILE + from,
                          .a_stride = KW_ATTN_TILE,
                          .b = c->values + (size_t)from * c->width,
                          .b_stride = c->width,
                          .out = c->args->acc + (size_t)i * c->width,
                          .out_stride = c->width,
                          .n_k = (size_t)(to - from),
                          .add = true};
    if (from < to)
        outer(&o, (size_t)n, c->width / 16);
}

/* n queries from i on: together where all of them see a position, alone before and after. */
static void attend_sum(const attend_call *c, int i, int n)
{
    tile_span all = {0, KW_ATTN_TILE};
    for (int j = i; j < i + n; j++) {
        const tile_span span = attend_span(c, j);
        all.from = KW_MAX(all.from, span.from);
        all.to = KW_MIN(all.to, span.to);
    }
    all.to = KW_MAX(all.from, all.to);
    for (int j = i; j < i + n; j++) {
        const tile_span span = attend_span(c, j);
        attend_add(c, j, 1, span.from, KW_MIN(all.from, span.to));
    }
    attend_add(c, i, n, all.from, all.to);
    for (int j = i; j < i + n; j++) {
        const tile_span span = attend_span(c, j);
        attend_add(c, j, 1, KW_MAX(all.to, span.from), span.to);
    }
}

static void attend_one_tile(const attend_call *c)
{
    const int n_q = c->args->n_q;
    /* Queries whose spans end within this many positions of each other, in a batch. */
    const int together = KW_MAX(c->args->group, (int)OUTER_ROWS);
    attend_keys(c);
    attend_scores(c);
    for (int i = 0; i < n_q; i += 16)
        attend_softmax(c, i, KW_MIN(16, n_q - i));
    attend_values(c);
    bool whole = true;
    for (int i = 0; i < n_q; i += c->args->group) {
        const tile_span span = attend_span(c, i);
        whole = whole && span.from == 0 && span.to == KW_ATTN_TILE;
    }
    if (whole)
        attend_add(c, 0, n_q, 0, KW_ATTN_TILE);
    else
        for (int i = 0; i < n_q; i += together)
            attend_sum(c, i, KW_MIN(together, n_q - i));
}

static void attend(const kw_attend_args *args)
{
    const size_t dim = (size_t)args->head_dim, n_q = (size_t)args->n_q;
    attend_call c = {.args = args, .dim = dim, .width = kw_attn_width(dim), .keys = args->work};
    c.values = c.keys + KW_ATTN_TILE * c.width;
    c.score = c.values + KW_ATTN_TILE * c.width;
    int64_t first = INT64_MAX, end = 0;
    for (size_t i = 0; i < n_q; i++) {
        const kw_attend_span span = args->span[i / (size_t)args->group];
        args->m[i] = -INFINITY;
        args->l[i] = 0.0f;
        if (span.first < span.end) {
            first = KW_MIN(first, span.first);
            end = KW_MAX(end, span.end);
        }
    }
    memset(args->acc, 0, n_q * c.width * sizeof(float));
    for (c.start = first / KW_ATTN_TILE * KW_ATTN_TILE; c.start < end; c.start += KW_ATTN_TILE) {
        const int64_t from = KW_MAX(first - c.start, 0), to = end - c.start;
        c.first_block = (int)(from / KW_ATTN_BLOCK);
        c.end_block = (int)KW_MIN((to + KW_ATTN_BLOCK - 1) / KW_ATTN_BLOCK, (int64_t)ATTN_BLOCKS);
        attend_one_tile(&c);
    }
}

static void attend_merge(float *m_a, float *l_a, float *acc_a, float m_b, float l_b,
                         const float *acc_b, size_t n)
{
    const float m = m_b > *m_a ? m_b : *m_a;
    const kv_f ca = v_exp(kv_set1(*m_a - m)), cb = v_exp(kv_set1(m_b - m));
    float a[16], b[16];
    kv_store(a, ca);
    kv_store(b, cb);
    const size_t whole = n / 16 * 16;
    for (size_t d = 0; d < whole; d += 16)
        kv_store(acc_a + d, kv_add(kv_mul(kv_load(acc_a + d), ca), kv_mul(kv_load(acc_b + d), cb)));
    for (size_t d = whole; d < n; d++)
        acc_a[d] = acc_a[d] * a[0] + acc_b[d] * b[0];
    *l_a = *l_a * a[0] + l_b * b[0];
    *m_a = m;
}
