/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* blocks.h - quantised blocks as they lie in a file or a tile, and the small readers of their
 * parts.
 *
 * Every member is a byte, so a block has alignment 1 and may be read wherever a file puts it.
 * Source: the GGUF specification and the block layouts of the ggml project. */
#ifndef KW_TENSOR_QUANT_BLOCKS_H
#define KW_TENSOR_QUANT_BLOCKS_H

#include "tensor/half.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

enum { KW_QK = 32, KW_QK_K = 256 };

/* y = d * (q - 8); element i < 16 in the low nibble of qs[i], element 16 + i in the high one. */
typedef struct kw_block_q4_0 {
    uint8_t d[2]; /* f16 */
    uint8_t qs[16];
} kw_block_q4_0;
static_assert(sizeof(kw_block_q4_0) == 18, "on-disk size");

/* y = d * q + m; codes as in q4_0. */
typedef struct kw_block_q4_1 {
    uint8_t d[2]; /* f16 */
    uint8_t m[2]; /* f16 */
    uint8_t qs[16];
} kw_block_q4_1;
static_assert(sizeof(kw_block_q4_1) == 20, "on-disk size");

/* y = d * (q - 16); low four bits as in q4_0, the fifth of element i at bit i of qh. */
typedef struct kw_block_q5_0 {
    uint8_t d[2]; /* f16 */
    uint8_t qh[4];
    uint8_t qs[16];
} kw_block_q5_0;
static_assert(sizeof(kw_block_q5_0) == 22, "on-disk size");

/* y = d * q + m; codes as in q5_0. */
typedef struct kw_block_q5_1 {
    uint8_t d[2]; /* f16 */
    uint8_t m[2]; /* f16 */
    uint8_t qh[4];
    uint8_t qs[16];
} kw_block_q5_1;
static_assert(sizeof(kw_block_q5_1) == 24, "on-disk size");

/* y = d * kw_iq4_values[q]; codes as in q4_0. */
typedef struct kw_block_iq4_nl {
    uint8_t d[2]; /* f16 */
    uint8_t qs[16];
} kw_block_iq4_nl;
static_assert(sizeof(kw_block_iq4_nl) == 18, "on-disk size");

/* y = 2^(e - 128) * kw_mxfp4_values[q], which are twice those of the standard; codes as in q4_0. */
typedef struct kw_block_mxfp4 {
    uint8_t e;
    uint8_t qs[16];
} kw_block_mxfp4;
static_assert(sizeof(kw_block_mxfp4) == 17, "on-disk size");

/* y = d * q. */
typedef struct kw_block_q8_0 {
    uint8_t d[2]; /* f16 */
    int8_t qs[32];
} kw_block_q8_0;
static_assert(sizeof(kw_block_q8_0) == 34, "on-disk size");

/* Eight groups of 32: y = (d * sc) * q - dmin * m. Group 2i lies in the low nibbles of
 * qs[32 i .. 32 i + 31], group 2i + 1 in the high ones. */
typedef struct kw_block_q4_k {
    uint8_t d[2];       /* f16 */
    uint8_t dmin[2];    /* f16 */
    uint8_t scales[12]; /* eight pairs of six bits: kw_q4_k_scales */
    uint8_t qs[128];
} kw_block_q4_k;
static_assert(sizeof(kw_block_q4_k) == 144, "on-disk size");

/* Sixteen groups of 16: y = (d * sc) * (q - 32). Half h (128 elements), quarter t, element l < 32:
 * low four bits in the nibble t / 2 of ql[64 h + 32 (t % 2) + l], high two at bit 2 t of
 * qh[32 h + l], scale 8 h + 2 t + l / 16. */
typedef struct kw_block_q6_k {
    uint8_t ql[128];
    uint8_t qh[64];
    int8_t scales[16];
    uint8_t d[2]; /* f16 */
} kw_block_q6_k;
static_assert(sizeof(kw_block_q6_k) == 210, "on-disk size");

/* Sixteen groups of 16: y = (d * sc) * q - dmin * m, sc and m the low and high nibble of scales[].
 * Element l < 32 of group-of-32 4 h + t lies at bit 2 t of qs[32 h + l]. */
typedef struct kw_block_q2_k {
    uint8_t scales[16];
    uint8_t qs[64];
    uint8_t d[2];    /* f16 */
    uint8_t dmin[2]; /* f16 */
} kw_block_q2_k;
static_assert(sizeof(kw_block_q2_k) == 84, "on-disk size");

/* Sixteen groups of 16: y = (d * sc) * (q - 4), three bits: the low two as in q2_k, the high one
 * of group-of-32 g at bit g of hmask[l]. */
typedef struct kw_block_q3_k {
    uint8_t hmask[32];
    uint8_t qs[64];
    uint8_t scales[12]; /* sixteen of six bits, 32 added: kw_q3_k_scales */
    uint8_t d[2];       /* f16 */
} kw_block_q3_k;
static_assert(sizeof(kw_block_q3_k) == 110, "on-disk size");

/* As q4_k, with the fifth bit of group g at bit g of qh[l]. */
typedef struct kw_block_q5_k {
    uint8_t d[2];    /* f16 */
    uint8_t dmin[2]; /* f16 */
    uint8_t scales[12];
    uint8_t qh[32];
    uint8_t qs[128];
} kw_block_q5_k;
static_assert(sizeof(kw_block_q5_k) == 176, "on-disk size");
/* ---- types with a codebook: iq_grids.h ----
 *
 * y = (d * factor) * (2 * sc + 1) * w; a grid entry is the magnitudes of eight (or four)
 * neighbouring weights. Sign bits: bit i of a byte for weight i of eight; in the types with seven
 * bits the eighth makes the number of minus signs even. */

/* factor 1/8. Group of 32 g: four entries in qs[8 g ..], then as u32 four times seven sign bits
 * and, on top, the four bits of sc. */
typedef struct kw_block_iq2_xxs {
    uint8_t d[2]; /* f16 */
    uint8_t qs[64];
} kw_block_iq2_xxs;
static_assert(sizeof(kw_block_iq2_xxs) == 66, "on-disk size");

/* factor 1/8. Per eight weights a u16: nine bits of the entry, seven of signs. sc per 16 weights,
 * the first in the low nibble. */
typedef struct kw_block_iq2_xs {
    uint8_t d[2]; /* f16 */
    uint8_t qs[64];
    uint8_t scales[8];
} kw_block_iq2_xs;
static_assert(sizeof(kw_block_iq2_xs) == 74, "on-disk size");

/* factor 1/8. Entry i: qs[i], and two high bits at bit 2 (i % 4) of qh[i / 4]. sc as above. */
typedef struct kw_block_iq2_s {
    uint8_t d[2]; /* f16 */
    uint8_t qs[32];
    uint8_t signs[32];
    uint8_t qh[8];
    uint8_t scales[8];
} kw_block_iq2_s;
static_assert(sizeof(kw_block_iq2_s) == 82, "on-disk size");

/* factor 1/4. Entries of four weights; per group of 32 a u32 as in iq2_xxs. */
typedef struct kw_block_iq3_xxs {
    uint8_t d[2]; /* f16 */
    uint8_t qs[64];
    uint8_t signs[32];
} kw_block_iq3_xxs;
static_assert(sizeof(kw_block_iq3_xxs) == 98, "on-disk size");

/* factor 1. Entry i of four weights: qs[i], and its high bit i % 8 of qh[i / 8]. sc per 32 weights,
 * the first in the low nibble. */
typedef struct kw_block_iq3_s {
    uint8_t d[2]; /* f16 */
    uint8_t qs[64];
    uint8_t qh[8];
    uint8_t signs[32];
    uint8_t scales[4];
} kw_block_iq3_s;
static_assert(sizeof(kw_block_iq3_s) == 110, "on-disk size");

/* factor 1/8, w = 8 * (-1, 0 or 1) + 1, or - 1 where the group says so. Group of 32 g: low bits of
 * four entries in qs[4 g ..]; u16 qh[g]: four times three high bits, three bits of sc, minus. */
typedef struct kw_block_iq1_s {
    uint8_t d[2]; /* f16 */
    uint8_t qs[32];
    uint8_t qh[16];
} kw_block_iq1_s;
static_assert(sizeof(kw_block_iq1_s) == 50, "on-disk size");

/* As iq1_s, with a minus for each entry: entry i has bits 4 (i % 2) .. of qh[i / 2]: three high
 * bits, minus. scales as four u16: four times three bits of sc, one for each 16 weights, and on top
 * four bits of the f16 d, the lowest first. */
typedef struct kw_block_iq1_m {
    uint8_t qs[32];
    uint8_t qh[16];
    uint8_t scales[8];
} kw_block_iq1_m;
static_assert(sizeof(kw_block_iq1_m) == 56, "on-disk size");

/* Eight groups of 32: y = (d * sc) * kw_iq4_values[q]. Group g is sixteen bytes, codes as in q4_0;
 * sc is six bits with 32 added: the low four in nibble g of scales_l, the high two at bit 2 g of
 * scales_h. */
typedef struct kw_block_iq4_xs {
    uint8_t d[2]; /* f16 */
    uint8_t scales_h[2];
    uint8_t scales_l[4];
    uint8_t qs[128];
} kw_block_iq4_xs;
static_assert(sizeof(kw_block_iq4_xs) == 136, "on-disk size");

/* y = d * (t - 1), five t of 0..2 a byte: the first is in the top of the byte, and times 3 (modulo
 * 256) brings up the next: t = (3 * byte) >> 8. Element i < 160 is digit i / 32 of qs[i % 32], then
 * i - 160 = 16 n + j digit n of qs[32 + j], then i - 240 = 4 n + j digit n of qh[j]. */
typedef struct kw_block_tq1_0 {
    uint8_t qs[48];
    uint8_t qh[4];
    uint8_t d[2]; /* f16 */
} kw_block_tq1_0;
static_assert(sizeof(kw_block_tq1_0) == 54, "on-disk size");

/* y = d * (q - 1); codes as in q2_k. */
typedef struct kw_block_tq2_0 {
    uint8_t qs[64];
    uint8_t d[2]; /* f16 */
} kw_block_tq2_0;
static_assert(sizeof(kw_block_tq2_0) == 66, "on-disk size");

/* What the sixteen codes of iq4_nl and iq4_xs stand for, and those of mxfp4. */
extern const int8_t kw_iq4_values[16], kw_mxfp4_values[16];

/* One column of an activation tile (backend/cpu/kernels.h with cols = 1). */
typedef struct kw_block_q8_act {
    int8_t qs[32];
    uint8_t d[4];       /* f32 */
    uint8_t sums[2][2]; /* int16: of qs[0..15] and of qs[16..31] */
} kw_block_q8_act;
static_assert(sizeof(kw_block_q8_act) == 40, "tile size");

static inline uint16_t kw_load_u16(const void *src)
{
    uint16_t v;
    memcpy(&v, src, sizeof v);
    return v;
}

static inline float kw_load_f16(const void *src)
{
    return kw_f32_from_f16(kw_load_u16(src));
}

static inline uint32_t kw_load_u32(const void *src)
{
    uint32_t v;
    memcpy(&v, src, sizeof v);
    return v;
}

/* The f16 d of iq1_m. */
static inline uint16_t kw_iq1_m_d(const uint8_t scales[8])
{
    return (uint16_t)(scales[1] >> 4 | (scales[3] >> 4) << 4 | (scales[5] >> 4) << 8 |
                      (scales[7] >> 4) << 12);
}

/* 2^(e - 128), also where that is subnormal. */
static inline float kw_load_e8m0(const void *src)
{
    const uint8_t e = *(const uint8_t *)src;
    const uint32_t bits = e < 2 ? (uint32_t)0x200000 << e : (uint32_t)(e - 1) << 23;
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* The six-bit scales and minima of the eight groups. */
static inline void kw_q4_k_scales(const uint8_t packed[12], uint8_t sc[8], uint8_t m[8])
{
    for (int j = 0; j < 4; j++) {
        sc[j] = packed[j] & 63;
        m[j] = packed[j + 4] & 63;
        sc[j + 4] = (uint8_t)((packed[j + 8] & 15) | (packed[j] >> 6) << 4);
        m[j + 4] = (uint8_t)(packed[j + 8] >> 4 | (packed[j + 4] >> 6) << 4);
    }
}

/* The 256 digits, 0..2, of tq1_0. */
static inline void kw_tq1_0_digits(const kw_block_tq1_0 *block, int8_t digits[KW_QK_K])
{
    static const uint8_t power[5] = {1, 3, 9, 27, 81};
    for (int i = 0; i < KW_QK_K; i++) {
        const int byte = i < 160   ? block->qs[i % 32] * power[i / 32]
                         : i < 240 ? block->qs[32 + i % 16] * power[(i - 160) / 16]
                                   : block->qh[i % 4] * power[(i - 240) / 4];
        digits[i] = (int8_t)((byte & 255) * 3 >> 8);
    }
}

/* Four bytes, with an empty one above each. */
static inline uint64_t kw_spread_bytes(uint64_t x)
{
    x = (x | x << 16) & 0x0000ffff0000ffff;
    return (x | x << 8) & 0x00ff00ff00ff00ff;
}

/* Each of eight bytes in 0..63, less 32. */
static inline uint64_t kw_less_32(uint64_t x)
{
    const uint64_t top = 0x8080808080808080;
    return ((x | top) - 0x2020202020202020) ^ top;
}

/* The six-bit scales of iq4_xs, -32..31: eight signed bytes. */
static inline uint64_t kw_iq4_xs_scales(const kw_block_iq4_xs *block)
{
    const uint64_t low = kw_spread_bytes(kw_load_u32(block->scales_l));
    uint64_t high = kw_load_u16(block->scales_h);
    high = (high | high << 24) & 0x000000ff000000ff;
    high = (high | high << 12) & 0x000f000f000f000f;
    high = (high | high << 6) & 0x0303030303030303;
    return kw_less_32(((low | low << 4) & 0x0f0f0f0f0f0f0f0f) | high << 4);
}

/* The reverse. */
static inline void kw_q4_k_pack_scales(uint8_t packed[12], const int8_t sc[8], const uint8_t m[8])
{
    for (int j = 0; j < 4; j++) {
        packed[j] = (uint8_t)(sc[j] | sc[j + 4] >> 4 << 6);
        packed[j + 4] = (uint8_t)(m[j] | m[j + 4] >> 4 << 6);
        packed[j + 8] = (uint8_t)((sc[j + 4] & 15) | (m[j + 4] & 15) << 4);
    }
}

/* 32 codes as q4_0 has them; the bits above the fourth are left out. */
static inline void kw_pack_nibbles(uint8_t qs[16], const uint8_t codes[32])
{
    for (int i = 0; i < 16; i++)
        qs[i] = (uint8_t)((codes[i] & 15) | (codes[i + 16] & 15) << 4);
}

/* The fifth bits of 32 codes. */
static inline void kw_pack_fifth(uint8_t qh[4], const uint8_t codes[32])
{
    memset(qh, 0, 4);
    for (int i = 0; i < 32; i++)
        qh[i / 8] = (uint8_t)(qh[i / 8] | codes[i] >> 4 << (i % 8));
}

/* The low two bits of 256 codes, as q2_k, q3_k and tq2_0 have them. */
static inline void kw_pack_pairs(uint8_t qs[64], const uint8_t codes[KW_QK_K])
{
    for (int i = 0; i < 64; i++) {
        const uint8_t *const first = codes + i / 32 * 128 + i % 32;
        qs[i] = (uint8_t)((first[0] & 3) | (first[32] & 3) << 2 | (first[64] & 3) << 4 |
                          (first[96] & 3) << 6);
    }
}

/* The sixteen scales of q3_k, -32..31, as signed bytes: low nibbles in the first eight bytes, pairs
 * of high bits in the last four. */
static inline void kw_q3_k_scales(const uint8_t packed[12], uint64_t sc[2])
{
    const uint64_t nibbles = 0x0f0f0f0f0f0f0f0f, pairs = 0x0303030303030303;
    const uint64_t low = kw_load_u32(packed) | (uint64_t)kw_load_u32(packed + 4) << 32;
    const uint64_t high = kw_load_u32(packed + 8);
    const uint64_t first = (high | high << 30) & pairs, second = (high >> 4 | high << 26) & pairs;
    sc[0] = kw_less_32((low & nibbles) | first << 4);
    sc[1] = kw_less_32((low >> 4 & nibbles) | second << 4);
}

#endif
