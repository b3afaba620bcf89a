/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* simd_amx.h - tiles of AMX, and what its panels need beside the operations of AVX-512.
 *
 * A tile has at most 16 rows of 64 bytes. dot: c[m][n] += sum over k of a[m][k] * b[k / 4][n][k %
 * 4], sixteen times sixteen sums of int32. The instructions are written as assembly because gcc's
 * intrinsics do not say that a load reads memory; the number of a tile must be a constant.
 * Source: Intel SDM volume 1 chapter 18, volume 2 TILELOADD, TDPBSSD, TDPBF16PS. */
#ifndef KW_SIMD_AMX_H
#define KW_SIMD_AMX_H

#include "backend/cpu/simd/simd_avx512bf16.h"

enum { KV_TILE = 16 }; /* rows of a tile, and sums in one of its rows */

/* ---- tiles ---- */

/* Tiles 0 to 3 and 7 hold sums, 4 and 5 sixteen rows of k bytes, 6 as many bytes of sixteen
 * columns; with k = 64 all have one shape. All are zero then. */
static KV_INLINE void kv_tiles_begin(int k)
{
    struct {
        uint8_t palette, start, zero[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int t = 0; t < 8; t++) {
        config.row_bytes[t] = (uint16_t)(t == 4 || t == 5 ? k : 64);
        config.rows[t] = (uint8_t)(t == 6 ? k / 4 : KV_TILE);
    }
    __asm__ volatile("ldtilecfg %0" ::"m"(config));
}

/* Nothing of the tiles is left to be saved when threads change. */
static KV_INLINE void kv_tiles_end(void)
{
    __asm__ volatile("tilerelease" ::);
}

static KV_INLINE void kv_tile_zero(const int tile)
{
    __asm__ volatile("tilezero %%tmm%c0" ::"i"(tile));
}

/* Rows `stride` bytes apart. */
static KV_INLINE void kv_tile_load(const int tile, const void *p, size_t stride)
{
    __asm__ volatile("tileloadd (%1,%2,1), %%tmm%c0" ::"i"(tile), "r"(p), "r"(stride) : "memory");
}

/* To p[16][16]. */
static KV_INLINE void kv_tile_store(const int tile, void *p)
{
    __asm__ volatile("tilestored %%tmm%c0, (%1,%2,1)" ::"i"(tile), "r"(p), "r"((size_t)64)
                     : "memory");
}

/* Signed bytes. */
static KV_INLINE void kv_tile_dot_ss(const int c, const int a, const int b)
{
    __asm__ volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(c), "i"(a), "i"(b));
}

/* Unsigned bytes in a, signed ones in b. */
static KV_INLINE void kv_tile_dot_us(const int c, const int a, const int b)
{
    __asm__ volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(c), "i"(a), "i"(b));
}

/* Pairs of bf16, sums of f32. */
static KV_INLINE void kv_tile_dot_bf16(const int c, const int a, const int b)
{
    __asm__ volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(c), "i"(a), "i"(b));
}

/* ---- sixteen lanes ---- */

/* 256 * high + low. */
static KV_INLINE kv_i kv_join_bytes(kv_i high, kv_i low)
{
    return _mm512_add_epi32(_mm512_slli_epi32(high, 8), low);
}

/* Whole numbers below 2^16 in size as a pair of bf16, whose sum they are: the upper eight bits,
 * and the others. */
static KV_INLINE kv_i kv_pair_of(kv_f x)
{
    const __m512i upper = _mm512_set1_epi32((int)0xffff0000u);
    const __m512i bits = _mm512_castps_si512(x);
    const __m512 first = _mm512_castsi512_ps(_mm512_and_si512(bits, upper));
    const __m512i second = _mm512_castps_si512(_mm512_sub_ps(x, first));
    return _mm512_ternarylogic_epi32(upper, second, _mm512_srli_epi32(bits, 16), 0xea);
}

/* Each of sixteen int16 of at most eight bits as bf16, twice. */
static KV_INLINE kv_i kv_pair_same(kv_h16 x)
{
    const __m512i upper = _mm512_set1_epi32((int)0xffff0000u);
    const __m512i bits = _mm512_castps_si512(_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(x)));
    return _mm512_ternarylogic_epi32(upper, bits, _mm512_srli_epi32(bits, 16), 0xea);
}

/* ---- panels ---- */

/* 32 bytes less a bias. */
static KV_INLINE void kv_store_less(uint8_t *p, kv_b32 x, int bias)
{
    _mm256_storeu_si256((__m256i *)p, _mm256_sub_epi8(x, _mm256_set1_epi8((char)bias)));
}

static KV_INLINE kv_h16 kv_h16_times(kv_h16 x, int y)
{
    return _mm256_mullo_epi16(x, _mm256_set1_epi16((short)y));
}

/* x = w * scale - less of 64 weights, of which 16 share a scale, numbers 4 * quarter and on: as an
 * unsigned low byte and a signed high one. |x| < 2^15. */
static KV_INLINE void kv_store_scaled(uint8_t *low, uint8_t *high, const kv_b32 w[2], kv_h16 scale,
                                      kv_h16 less, int quarter)
{
    const __m512i upper = _mm512_set1_epi16((short)0xff00);
    const __m512i which = _mm512_inserti64x4(
        _mm512_castsi256_si512(_mm256_setr_m128i(_mm_set1_epi16((short)(4 * quarter)),
                                                 _mm_set1_epi16((short)(4 * quarter + 1)))),
        _mm256_setr_m128i(_mm_set1_epi16((short)(4 * quarter + 2)),
                          _mm_set1_epi16((short)(4 * quarter + 3))),
        1);
    const __m512i by = _mm512_permutexvar_epi16(which, _mm512_castsi256_si512(scale));
    const __m512i off = _mm512_permutexvar_epi16(which, _mm512_castsi256_si512(less));
    const __m512i x = _mm512_inserti64x4(_mm512_castsi256_si512(w[0]), w[1], 1);
    const __m512i even = _mm512_mullo_epi16(_mm512_andnot_si512(upper, x), by);
    const __m512i odd = _mm512_mullo_epi16(_mm512_srli_epi16(x, 8), by);
    const __m512i first = _mm512_sub_epi16(even, off), second = _mm512_sub_epi16(odd, off);
    const __m512i lows =
        _mm512_ternarylogic_epi32(upper, _mm512_slli_epi16(second, 8), first, 0xca);
    const __m512i highs =
        _mm512_ternarylogic_epi32(upper, second, _mm512_srli_epi16(first, 8), 0xea);
    _mm512_store_si512(low, lows);
    _mm512_store_si512(high, highs);
}

#endif
