/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gemv_s32.inc.h - one column times rows whose weights have one scale per 32.
 *
 * Four rows at once, in place: the integer sums of a group are exact in any order, so the four are
 * added up across lanes together, and from there on lane r is row r: (dw * da) * idot, then one
 * addition to its only accumulator, as scalar does. */

/* One more group of four rows, at bytes into each. */
static KV_INLINE kv_f4 s32_group(kv_f4 acc, const uint8_t *const row[4], size_t at,
                                 const uint8_t *x, const s32_type type)
{
    const kv_b32 q = kv_load_b32(x);
    kv_i4 dot = kv_sum4(kv_dot(type.kind, unpack_s32(type, row[0] + at), q),
                        kv_dot(type.kind, unpack_s32(type, row[1] + at), q),
                        kv_dot(type.kind, unpack_s32(type, row[2] + at), q),
                        kv_dot(type.kind, unpack_s32(type, row[3] + at), q));
    if (type.bias)
        dot = kv_i4_sub_pair(dot, x + offsetof(kw_block_q8_act, sums), (int16_t)type.bias);
    const kv_f4 da = kv_f4_set1(kv_f32(x + offsetof(kw_block_q8_act, d)));
    const kv_f4 scale = kv_f4_mul(scales_s32(type, row, at), da);
    acc = kv_f4_add(acc, kv_f4_mul(scale, kv_f4_of_int(dot)));
    if (type.min_at) {
        const uint8_t *sums = x + offsetof(kw_block_q8_act, sums);
        const kv_f4 sum = kv_f4_set1((float)((int16_t)kv_u16(sums) + (int16_t)kv_u16(sums + 2)));
        const kv_f4 min = kv_f4_mul(kv_f4_halves(row, at + type.min_at), da);
        acc = kv_f4_add(acc, kv_f4_mul(min, sum));
    }
    return acc;
}

static KV_INLINE void gemv_s32_tile(float sums[4], const uint8_t *const row[4], const uint8_t *x,
                                    size_t n_groups, const s32_type type, fetcher *fetch)
{
    kv_f4 acc = kv_f4_zero();
    for (size_t g = 0; g < n_groups; g++, x += KW_ACT_BLOCK) {
        acc = s32_group(acc, row, g * type.block_bytes, x, type);
        fetch_next(fetch, 4 * type.block_bytes);
    }
    kv_f4_store(sums, acc);
}

static KV_INLINE void gemv_s32(float *out, const void *w, size_t row_bytes, size_t n_rows,
                               const void *x, size_t k, const void *next, const s32_type type)
{
    for (size_t r = 0; r < n_rows; r += 4) {
        const uint8_t *row[4];
        float sums[4];
        fetcher fetch = fetch_rows(w, row_bytes, r, n_rows, next);
        four_rows(row, w, row_bytes, r, n_rows);
        gemv_s32_tile(sums, row, x, k / KW_QK, type, &fetch);
        store_rows(out, sums, r, n_rows);
    }
}
