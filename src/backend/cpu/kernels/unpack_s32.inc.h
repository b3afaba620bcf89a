/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unpack_s32.inc.h - the types with one scale per 32: what the kernels of class S32 need to know.
 * Every block begins with its f16 scale. */

typedef struct s32_type {
    kw_dtype dtype;
    size_t block_bytes;
    kv_kind kind;
    int bias; /* what unpack_s32 has added to each weight */
} s32_type;

static KV_INLINE kv_b32 unpack_q4_0(const uint8_t *block)
{
    return kv_nibbles(block + offsetof(kw_block_q4_0, qs));
}

static KV_INLINE kv_b32 unpack_q8_0(const uint8_t *block)
{
    return kv_signed(kv_load_b32(block + offsetof(kw_block_q8_0, qs)));
}

#define TYPE_Q4_0 ((s32_type){KW_Q4_0, sizeof(kw_block_q4_0), KV_U4, 8})
#define TYPE_Q8_0 ((s32_type){KW_Q8_0, sizeof(kw_block_q8_0), KV_S8, KV_SIGNED_BIAS})

/* One group of 32. The type is a constant wherever this is inlined. */
static KV_INLINE kv_b32 unpack_s32(const s32_type type, const uint8_t *block)
{
    return type.dtype == KW_Q4_0 ? unpack_q4_0(block) : unpack_q8_0(block);
}
