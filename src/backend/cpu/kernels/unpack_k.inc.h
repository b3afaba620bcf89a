/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* unpack_k.inc.h - the types with superblocks of 256: what the kernels of class K need to know.
 *
 * The integer sums are over unsigned weights. What was added to them (q6_k: 32) goes into the same
 * sum of minima that q4_k has: sum of scale * 32 * q is taken off the scaled sum. */

enum { GROUPS = KW_QK_K / KW_QK };

typedef struct k_type {
    kw_dtype dtype;
    size_t block_bytes;
    size_t d_at;
    size_t dmin_at; /* 0: no minima; the sum of minima is shifted and taken off the scaled sum */
    kv_kind kind;
    int bias_shift; /* log2 of what unpack_k has added to each weight, where there are no minima */
    bool halves;    /* a group's halves have scales of their own */
} k_type;

/* Half 0 or 1 of a superblock: four groups. */
static KV_INLINE void unpack_q4_k(kv_b32 w[4], const uint8_t *block, int half)
{
    const uint8_t *qs = block + offsetof(kw_block_q4_k, qs) + 64 * half;
    const kv_b32 first = kv_load_b32(qs), second = kv_load_b32(qs + 32);
    w[0] = kv_low4(first);
    w[1] = kv_high4(first);
    w[2] = kv_low4(second);
    w[3] = kv_high4(second);
}

static KV_INLINE void scales_q4_k(kv_h16 *scale, kv_h16 *min, const uint8_t *block)
{
    const uint8_t *packed = block + offsetof(kw_block_q4_k, scales);
    const uint32_t a = kv_u32(packed), b = kv_u32(packed + 4), c = kv_u32(packed + 8);
    const uint32_t scale_high = (c & 0x0f0f0f0fu) | (a >> 2 & 0x30303030u);
    const uint32_t min_high = (c >> 4 & 0x0f0f0f0fu) | (b >> 2 & 0x30303030u);
    *scale = kv_twice((a & 0x3f3f3f3fu) | (uint64_t)scale_high << 32);
    *min = kv_twice((b & 0x3f3f3f3fu) | (uint64_t)min_high << 32);
}

static KV_INLINE void unpack_q6_k(kv_b32 w[4], const uint8_t *block, int half)
{
    const uint8_t *ql = block + 64 * half;
    const kv_b32 high = kv_load_b32(block + offsetof(kw_block_q6_k, qh) + 32 * half);
    const kv_b32 first = kv_load_b32(ql), second = kv_load_b32(ql + 32);
    w[0] = kv_join6(kv_low4(first), high, 0);
    w[1] = kv_join6(kv_low4(second), high, 2);
    w[2] = kv_join6(kv_high4(first), high, 4);
    w[3] = kv_join6(kv_high4(second), high, 6);
}

static KV_INLINE void scales_q6_k(kv_h16 *scale, kv_h16 *min, const uint8_t *block)
{
    *scale = kv_widen_i8((const int8_t *)block + offsetof(kw_block_q6_k, scales));
    *min = *scale;
}

#define TYPE_Q4_K                                                                                  \
    ((k_type){KW_Q4_K, sizeof(kw_block_q4_k), offsetof(kw_block_q4_k, d),                          \
              offsetof(kw_block_q4_k, dmin), KV_U4, 0, false})
#define TYPE_Q6_K                                                                                  \
    ((k_type){KW_Q6_K, sizeof(kw_block_q6_k), offsetof(kw_block_q6_k, d), 0, KV_U6, 5, true})

/* Half 0 or 1 of a superblock: four groups. The type is a constant wherever this is inlined. */
static KV_INLINE void unpack_k(const k_type type, kv_b32 w[4], const uint8_t *block, int half)
{
    if (type.dtype == KW_Q4_K)
        unpack_q4_k(w, block, half);
    else
        unpack_q6_k(w, block, half);
}

/* Sixteen scales and as many minima (or scales once more), one per 16 weights. */
static KV_INLINE void scales_k(const k_type type, kv_h16 *scale, kv_h16 *min, const uint8_t *block)
{
    if (type.dtype == KW_Q4_K)
        scales_q4_k(scale, min, block);
    else
        scales_q6_k(scale, min, block);
}
