/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unpack_rows.inc.h - a block of each of KV_ROWS rows at once, where a lane is a row.
 *
 * Bytes are turned into lanes first and unpacked there: what has to be turned is as small as it is
 * in the file, and scales, too, are decoded for all rows together. The types are those of
 * unpack_s32.inc.h and unpack_k.inc.h; what is not found byte by byte is unpacked a row at a time
 * and turned then. */

/* Four bytes, and two, of each row. By way of memory: loads and stores are free here. */
static KV_INLINE kv_rows_b rows_word(const uint8_t *p, size_t row_bytes)
{
    _Alignas(64) uint32_t words[KV_ROWS];
    for (size_t r = 0; r < KV_ROWS; r++)
        words[r] = kv_u32(p + r * row_bytes);
    KV_MEMORY(words);
    return kv_rows_load_b(words);
}

static KV_INLINE kv_rows_f rows_halves(const uint8_t *p, size_t row_bytes)
{
    uint16_t halves[KV_ROWS];
    for (size_t r = 0; r < KV_ROWS; r++)
        halves[r] = kv_u16(p + r * row_bytes);
    KV_MEMORY(halves);
    return kv_rows_halves(halves);
}

/* ---- class S32 ---- */

/* One group. high: the fifth bits of each row, where the type has them */
static KV_INLINE void rows_s32(const s32_type type, kv_rows_b w[8], const uint8_t *block,
                               size_t row_bytes, const uint32_t high[KV_ROWS])
{
    const uint8_t *const qs = block + type.block_bytes - (type.dtype == KW_Q8_0 ? 32 : 16);
    kv_rows_words(w, qs, row_bytes);
    if (type.dtype == KW_Q8_0) {
        kv_rows_words(w + 4, qs + 16, row_bytes);
        KV_UNROLL
        for (int j = 0; j < 8; j++)
            w[j] = kv_rows_signed(w[j]);
        return;
    }
    KV_UNROLL
    for (int j = 0; j < 4; j++) {
        w[4 + j] = kv_rows_bits(w[j], -4, 15);
        w[j] = kv_rows_bits(w[j], 0, 15);
    }
    if (type.dtype == KW_Q5_0 || type.dtype == KW_Q5_1) {
        const kv_rows_b bits = kv_rows_load_b(high);
        KV_UNROLL
        for (int j = 0; j < 8; j++)
            w[j] = kv_rows_or(w[j], kv_rows_spread_bits(bits, j, 16));
    }
    const uint8_t *table = type.dtype == KW_IQ4_NL ? (const uint8_t *)kw_iq4_values
                           : type.powers           ? mxfp4_values
                                                   : NULL;
    KV_UNROLL
    for (int j = 0; table && j < 8; j++) {
        w[j] = kv_rows_lookup(table, w[j]);
        w[j] = type.kind == KV_S8 ? kv_rows_signed(w[j]) : w[j];
    }
}

/* ---- class K ---- */

#define BYTES kv_rows_b
#define BLOCK const kv_rows_b *
#define UNPACK(type_name) rows_##type_name
#define LOAD(block, at) (block)[(at) / 4]
#define LOW4(x) kv_rows_bits(x, 0, 15)
#define HIGH4(x) kv_rows_bits(x, -4, 15)
#define BITS kv_rows_bits
#define OR kv_rows_or
#include "backend/cpu/kernels/unpack_bytes.inc.h"
#undef BYTES
#undef BLOCK
#undef UNPACK
#undef LOAD
#undef LOW4
#undef HIGH4
#undef BITS
#undef OR

/* A superblock of KV_ROWS rows, near. */
typedef struct rows_super {
    _Alignas(64) uint8_t w[GROUPS][8][4 * KV_ROWS]; /* bytes 4j .. 4j + 3 of group g of each row */
    uint8_t scale[2 * GROUPS][4 * KV_ROWS]; /* int32, one per 16 or 32 weights, as kv_rows_scale
                                               makes them */
    uint8_t min[GROUPS][4 * KV_ROWS];       /* int16, minima or scale * bias, one per 16 weights */
    kv_rows_f d, dmin;
} rows_super;

/* Where the bytes of weights lie in a block: KW_QK_K * bits / 8 of them; 0: not byte by byte. */
static KV_INLINE size_t bytes_of_weights(const k_type type, size_t *at)
{
    *at = 0;
    switch (type.dtype) {
    case KW_Q2_K:
        *at = offsetof(kw_block_q2_k, qs);
        return 64;
    case KW_Q3_K:
        return 96; /* hmask, then qs */
    case KW_Q4_K:
        *at = offsetof(kw_block_q4_k, qs);
        return 128;
    case KW_Q5_K:
        *at = offsetof(kw_block_q5_k, qh);
        return 160;
    case KW_Q6_K:
        return 192; /* ql, then qh */
    case KW_TQ2_0:
        return 64;
    default:
        return 0;
    }
}

static KV_INLINE void rows_half(const k_type type, kv_rows_b w[4], const kv_rows_b *block, int half)
{
    switch (type.dtype) {
    case KW_Q2_K:
        rows_q2_k(w, block, half);
        break;
    case KW_Q3_K:
        rows_q3_k(w, block, half);
        break;
    case KW_Q4_K:
        rows_q4_k(w, block, half);
        break;
    case KW_Q5_K:
        rows_q5_k(w, block, half);
        break;
    case KW_TQ2_0:
        rows_tq2_0(w, block, half);
        break;
    default:
        rows_q6_k(w, block, half);
    }
}

static KV_INLINE void rows_by_bytes(const k_type type, rows_super *super, const uint8_t *block,
                                    size_t row_bytes)
{
    enum { MOST = 192 / 4 };
    size_t at;
    const size_t bytes = bytes_of_weights(type, &at);
    kv_rows_b turned[MOST];
    KV_UNROLL
    for (size_t i = 0; i < bytes; i += 16)
        kv_rows_words(turned + i / 4, block + at + i, row_bytes);
    KV_UNROLL
    for (int half = 0; half < 2; half++) {
        KV_UNROLL
        for (size_t j = 0; j < 8; j++) {
            kv_rows_b w[4];
            rows_half(type, w, turned + j - at / 4, half);
            KV_UNROLL
            for (int i = 0; i < 4; i++)
                kv_rows_store(super->w[4 * half + i][j], w[i]);
        }
    }
}

/* Codes of a group are sixteen bytes. */
static KV_INLINE void rows_iq4_xs(rows_super *super, const uint8_t *block, size_t row_bytes)
{
    const uint8_t *const table = (const uint8_t *)kw_iq4_values;
    for (size_t g = 0; g < GROUPS; g++) {
        kv_rows_b codes[4];
        kv_rows_words(codes, block + offsetof(kw_block_iq4_xs, qs) + 16 * g, row_bytes);
        KV_UNROLL
        for (int j = 0; j < 4; j++) {
            const kv_rows_b low = kv_rows_lookup(table, kv_rows_bits(codes[j], 0, 15));
            const kv_rows_b high = kv_rows_lookup(table, kv_rows_bits(codes[j], -4, 15));
            kv_rows_store(super->w[g][j], kv_rows_signed(low));
            kv_rows_store(super->w[g][4 + j], kv_rows_signed(high));
        }
    }
}

/* Any type. */
static KV_INLINE void rows_by_row(const k_type type, rows_super *super, const uint8_t *block,
                                  size_t row_bytes)
{
    kv_b32 rows[GROUPS][KV_ROWS];
    for (size_t r = 0; r < KV_ROWS; r++) {
        kv_b32 w[GROUPS];
        unpack_k(type, w, block + r * row_bytes, 0);
        unpack_k(type, w + 4, block + r * row_bytes, 1);
        KV_UNROLL
        for (int g = 0; g < GROUPS; g++)
            rows[g][r] = w[g];
    }
    for (int g = 0; g < GROUPS; g++) {
        kv_rows_b out[8];
        kv_transpose(out, rows[g]);
        KV_UNROLL
        for (int j = 0; j < 8; j++)
            kv_rows_store(super->w[g][j], out[j]);
    }
}

/* ---- scales and minima ---- */

/* From bytes: scale, and min (the same where the type has none), 8 or 16 of them. */
static KV_INLINE void rows_keep_scales(const k_type type, rows_super *super, const kv_rows_b *scale,
                                       const kv_rows_b *min)
{
    const int n = type.halves ? 16 : 8;
    KV_UNROLL
    for (int i = 0; i < n; i++)
        kv_rows_store(super->scale[i],
                      kv_rows_scales(type.kind, kv_rows_byte(scale[i / 4], i % 4)));
    if (!has_sums(type))
        return;
    KV_UNROLL
    for (int g = 0; g < GROUPS; g++) {
        const int i = type.halves ? 2 * g : g, k = type.halves ? i + 1 : i;
        const int left = type.bias ? kv_log2(type.bias) : 0;
        kv_rows_store(super->min[g], kv_rows_two_bytes(min[i / 4], i % 4, k % 4, left));
    }
}

static KV_INLINE void rows_scales_q4_k(const k_type type, rows_super *super, const uint8_t *block,
                                       size_t row_bytes)
{
    kv_rows_b head[4], scale[2], min[2]; /* d and dmin; three words of packed scales */
    kv_rows_words(head, block, row_bytes);
    const kv_rows_b c = head[3];
    scale[0] = kv_rows_masked(head[1], 0x3f3f3f3f);
    scale[1] = kv_rows_or(kv_rows_masked(c, 0x0f0f0f0f),
                          kv_rows_masked(kv_rows_right(head[1], 2), 0x30303030));
    min[0] = kv_rows_masked(head[2], 0x3f3f3f3f);
    min[1] = kv_rows_or(kv_rows_masked(kv_rows_right(c, 4), 0x0f0f0f0f),
                        kv_rows_masked(kv_rows_right(head[2], 2), 0x30303030));
    super->d = kv_rows_half(head[0]);
    super->dmin = kv_rows_half(kv_rows_right(head[0], 16));
    rows_keep_scales(type, super, scale, min);
}

static KV_INLINE void rows_scales_q2_k(const k_type type, rows_super *super, const uint8_t *block,
                                       size_t row_bytes)
{
    kv_rows_b scale[4], min[4];
    kv_rows_words(scale, block + offsetof(kw_block_q2_k, scales), row_bytes);
    KV_UNROLL
    for (int i = 0; i < 4; i++) {
        min[i] = kv_rows_bits(scale[i], -4, 15);
        scale[i] = kv_rows_bits(scale[i], 0, 15);
    }
    const kv_rows_b d = rows_word(block + offsetof(kw_block_q2_k, d), row_bytes);
    super->d = kv_rows_half(d);
    super->dmin = kv_rows_half(kv_rows_right(d, 16));
    rows_keep_scales(type, super, scale, min);
}

static KV_INLINE void rows_scales_q3_k(const k_type type, rows_super *super, const uint8_t *block,
                                       size_t row_bytes)
{
    const uint8_t *packed = block + offsetof(kw_block_q3_k, scales);
    const kv_rows_b low[2] = {rows_word(packed, row_bytes), rows_word(packed + 4, row_bytes)};
    const kv_rows_b high = rows_word(packed + 8, row_bytes);
    kv_rows_b scale[4];
    KV_UNROLL
    for (int i = 0; i < 4; i++) {
        const kv_rows_b four = kv_rows_bits(low[i % 2], i < 2 ? 0 : -4, 15);
        scale[i] = kv_rows_minus(kv_rows_or(four, kv_rows_bits(high, 4 - 2 * i, 0x30)), 32);
    }
    super->d = rows_halves(block + type.d_at, row_bytes);
    rows_keep_scales(type, super, scale, scale);
}

/* Four nibbles, then four pairs of bits, from `at` on, become bytes. */
static KV_INLINE kv_rows_b four_nibbles(kv_rows_b x, int at)
{
    x = kv_rows_masked(kv_rows_right(x, at), 0xffff);
    x = kv_rows_masked(kv_rows_or(x, kv_rows_left(x, 8)), 0x00ff00ff);
    return kv_rows_masked(kv_rows_or(x, kv_rows_left(x, 4)), 0x0f0f0f0f);
}

static KV_INLINE kv_rows_b four_pairs(kv_rows_b x, int at)
{
    x = kv_rows_masked(kv_rows_right(x, at), 0xff);
    x = kv_rows_masked(kv_rows_or(x, kv_rows_left(x, 12)), 0x000f000f);
    return kv_rows_masked(kv_rows_or(x, kv_rows_left(x, 6)), 0x03030303);
}

static KV_INLINE void rows_scales_iq4_xs(const k_type type, rows_super *super, const uint8_t *block,
                                         size_t row_bytes)
{
    const kv_rows_b head = rows_word(block, row_bytes); /* d, then the high bits */
    const kv_rows_b low = rows_word(block + offsetof(kw_block_iq4_xs, scales_l), row_bytes);
    kv_rows_b scale[2];
    KV_UNROLL
    for (int i = 0; i < 2; i++) {
        const kv_rows_b high = kv_rows_left(four_pairs(head, 16 + 8 * i), 4);
        scale[i] = kv_rows_minus(kv_rows_or(four_nibbles(low, 16 * i), high), 32);
    }
    super->d = kv_rows_half(head);
    rows_keep_scales(type, super, scale, scale);
}

/* One scale for all: 1. */
static KV_INLINE void rows_scales_tq(const k_type type, rows_super *super, const uint8_t *block,
                                     size_t row_bytes)
{
    KV_UNROLL
    for (int g = 0; g < GROUPS; g++) {
        kv_rows_store(super->scale[g], kv_rows_scales(type.kind, kv_rows_iset1(1)));
        kv_rows_store(super->min[g], kv_rows_pair((int16_t)type.bias));
    }
    super->d = rows_halves(block + type.d_at, row_bytes);
}

static KV_INLINE void rows_scales_q6_k(const k_type type, rows_super *super, const uint8_t *block,
                                       size_t row_bytes)
{
    kv_rows_b scale[4];
    kv_rows_words(scale, block + offsetof(kw_block_q6_k, scales), row_bytes);
    super->d = rows_halves(block + type.d_at, row_bytes);
    rows_keep_scales(type, super, scale, scale);
}

/* Any type. */
static KV_INLINE void rows_scales_by_row(const k_type type, rows_super *super, const uint8_t *block,
                                         size_t row_bytes)
{
    _Alignas(64) float d[KV_ROWS];
    for (size_t r = 0; r < KV_ROWS; r++, block += row_bytes) {
        int16_t scale[16], min[16];
        kv_h16 s, m;
        scales_k(type, &s, &m, block);
        kv_store_h16(scale, s);
        kv_store_h16(min, m);
        d[r] = d_k(type, block);
        for (size_t i = 0; i < (type.halves ? 16 : 8); i++) {
            const int32_t wide = kv_rows_scale(type.kind, scale[type.halves ? i : 2 * i]);
            memcpy(super->scale[i] + 4 * r, &wide, sizeof wide);
        }
        for (size_t i = 0; i < 16; i++) {
            const int16_t less = (int16_t)(type.bias ? min[i] * type.bias : min[i]);
            memcpy(super->min[i / 2] + 4 * r + i % 2 * sizeof less, &less, sizeof less);
        }
    }
    KV_MEMORY(d);
    super->d = kv_rows_load_f(d);
}

static KV_INLINE void rows_scales(const k_type type, rows_super *super, const uint8_t *block,
                                  size_t row_bytes)
{
    switch (type.dtype) {
    case KW_Q2_K:
        rows_scales_q2_k(type, super, block, row_bytes);
        break;
    case KW_Q3_K:
        rows_scales_q3_k(type, super, block, row_bytes);
        break;
    case KW_Q4_K:
    case KW_Q5_K:
        rows_scales_q4_k(type, super, block, row_bytes);
        break;
    case KW_Q6_K:
        rows_scales_q6_k(type, super, block, row_bytes);
        break;
    case KW_IQ4_XS:
        rows_scales_iq4_xs(type, super, block, row_bytes);
        break;
    case KW_TQ1_0:
    case KW_TQ2_0:
        rows_scales_tq(type, super, block, row_bytes);
        break;
    default:
        rows_scales_by_row(type, super, block, row_bytes);
    }
}

/* Fills a superblock. */
static KV_INLINE void rows_k(const k_type type, rows_super *super, const uint8_t *block,
                             size_t row_bytes)
{
    size_t at;
    if (bytes_of_weights(type, &at))
        rows_by_bytes(type, super, block, row_bytes);
    else if (type.dtype == KW_IQ4_XS)
        rows_iq4_xs(super, block, row_bytes);
    else
        rows_by_row(type, super, block, row_bytes);
    rows_scales(type, super, block, row_bytes);
}
