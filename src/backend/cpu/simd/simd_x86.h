/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* simd_x86.h - the operations on one group and on four rows that AVX2 and AVX-512 share: 32 bytes
 * are a 256-bit register in both. Meanings are in simd_avx2.h. */
#ifndef KW_SIMD_X86_H
#define KW_SIMD_X86_H

#include "backend/cpu/simd/simd.h"

#include <immintrin.h>

/* ---- one group of a row ---- */

typedef __m256i kv_b32, kv_h16, kv_part;
typedef __m128i kv_i4;
typedef __m128 kv_f4;

static KV_INLINE kv_b32 kv_load_b32(const void *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

/* 16 bytes: their low nibbles, then their high ones. */
static KV_INLINE kv_b32 kv_nibbles(const uint8_t *p)
{
    const __m256i twice = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
    const __m256i shift = _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4);
    return _mm256_and_si256(_mm256_srlv_epi32(twice, shift), _mm256_set1_epi8(15));
}

static KV_INLINE kv_b32 kv_low4(kv_b32 x)
{
    return _mm256_and_si256(x, _mm256_set1_epi8(15));
}

static KV_INLINE void kv_store_b32(uint8_t *p, kv_b32 x)
{
    _mm256_storeu_si256((__m256i *)p, x);
}

/* out[i] = low[i] | high[i] << 8, as 32 numbers. */
static KV_INLINE void kv_zip_store(uint16_t *p, kv_b32 low, kv_b32 high)
{
    const __m256i even = _mm256_unpacklo_epi8(low, high), odd = _mm256_unpackhi_epi8(low, high);
    _mm256_storeu_si256((__m256i *)p, _mm256_permute2x128_si256(even, odd, 0x20));
    _mm256_storeu_si256((__m256i *)(p + 16), _mm256_permute2x128_si256(even, odd, 0x31));
}

static KV_INLINE kv_b32 kv_words(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return _mm256_setr_epi64x((int64_t)a, (int64_t)b, (int64_t)c, (int64_t)d);
}

static KV_INLINE kv_b32 kv_or(kv_b32 x, kv_b32 y)
{
    return _mm256_or_si256(x, y);
}

static KV_INLINE kv_b32 kv_add_bytes(kv_b32 x, kv_b32 y)
{
    return _mm256_add_epi8(x, y);
}

/* The same 16 bytes twice. */
static KV_INLINE kv_b32 kv_load_twice(const uint8_t *p)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
}

/* The first half of x and the second of y. */
static KV_INLINE kv_b32 kv_halves(kv_b32 x, kv_b32 y)
{
    return _mm256_blend_epi32(x, y, 0xf0);
}

/* table[i] for each byte i < 16; the table's 16 bytes are in both of its halves. */
static KV_INLINE kv_b32 kv_lookup(kv_b32 table, kv_b32 i)
{
    return _mm256_shuffle_epi8(table, i);
}

/* 1 for each unsigned byte that is larger than limit, else 0. */
static KV_INLINE kv_b32 kv_above(kv_b32 x, int limit)
{
    const __m256i over = _mm256_subs_epu8(x, _mm256_set1_epi8((char)limit));
    return _mm256_min_epu8(over, _mm256_set1_epi8(1));
}

/* Added up in the order written: a compiler that reorders integer sums keeps all terms alive, which
 * takes more registers than there are. */
static KV_INLINE __m256i kv_in_order(__m256i x)
{
    __asm__("" : "+x"(x));
    return x;
}

static KV_INLINE kv_part kv_part_zero(void)
{
    return _mm256_setzero_si256();
}

/* In each half: the sums of that half's four lanes of a, b, c, d. */
static KV_INLINE __m256i kv_sum4_lanes(kv_part a, kv_part b, kv_part c, kv_part d)
{
    const __m256i ab = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    const __m256i cd = _mm256_add_epi32(_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    return _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
}

static KV_INLINE kv_i4 kv_sum4(kv_part a, kv_part b, kv_part c, kv_part d)
{
    const __m256i sum = kv_sum4_lanes(a, b, c, d);
    return _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
}

/* The bytes of x and y by turns, as sixteen int16; eight bytes, each twice. */
static KV_INLINE kv_h16 kv_zip(uint64_t x, uint64_t y)
{
    return _mm256_cvtepu8_epi16(
        _mm_unpacklo_epi8(_mm_cvtsi64_si128((int64_t)x), _mm_cvtsi64_si128((int64_t)y)));
}

static KV_INLINE kv_h16 kv_twice(uint64_t bytes)
{
    return kv_zip(bytes, bytes);
}

/* The same int16 in all lanes, and scale[0] in the first half of them, scale[1] in the second.
 * scale points to two. */
static KV_INLINE kv_h16 kv_scale_all(const int16_t *scale)
{
    return _mm256_set1_epi32((int32_t)kv_u32(scale));
}

static KV_INLINE kv_h16 kv_scale_halves(const int16_t *scale)
{
    const __m256i first = _mm256_set1_epi32(0x01000100), second = _mm256_set1_epi32(0x03020302);
    return _mm256_shuffle_epi8(kv_scale_all(scale), _mm256_blend_epi32(first, second, 0xf0));
}

/* Eight signed bytes, and eight more, as sixteen int16. */
static KV_INLINE kv_h16 kv_widen_two(uint64_t low, uint64_t high)
{
    return _mm256_cvtepi8_epi16(_mm_set_epi64x((int64_t)high, (int64_t)low));
}

static KV_INLINE kv_h16 kv_widen_i8(const int8_t *p)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
}

static KV_INLINE void kv_store_h16(int16_t *p, kv_h16 x)
{
    _mm256_storeu_si256((__m256i *)p, x);
}

static KV_INLINE __m128i kv_gather4(const uint8_t *p, size_t stride)
{
    __m128i x = _mm_cvtsi32_si128((int32_t)kv_u32(p));
    x = _mm_insert_epi32(x, (int32_t)kv_u32(p + stride), 1);
    x = _mm_insert_epi32(x, (int32_t)kv_u32(p + 2 * stride), 2);
    return _mm_insert_epi32(x, (int32_t)kv_u32(p + 3 * stride), 3);
}

/* Eight pairs of int16, stride bytes apart. */
static KV_INLINE kv_h16 kv_gather_pairs(const uint8_t *p, size_t stride)
{
    const __m256i low = _mm256_castsi128_si256(kv_gather4(p, stride));
    return _mm256_inserti128_si256(low, kv_gather4(p + 4 * stride, stride), 1);
}

static KV_INLINE kv_part kv_dot16(kv_h16 x, kv_h16 y)
{
    return _mm256_madd_epi16(x, y);
}

/* ---- four rows ---- */

/* x - scale * (pair[0] + pair[1]). */
static KV_INLINE kv_i4 kv_i4_sub_pair(kv_i4 x, const uint8_t *pair, int16_t scale)
{
    const __m128i p = _mm_set1_epi32((int32_t)kv_u32(pair));
    return _mm_sub_epi32(x, _mm_madd_epi16(p, _mm_set1_epi16(scale)));
}

/* x - scale * y, where scale is a power of two. */
static KV_INLINE kv_i4 kv_i4_sub_shifted(kv_i4 x, kv_i4 y, int shift)
{
    return _mm_sub_epi32(x, _mm_slli_epi32(y, shift));
}

static KV_INLINE kv_f4 kv_f4_zero(void)
{
    return _mm_setzero_ps();
}

static KV_INLINE kv_f4 kv_f4_set1(float x)
{
    return _mm_set1_ps(x);
}

static KV_INLINE kv_f4 kv_f4_of_int(kv_i4 x)
{
    return _mm_cvtepi32_ps(x);
}

static KV_INLINE kv_f4 kv_f4_halves(const uint8_t *const p[4], size_t at)
{
    __m128i h = _mm_cvtsi32_si128(kv_u16(p[0] + at));
    h = _mm_insert_epi16(h, kv_u16(p[1] + at), 1);
    h = _mm_insert_epi16(h, kv_u16(p[2] + at), 2);
    h = _mm_insert_epi16(h, kv_u16(p[3] + at), 3);
    return _mm_cvtph_ps(h);
}

/* 2^(e - 128) of the bytes e, as kw_load_e8m0. */
static KV_INLINE kv_f4 kv_f4_powers(const uint8_t *const p[4], size_t at)
{
    const __m128i e = _mm_setr_epi32(p[0][at], p[1][at], p[2][at], p[3][at]);
    const __m128i normal = _mm_slli_epi32(_mm_sub_epi32(e, _mm_set1_epi32(1)), 23);
    const __m128i odd = _mm_and_si128(e, _mm_set1_epi32(1));
    const __m128i tiny = _mm_slli_epi32(_mm_add_epi32(odd, _mm_set1_epi32(1)), 21);
    return _mm_castsi128_ps(_mm_max_epi32(normal, tiny));
}

static KV_INLINE kv_f4 kv_f4_add(kv_f4 x, kv_f4 y)
{
    return _mm_add_ps(x, y);
}

static KV_INLINE kv_f4 kv_f4_sub(kv_f4 x, kv_f4 y)
{
    return _mm_sub_ps(x, y);
}

static KV_INLINE kv_f4 kv_f4_mul(kv_f4 x, kv_f4 y)
{
    return _mm_mul_ps(x, y);
}

static KV_INLINE void kv_f4_store(float *p, kv_f4 x)
{
    _mm_storeu_ps(p, x);
}

#endif
