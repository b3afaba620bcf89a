/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unpack_s32.inc.h - the types with one scale per 32: what the kernels of class S32 need to know.
 * Every block begins with its scale. */

typedef struct s32_type {
    kw_dtype dtype;
    size_t block_bytes;
    kv_kind kind;
    int bias;      /* what unpack_s32 has added to each weight */
    size_t min_at; /* f16 that is added to all 32; 0: none */
    bool powers;   /* the scale is a power of two in one byte, not an f16 */
} s32_type;

static KV_INLINE kv_b32 unpack_q4_0(const uint8_t *block)
{
    return kv_nibbles(block + offsetof(kw_block_q4_0, qs));
}

static KV_INLINE kv_b32 unpack_q8_0(const uint8_t *block)
{
    return kv_signed(kv_load_b32(block + offsetof(kw_block_q8_0, qs)));
}

static KV_INLINE kv_b32 unpack_q4_1(const uint8_t *block)
{
    return kv_nibbles(block + offsetof(kw_block_q4_1, qs));
}

static KV_INLINE kv_b32 unpack_q5_0(const uint8_t *block)
{
    const kv_b32 low = kv_nibbles(block + offsetof(kw_block_q5_0, qs));
    return kv_or(low, kv_spread_bits(kv_u32(block + offsetof(kw_block_q5_0, qh)), 16));
}

static KV_INLINE kv_b32 unpack_q5_1(const uint8_t *block)
{
    const kv_b32 low = kv_nibbles(block + offsetof(kw_block_q5_1, qs));
    return kv_or(low, kv_spread_bits(kv_u32(block + offsetof(kw_block_q5_1, qh)), 16));
}

static KV_INLINE kv_b32 unpack_iq4_nl(const uint8_t *block)
{
    const kv_b32 values = kv_signed(kv_load_twice((const uint8_t *)kw_iq4_values));
    return kv_lookup(values, kv_nibbles(block + offsetof(kw_block_iq4_nl, qs)));
}

static const uint8_t mxfp4_values[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

static KV_INLINE kv_b32 unpack_mxfp4(const uint8_t *block)
{
    const kv_b32 codes = kv_nibbles(block + offsetof(kw_block_mxfp4, qs));
    return kv_lookup(kv_load_twice(mxfp4_values), codes);
}

#define S32_TYPE(dtype, block, kind, bias)                                                         \
    ((s32_type){dtype, sizeof(block), kind, bias, 0, dtype == KW_MXFP4})
#define S32_MIN_TYPE(dtype, block, kind)                                                           \
    ((s32_type){dtype, sizeof(block), kind, 0, offsetof(block, m), false})

#define TYPE_Q4_0 S32_TYPE(KW_Q4_0, kw_block_q4_0, KV_U4, 8)
#define TYPE_Q4_1 S32_MIN_TYPE(KW_Q4_1, kw_block_q4_1, KV_U4)
#define TYPE_Q5_0 S32_TYPE(KW_Q5_0, kw_block_q5_0, KV_U5, 16)
#define TYPE_Q5_1 S32_MIN_TYPE(KW_Q5_1, kw_block_q5_1, KV_U5)
#define TYPE_Q8_0 S32_TYPE(KW_Q8_0, kw_block_q8_0, KV_S8, KV_SIGNED_BIAS)
#define TYPE_IQ4_NL S32_TYPE(KW_IQ4_NL, kw_block_iq4_nl, KV_S8, KV_SIGNED_BIAS)
#define TYPE_MXFP4 S32_TYPE(KW_MXFP4, kw_block_mxfp4, KV_U5, 12)

/* One group of 32. The type is a constant wherever this is inlined. */
static KV_INLINE kv_b32 unpack_s32(const s32_type type, const uint8_t *block)
{
    switch (type.dtype) {
    case KW_Q4_0:
        return unpack_q4_0(block);
    case KW_Q4_1:
        return unpack_q4_1(block);
    case KW_Q5_0:
        return unpack_q5_0(block);
    case KW_Q5_1:
        return unpack_q5_1(block);
    case KW_IQ4_NL:
        return unpack_iq4_nl(block);
    case KW_MXFP4:
        return unpack_mxfp4(block);
    default:
        return unpack_q8_0(block);
    }
}

/* Its scale; those of four rows. */
static KV_INLINE float scale_s32(const s32_type type, const uint8_t *block)
{
    return type.powers ? kw_load_e8m0(block) : kw_load_f16(block);
}

static KV_INLINE kv_f4 scales_s32(const s32_type type, const uint8_t *const row[4], size_t at)
{
    return type.powers ? kv_f4_powers(row, at) : kv_f4_halves(row, at);
}
