/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unpack_s32.inc.h - the types with one scale per 32: what the kernels of class S32 need to know.
 * Every block begins with its f16 scale. */

typedef struct s32_type {
    size_t block_bytes;
    kv_kind kind;
    int bias; /* what unpack has added to each weight */
    kv_b32 (*unpack)(const uint8_t *block);
} s32_type;

static KV_INLINE kv_b32 unpack_q4_0(const uint8_t *block)
{
    return kv_nibbles(block + offsetof(kw_block_q4_0, qs));
}

static KV_INLINE kv_b32 unpack_q8_0(const uint8_t *block)
{
    return kv_signed(kv_load_b32(block + offsetof(kw_block_q8_0, qs)));
}

#define TYPE_Q4_0 ((s32_type){sizeof(kw_block_q4_0), KV_U4, 8, unpack_q4_0})
#define TYPE_Q8_0 ((s32_type){sizeof(kw_block_q8_0), KV_S8, KV_SIGNED_BIAS, unpack_q8_0})
