/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* attend.inc.h - the definition of attention over a range of the cache, in plain C.
 *
 * One query at a time. Positions come in tiles of KW_ATTN_TILE at absolute multiples, each of which
 * moves the running maximum once; positions outside the query's span take no part.
 * Source: Milakov and Gimelshein 2018, arXiv:1805.02867 (online softmax). */

/* Element i of a block, exactly; `scale` is the index of its scale where the type has one. */
static float cached(const kw_attend_args *a, const void *cache, int64_t pos, size_t i, size_t scale)
{
    const size_t dim = (size_t)a->head_dim, in_tile = (size_t)(pos % KW_ATTN_TILE);
    const uint8_t *block = (const uint8_t *)cache + (size_t)(pos / KW_ATTN_TILE) * a->tile_stride +
                           in_tile / KW_ATTN_BLOCK * kw_attn_block_bytes(a->cache, dim);
    const uint8_t *scales = block + KW_ATTN_BLOCK * kw_attn_width(dim);
    switch (a->cache) {
    case KW_F32:
        return weight_f32(block + 4 * i);
    case KW_F16:
        return kw_load_f16(block + 2 * i);
    case KW_BF16:
        return weight_bf16(block + 2 * i);
    default:
        return kw_load_f16(scales + 2 * scale) * (float)(int8_t)block[i];
    }
}

static float key_at(const kw_attend_args *a, int64_t pos, size_t d)
{
    const size_t at = (size_t)(pos % KW_ATTN_BLOCK);
    return cached(a, a->k, pos, d * KW_ATTN_BLOCK + at, d / 32 * KW_ATTN_BLOCK + at);
}

static float value_at(const kw_attend_args *a, int64_t pos, size_t d)
{
    const size_t at = (size_t)(pos % KW_ATTN_BLOCK), dim = (size_t)a->head_dim;
    return cached(a, a->v, pos, at * kw_attn_width(dim) + d, at * kw_attn_groups(dim) + d / 32);
}

/* What a score is before the softmax. */
static float adjusted(const kw_attend_args *a, float s, int query, int64_t pos)
{
    if (a->softcap > 0)
        s = a->softcap * kw_tanhf(s);
    if (!a->bias.table)
        return s;
    const int64_t at = pos - a->bias.own[query / a->group] - a->bias.first;
    const int64_t column = KW_MIN(KW_MAX(at, 0), a->bias.n - 1);
    return s + a->bias.table[query % a->group * a->bias.n + column];
}

/* One tile's positions [from, to) for a query; m, l and acc are carried. */
static void attend_tile(const kw_attend_args *a, int64_t from, int64_t to, int query)
{
    const size_t dim = (size_t)a->head_dim;
    const float *q = a->q + (size_t)query * dim;
    float *acc = a->acc + (size_t)query * kw_attn_width(dim);
    float score[KW_ATTN_TILE], most = a->m[query], lane[16] = {0};
    for (int64_t pos = from; pos < to; pos++) {
        float s = 0.0f;
        for (size_t d = 0; d < dim; d++)
            s = fmaf(q[d], key_at(a, pos, d), s);
        s = adjusted(a, s, query, pos);
        score[pos % KW_ATTN_TILE] = s;
        most = s > most ? s : most;
    }
    const float carry = a->m[query] == -INFINITY ? 0.0f : kw_expf(a->m[query] - most);
    for (size_t d = 0; d < dim; d++)
        acc[d] = acc[d] * carry;
    for (int64_t pos = from; pos < to; pos++) {
        const float p = kw_expf(score[pos % KW_ATTN_TILE] - most);
        lane[pos % 16] = lane[pos % 16] + p;
        for (size_t d = 0; d < dim; d++)
            acc[d] = fmaf(p, value_at(a, pos, d), acc[d]);
    }
    a->l[query] = a->l[query] * carry + sum_lanes(lane);
    a->m[query] = most;
}

static void attend(const kw_attend_args *a)
{
    const size_t width = kw_attn_width((size_t)a->head_dim);
    for (int query = 0; query < a->n_q; query++) {
        const kw_attend_span span = a->span[query / a->group];
        a->m[query] = -INFINITY;
        a->l[query] = 0.0f;
        for (size_t d = 0; d < width; d++)
            a->acc[(size_t)query * width + d] = 0.0f;
        for (int64_t from = span.first; from < span.end;) {
            const int64_t tile_end = (from / KW_ATTN_TILE + 1) * KW_ATTN_TILE;
            const int64_t to = KW_MIN(tile_end, span.end);
            attend_tile(a, from, to, query);
            from = to;
        }
    }
}

static void attend_merge(float *m_a, float *l_a, float *acc_a, float m_b, float l_b,
                         const float *acc_b, size_t n)
{
    const float m = m_b > *m_a ? m_b : *m_a;
    const float ca = kw_expf(*m_a - m), cb = kw_expf(m_b - m);
    for (size_t d = 0; d < n; d++)
        acc_a[d] = acc_a[d] * ca + acc_b[d] * cb;
    *l_a = *l_a * ca + l_b * cb;
    *m_a = m;
}
