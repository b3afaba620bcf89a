/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* attend.inc.h - the definition of attention over a range of the cache, in plain C.
 *
 * One query at a time. Positions come in tiles of KW_ATTN_TILE at absolute multiples, each of which
 * moves the running maximum once; positions outside [first, end) take no part.
 * Source: Milakov and Gimelshein 2018, arXiv:1805.02867 (online softmax). */

typedef float (*cache_fn)(const void *p, size_t i);

static inline float cache_f16(const void *p, size_t i)
{
    return kw_load_f16((const uint8_t *)p + 2 * i);
}

static inline float cache_f32(const void *p, size_t i)
{
    return weight_f32((const uint8_t *)p + 4 * i);
}

static inline const void *block_of(const void *head, size_t stride, int64_t pos)
{
    return (const uint8_t *)head + (size_t)(pos / KW_ATTN_BLOCK) * stride;
}

/* One tile's positions [from, to) for query q; m, l and acc are carried. */
static void attend_tile(const kw_attend_args *a, cache_fn cache, int64_t from, int64_t to,
                        int query)
{
    const size_t dim = (size_t)a->head_dim;
    const float *q = a->q + (size_t)query * dim;
    float *acc = a->acc + (size_t)query * dim;
    float score[KW_ATTN_TILE], most = a->m[query], lane[16] = {0};
    for (int64_t pos = from; pos < to; pos++) {
        const void *keys = block_of(a->k, a->block_stride, pos);
        float s = 0.0f;
        for (size_t d = 0; d < dim; d++)
            s = fmaf(q[d], cache(keys, d * KW_ATTN_BLOCK + (size_t)(pos % KW_ATTN_BLOCK)), s);
        score[pos % KW_ATTN_TILE] = s;
        most = s > most ? s : most;
    }
    const float carry = a->m[query] == -INFINITY ? 0.0f : kw_expf(a->m[query] - most);
    for (size_t d = 0; d < dim; d++)
        acc[d] = acc[d] * carry;
    for (int64_t pos = from; pos < to; pos++) {
        const void *values = block_of(a->v, a->block_stride, pos);
        const float p = kw_expf(score[pos % KW_ATTN_TILE] - most);
        lane[pos % 16] = lane[pos % 16] + p;
        for (size_t d = 0; d < dim; d++)
            acc[d] = fmaf(p, cache(values, (size_t)(pos % KW_ATTN_BLOCK) * dim + d), acc[d]);
    }
    a->l[query] = a->l[query] * carry + sum_lanes(lane);
    a->m[query] = most;
}

static void attend(const kw_attend_args *a, cache_fn cache)
{
    for (int query = 0; query < a->n_q; query++) {
        a->m[query] = -INFINITY;
        a->l[query] = 0.0f;
        for (int d = 0; d < a->head_dim; d++)
            a->acc[(size_t)query * (size_t)a->head_dim + (size_t)d] = 0.0f;
        for (int64_t from = a->first; from < a->end;) {
            const int64_t tile_end = (from / KW_ATTN_TILE + 1) * KW_ATTN_TILE;
            const int64_t to = KW_MIN(tile_end, a->end);
            attend_tile(a, cache, from, to, query);
            from = to;
        }
    }
}

static void attend_f16(const kw_attend_args *args)
{
    attend(args, cache_f16);
}

static void attend_f32(const kw_attend_args *args)
{
    attend(args, cache_f32);
}

static void attend_merge(float *m_a, float *l_a, float *acc_a, float m_b, float l_b,
                         const float *acc_b, size_t head_dim)
{
    const float m = m_b > *m_a ? m_b : *m_a;
    const float ca = kw_expf(*m_a - m), cb = kw_expf(m_b - m);
    for (size_t d = 0; d < head_dim; d++)
        acc_a[d] = acc_a[d] * ca + acc_b[d] * cb;
    *l_a = *l_a * ca + l_b * cb;
    *m_a = m;
}
