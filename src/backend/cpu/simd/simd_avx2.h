/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* simd_avx2.h - the vector operations of kernels/ in AVX2, FMA and F16C.
 *
 * Every simd_<isa>.h has the same names with the same meaning, stated here once; kernels are
 * written over them and nothing else. A float vector has sixteen lanes whatever the register's
 * width, which is what makes sums equal on every processor.
 *
 *   kv_f, kv_i, kv_m   sixteen f32, int32, truth values
 *   kv_b32             32 bytes: the weights or the activations of one group
 *   kv_h16             sixteen int16
 *   kv_part            int32 partial sums of one row's dot product; kv_sum4 adds four rows up
 *   kv_i4, kv_f4       one number for each of four rows
 *   kv_rows_*          one number, or four bytes, for each of KV_ROWS rows of a panel
 *   kv_acc             sums of a panel's products before kv_acc_flush makes int32 of them
 * What multiplies bytes is left out for simd_avxvnni.h, which has another instruction for it.
 * Kinds of weight bytes: KV_U4 in 0..15, ..., KV_U7 in 0..127, KV_S8 signed and passed through
 * kv_signed, which may add KV_SIGNED_BIAS. Activations are signed bytes, never -128. */
#ifndef KW_SIMD_AVX2_H
#define KW_SIMD_AVX2_H

#include "backend/cpu/simd/simd_x86.h"

enum {
    KV_ROWS = 8,         /* rows of one panel vector */
    KV_TILE_VECTORS = 2, /* panel vectors that gemm computes at once */
    KV_COLUMNS = 6,      /* columns of an activation tile */
    KV_FEW_TOKENS = 8,   /* at most, for which few is faster than gemm */
    KV_F_VECTORS = 1,    /* vectors of rows of float weights that gemm computes at once */
    KV_F_COLS = 6        /* columns likewise */
};
#if !defined(KV_VNNI_256)
#define KV_STEPS _Pragma("GCC unroll 2")

enum {
    KV_TILE_COLS = 3,  /* columns that gemm computes at once */
    KV_SIGNED_BIAS = 0 /* 128 where the dot product wants unsigned weights */
};
#endif

#define KV_F_STEPS _Pragma("GCC unroll 1")

typedef struct kv_f {
    __m256 a, b;
} kv_f;
typedef struct kv_i {
    __m256i a, b;
} kv_i;
typedef kv_f kv_m;

/* ---- sixteen floats ---- */

static KV_INLINE kv_f kv_set1(float x)
{
    return (kv_f){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}

static KV_INLINE kv_f kv_zero(void)
{
    return (kv_f){_mm256_setzero_ps(), _mm256_setzero_ps()};
}

static KV_INLINE kv_f kv_load(const float *p)
{
    return (kv_f){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
}

/* The same, for a vector that several operations use: gcc would load it again for each of them. */
static KV_INLINE kv_f kv_load_shared(const float *p)
{
    kv_f x = kv_load(p);
#if !defined(__clang__)
    __asm__("" : "+x"(x.a), "+x"(x.b));
#endif
    return x;
}

static KV_INLINE void kv_store(float *p, kv_f x)
{
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
}

static KV_INLINE kv_f kv_load_f16(const uint16_t *p)
{
    return (kv_f){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
                  _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8)))};
}

static KV_INLINE void kv_store_f16(uint16_t *p, kv_f x)
{
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x.a, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128((__m128i *)(p + 8), _mm256_cvtps_ph(x.b, _MM_FROUND_TO_NEAREST_INT));
}

static KV_INLINE __m256 kv_bf16_half(const uint16_t *p)
{
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

static KV_INLINE kv_f kv_load_bf16(const uint16_t *p)
{
    return (kv_f){kv_bf16_half(p), kv_bf16_half(p + 8)};
}

static KV_INLINE __m256 kv_i8_half(const int8_t *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}

static KV_INLINE kv_f kv_load_i8(const int8_t *p)
{
    return (kv_f){kv_i8_half(p), kv_i8_half(p + 8)};
}

/* Sixteen pairs: the first of each, the second of each. */
static KV_INLINE void kv_load_pairs(const float *p, kv_f *first, kv_f *second)
{
    const kv_f x = kv_load(p), y = kv_load(p + 16);
    const __m256 x0 = _mm256_permute2f128_ps(x.a, x.b, 0x20);
    const __m256 x1 = _mm256_permute2f128_ps(x.a, x.b, 0x31);
    const __m256 y0 = _mm256_permute2f128_ps(y.a, y.b, 0x20);
    const __m256 y1 = _mm256_permute2f128_ps(y.a, y.b, 0x31);
    *first = (kv_f){_mm256_shuffle_ps(x0, x1, 0x88), _mm256_shuffle_ps(y0, y1, 0x88)};
    *second = (kv_f){_mm256_shuffle_ps(x0, x1, 0xdd), _mm256_shuffle_ps(y0, y1, 0xdd)};
}

static KV_INLINE void kv_store_pairs(float *p, kv_f first, kv_f second)
{
    const __m256 x0 = _mm256_unpacklo_ps(first.a, second.a);
    const __m256 x1 = _mm256_unpackhi_ps(first.a, second.a);
    const __m256 y0 = _mm256_unpacklo_ps(first.b, second.b);
    const __m256 y1 = _mm256_unpackhi_ps(first.b, second.b);
    _mm256_storeu_ps(p, _mm256_permute2f128_ps(x0, x1, 0x20));
    _mm256_storeu_ps(p + 8, _mm256_permute2f128_ps(x0, x1, 0x31));
    _mm256_storeu_ps(p + 16, _mm256_permute2f128_ps(y0, y1, 0x20));
    _mm256_storeu_ps(p + 24, _mm256_permute2f128_ps(y0, y1, 0x31));
}

static KV_INLINE kv_f kv_add(kv_f x, kv_f y)
{
    return (kv_f){_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)};
}

static KV_INLINE kv_f kv_sub(kv_f x, kv_f y)
{
    return (kv_f){_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)};
}

static KV_INLINE kv_f kv_mul(kv_f x, kv_f y)
{
    return (kv_f){_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)};
}

static KV_INLINE kv_f kv_div(kv_f x, kv_f y)
{
    return (kv_f){_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)};
}

/* x * y + z, rounded once. */
static KV_INLINE kv_f kv_fma(kv_f x, kv_f y, kv_f z)
{
    return (kv_f){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}

static KV_INLINE kv_f kv_sqrt(kv_f x)
{
    return (kv_f){_mm256_sqrt_ps(x.a), _mm256_sqrt_ps(x.b)};
}

/* x > y ? x : y, and x < y ? x : y. */
static KV_INLINE kv_f kv_max(kv_f x, kv_f y)
{
    return (kv_f){_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)};
}

static KV_INLINE kv_f kv_min(kv_f x, kv_f y)
{
    return (kv_f){_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)};
}

/* The lanes of sum_lanes in the scalar definition: halves of 8, of 4, then (0 + 2) + (1 + 3). */
static KV_INLINE float kv_sum(kv_f x)
{
    const __m256 eight = _mm256_add_ps(x.a, x.b);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

static KV_INLINE void kv_transpose8_f(__m256 out[8], const __m256 in[8])
{
    __m256 t[8], u[8];
    KV_UNROLL
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(in[i], in[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(in[i], in[i + 1]);
    }
    KV_UNROLL
    for (int i = 0; i < 8; i += 4) {
        u[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        u[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        u[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        u[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    KV_UNROLL
    for (int i = 0; i < 4; i++) {
        out[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
        out[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
    }
}

/* Lane j of vector i becomes lane i of vector j. */
static KV_INLINE void kv_transpose_f(kv_f x[16])
{
    __m256 in[4][8], out[4][8]; /* quarters */
    KV_UNROLL
    for (int i = 0; i < 8; i++) {
        in[0][i] = x[i].a;
        in[1][i] = x[i].b;
        in[2][i] = x[i + 8].a;
        in[3][i] = x[i + 8].b;
    }
    KV_UNROLL
    for (int q = 0; q < 4; q++)
        kv_transpose8_f(out[q], in[q]);
    KV_UNROLL
    for (int i = 0; i < 8; i++) {
        x[i] = (kv_f){out[0][i], out[2][i]};
        x[i + 8] = (kv_f){out[1][i], out[3][i]};
    }
}

/* The largest lane; none is nan. */
static KV_INLINE float kv_largest(kv_f x)
{
    const __m256 eight = _mm256_max_ps(x.a, x.b);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}

/* ---- bits and comparisons ---- */

static KV_INLINE kv_i kv_bits(kv_f x)
{
    return (kv_i){_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)};
}

static KV_INLINE kv_f kv_of_bits(kv_i x)
{
    return (kv_f){_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)};
}

static KV_INLINE kv_i kv_iset1(int32_t x)
{
    return (kv_i){_mm256_set1_epi32(x), _mm256_set1_epi32(x)};
}

static KV_INLINE kv_i kv_iadd(kv_i x, kv_i y)
{
    return (kv_i){_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)};
}

static KV_INLINE kv_i kv_iand(kv_i x, kv_i y)
{
    return (kv_i){_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)};
}

static KV_INLINE kv_i kv_ixor(kv_i x, kv_i y)
{
    return (kv_i){_mm256_xor_si256(x.a, y.a), _mm256_xor_si256(x.b, y.b)};
}

/* Each lane << 23, and >> 23 with its sign: the exponent's place in a float. */
static KV_INLINE kv_i kv_shl23(kv_i x)
{
    return (kv_i){_mm256_slli_epi32(x.a, 23), _mm256_slli_epi32(x.b, 23)};
}

static KV_INLINE kv_i kv_sar23(kv_i x)
{
    return (kv_i){_mm256_srai_epi32(x.a, 23), _mm256_srai_epi32(x.b, 23)};
}

static KV_INLINE kv_f kv_of_int(kv_i x)
{
    return (kv_f){_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)};
}

/* False where either is nan. */
static KV_INLINE kv_m kv_less(kv_f x, kv_f y)
{
    return (kv_m){_mm256_cmp_ps(x.a, y.a, _CMP_LT_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_LT_OQ)};
}

static KV_INLINE kv_m kv_equal(kv_f x, kv_f y)
{
    return (kv_m){_mm256_cmp_ps(x.a, y.a, _CMP_EQ_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_EQ_OQ)};
}

static KV_INLINE kv_f kv_select(kv_m m, kv_f yes, kv_f no)
{
    return (kv_f){_mm256_blendv_ps(no.a, yes.a, m.a), _mm256_blendv_ps(no.b, yes.b, m.b)};
}

/* Sixteen values to the nearest whole number, ties to even, as bytes; 0 unless |x| < 128. Returns
 * their sum. */
static KV_INLINE int kv_store_i8(int8_t *p, kv_f x)
{
    const __m256 sign = _mm256_set1_ps(-0.0f), limit = _mm256_set1_ps(128.0f);
    const __m256 a = _mm256_cmp_ps(_mm256_andnot_ps(sign, x.a), limit, _CMP_LT_OQ);
    const __m256 b = _mm256_cmp_ps(_mm256_andnot_ps(sign, x.b), limit, _CMP_LT_OQ);
    const __m256i words =
        _mm256_packs_epi32(_mm256_and_si256(_mm256_cvtps_epi32(x.a), _mm256_castps_si256(a)),
                           _mm256_and_si256(_mm256_cvtps_epi32(x.b), _mm256_castps_si256(b)));
    const __m256i ordered = _mm256_permute4x64_epi64(words, 0xd8);
    const __m128i low = _mm256_castsi256_si128(ordered),
                  high = _mm256_extracti128_si256(ordered, 1);
    _mm_storeu_si128((__m128i *)p, _mm_packs_epi16(low, high));
    __m128i sum = _mm_madd_epi16(_mm_add_epi16(low, high), _mm_set1_epi16(1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
}

/* ---- one group of a row ---- */

/* Each byte << left (or >> -left), and mask. */
static KV_INLINE kv_b32 kv_bits_of(kv_b32 x, int left, int mask)
{
    const __m256i moved = left < 0 ? _mm256_srli_epi16(x, -left) : _mm256_slli_epi16(x, left);
    return _mm256_and_si256(moved, _mm256_set1_epi8((char)mask));
}

/* value in each byte whose bit is set, else 0. */
static KV_INLINE kv_b32 kv_spread_bits(uint32_t bits, int value)
{
    const __m256i place =
        _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i bit = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32((int32_t)bits), place);
    const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
    return _mm256_and_si256(set, _mm256_set1_epi8((char)value));
}

/* The high bit of each byte, which was 0, makes the number of its ones even. */
static KV_INLINE kv_b32 kv_even_signs(kv_b32 x)
{
    const __m256i odd =
        _mm256_setr_epi8(0, -128, -128, 0, -128, 0, 0, -128, -128, 0, 0, -128, 0, -128, -128, 0, 0,
                         -128, -128, 0, -128, 0, 0, -128, -128, 0, 0, -128, 0, -128, -128, 0);
    const __m256i low = _mm256_shuffle_epi8(odd, kv_low4(x));
    const __m256i high = _mm256_shuffle_epi8(odd, kv_bits_of(x, -4, 7));
    return _mm256_xor_si256(x, _mm256_xor_si256(low, high));
}

/* Minus each byte whose bit is set. bits: 32 of them */
static KV_INLINE kv_b32 kv_negate(kv_b32 x, const uint8_t *bits)
{
    const __m256i minus = kv_spread_bits(kv_u32(bits), 0xff);
    return _mm256_sub_epi8(_mm256_xor_si256(x, minus), minus);
}

static KV_INLINE kv_b32 kv_high4(kv_b32 x)
{
    return _mm256_and_si256(_mm256_srli_epi16(x, 4), _mm256_set1_epi8(15));
}

#if !defined(KV_VNNI_256)
static KV_INLINE kv_b32 kv_signed(kv_b32 x)
{
    return x;
}

/* Pairs of neighbouring products, added up in 16 bits without saturation. */
static KV_INLINE __m256i kv_pairs(kv_kind kind, __m256i w, __m256i a)
{
    if (kind == KV_S8)
        return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(a, w));
    return _mm256_maddubs_epi16(w, a);
}

static KV_INLINE kv_part kv_dot(kv_kind kind, kv_b32 w, kv_b32 a)
{
    return _mm256_madd_epi16(kv_pairs(kind, w, a), _mm256_set1_epi16(1));
}

/* v . a + w . b of nibbles. */
static KV_INLINE kv_part kv_dot_two(kv_b32 v, kv_b32 a, kv_b32 w, kv_b32 b)
{
    const __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(v, a), _mm256_maddubs_epi16(w, b));
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

/* sum + scale * (w . a); scale points to the same int16 twice. */
static KV_INLINE kv_part kv_dot_scaled(kv_part sum, kv_kind kind, kv_b32 w, kv_b32 a,
                                       const int16_t *scale)
{
    const __m256i products = _mm256_madd_epi16(kv_pairs(kind, w, a), kv_scale_all(scale));
    return kv_in_order(_mm256_add_epi32(sum, products));
}

/* The same with scale[0] for the first half of the bytes and scale[1] for the second. */
static KV_INLINE kv_part kv_dot_scaled2(kv_part sum, kv_kind kind, kv_b32 w, kv_b32 a,
                                        const int16_t *scale)
{
    const __m256i products = _mm256_madd_epi16(kv_pairs(kind, w, a), kv_scale_halves(scale));
    return kv_in_order(_mm256_add_epi32(sum, products));
}

#endif

/* ---- panels: KV_ROWS rows at once ---- */

typedef __m256i kv_rows_b, kv_rows_i, kv_acc;
typedef __m256 kv_rows_f;

/* Row i's 32 bytes in rows[i]; out[j] has bytes 4j .. 4j + 3 of every row. */
static KV_INLINE void kv_transpose(kv_rows_b out[8], const kv_b32 rows[KV_ROWS])
{
    __m256i t[8], u[8];
    KV_UNROLL
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_epi32(rows[i], rows[i + 1]);
        t[i + 1] = _mm256_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    KV_UNROLL
    for (int i = 0; i < 8; i += 4) {
        u[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
        u[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
        u[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
        u[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    KV_UNROLL
    for (int i = 0; i < 4; i++) {
        out[i] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x20);
        out[i + 4] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x31);
    }
}

static KV_INLINE kv_rows_b kv_rows_load_b(const void *p)
{
    return _mm256_load_si256((const __m256i *)p);
}

static KV_INLINE kv_rows_i kv_rows_load_i(const void *p)
{
    return _mm256_load_si256((const __m256i *)p);
}

static KV_INLINE void kv_rows_store(void *p, kv_rows_b x)
{
    _mm256_store_si256((__m256i *)p, x);
}

static KV_INLINE kv_rows_f kv_rows_load_f(const void *p)
{
    return _mm256_load_ps((const float *)p);
}

/* The same four bytes for every row. */
static KV_INLINE kv_rows_b kv_rows_same(const uint8_t *p)
{
    return _mm256_set1_epi32((int32_t)kv_u32(p));
}

static KV_INLINE kv_acc kv_acc_zero(void)
{
    return _mm256_setzero_si256();
}

#if !defined(KV_VNNI_256)
/* Steps of four bytes that kv_acc can take before it is flushed. */
static KV_INLINE int kv_acc_steps(kv_kind kind)
{
    return kind == KV_U5 ? 4 : kind == KV_U6 ? 2 : kind == KV_U7 ? 1 : 8;
}

/* The same before kv_acc_flush_scaled. */
static KV_INLINE int kv_scaled_steps(kv_kind kind)
{
    return kv_acc_steps(kind);
}

static KV_INLINE kv_acc kv_acc_step(kv_kind kind, kv_acc acc, kv_rows_b w, kv_rows_b a)
{
    const __m256i pairs = kv_pairs(kind, w, a);
    if (kind == KV_S8)
        return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    return _mm256_add_epi16(acc, pairs);
}

static KV_INLINE kv_rows_i kv_acc_flush(kv_kind kind, kv_acc acc)
{
    return kind == KV_S8 ? acc : _mm256_madd_epi16(acc, _mm256_set1_epi16(1));
}

/* Products and a term that does not depend on the weights: it is where the sums begin, or what is
 * added to them in the end. */
static KV_INLINE kv_acc kv_acc_begin(kv_rows_i term)
{
    (void)term;
    return kv_acc_zero();
}

static KV_INLINE kv_rows_i kv_acc_end(kv_kind kind, kv_acc acc, kv_rows_i term)
{
    return _mm256_add_epi32(kv_acc_flush(kind, acc), term);
}

/* A row's scale as kv_acc_flush_scaled wants it. */
static KV_INLINE int32_t kv_rows_scale(kv_kind kind, int scale)
{
    return kind == KV_S8 ? scale : (int32_t)(((uint32_t)scale & 0xffffu) | (uint32_t)scale << 16);
}

/* The same of each row, and kv_signed. */
static KV_INLINE kv_rows_i kv_rows_scales(kv_kind kind, kv_rows_i scale)
{
    const __m256i low = _mm256_and_si256(scale, _mm256_set1_epi32(0xffff));
    return kind == KV_S8 ? scale : _mm256_or_si256(low, _mm256_slli_epi32(scale, 16));
}

static KV_INLINE kv_rows_b kv_rows_signed(kv_rows_b x)
{
    return kv_signed(x);
}

/* sum + scale * acc. */
static KV_INLINE kv_rows_i kv_acc_flush_scaled(kv_kind kind, kv_rows_i sum, kv_acc acc,
                                               kv_rows_i scale)
{
    return _mm256_add_epi32(sum, kind == KV_S8 ? _mm256_mullo_epi32(acc, scale)
                                               : _mm256_madd_epi16(acc, scale));
}

#endif

static KV_INLINE kv_rows_i kv_rows_zero(void)
{
    return _mm256_setzero_si256();
}

/* sum + x[0] * y[0] + x[1] * y[1] of pairs of int16. */
static KV_INLINE kv_rows_i kv_rows_dot_pair(kv_rows_i sum, kv_rows_b x, kv_rows_b y)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(x, y));
}

static KV_INLINE kv_rows_i kv_rows_iset1(int32_t x)
{
    return _mm256_set1_epi32(x);
}

static KV_INLINE kv_rows_b kv_rows_pair(int16_t x)
{
    return _mm256_set1_epi16(x);
}

static KV_INLINE kv_rows_i kv_rows_add(kv_rows_i x, kv_rows_i y)
{
    return _mm256_add_epi32(x, y);
}

static KV_INLINE kv_rows_i kv_rows_sub(kv_rows_i x, kv_rows_i y)
{
    return _mm256_sub_epi32(x, y);
}

static KV_INLINE kv_rows_f kv_rows_of_int(kv_rows_i x)
{
    return _mm256_cvtepi32_ps(x);
}

static KV_INLINE kv_rows_f kv_rows_set1(float x)
{
    return _mm256_set1_ps(x);
}

static KV_INLINE kv_rows_f kv_rows_addf(kv_rows_f x, kv_rows_f y)
{
    return _mm256_add_ps(x, y);
}

static KV_INLINE kv_rows_f kv_rows_subf(kv_rows_f x, kv_rows_f y)
{
    return _mm256_sub_ps(x, y);
}

static KV_INLINE kv_rows_f kv_rows_mulf(kv_rows_f x, kv_rows_f y)
{
    return _mm256_mul_ps(x, y);
}

static KV_INLINE void kv_rows_storef(float *p, kv_rows_f x)
{
    _mm256_storeu_ps(p, x);
}

/* ---- rows side by side in place: a lane is a row ---- */

/* Sixteen bytes of each of KV_ROWS rows, stride apart; out[i] has bytes 4i .. 4i + 3. */
static KV_INLINE void kv_rows_words(kv_rows_b out[4], const uint8_t *p, size_t stride)
{
    __m256i r[4];
    KV_UNROLL
    for (size_t i = 0; i < 4; i++) {
        const __m128i *at = (const __m128i *)(p + i * stride);
        r[i] = _mm256_castsi128_si256(_mm_loadu_si128(at));
        at = (const __m128i *)(p + (i + 4) * stride);
        r[i] = _mm256_inserti128_si256(r[i], _mm_loadu_si128(at), 1);
    }
    const __m256i low0 = _mm256_unpacklo_epi32(r[0], r[1]),
                  low1 = _mm256_unpacklo_epi32(r[2], r[3]);
    const __m256i high0 = _mm256_unpackhi_epi32(r[0], r[1]);
    const __m256i high1 = _mm256_unpackhi_epi32(r[2], r[3]);
    out[0] = _mm256_unpacklo_epi64(low0, low1);
    out[1] = _mm256_unpackhi_epi64(low0, low1);
    out[2] = _mm256_unpacklo_epi64(high0, high1);
    out[3] = _mm256_unpackhi_epi64(high0, high1);
}

/* As kv_bits_of, kv_or and kv_lookup. */
static KV_INLINE kv_rows_b kv_rows_bits(kv_rows_b x, int left, int mask)
{
    return kv_bits_of(x, left, mask);
}

static KV_INLINE kv_rows_b kv_rows_or(kv_rows_b x, kv_rows_b y)
{
    return _mm256_or_si256(x, y);
}

static KV_INLINE kv_rows_b kv_rows_lookup(const uint8_t table[16], kv_rows_b i)
{
    return _mm256_shuffle_epi8(kv_load_twice(table), i);
}

/* value in each byte b of a row whose bit 4j + b is set, else 0. */
static KV_INLINE kv_rows_b kv_rows_spread_bits(kv_rows_b bits, int j, int value)
{
    const __m256i place = _mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404,
                                            0x08080808, 0x0c0c0c0c);
    const __m256i bit = _mm256_set1_epi32((int32_t)(0x08040201u << (4 * (j % 2))));
    const __m256i bytes =
        _mm256_shuffle_epi8(bits, _mm256_add_epi8(place, _mm256_set1_epi8((char)(j / 2))));
    const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
    return _mm256_and_si256(set, _mm256_set1_epi8((char)value));
}

/* Each row's four bytes as one number: >> n, << n, and mask. */
static KV_INLINE kv_rows_b kv_rows_right(kv_rows_b x, int n)
{
    return _mm256_srli_epi32(x, n);
}

static KV_INLINE kv_rows_b kv_rows_left(kv_rows_b x, int n)
{
    return _mm256_slli_epi32(x, n);
}

static KV_INLINE kv_rows_b kv_rows_masked(kv_rows_b x, uint32_t mask)
{
    return _mm256_and_si256(x, _mm256_set1_epi32((int32_t)mask));
}

/* Less byte, in each byte. */
static KV_INLINE kv_rows_b kv_rows_minus(kv_rows_b x, int byte)
{
    return _mm256_sub_epi8(x, _mm256_set1_epi8((char)byte));
}

/* Byte i of each row, signed; bytes i and k as a pair of int16, << left. */
static KV_INLINE kv_rows_i kv_rows_byte(kv_rows_b x, int i)
{
    return _mm256_srai_epi32(_mm256_slli_epi32(x, 24 - 8 * i), 24);
}

static KV_INLINE kv_rows_b kv_rows_two_bytes(kv_rows_b x, int i, int k, int left)
{
    const int low = i << 8 | k << 24 | 0x00800080;
    const __m256i place =
        _mm256_setr_epi32(low, low + 0x04000400, low + 0x08000800, low + 0x0c000c00, low,
                          low + 0x04000400, low + 0x08000800, low + 0x0c000c00);
    return _mm256_srai_epi16(_mm256_shuffle_epi8(x, place), 8 - left);
}

/* The f16 in the low half of each row's four bytes; KV_ROWS of them in memory. */
static KV_INLINE kv_rows_f kv_rows_half(kv_rows_b x)
{
    const __m256i low = _mm256_shuffle_epi8(
        x, _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1, 0, 1, 4, 5, 8,
                            9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1));
    return _mm256_cvtph_ps(_mm256_castsi256_si128(_mm256_permute4x64_epi64(low, 0x08)));
}

static KV_INLINE kv_rows_f kv_rows_halves(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}

#endif
