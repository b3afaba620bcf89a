/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* attend.inc.h - attention of a group of queries over a range of the cache.
 *
 * Up to four queries at once share the loads of keys and values. Scores: a lane is a position, the
 * sum over the head's dimensions is sequential in every lane. Values: a lane is a dimension, the
 * sum over positions is sequential in every lane. So both have the order of the scalar definition.
 * Source: Milakov and Gimelshein 2018, arXiv:1805.02867 (online softmax). */

enum { QUERIES = 4, ATTN_BLOCKS = KW_ATTN_TILE / KW_ATTN_BLOCK };

/* Positions [from, to) of the tile that begins at `start`, for n queries from `query` on. */
typedef struct attend_tile {
    const kw_attend_args *args;
    int query;
    int64_t start, from, to;
    float carry[QUERIES];               /* what the sums so far are multiplied by */
    float score[QUERIES][KW_ATTN_TILE]; /* then exponentials */
} attend_tile;

static KV_INLINE const uint8_t *cache_block(const attend_tile *t, const void *head, int64_t pos)
{
    return (const uint8_t *)head + (size_t)(pos / KW_ATTN_BLOCK) * t->args->block_stride;
}

/* Scores of n_q queries for n_blocks blocks from block `b` of the tile on. */
static KV_INLINE void attend_scores(attend_tile *t, int b, int n_q, int n_blocks, const f_type type)
{
    const size_t dim = (size_t)t->args->head_dim;
    const float *q = t->args->q + (size_t)t->query * dim;
    const uint8_t *keys[ATTN_BLOCKS];
    kv_f sum[QUERIES][ATTN_BLOCKS];
    KV_UNROLL
    for (int j = 0; j < n_blocks; j++) {
        keys[j] = cache_block(t, t->args->k, t->start + (b + j) * KW_ATTN_BLOCK);
        KV_UNROLL
        for (int i = 0; i < n_q; i++)
            sum[i][j] = kv_zero();
    }
    for (size_t d = 0; d < dim; d++) {
        KV_UNROLL
        for (int j = 0; j < n_blocks; j++) {
            const kv_f key = load_f(type, keys[j] + d * KW_ATTN_BLOCK * type.bytes);
            KV_UNROLL
            for (int i = 0; i < n_q; i++)
                sum[i][j] = kv_fma(kv_set1(q[(size_t)i * dim + d]), key, sum[i][j]);
        }
    }
    KV_UNROLL
    for (int j = 0; j < n_blocks; j++)
        KV_UNROLL
    for (int i = 0; i < n_q; i++)
        kv_store(t->score[i] + (b + j) * KW_ATTN_BLOCK, sum[i][j]);
}

/* Scores of the tile's blocks [first, end) that lie outside the range: their exponential is 0. */
static KV_INLINE void attend_mask(const attend_tile *t, float *lane, int first, int end)
{
    for (int i = first * KW_ATTN_BLOCK; i < (int)(t->from - t->start); i++)
        lane[i] = -INFINITY;
    for (int i = (int)(t->to - t->start); i < end * KW_ATTN_BLOCK; i++)
        lane[i] = -INFINITY;
}

/* Scores of query i to exponentials, with the running maximum and sum, over blocks [first, end). */
static KV_INLINE void attend_softmax(attend_tile *t, int i, int first, int end)
{
    float *m = &t->args->m[t->query + i], *l = &t->args->l[t->query + i], *lane = t->score[i];
    kv_f most = kv_set1(*m), sum = kv_zero();
    float carry[16];
    attend_mask(t, lane, first, end);
    for (int b = first; b < end; b++)
        most = kv_max(kv_load(lane + b * KW_ATTN_BLOCK), most);
    const float largest = kv_largest(most);
    for (int b = first; b < end; b++) {
        float *block = lane + b * KW_ATTN_BLOCK;
        kv_store(block, v_exp(kv_sub(kv_load(block), kv_set1(largest))));
    }
    for (int b = first; b < end; b++)
        sum = kv_add(sum, kv_load(lane + b * KW_ATTN_BLOCK));
    kv_store(carry, v_exp(kv_set1(*m - largest)));
    t->carry[i] = *m == -INFINITY ? 0.0f : carry[0];
    *l = *l * t->carry[i] + kv_sum(sum);
    *m = largest;
}

/* Which lanes of its first vector a call of attend_values has, and which of them it stores. */
typedef struct lane_span {
    size_t n, skip;
} lane_span;

/* acc[d ..] of n_q queries, n_vectors vectors of dimensions at once. */
static KV_INLINE void attend_values(attend_tile *t, size_t d, int n_q, int n_vectors,
                                    const lane_span span, const f_type type)
{
    const size_t dim = (size_t)t->args->head_dim;
    float *acc = t->args->acc + (size_t)t->query * dim + d;
    kv_f sum[QUERIES][QUERIES];
    KV_UNROLL
    for (int i = 0; i < n_q; i++)
        KV_UNROLL
    for (int j = 0; j < n_vectors; j++) {
        const float *p = acc + (size_t)i * dim + 16 * j;
        sum[i][j] = kv_mul(span.n == 16 ? kv_load(p) : load_part(p, span.n), kv_set1(t->carry[i]));
    }
    for (int64_t pos = t->from; pos < t->to; pos++) {
        const size_t at = (size_t)(pos % KW_ATTN_BLOCK) * dim + d;
        const uint8_t *values = cache_block(t, t->args->v, pos) + at * type.bytes;
        KV_UNROLL
        for (int j = 0; j < n_vectors; j++) {
            const uint8_t *p = values + (size_t)(16 * j) * type.bytes;
            const kv_f v = span.n == 16 ? load_f(type, p) : load_f_part(p, span.n, type);
            KV_UNROLL
            for (int i = 0; i < n_q; i++)
                sum[i][j] = kv_fma(kv_set1(t->score[i][pos - t->start]), v, sum[i][j]);
        }
    }
    KV_UNROLL
    for (int i = 0; i < n_q; i++)
        KV_UNROLL
    for (int j = 0; j < n_vectors; j++) {
        float lanes[16], *p = acc + (size_t)i * dim + 16 * j;
        kv_store(lanes, sum[i][j]);
        memcpy(p + span.skip, lanes + span.skip, (span.n - span.skip) * sizeof *p);
    }
}

/* All dimensions. The last vector of a head that is no multiple of 16 overlaps the one before. */
static KV_INLINE void attend_all_values(attend_tile *t, int n_q, const f_type type)
{
    const size_t dim = (size_t)t->args->head_dim;
    const int wide = QUERIES / n_q;
    const lane_span whole = {16, 0};
    size_t d = 0;
    for (; d + 16 * (size_t)wide <= dim; d += 16 * (size_t)wide)
        attend_values(t, d, n_q, wide, whole, type);
    for (; d + 16 <= dim; d += 16)
        attend_values(t, d, n_q, 1, whole, type);
    if (d < dim && dim > 16)
        attend_values(t, dim - 16, n_q, 1, (lane_span){16, 16 - dim % 16}, type);
    else if (d < dim)
        attend_values(t, 0, n_q, 1, (lane_span){dim, 0}, type);
}

/* n_q queries from `query` on, over the whole range. */
static KV_INLINE void attend_queries(const kw_attend_args *args, int query, int n_q,
                                     const f_type type)
{
    const int wide = QUERIES / n_q;
    attend_tile t = {.args = args, .query = query};
    for (int64_t at = args->first; at < args->end; at = t.to) {
        t.from = at;
        t.start = at / KW_ATTN_TILE * KW_ATTN_TILE;
        t.to = KW_MIN(t.start + KW_ATTN_TILE, args->end);
        const int first = (int)((t.from - t.start) / KW_ATTN_BLOCK);
        const int end = (int)((t.to - t.start + KW_ATTN_BLOCK - 1) / KW_ATTN_BLOCK);
        int b = first;
        for (; b + wide <= end; b += wide)
            attend_scores(&t, b, n_q, wide, type);
        for (; b < end; b++)
            attend_scores(&t, b, n_q, 1, type);
        for (int i = 0; i < n_q; i++)
            attend_softmax(&t, i, first, end);
        attend_all_values(&t, n_q, type);
    }
}

static KV_INLINE void attend(const kw_attend_args *args, const f_type type)
{
    for (int i = 0; i < args->n_q; i++) {
        args->m[i] = -INFINITY;
        args->l[i] = 0.0f;
    }
    memset(args->acc, 0, (size_t)args->n_q * (size_t)args->head_dim * sizeof(float));
    int query = 0;
    for (; query + 4 <= args->n_q; query += 4)
        attend_queries(args, query, 4, type);
    for (; query + 2 <= args->n_q; query += 2)
        attend_queries(args, query, 2, type);
    if (query < args->n_q)
        attend_queries(args, query, 1, type);
}

static void attend_f16(const kw_attend_args *args)
{
    attend(args, TYPE_F16);
}

static void attend_f32(const kw_attend_args *args)
{
    attend(args, TYPE_F32);
}

static void attend_merge(float *m_a, float *l_a, float *acc_a, float m_b, float l_b,
                         const float *acc_b, size_t head_dim)
{
    const float m = m_b > *m_a ? m_b : *m_a;
    const kv_f ca = v_exp(kv_set1(*m_a - m)), cb = v_exp(kv_set1(m_b - m));
    float a[16], b[16];
    kv_store(a, ca);
    kv_store(b, cb);
    const size_t whole = head_dim / 16 * 16;
    for (size_t d = 0; d < whole; d += 16)
        kv_store(acc_a + d, kv_add(kv_mul(kv_load(acc_a + d), ca), kv_mul(kv_load(acc_b + d), cb)));
    for (size_t d = whole; d < head_dim; d++)
        acc_a[d] = acc_a[d] * a[0] + acc_b[d] * b[0];
    *l_a = *l_a * a[0] + l_b * b[0];
    *m_a = m;
}
