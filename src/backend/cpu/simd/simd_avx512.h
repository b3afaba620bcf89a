/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* simd_avx512.h - the vector operations of kernels/ in AVX-512 (F, BW, DQ, VL, VNNI) and GFNI.
 *
 * Meanings are in simd_avx2.h. One row's group stays in 256-bit registers, which cost the same per
 * byte; sixteen floats and sixteen rows of a panel are one register. vpdpbusd multiplies unsigned
 * by signed bytes, so signed weights carry a bias of 128. */
#ifndef KW_SIMD_AVX512_H
#define KW_SIMD_AVX512_H

#include "backend/cpu/simd/simd_x86.h"

enum {
    KV_ROWS = 16,
    KV_TILE_VECTORS = 2,
    KV_TILE_COLS = 6,
    KV_COLUMNS = 6,
    KV_F_VECTORS = 4,
    KV_F_COLS = 6,
    KV_SIGNED_BIAS = 128,
    KV_FEW_TOKENS = 32
};

#define KV_STEPS _Pragma("GCC unroll 8")
#define KV_F_STEPS _Pragma("GCC unroll 2")

typedef __m512 kv_f;
typedef __m512i kv_i;
typedef __mmask16 kv_m;

/* ---- sixteen floats ---- */

static KV_INLINE kv_f kv_set1(float x)
{
    return _mm512_set1_ps(x);
}

static KV_INLINE kv_f kv_zero(void)
{
    return _mm512_setzero_ps();
}

static KV_INLINE kv_f kv_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

static KV_INLINE kv_f kv_load_shared(const float *p)
{
    return kv_load(p);
}

static KV_INLINE void kv_store(float *p, kv_f x)
{
    _mm512_storeu_ps(p, x);
}

static KV_INLINE kv_f kv_load_f16(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

static KV_INLINE void kv_store_f16(uint16_t *p, kv_f x)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}

static KV_INLINE kv_f kv_load_bf16(const uint16_t *p)
{
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

static KV_INLINE kv_f kv_load_i8(const int8_t *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}

static KV_INLINE void kv_load_pairs(const float *p, kv_f *first, kv_f *second)
{
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
    const __m512 x = _mm512_loadu_ps(p), y = _mm512_loadu_ps(p + 16);
    *first = _mm512_permutex2var_ps(x, even, y);
    *second = _mm512_permutex2var_ps(x, odd, y);
}

static KV_INLINE void kv_store_pairs(float *p, kv_f first, kv_f second)
{
    const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    _mm512_storeu_ps(p, _mm512_permutex2var_ps(first, low, second));
    _mm512_storeu_ps(p + 16, _mm512_permutex2var_ps(first, high, second));
}

static KV_INLINE kv_f kv_add(kv_f x, kv_f y)
{
    return _mm512_add_ps(x, y);
}

static KV_INLINE kv_f kv_sub(kv_f x, kv_f y)
{
    return _mm512_sub_ps(x, y);
}

static KV_INLINE kv_f kv_mul(kv_f x, kv_f y)
{
    return _mm512_mul_ps(x, y);
}

static KV_INLINE kv_f kv_div(kv_f x, kv_f y)
{
    return _mm512_div_ps(x, y);
}

static KV_INLINE kv_f kv_fma(kv_f x, kv_f y, kv_f z)
{
    return _mm512_fmadd_ps(x, y, z);
}

static KV_INLINE kv_f kv_sqrt(kv_f x)
{
    return _mm512_sqrt_ps(x);
}

static KV_INLINE kv_f kv_max(kv_f x, kv_f y)
{
    return _mm512_max_ps(x, y);
}

static KV_INLINE kv_f kv_min(kv_f x, kv_f y)
{
    return _mm512_min_ps(x, y);
}

static KV_INLINE float kv_sum(kv_f x)
{
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

static KV_INLINE void kv_transpose_f(kv_f x[16])
{
    __m512 t[16], u[16];
    KV_UNROLL
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
    }
    KV_UNROLL
    for (int i = 0; i < 16; i += 4) {
        KV_UNROLL
        for (int j = 0; j < 2; j++) {
            const __m512d low = _mm512_castps_pd(t[i + j]), high = _mm512_castps_pd(t[i + j + 2]);
            u[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            u[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    }
    /* u[4 * i + j]: elements j, j + 4, j + 8, j + 12 of rows 4 * i to 4 * i + 3. */
    KV_UNROLL
    for (int j = 0; j < 4; j++) {
        const __m512 a = _mm512_shuffle_f32x4(u[j], u[j + 4], 0x88);
        const __m512 b = _mm512_shuffle_f32x4(u[j], u[j + 4], 0xdd);
        const __m512 c = _mm512_shuffle_f32x4(u[j + 8], u[j + 12], 0x88);
        const __m512 d = _mm512_shuffle_f32x4(u[j + 8], u[j + 12], 0xdd);
        x[j] = _mm512_shuffle_f32x4(a, c, 0x88);
        x[j + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
        x[j + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
        x[j + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
}

static KV_INLINE float kv_largest(kv_f x)
{
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}

/* ---- bits and comparisons ---- */

static KV_INLINE kv_i kv_bits(kv_f x)
{
    return _mm512_castps_si512(x);
}

static KV_INLINE kv_f kv_of_bits(kv_i x)
{
    return _mm512_castsi512_ps(x);
}

static KV_INLINE kv_i kv_iset1(int32_t x)
{
    return _mm512_set1_epi32(x);
}

static KV_INLINE kv_i kv_iadd(kv_i x, kv_i y)
{
    return _mm512_add_epi32(x, y);
}

static KV_INLINE kv_i kv_iand(kv_i x, kv_i y)
{
    return _mm512_and_si512(x, y);
}

static KV_INLINE kv_i kv_ixor(kv_i x, kv_i y)
{
    return _mm512_xor_si512(x, y);
}

static KV_INLINE kv_i kv_shl23(kv_i x)
{
    return _mm512_slli_epi32(x, 23);
}

static KV_INLINE kv_i kv_sar23(kv_i x)
{
    return _mm512_srai_epi32(x, 23);
}

static KV_INLINE kv_f kv_of_int(kv_i x)
{
    return _mm512_cvtepi32_ps(x);
}

static KV_INLINE kv_m kv_less(kv_f x, kv_f y)
{
    return _mm512_cmp_ps_mask(x, y, _CMP_LT_OQ);
}

static KV_INLINE kv_m kv_equal(kv_f x, kv_f y)
{
    return _mm512_cmp_ps_mask(x, y, _CMP_EQ_OQ);
}

static KV_INLINE kv_f kv_select(kv_m m, kv_f yes, kv_f no)
{
    return _mm512_mask_blend_ps(m, no, yes);
}

static KV_INLINE int kv_store_i8(int8_t *p, kv_f x)
{
    const __m512i sign = _mm512_set1_epi32(INT32_MAX);
    const __m512 size = _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), sign));
    const __mmask16 fits = _mm512_cmp_ps_mask(size, _mm512_set1_ps(128.0f), _CMP_LT_OQ);
    const __m512i whole = _mm512_maskz_cvtps_epi32(fits, x);
    _mm_storeu_si128((__m128i *)p, _mm512_cvtsepi32_epi8(whole));
    return _mm512_reduce_add_epi32(whole);
}

/* ---- one group of a row ---- */

/* A matrix of bits moves and masks at once: its byte 7 - i says which bits make bit i. */
static KV_INLINE uint64_t kv_bit_matrix(int left, int mask)
{
    uint64_t matrix = 0;
    KV_UNROLL
    for (int i = 0; i < 8; i++)
        if (mask >> i & 1 && i >= left && i - left < 8)
            matrix |= (uint64_t)1 << (8 * (7 - i) + i - left);
    return matrix;
}

static KV_INLINE kv_b32 kv_bits_of(kv_b32 x, int left, int mask)
{
    if (left == 0)
        return _mm256_and_si256(x, _mm256_set1_epi8((char)mask));
    const int64_t matrix = (int64_t)kv_bit_matrix(left, mask);
    return _mm256_gf2p8affine_epi64_epi8(x, _mm256_set1_epi64x(matrix), 0);
}

static KV_INLINE kv_b32 kv_high4(kv_b32 x)
{
    return kv_bits_of(x, -4, 15);
}

static KV_INLINE kv_b32 kv_spread_bits(uint32_t bits, int value)
{
    return _mm256_maskz_set1_epi8(bits, (char)value);
}

static KV_INLINE kv_b32 kv_even_signs(kv_b32 x)
{
    /* Bit 7 of a byte is the sum of the bits below it, which stay. */
    return _mm256_gf2p8affine_epi64_epi8(x, _mm256_set1_epi64x(0x010204081020407f), 0);
}

static KV_INLINE kv_b32 kv_negate(kv_b32 x, const uint8_t *bits)
{
    return _mm256_mask_sub_epi8(x, kv_u32(bits), _mm256_setzero_si256(), x);
}

static KV_INLINE kv_b32 kv_signed(kv_b32 x)
{
    return _mm256_xor_si256(x, _mm256_set1_epi8(-128));
}

static KV_INLINE kv_part kv_dot(kv_kind kind, kv_b32 w, kv_b32 a)
{
    (void)kind;
    return _mm256_dpbusd_epi32(_mm256_setzero_si256(), w, a);
}

static KV_INLINE kv_part kv_dot_two(kv_b32 v, kv_b32 a, kv_b32 w, kv_b32 b)
{
    return _mm256_dpbusd_epi32(_mm256_dpbusd_epi32(_mm256_setzero_si256(), v, a), w, b);
}

static KV_INLINE kv_part kv_dot_scaled(kv_part sum, kv_kind kind, kv_b32 w, kv_b32 a,
                                       const int16_t *scale)
{
    if (kind == KV_S8)
        return _mm256_add_epi32(
            sum, _mm256_mullo_epi32(kv_dot(kind, w, a), _mm256_set1_epi32(scale[0])));
    return _mm256_dpwssd_epi32(sum, _mm256_maddubs_epi16(w, a), kv_scale_all(scale));
}

/* Not for KV_S8, whose products do not fit into 16 bits. */
static KV_INLINE kv_part kv_dot_scaled2(kv_part sum, kv_kind kind, kv_b32 w, kv_b32 a,
                                        const int16_t *scale)
{
    (void)kind;
    return _mm256_dpwssd_epi32(sum, _mm256_maddubs_epi16(w, a), kv_scale_halves(scale));
}

/* ---- panels: KV_ROWS rows at once ---- */

typedef __m512i kv_rows_b, kv_rows_i, kv_acc;
typedef __m512 kv_rows_f;

/* Rows i and i + 8 share a register; an 8 x 8 transposition goes on in both halves of it. */
static KV_INLINE void kv_transpose(kv_rows_b out[8], const kv_b32 rows[KV_ROWS])
{
    const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
    const __m512i high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    __m512i r[8], t[8], u[8];
    KV_UNROLL
    for (int i = 0; i < 8; i++)
        r[i] = _mm512_inserti64x4(_mm512_castsi256_si512(rows[i]), rows[i + 8], 1);
    KV_UNROLL
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    KV_UNROLL
    for (int i = 0; i < 8; i += 4) {
        u[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        u[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        u[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        u[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    KV_UNROLL
    for (int i = 0; i < 4; i++) {
        out[i] = _mm512_permutex2var_epi64(u[i], low, u[i + 4]);
        out[i + 4] = _mm512_permutex2var_epi64(u[i], high, u[i + 4]);
    }
}

static KV_INLINE kv_rows_b kv_rows_load_b(const void *p)
{
    return _mm512_load_si512(p);
}

static KV_INLINE kv_rows_i kv_rows_load_i(const void *p)
{
    return _mm512_load_si512(p);
}

static KV_INLINE void kv_rows_store(void *p, kv_rows_b x)
{
    _mm512_store_si512(p, x);
}

static KV_INLINE kv_rows_f kv_rows_load_f(const void *p)
{
    return _mm512_load_ps(p);
}

static KV_INLINE kv_rows_b kv_rows_same(const uint8_t *p)
{
    return _mm512_set1_epi32((int32_t)kv_u32(p));
}

static KV_INLINE kv_acc kv_acc_zero(void)
{
    return _mm512_setzero_si512();
}

static KV_INLINE int kv_acc_steps(kv_kind kind)
{
    (void)kind;
    return 8;
}

/* Sixteen products of nibbles fit into an int16, and vpdpwssd scales and adds those in one
 * operation, where vpmulld and vpaddd take three. */
static KV_INLINE int kv_scaled_steps(kv_kind kind)
{
    return kind == KV_U4 ? 4 : 8;
}

static KV_INLINE kv_acc kv_acc_step(kv_kind kind, kv_acc acc, kv_rows_b w, kv_rows_b a)
{
    (void)kind;
    return _mm512_dpbusd_epi32(acc, w, a);
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

static KV_INLINE kv_rows_i kv_acc_flush(kv_kind kind, kv_acc acc)
{
    (void)kind;
    return acc;
}

static KV_INLINE int32_t kv_rows_scale(kv_kind kind, int scale)
{
    return kind == KV_U4 ? scale & 0xffff : scale;
}

static KV_INLINE kv_rows_i kv_acc_flush_scaled(kv_kind kind, kv_rows_i sum, kv_acc acc,
                                               kv_rows_i scale)
{
    if (kind == KV_U4)
        return _mm512_dpwssd_epi32(sum, acc, scale);
    return _mm512_add_epi32(sum, _mm512_mullo_epi32(acc, scale));
}

static KV_INLINE kv_rows_i kv_rows_zero(void)
{
    return _mm512_setzero_si512();
}

static KV_INLINE kv_rows_i kv_rows_dot_pair(kv_rows_i sum, kv_rows_b x, kv_rows_b y)
{
    return _mm512_dpwssd_epi32(sum, x, y);
}

static KV_INLINE kv_rows_i kv_rows_iset1(int32_t x)
{
    return _mm512_set1_epi32(x);
}

static KV_INLINE kv_rows_b kv_rows_pair(int16_t x)
{
    return _mm512_set1_epi16(x);
}

static KV_INLINE kv_rows_i kv_rows_add(kv_rows_i x, kv_rows_i y)
{
    return _mm512_add_epi32(x, y);
}

static KV_INLINE kv_rows_i kv_rows_sub(kv_rows_i x, kv_rows_i y)
{
    return _mm512_sub_epi32(x, y);
}

static KV_INLINE kv_rows_f kv_rows_of_int(kv_rows_i x)
{
    return _mm512_cvtepi32_ps(x);
}

static KV_INLINE kv_rows_f kv_rows_set1(float x)
{
    return _mm512_set1_ps(x);
}

static KV_INLINE kv_rows_f kv_rows_addf(kv_rows_f x, kv_rows_f y)
{
    return _mm512_add_ps(x, y);
}

static KV_INLINE kv_rows_f kv_rows_subf(kv_rows_f x, kv_rows_f y)
{
    return _mm512_sub_ps(x, y);
}

static KV_INLINE kv_rows_f kv_rows_mulf(kv_rows_f x, kv_rows_f y)
{
    return _mm512_mul_ps(x, y);
}

static KV_INLINE void kv_rows_storef(float *p, kv_rows_f x)
{
    _mm512_storeu_ps(p, x);
}

/* ---- rows side by side in place ---- */

/* A lane of 128 bits has rows 4i .. 4i + 3, each of which was in another register. */
static KV_INLINE void kv_rows_words(kv_rows_b out[4], const uint8_t *p, size_t stride)
{
    __m512i r[4];
    KV_UNROLL
    for (size_t i = 0; i < 4; i++) {
        const __m128i *at = (const __m128i *)(p + i * stride);
        r[i] = _mm512_castsi128_si512(_mm_loadu_si128(at));
        at = (const __m128i *)(p + (i + 4) * stride);
        r[i] = _mm512_inserti32x4(r[i], _mm_loadu_si128(at), 1);
        at = (const __m128i *)(p + (i + 8) * stride);
        r[i] = _mm512_inserti32x4(r[i], _mm_loadu_si128(at), 2);
        at = (const __m128i *)(p + (i + 12) * stride);
        r[i] = _mm512_inserti32x4(r[i], _mm_loadu_si128(at), 3);
    }
    const __m512i low0 = _mm512_unpacklo_epi32(r[0], r[1]),
                  low1 = _mm512_unpacklo_epi32(r[2], r[3]);
    const __m512i high0 = _mm512_unpackhi_epi32(r[0], r[1]);
    const __m512i high1 = _mm512_unpackhi_epi32(r[2], r[3]);
    out[0] = _mm512_unpacklo_epi64(low0, low1);
    out[1] = _mm512_unpackhi_epi64(low0, low1);
    out[2] = _mm512_unpacklo_epi64(high0, high1);
    out[3] = _mm512_unpackhi_epi64(high0, high1);
}

static KV_INLINE kv_rows_b kv_rows_bits(kv_rows_b x, int left, int mask)
{
    if (left == 0)
        return _mm512_and_si512(x, _mm512_set1_epi8((char)mask));
    return _mm512_gf2p8affine_epi64_epi8(x, _mm512_set1_epi64((int64_t)kv_bit_matrix(left, mask)),
                                         0);
}

static KV_INLINE kv_rows_b kv_rows_or(kv_rows_b x, kv_rows_b y)
{
    return _mm512_or_si512(x, y);
}

static KV_INLINE kv_rows_b kv_rows_lookup(const uint8_t table[16], kv_rows_b i)
{
    const __m128i t = _mm_loadu_si128((const __m128i *)table);
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(t), i);
}

static KV_INLINE kv_rows_b kv_rows_signed(kv_rows_b x)
{
    return _mm512_xor_si512(x, _mm512_set1_epi8(-128));
}

static KV_INLINE kv_rows_b kv_rows_spread_bits(kv_rows_b bits, int j, int value)
{
    const uint64_t one = (uint64_t)0x08040201 << (4 * (j % 2));
    const __m512i place = _mm512_set4_epi32(0x0c0c0c0c, 0x08080808, 0x04040404, 0);
    const __m512i bytes =
        _mm512_shuffle_epi8(bits, _mm512_add_epi8(place, _mm512_set1_epi8((char)(j / 2))));
    const __mmask64 set =
        _mm512_test_epi8_mask(bytes, _mm512_set1_epi64((int64_t)(one << 32 | one)));
    return _mm512_maskz_set1_epi8(set, (char)value);
}

static KV_INLINE kv_rows_b kv_rows_right(kv_rows_b x, int n)
{
    return _mm512_srli_epi32(x, (unsigned)n);
}

static KV_INLINE kv_rows_b kv_rows_left(kv_rows_b x, int n)
{
    return _mm512_slli_epi32(x, (unsigned)n);
}

static KV_INLINE kv_rows_b kv_rows_masked(kv_rows_b x, uint32_t mask)
{
    return _mm512_and_si512(x, _mm512_set1_epi32((int32_t)mask));
}

static KV_INLINE kv_rows_b kv_rows_minus(kv_rows_b x, int byte)
{
    return _mm512_sub_epi8(x, _mm512_set1_epi8((char)byte));
}

static KV_INLINE kv_rows_i kv_rows_byte(kv_rows_b x, int i)
{
    return _mm512_srai_epi32(_mm512_slli_epi32(x, (unsigned)(24 - 8 * i)), 24);
}

static KV_INLINE kv_rows_b kv_rows_two_bytes(kv_rows_b x, int i, int k, int left)
{
    const int low = i << 8 | k << 24 | 0x00800080;
    const __m512i place =
        _mm512_set4_epi32(low + 0x0c000c00, low + 0x08000800, low + 0x04000400, low);
    const __m512i high = _mm512_shuffle_epi8(x, place);
    return _mm512_sra_epi16(high, _mm_cvtsi32_si128(8 - left));
}

static KV_INLINE kv_rows_f kv_rows_half(kv_rows_b x)
{
    return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(x));
}

static KV_INLINE kv_rows_f kv_rows_halves(const uint16_t *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

static KV_INLINE kv_rows_i kv_rows_scales(kv_kind kind, kv_rows_i scale)
{
    return kind == KV_U4 ? _mm512_and_si512(scale, _mm512_set1_epi32(0xffff)) : scale;
}

#endif
