/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unpack_k.inc.h - the types with superblocks of 256: what the kernels of class K need to know.
 *
 * The integer sums are over unsigned weights where the instruction set wants those. What was added
 * to them (q6_k: 32) goes into the same sum of minima that q4_k has: sum of scale * 32 * q is taken
 * off the scaled sum. */

enum { GROUPS = KW_QK_K / KW_QK };

typedef struct k_type {
    kw_dtype dtype;
    size_t block_bytes;
    size_t d_at;
    size_t dmin_at; /* 0: no minima */
    kv_kind kind;
    int bias;    /* what unpack_k has added to each weight: 0 (always with minima), a power of 2 */
    bool halves; /* a group's halves have scales of their own */
    /* The types of unpack_iq.inc.h; in those with signs the bias is only in panels. */
    bool is_iq, has_signs;
    int d_shift; /* the f16 d counts 2^d_shift times */
} k_type;

/* Whether there is a sum to be taken off the scaled one. */
static KV_INLINE bool has_sums(const k_type type)
{
    return type.dmin_at != 0 || type.bias != 0;
}

/* ---- one row: 32 of its bytes are a register ---- */

#define BYTES kv_b32
#define BLOCK const uint8_t *
#define UNPACK(type_name) unpack_##type_name
#define LOAD(block, at) kv_load_b32((block) + (at))
#define LOW4 kv_low4
#define HIGH4 kv_high4
#define BITS kv_bits_of
#define OR kv_or
#include "backend/cpu/kernels/unpack_bytes.inc.h"
#undef BYTES
#undef BLOCK
#undef UNPACK
#undef LOAD
#undef LOW4
#undef HIGH4
#undef BITS
#undef OR

static KV_INLINE void scales_q4_k(kv_h16 *scale, kv_h16 *min, const uint8_t *block)
{
    const uint8_t *packed = block + offsetof(kw_block_q4_k, scales);
    const uint32_t a = kv_u32(packed), b = kv_u32(packed + 4), c = kv_u32(packed + 8);
    const uint32_t scale_high = (c & 0x0f0f0f0fu) | (a >> 2 & 0x30303030u);
    const uint32_t min_high = (c >> 4 & 0x0f0f0f0fu) | (b >> 2 & 0x30303030u);
    *scale = kv_twice((a & 0x3f3f3f3fu) | (uint64_t)scale_high << 32);
    *min = kv_twice((b & 0x3f3f3f3fu) | (uint64_t)min_high << 32);
}

static KV_INLINE void scales_q6_k(kv_h16 *scale, kv_h16 *min, const uint8_t *block)
{
    *scale = kv_widen_i8((const int8_t *)block + offsetof(kw_block_q6_k, scales));
    *min = *scale;
}

static KV_INLINE void scales_q2_k(kv_h16 *scale, kv_h16 *min, const uint8_t *block)
{
    const uint8_t *scales = block + offsetof(kw_block_q2_k, scales);
    const uint64_t first = kv_u64(scales), second = kv_u64(scales + 8);
    const uint64_t low = 0x0f0f0f0f0f0f0f0f;
    *scale = kv_widen_two(first & low, second & low);
    *min = kv_widen_two(first >> 4 & low, second >> 4 & low);
}

static KV_INLINE void scales_q3_k(kv_h16 *scale, kv_h16 *min, const uint8_t *block)
{
    uint64_t sc[2];
    kw_q3_k_scales(block + offsetof(kw_block_q3_k, scales), sc);
    *scale = kv_widen_two(sc[0], sc[1]);
    *min = *scale;
}

static KV_INLINE void unpack_iq4_xs(kv_b32 w[4], const uint8_t *block, int half)
{
    const uint8_t *qs = block + offsetof(kw_block_iq4_xs, qs) + 64 * half;
    const kv_b32 values = kv_signed(kv_load_twice((const uint8_t *)kw_iq4_values));
    KV_UNROLL
    for (int i = 0; i < 4; i++)
        w[i] = kv_lookup(values, kv_nibbles(qs + 16 * i));
}

static KV_INLINE void scales_iq4_xs(kv_h16 *scale, kv_h16 *min, const uint8_t *block)
{
    const uint64_t sc = kw_iq4_xs_scales((const kw_block_iq4_xs *)block);
    const uint64_t first = kw_spread_bytes((uint32_t)sc), second = kw_spread_bytes(sc >> 32);
    *scale = kv_widen_two(first | first << 8, second | second << 8);
    *min = *scale;
}

/* The next digit comes up; the digit on top. */
static KV_INLINE kv_b32 digit_next(kv_b32 x)
{
    return kv_add_bytes(x, kv_add_bytes(x, x));
}

static KV_INLINE kv_b32 digit_of(kv_b32 x)
{
    return kv_add_bytes(kv_above(x, 85), kv_above(x, 170));
}

/* The four digits of the four bytes of qh, by four bytes. */
static KV_INLINE kv_b32 tq1_0_last(const uint8_t *qh)
{
    uint32_t x[4] = {kv_u32(qh)};
    for (int i = 1; i < 4; i++) {
        const uint32_t even = x[i - 1] & 0x00ff00ffu, odd = x[i - 1] >> 8 & 0x00ff00ffu;
        x[i] = (3 * even & 0x00ff00ffu) | (3 * odd & 0x00ff00ffu) << 8;
    }
    return kv_load_twice((const uint8_t *)x);
}

static KV_INLINE void unpack_tq1_0(kv_b32 w[4], const uint8_t *block, int half)
{
    kv_b32 x = kv_load_b32(block), y[5];
    KV_UNROLL
    for (int i = 0; i < 4; i++) {
        w[i] = digit_of(x);
        x = digit_next(x);
    }
    if (half == 0)
        return;
    w[0] = digit_of(x);
    y[0] = kv_load_twice(block + 32);
    KV_UNROLL
    for (int i = 1; i < 5; i++)
        y[i] = digit_next(y[i - 1]);
    w[1] = digit_of(kv_halves(y[0], y[1]));
    w[2] = digit_of(kv_halves(y[2], y[3]));
    w[3] = digit_of(kv_halves(y[4], tq1_0_last(block + offsetof(kw_block_tq1_0, qh))));
}

/* One scale for all: 1. */
static KV_INLINE void scales_tq(kv_h16 *scale, kv_h16 *min)
{
    *scale = kv_twice(0x0101010101010101);
    *min = *scale;
}

#define K_TYPE(name, block, d, min, width, added, per_16)                                          \
    ((k_type){.dtype = (name),                                                                     \
              .block_bytes = sizeof(block),                                                        \
              .d_at = offsetof(block, d),                                                          \
              .dmin_at = (min),                                                                    \
              .kind = (width),                                                                     \
              .bias = (added),                                                                     \
              .halves = (per_16)})

#define TYPE_Q2_K K_TYPE(KW_Q2_K, kw_block_q2_k, d, offsetof(kw_block_q2_k, dmin), KV_U4, 0, true)
#define TYPE_Q3_K K_TYPE(KW_Q3_K, kw_block_q3_k, d, 0, KV_U4, 4, true)
#define TYPE_Q4_K K_TYPE(KW_Q4_K, kw_block_q4_k, d, offsetof(kw_block_q4_k, dmin), KV_U4, 0, false)
#define TYPE_Q5_K K_TYPE(KW_Q5_K, kw_block_q5_k, d, offsetof(kw_block_q5_k, dmin), KV_U5, 0, false)
#define TYPE_Q6_K K_TYPE(KW_Q6_K, kw_block_q6_k, d, 0, KV_U6, 32, true)
#define TYPE_IQ4_XS K_TYPE(KW_IQ4_XS, kw_block_iq4_xs, d, 0, KV_S8, KV_SIGNED_BIAS, false)
#define TYPE_TQ1_0 K_TYPE(KW_TQ1_0, kw_block_tq1_0, d, 0, KV_U4, 1, false)
#define TYPE_TQ2_0 K_TYPE(KW_TQ2_0, kw_block_tq2_0, d, 0, KV_U4, 1, false)

#include "backend/cpu/kernels/unpack_iq.inc.h"

/* Half 0 or 1 of a superblock: four groups. The type is a constant wherever this is inlined. */
static KV_INLINE void unpack_k(const k_type type, kv_b32 w[4], const uint8_t *block, int half)
{
    if (type.is_iq) {
        unpack_iq(type, w, block, half);
        return;
    }
    switch (type.dtype) {
    case KW_Q2_K:
        unpack_q2_k(w, block, half);
        break;
    case KW_Q3_K:
        unpack_q3_k(w, block, half);
        break;
    case KW_Q4_K:
        unpack_q4_k(w, block, half);
        break;
    case KW_Q5_K:
        unpack_q5_k(w, block, half);
        break;
    case KW_IQ4_XS:
        unpack_iq4_xs(w, block, half);
        break;
    case KW_TQ1_0:
        unpack_tq1_0(w, block, half);
        break;
    case KW_TQ2_0:
        unpack_tq2_0(w, block, half);
        break;
    default:
        unpack_q6_k(w, block, half);
    }
}

/* Sixteen scales and as many minima (or scales once more), one per 16 weights. */
static KV_INLINE void scales_k(const k_type type, kv_h16 *scale, kv_h16 *min, const uint8_t *block)
{
    if (type.is_iq) {
        scales_iq(type, scale, min, block);
        return;
    }
    switch (type.dtype) {
    case KW_Q2_K:
        scales_q2_k(scale, min, block);
        break;
    case KW_Q3_K:
        scales_q3_k(scale, min, block);
        break;
    case KW_Q4_K:
    case KW_Q5_K: /* the same head of a block */
        scales_q4_k(scale, min, block);
        break;
    case KW_IQ4_XS:
        scales_iq4_xs(scale, min, block);
        break;
    case KW_TQ1_0:
    case KW_TQ2_0:
        scales_tq(scale, min);
        break;
    default:
        scales_q6_k(scale, min, block);
    }
}

static KV_INLINE float d_k(const k_type type, const uint8_t *block)
{
    const float d = type.dtype == KW_IQ1_M
                        ? kw_f32_from_f16(kw_iq1_m_d(block + offsetof(kw_block_iq1_m, scales)))
                        : kw_load_f16(block + type.d_at);
    return d / (float)(1 << type.d_shift);
}

/* The same of four rows. */
static KV_INLINE kv_f4 d4_k(const k_type type, const uint8_t *const row[4], size_t at)
{
    kv_f4 d;
    if (type.dtype == KW_IQ1_M) {
        uint16_t half[4];
        const uint8_t *place[4];
        for (int r = 0; r < 4; r++) {
            half[r] = kw_iq1_m_d(row[r] + at + offsetof(kw_block_iq1_m, scales));
            place[r] = (const uint8_t *)&half[r];
        }
        d = kv_f4_halves(place, 0);
    } else {
        d = kv_f4_halves(row, at + type.d_at);
    }
    return type.d_shift ? kv_f4_mul(d, kv_f4_set1(1.0f / (float)(1 << type.d_shift))) : d;
}
