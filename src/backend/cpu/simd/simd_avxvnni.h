/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* simd_avxvnni.h - AVX2 whose products of bytes are those of AVX-VNNI: vpdpbusd on 256 bits, for
 * processors that have it without AVX-512.
 *
 * Meanings are in simd_avx2.h, which leaves out what is here. vpdpbusd multiplies unsigned by
 * signed bytes, so signed weights carry a bias of 128. */
#ifndef KW_SIMD_AVXVNNI_H
#define KW_SIMD_AVXVNNI_H

#define KV_VNNI_256
#include "backend/cpu/simd/simd_avx2.h"

#define KV_STEPS _Pragma("GCC unroll 8")

/* Twelve chains of vpdpbusd: its latency, times two a cycle. The sums wait in memory. */

enum { KV_TILE_COLS = 6, KV_SIGNED_BIAS = 128 };

/* ---- one group of a row ---- */

static KV_INLINE kv_b32 kv_signed(kv_b32 x)
{
    return _mm256_xor_si256(x, _mm256_set1_epi8(-128));
}

static KV_INLINE kv_part kv_dot(kv_kind kind, kv_b32 w, kv_b32 a)
{
    (void)kind;
    return _mm256_dpbusd_avx_epi32(_mm256_setzero_si256(), w, a);
}

static KV_INLINE kv_part kv_dot_two(kv_b32 v, kv_b32 a, kv_b32 w, kv_b32 b)
{
    return _mm256_dpbusd_avx_epi32(_mm256_dpbusd_avx_epi32(_mm256_setzero_si256(), v, a), w, b);
}

static KV_INLINE kv_part kv_dot_scaled(kv_part sum, kv_kind kind, kv_b32 w, kv_b32 a,
                                       const int16_t *scale)
{
    if (kind == KV_S8)
        return _mm256_add_epi32(
            sum, _mm256_mullo_epi32(kv_dot(kind, w, a), _mm256_set1_epi32(scale[0])));
    return _mm256_dpwssd_avx_epi32(sum, _mm256_maddubs_epi16(w, a), kv_scale_all(scale));
}

/* Not for KV_S8, whose products do not fit into 16 bits. */
static KV_INLINE kv_part kv_dot_scaled2(kv_part sum, kv_kind kind, kv_b32 w, kv_b32 a,
                                        const int16_t *scale)
{
    (void)kind;
    return _mm256_dpwssd_avx_epi32(sum, _mm256_maddubs_epi16(w, a), kv_scale_halves(scale));
}

/* ---- panels: KV_ROWS rows at once ---- */

static KV_INLINE int kv_acc_steps(kv_kind kind)
{
    (void)kind;
    return 8;
}

/* As in simd_avx512.h. */
static KV_INLINE int kv_scaled_steps(kv_kind kind)
{
    return kind == KV_U4 ? 4 : 8;
}

static KV_INLINE kv_acc kv_acc_step(kv_kind kind, kv_acc acc, kv_rows_b w, kv_rows_b a)
{
    (void)kind;
    return _mm256_dpbusd_avx_epi32(acc, w, a);
}

static KV_INLINE kv_rows_i kv_acc_flush(kv_kind kind, kv_acc acc)
{
    (void)kind;
    return acc;
}

static KV_INLINE kv_acc kv_acc_begin(kv_rows_i term)
{
    return term;
}

static KV_INLINE kv_rows_i kv_acc_end(kv_kind kind, kv_acc acc, kv_rows_i term)
{
    (void)kind;
    (void)term;
    return acc;
}

static KV_INLINE int32_t kv_rows_scale(kv_kind kind, int scale)
{
    return kind == KV_U4 ? scale & 0xffff : scale;
}

static KV_INLINE kv_rows_i kv_rows_scales(kv_kind kind, kv_rows_i scale)
{
    return kind == KV_U4 ? _mm256_and_si256(scale, _mm256_set1_epi32(0xffff)) : scale;
}

static KV_INLINE kv_rows_b kv_rows_signed(kv_rows_b x)
{
    return kv_signed(x);
}

static KV_INLINE kv_rows_i kv_acc_flush_scaled(kv_kind kind, kv_rows_i sum, kv_acc acc,
                                               kv_rows_i scale)
{
    if (kind == KV_U4)
        return _mm256_dpwssd_avx_epi32(sum, acc, scale);
    return _mm256_add_epi32(sum, _mm256_mullo_epi32(acc, scale));
}

#endif
