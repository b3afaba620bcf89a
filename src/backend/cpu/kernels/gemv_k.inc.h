/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* gemv_k.inc.h - one column times rows of superblocks of 256.
 *
 * Four rows at once, in place. Within a superblock everything is an exact integer, scales included:
 * each row collects its scaled sum and its sum of minima in partial lanes, which are added up
 * across lanes once per superblock. Then lane r is row r: one multiplication and one addition for
 * the scaled sum, one of each for the minima. */

static KV_INLINE void k_row(kv_part *scaled, kv_part *mins, const uint8_t *block, const uint8_t *x,
                            kv_h16 sums, const k_type type)
{
    int16_t scale[KW_QK_K / 16];
    kv_h16 wide, min;
    scales_k(type, &wide, &min, block);
    kv_store_h16(scale, wide);
    KV_MEMORY(scale);
    *mins = kv_dot16(min, sums);
    uint8_t room[KW_QK_K / 8];
    iq_index index;
    if (type.is_iq)
        index_iq(type, &index, block);
    const uint8_t *signs = type.has_signs ? signs_iq(type, room, block) : NULL;
    kv_part sum = kv_part_zero();
    KV_UNROLL
    for (int half = 0; half < 2; half++) {
        kv_b32 w[4];
        if (!type.is_iq)
            unpack_k(type, w, block, half);
        KV_UNROLL
        for (int i = 0; i < 4; i++) {
            const int g = 4 * half + i;
            kv_b32 q = kv_load_b32(x + g * KW_ACT_BLOCK);
            if (type.is_iq)
                w[i] = entries_iq(type, block, &index, (size_t)g);
            if (type.has_signs)
                q = kv_negate(q, signs + 4 * g);
            sum = type.halves ? kv_dot_scaled2(sum, type.kind, w[i], q, scale + 2 * g)
                              : kv_dot_scaled(sum, type.kind, w[i], q, scale + 2 * g);
        }
    }
    *scaled = sum;
}

static KV_INLINE void gemv_k_tile(float out[4], const uint8_t *const row[4], const uint8_t *x,
                                  size_t n_supers, const k_type type, fetcher *fetch)
{
    kv_f4 acc = kv_f4_zero();
    for (size_t s = 0; s < n_supers; s++, x += GROUPS * KW_ACT_BLOCK) {
        const size_t at = s * type.block_bytes;
        const kv_h16 sums = kv_gather_pairs(x + offsetof(kw_block_q8_act, sums), KW_ACT_BLOCK);
        kv_part scaled[4], mins[4];
        KV_UNROLL
        for (int r = 0; r < 4; r++)
            k_row(&scaled[r], &mins[r], row[r] + at, x, sums, type);
        const kv_i4 min = kv_sum4(mins[0], mins[1], mins[2], mins[3]);
        kv_i4 dot = kv_sum4(scaled[0], scaled[1], scaled[2], scaled[3]);
        if (type.bias && !type.has_signs)
            dot = kv_i4_sub_shifted(dot, min, kv_log2(type.bias));
        const kv_f4 da = kv_f4_set1(kv_f32(x + offsetof(kw_block_q8_act, d)));
        const kv_f4 scale = kv_f4_mul(d4_k(type, row, at), da);
        acc = kv_f4_add(acc, kv_f4_mul(scale, kv_f4_of_int(dot)));
        if (type.dmin_at) {
            const kv_f4 min_scale = kv_f4_mul(kv_f4_halves(row, at + type.dmin_at), da);
            acc = kv_f4_sub(acc, kv_f4_mul(min_scale, kv_f4_of_int(min)));
        }
        fetch_next(fetch, 4 * type.block_bytes);
    }
    kv_f4_store(out, acc);
}

static KV_INLINE void gemv_k(float *out, const void *w, size_t row_bytes, size_t n_rows,
                             const void *x, size_t k, const void *next, const k_type type)
{
    for (size_t r = 0; r < n_rows; r += 4) {
        const uint8_t *row[4];
        float sums[4];
        fetcher fetch = fetch_rows(w, row_bytes, r, n_rows, next);
        four_rows(row, w, row_bytes, r, n_rows);
        gemv_k_tile(sums, row, x, k / KW_QK_K, type, &fetch);
        store_rows(out, sums, r, n_rows);
    }
}
