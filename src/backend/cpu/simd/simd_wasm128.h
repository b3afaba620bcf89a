/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* simd_wasm128.h - the vector operations of kernels/ in WebAssembly's fixed-width SIMD.
 *
 * Meanings are in simd_avx2.h. A vector of sixteen floats is four registers. There is no fused
 * multiply-add: kv_fma computes its exact result in f64, about fifteen times slower, so that float
 * weights, norms and attention have the bits they have elsewhere. The integer classes need none. */
#ifndef KW_SIMD_WASM128_H
#define KW_SIMD_WASM128_H

#include "backend/cpu/simd/simd.h"

#include <wasm_simd128.h>

enum {
    KV_ROWS = 4,
    KV_TILE_VECTORS = 2,
    KV_TILE_COLS = 2,
    KV_COLUMNS = 4,
    KV_F_VECTORS = 1,
    KV_F_COLS = 2,
    KV_SIGNED_BIAS = 0
};

#define KV_STEPS _Pragma("GCC unroll 2")
#define KV_F_STEPS _Pragma("GCC unroll 1")

typedef struct kv_f {
    v128_t a, b, c, d;
} kv_f;
typedef kv_f kv_i, kv_m;

/* One operation on each quarter. */
#define QUARTERS_1(op, x) ((kv_f){op((x).a), op((x).b), op((x).c), op((x).d)})
#define QUARTERS_2(op, x, y)                                                                       \
    ((kv_f){op((x).a, (y).a), op((x).b, (y).b), op((x).c, (y).c), op((x).d, (y).d)})
#define QUARTERS_3(op, x, y, z)                                                                    \
    ((kv_f){op((x).a, (y).a, (z).a), op((x).b, (y).b, (z).b), op((x).c, (y).c, (z).c),             \
            op((x).d, (y).d, (z).d)})

/* ---- sixteen floats ---- */

static KV_INLINE kv_f kv_set1(float x)
{
    const v128_t v = wasm_f32x4_splat(x);
    return (kv_f){v, v, v, v};
}

static KV_INLINE kv_f kv_zero(void)
{
    return kv_set1(0.0f);
}

static KV_INLINE kv_f kv_load(const float *p)
{
    return (kv_f){wasm_v128_load(p), wasm_v128_load(p + 4), wasm_v128_load(p + 8),
                  wasm_v128_load(p + 12)};
}

static KV_INLINE kv_f kv_load_shared(const float *p)
{
    return kv_load(p);
}

static KV_INLINE void kv_store(float *p, kv_f x)
{
    wasm_v128_store(p, x.a);
    wasm_v128_store(p + 4, x.b);
    wasm_v128_store(p + 8, x.c);
    wasm_v128_store(p + 12, x.d);
}

/* Four f16 in the low halves of 32-bit lanes. A float with the exponent of the half is 2^112 too
 * small, subnormals included; infinities and nan get their exponent back, nan becomes quiet. */
static KV_INLINE v128_t kv_of_half(v128_t h)
{
    const v128_t magnitude = wasm_v128_and(h, wasm_i32x4_splat(0x7fff));
    const v128_t sign = wasm_i32x4_shl(wasm_v128_and(h, wasm_i32x4_splat(0x8000)), 16);
    const v128_t bits = wasm_i32x4_shl(magnitude, 13);
    const v128_t finite = wasm_f32x4_mul(bits, wasm_f32x4_splat(0x1p112f));
    const v128_t quiet = wasm_v128_and(wasm_i32x4_gt(magnitude, wasm_i32x4_splat(0x7c00)),
                                       wasm_i32x4_splat(0x400000));
    const v128_t other = wasm_v128_or(wasm_v128_or(bits, quiet), wasm_i32x4_splat(0x7f800000));
    const v128_t is_finite = wasm_i32x4_lt(magnitude, wasm_i32x4_splat(0x7c00));
    return wasm_v128_or(sign, wasm_v128_bitselect(finite, other, is_finite));
}

static KV_INLINE kv_f kv_load_f16(const uint16_t *p)
{
    return (kv_f){kv_of_half(wasm_u32x4_load16x4(p)), kv_of_half(wasm_u32x4_load16x4(p + 4)),
                  kv_of_half(wasm_u32x4_load16x4(p + 8)), kv_of_half(wasm_u32x4_load16x4(p + 12))};
}

/* The reverse, into 32-bit lanes, as tensor/half.c. */
static KV_INLINE v128_t kv_to_half(v128_t x)
{
    const v128_t sign = wasm_v128_and(wasm_u32x4_shr(x, 16), wasm_i32x4_splat(0x8000));
    const v128_t m = wasm_v128_and(x, wasm_i32x4_splat(0x7fffffff));
    const v128_t top = wasm_u32x4_shr(m, 13), half = wasm_f32x4_splat(0.5f);
    const v128_t odd = wasm_v128_and(top, wasm_i32x4_splat(1));
    const v128_t rounded = wasm_i32x4_add(wasm_i32x4_add(m, wasm_i32x4_splat(0xfff)), odd);
    v128_t h = wasm_u32x4_shr(wasm_i32x4_sub(rounded, wasm_i32x4_splat(112 << 23)), 13);
    const v128_t subnormal = wasm_i32x4_sub(wasm_f32x4_add(m, half), half);
    h = wasm_v128_bitselect(subnormal, h, wasm_i32x4_lt(m, wasm_i32x4_splat(0x38800000)));
    h = wasm_v128_bitselect(h, wasm_i32x4_splat(0x7c00),
                            wasm_i32x4_lt(m, wasm_i32x4_splat(0x47800000)));
    const v128_t nan =
        wasm_v128_or(wasm_v128_and(top, wasm_i32x4_splat(0x3ff)), wasm_i32x4_splat(0x7e00));
    h = wasm_v128_bitselect(nan, h, wasm_i32x4_gt(m, wasm_i32x4_splat(0x7f800000)));
    return wasm_v128_or(h, sign);
}

static KV_INLINE void kv_store_f16(uint16_t *p, kv_f x)
{
    wasm_v128_store(p, wasm_u16x8_narrow_i32x4(kv_to_half(x.a), kv_to_half(x.b)));
    wasm_v128_store(p + 8, wasm_u16x8_narrow_i32x4(kv_to_half(x.c), kv_to_half(x.d)));
}

static KV_INLINE v128_t kv_bf16_quarter(const uint16_t *p)
{
    return wasm_i32x4_shl(wasm_u32x4_load16x4(p), 16);
}

static KV_INLINE kv_f kv_load_bf16(const uint16_t *p)
{
    return (kv_f){kv_bf16_quarter(p), kv_bf16_quarter(p + 4), kv_bf16_quarter(p + 8),
                  kv_bf16_quarter(p + 12)};
}

static KV_INLINE kv_f kv_load_i8(const int8_t *p)
{
    const v128_t low = wasm_i16x8_load8x8(p), high = wasm_i16x8_load8x8(p + 8);
    return (kv_f){wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(low)),
                  wasm_f32x4_convert_i32x4(wasm_i32x4_extend_high_i16x8(low)),
                  wasm_f32x4_convert_i32x4(wasm_i32x4_extend_low_i16x8(high)),
                  wasm_f32x4_convert_i32x4(wasm_i32x4_extend_high_i16x8(high))};
}

static KV_INLINE v128_t kv_even(v128_t x, v128_t y)
{
    return wasm_i32x4_shuffle(x, y, 0, 2, 4, 6);
}

static KV_INLINE v128_t kv_odd(v128_t x, v128_t y)
{
    return wasm_i32x4_shuffle(x, y, 1, 3, 5, 7);
}

static KV_INLINE void kv_load_pairs(const float *p, kv_f *first, kv_f *second)
{
    const kv_f x = kv_load(p), y = kv_load(p + 16);
    *first = (kv_f){kv_even(x.a, x.b), kv_even(x.c, x.d), kv_even(y.a, y.b), kv_even(y.c, y.d)};
    *second = (kv_f){kv_odd(x.a, x.b), kv_odd(x.c, x.d), kv_odd(y.a, y.b), kv_odd(y.c, y.d)};
}

static KV_INLINE void kv_store_pairs4(float *p, v128_t first, v128_t second)
{
    wasm_v128_store(p, wasm_i32x4_shuffle(first, second, 0, 4, 1, 5));
    wasm_v128_store(p + 4, wasm_i32x4_shuffle(first, second, 2, 6, 3, 7));
}

static KV_INLINE void kv_store_pairs(float *p, kv_f first, kv_f second)
{
    kv_store_pairs4(p, first.a, second.a);
    kv_store_pairs4(p + 8, first.b, second.b);
    kv_store_pairs4(p + 16, first.c, second.c);
    kv_store_pairs4(p + 24, first.d, second.d);
}

static KV_INLINE kv_f kv_add(kv_f x, kv_f y)
{
    return QUARTERS_2(wasm_f32x4_add, x, y);
}

static KV_INLINE kv_f kv_sub(kv_f x, kv_f y)
{
    return QUARTERS_2(wasm_f32x4_sub, x, y);
}

static KV_INLINE kv_f kv_mul(kv_f x, kv_f y)
{
    return QUARTERS_2(wasm_f32x4_mul, x, y);
}

static KV_INLINE kv_f kv_div(kv_f x, kv_f y)
{
    return QUARTERS_2(wasm_f32x4_div, x, y);
}

/* x * y + z of the two low lanes, in f64. The product is exact; the sum is rounded to odd, after
 * which rounding once more to f32 rounds correctly.
 * Source: Boldo and Melquiond 2008, "Emulation of a FMA and correctly rounded sums". */
static KV_INLINE v128_t kv_fma2(v128_t x, v128_t y, v128_t z)
{
    const v128_t product =
        wasm_f64x2_mul(wasm_f64x2_promote_low_f32x4(x), wasm_f64x2_promote_low_f32x4(y));
    const v128_t addend = wasm_f64x2_promote_low_f32x4(z), zero = wasm_f64x2_splat(0.0);
    const v128_t sum = wasm_f64x2_add(product, addend);
    const v128_t part = wasm_f64x2_sub(sum, product);
    const v128_t error = wasm_f64x2_add(wasm_f64x2_sub(product, wasm_f64x2_sub(sum, part)),
                                        wasm_f64x2_sub(addend, part));
    /* Inexact and even: the odd neighbour lies on the side of the error. */
    const v128_t inexact = wasm_v128_or(wasm_f64x2_lt(error, zero), wasm_f64x2_gt(error, zero));
    const v128_t even = wasm_i64x2_eq(wasm_v128_and(sum, wasm_i64x2_splat(1)), wasm_i64x2_splat(0));
    const v128_t inward = wasm_i64x2_shr(wasm_v128_xor(sum, error), 63);
    const v128_t step = wasm_v128_or(inward, wasm_i64x2_splat(1));
    const v128_t odd = wasm_i64x2_add(sum, wasm_v128_and(step, wasm_v128_and(inexact, even)));
    return wasm_f32x4_demote_f64x2_zero(odd);
}

static KV_INLINE v128_t kv_high_lanes(v128_t x)
{
    return wasm_i64x2_shuffle(x, x, 1, 1);
}

static KV_INLINE v128_t kv_fma4(v128_t x, v128_t y, v128_t z)
{
    const v128_t high = kv_fma2(kv_high_lanes(x), kv_high_lanes(y), kv_high_lanes(z));
    return wasm_i64x2_shuffle(kv_fma2(x, y, z), high, 0, 2);
}

static KV_INLINE kv_f kv_fma(kv_f x, kv_f y, kv_f z)
{
    return QUARTERS_3(kv_fma4, x, y, z);
}

static KV_INLINE kv_f kv_sqrt(kv_f x)
{
    return QUARTERS_1(wasm_f32x4_sqrt, x);
}

/* pmax(a, b) is a < b ? b : a. */
static KV_INLINE kv_f kv_max(kv_f x, kv_f y)
{
    return QUARTERS_2(wasm_f32x4_pmax, y, x);
}

static KV_INLINE kv_f kv_min(kv_f x, kv_f y)
{
    return QUARTERS_2(wasm_f32x4_pmin, y, x);
}

static KV_INLINE float kv_sum(kv_f x)
{
    const v128_t four = wasm_f32x4_add(wasm_f32x4_add(x.a, x.c), wasm_f32x4_add(x.b, x.d));
    const v128_t two = wasm_f32x4_add(four, kv_high_lanes(four));
    return wasm_f32x4_extract_lane(two, 0) + wasm_f32x4_extract_lane(two, 1);
}

static KV_INLINE float kv_largest(kv_f x)
{
    const v128_t four = wasm_f32x4_pmax(wasm_f32x4_pmax(x.a, x.b), wasm_f32x4_pmax(x.c, x.d));
    const v128_t two = wasm_f32x4_pmax(four, kv_high_lanes(four));
    const float first = wasm_f32x4_extract_lane(two, 0), second = wasm_f32x4_extract_lane(two, 1);
    return first > second ? first : second;
}

/* ---- bits and comparisons ---- */

static KV_INLINE kv_i kv_bits(kv_f x)
{
    return x;
}

static KV_INLINE kv_f kv_of_bits(kv_i x)
{
    return x;
}

static KV_INLINE kv_i kv_iset1(int32_t x)
{
    const v128_t v = wasm_i32x4_splat(x);
    return (kv_i){v, v, v, v};
}

static KV_INLINE kv_i kv_iadd(kv_i x, kv_i y)
{
    return QUARTERS_2(wasm_i32x4_add, x, y);
}

static KV_INLINE kv_i kv_iand(kv_i x, kv_i y)
{
    return QUARTERS_2(wasm_v128_and, x, y);
}

static KV_INLINE kv_i kv_ixor(kv_i x, kv_i y)
{
    return QUARTERS_2(wasm_v128_xor, x, y);
}

static KV_INLINE kv_i kv_shl23(kv_i x)
{
    return (kv_i){wasm_i32x4_shl(x.a, 23), wasm_i32x4_shl(x.b, 23), wasm_i32x4_shl(x.c, 23),
                  wasm_i32x4_shl(x.d, 23)};
}

static KV_INLINE kv_i kv_sar23(kv_i x)
{
    return (kv_i){wasm_i32x4_shr(x.a, 23), wasm_i32x4_shr(x.b, 23), wasm_i32x4_shr(x.c, 23),
                  wasm_i32x4_shr(x.d, 23)};
}

static KV_INLINE kv_f kv_of_int(kv_i x)
{
    return QUARTERS_1(wasm_f32x4_convert_i32x4, x);
}

static KV_INLINE kv_m kv_less(kv_f x, kv_f y)
{
    return QUARTERS_2(wasm_f32x4_lt, x, y);
}

static KV_INLINE kv_m kv_equal(kv_f x, kv_f y)
{
    return QUARTERS_2(wasm_f32x4_eq, x, y);
}

static KV_INLINE kv_f kv_select(kv_m m, kv_f yes, kv_f no)
{
    return QUARTERS_3(wasm_v128_bitselect, yes, no, m);
}

static KV_INLINE v128_t kv_quantise4(v128_t x)
{
    const v128_t fits = wasm_f32x4_lt(wasm_f32x4_abs(x), wasm_f32x4_splat(128.0f));
    return wasm_v128_and(wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(x)), fits);
}

static KV_INLINE v128_t kv_sum_pairs(v128_t x, v128_t y)
{
    return wasm_i32x4_add(kv_even(x, y), kv_odd(x, y));
}

static KV_INLINE int kv_store_i8(int8_t *p, kv_f x)
{
    const v128_t low = wasm_i16x8_narrow_i32x4(kv_quantise4(x.a), kv_quantise4(x.b));
    const v128_t high = wasm_i16x8_narrow_i32x4(kv_quantise4(x.c), kv_quantise4(x.d));
    wasm_v128_store(p, wasm_i8x16_narrow_i16x8(low, high));
    v128_t sum = wasm_i32x4_extadd_pairwise_i16x8(wasm_i16x8_add(low, high));
    sum = kv_sum_pairs(sum, sum);
    return wasm_i32x4_extract_lane(kv_sum_pairs(sum, sum), 0);
}

/* ---- one group of a row ---- */

typedef struct kv_b32 {
    v128_t a, b;
} kv_b32;
typedef kv_b32 kv_h16;
typedef v128_t kv_part, kv_i4, kv_f4;

static KV_INLINE kv_b32 kv_load_b32(const void *p)
{
    return (kv_b32){wasm_v128_load(p), wasm_v128_load((const uint8_t *)p + 16)};
}

static KV_INLINE kv_b32 kv_nibbles(const uint8_t *p)
{
    const v128_t x = wasm_v128_load(p);
    return (kv_b32){wasm_v128_and(x, wasm_i8x16_splat(15)), wasm_u8x16_shr(x, 4)};
}

static KV_INLINE kv_b32 kv_low4(kv_b32 x)
{
    return (kv_b32){wasm_v128_and(x.a, wasm_i8x16_splat(15)),
                    wasm_v128_and(x.b, wasm_i8x16_splat(15))};
}

static KV_INLINE kv_b32 kv_high4(kv_b32 x)
{
    return (kv_b32){wasm_u8x16_shr(x.a, 4), wasm_u8x16_shr(x.b, 4)};
}

static KV_INLINE v128_t kv_bits_of_half(v128_t x, int left, int mask)
{
    const v128_t moved =
        left < 0 ? wasm_u16x8_shr(x, (uint32_t)-left) : wasm_i16x8_shl(x, (uint32_t)left);
    return wasm_v128_and(moved, wasm_i8x16_splat((int8_t)mask));
}

static KV_INLINE kv_b32 kv_bits_of(kv_b32 x, int left, int mask)
{
    return (kv_b32){kv_bits_of_half(x.a, left, mask), kv_bits_of_half(x.b, left, mask)};
}

static KV_INLINE v128_t kv_spread_half(uint32_t bits, int value)
{
    const v128_t bit = wasm_i64x2_splat((int64_t)0x8040201008040201);
    const v128_t splat = wasm_i32x4_splat((int32_t)bits);
    const v128_t bytes =
        wasm_i8x16_shuffle(splat, splat, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    const v128_t set = wasm_i8x16_eq(wasm_v128_and(bytes, bit), bit);
    return wasm_v128_and(set, wasm_i8x16_splat((int8_t)value));
}

static KV_INLINE kv_b32 kv_spread_bits(uint32_t bits, int value)
{
    return (kv_b32){kv_spread_half(bits, value), kv_spread_half(bits >> 16, value)};
}

static KV_INLINE v128_t kv_negate_half(v128_t x, uint32_t bits)
{
    const v128_t minus = kv_spread_half(bits, 0xff);
    return wasm_i8x16_sub(wasm_v128_xor(x, minus), minus);
}

static KV_INLINE kv_b32 kv_negate(kv_b32 x, const uint8_t *bits)
{
    return (kv_b32){kv_negate_half(x.a, kv_u16(bits)), kv_negate_half(x.b, kv_u16(bits + 2))};
}

static KV_INLINE v128_t kv_even_signs_half(v128_t x)
{
    const v128_t odd = wasm_v128_and(wasm_i8x16_popcnt(x), wasm_i8x16_splat(1));
    return wasm_v128_or(x, wasm_i8x16_shl(odd, 7));
}

static KV_INLINE kv_b32 kv_even_signs(kv_b32 x)
{
    return (kv_b32){kv_even_signs_half(x.a), kv_even_signs_half(x.b)};
}

static KV_INLINE void kv_store_b32(uint8_t *p, kv_b32 x)
{
    wasm_v128_store(p, x.a);
    wasm_v128_store(p + 16, x.b);
}

static KV_INLINE void kv_zip_half(uint16_t *p, v128_t x, v128_t y)
{
    wasm_v128_store(
        p, wasm_i8x16_shuffle(x, y, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
    wasm_v128_store(p + 8, wasm_i8x16_shuffle(x, y, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29,
                                              14, 30, 15, 31));
}

static KV_INLINE void kv_zip_store(uint16_t *p, kv_b32 low, kv_b32 high)
{
    kv_zip_half(p, low.a, high.a);
    kv_zip_half(p + 16, low.b, high.b);
}

static KV_INLINE kv_b32 kv_words(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return (kv_b32){wasm_u64x2_make(a, b), wasm_u64x2_make(c, d)};
}

static KV_INLINE kv_b32 kv_or(kv_b32 x, kv_b32 y)
{
    return (kv_b32){wasm_v128_or(x.a, y.a), wasm_v128_or(x.b, y.b)};
}

static KV_INLINE kv_b32 kv_add_bytes(kv_b32 x, kv_b32 y)
{
    return (kv_b32){wasm_i8x16_add(x.a, y.a), wasm_i8x16_add(x.b, y.b)};
}

static KV_INLINE kv_b32 kv_load_twice(const uint8_t *p)
{
    const v128_t x = wasm_v128_load(p);
    return (kv_b32){x, x};
}

static KV_INLINE kv_b32 kv_halves(kv_b32 x, kv_b32 y)
{
    return (kv_b32){x.a, y.b};
}

static KV_INLINE kv_b32 kv_lookup(kv_b32 table, kv_b32 i)
{
    return (kv_b32){wasm_i8x16_swizzle(table.a, i.a), wasm_i8x16_swizzle(table.a, i.b)};
}

static KV_INLINE kv_b32 kv_above(kv_b32 x, int limit)
{
    const v128_t bound = wasm_i8x16_splat((int8_t)limit);
    return (kv_b32){wasm_u8x16_shr(wasm_u8x16_gt(x.a, bound), 7),
                    wasm_u8x16_shr(wasm_u8x16_gt(x.b, bound), 7)};
}

static KV_INLINE kv_b32 kv_signed(kv_b32 x)
{
    return x;
}

static KV_INLINE kv_part kv_part_zero(void)
{
    return wasm_i32x4_splat(0);
}

/* Two products of bytes fit into 16 bits: 2 * 128 * 127. */
static KV_INLINE v128_t kv_dot_half(v128_t w, v128_t a)
{
    return wasm_i32x4_extadd_pairwise_i16x8(
        wasm_i16x8_add(wasm_i16x8_extmul_low_i8x16(w, a), wasm_i16x8_extmul_high_i8x16(w, a)));
}

static KV_INLINE kv_part kv_dot(kv_kind kind, kv_b32 w, kv_b32 a)
{
    (void)kind;
    return wasm_i32x4_add(kv_dot_half(w.a, a.a), kv_dot_half(w.b, a.b));
}

static KV_INLINE kv_part kv_dot_scaled(kv_part sum, kv_kind kind, kv_b32 w, kv_b32 a,
                                       const int16_t *scale)
{
    return wasm_i32x4_add(sum, wasm_i32x4_mul(kv_dot(kind, w, a), wasm_i32x4_splat(scale[0])));
}

static KV_INLINE kv_part kv_dot_scaled2(kv_part sum, kv_kind kind, kv_b32 w, kv_b32 a,
                                        const int16_t *scale)
{
    (void)kind;
    const v128_t first = wasm_i32x4_mul(kv_dot_half(w.a, a.a), wasm_i32x4_splat(scale[0]));
    const v128_t second = wasm_i32x4_mul(kv_dot_half(w.b, a.b), wasm_i32x4_splat(scale[1]));
    return wasm_i32x4_add(sum, wasm_i32x4_add(first, second));
}

static KV_INLINE kv_i4 kv_sum4(kv_part a, kv_part b, kv_part c, kv_part d)
{
    return kv_sum_pairs(kv_sum_pairs(a, b), kv_sum_pairs(c, d));
}

static KV_INLINE kv_h16 kv_zip(uint64_t even, uint64_t odd)
{
    const v128_t x = wasm_u64x2_make(even, odd);
    const v128_t both =
        wasm_i8x16_shuffle(x, x, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    return (kv_h16){wasm_u16x8_extend_low_u8x16(both), wasm_u16x8_extend_high_u8x16(both)};
}

static KV_INLINE kv_h16 kv_twice(uint64_t bytes)
{
    return kv_zip(bytes, bytes);
}

static KV_INLINE kv_h16 kv_widen_two(uint64_t low, uint64_t high)
{
    return (kv_h16){wasm_i16x8_extend_low_i8x16(wasm_i64x2_splat((int64_t)low)),
                    wasm_i16x8_extend_low_i8x16(wasm_i64x2_splat((int64_t)high))};
}

static KV_INLINE kv_h16 kv_widen_i8(const int8_t *p)
{
    const v128_t x = wasm_v128_load(p);
    return (kv_h16){wasm_i16x8_extend_low_i8x16(x), wasm_i16x8_extend_high_i8x16(x)};
}

static KV_INLINE void kv_store_h16(int16_t *p, kv_h16 x)
{
    wasm_v128_store(p, x.a);
    wasm_v128_store(p + 8, x.b);
}

static KV_INLINE v128_t kv_gather4(const uint8_t *p, size_t stride)
{
    return wasm_u32x4_make(kv_u32(p), kv_u32(p + stride), kv_u32(p + 2 * stride),
                           kv_u32(p + 3 * stride));
}

static KV_INLINE kv_h16 kv_gather_pairs(const uint8_t *p, size_t stride)
{
    return (kv_h16){kv_gather4(p, stride), kv_gather4(p + 4 * stride, stride)};
}

static KV_INLINE kv_part kv_dot16(kv_h16 x, kv_h16 y)
{
    return wasm_i32x4_add(wasm_i32x4_dot_i16x8(x.a, y.a), wasm_i32x4_dot_i16x8(x.b, y.b));
}

/* ---- four rows ---- */

static KV_INLINE kv_i4 kv_i4_sub_pair(kv_i4 x, const uint8_t *pair, int16_t scale)
{
    const v128_t p = wasm_i32x4_splat((int32_t)kv_u32(pair));
    return wasm_i32x4_sub(x, wasm_i32x4_dot_i16x8(p, wasm_i16x8_splat(scale)));
}

static KV_INLINE kv_i4 kv_i4_sub_shifted(kv_i4 x, kv_i4 y, int shift)
{
    return wasm_i32x4_sub(x, wasm_i32x4_shl(y, (uint32_t)shift));
}

static KV_INLINE v128_t kv_fours(kv_f x)
{
    return wasm_f32x4_add(wasm_f32x4_add(x.a, x.c), wasm_f32x4_add(x.b, x.d));
}

static KV_INLINE kv_f4 kv_f4_zero(void)
{
    return wasm_f32x4_splat(0.0f);
}

static KV_INLINE kv_f4 kv_f4_set1(float x)
{
    return wasm_f32x4_splat(x);
}

static KV_INLINE kv_f4 kv_f4_of_int(kv_i4 x)
{
    return wasm_f32x4_convert_i32x4(x);
}

static KV_INLINE kv_f4 kv_f4_halves(const uint8_t *const p[4], size_t at)
{
    return kv_of_half(wasm_u32x4_make(kv_u16(p[0] + at), kv_u16(p[1] + at), kv_u16(p[2] + at),
                                      kv_u16(p[3] + at)));
}

static KV_INLINE kv_f4 kv_f4_powers(const uint8_t *const p[4], size_t at)
{
    const v128_t e = wasm_i32x4_make(p[0][at], p[1][at], p[2][at], p[3][at]);
    const v128_t one = wasm_i32x4_splat(1);
    const v128_t normal = wasm_i32x4_shl(wasm_i32x4_sub(e, one), 23);
    const v128_t tiny = wasm_i32x4_shl(wasm_i32x4_add(wasm_v128_and(e, one), one), 21);
    return wasm_i32x4_max(normal, tiny);
}

static KV_INLINE kv_f4 kv_f4_add(kv_f4 x, kv_f4 y)
{
    return wasm_f32x4_add(x, y);
}

static KV_INLINE kv_f4 kv_f4_sub(kv_f4 x, kv_f4 y)
{
    return wasm_f32x4_sub(x, y);
}

static KV_INLINE kv_f4 kv_f4_mul(kv_f4 x, kv_f4 y)
{
    return wasm_f32x4_mul(x, y);
}

static KV_INLINE void kv_f4_store(float *p, kv_f4 x)
{
    wasm_v128_store(p, x);
}

/* ---- panels: KV_ROWS rows at once ---- */

typedef v128_t kv_rows_b, kv_rows_i, kv_rows_f;

/* The products of rows 0 and 1, and of rows 2 and 3: 16-bit sums of unsigned weights, 32-bit sums
 * of pairs of signed ones. */
typedef struct kv_acc {
    v128_t a, b;
} kv_acc;

static KV_INLINE void kv_transpose4(kv_rows_b out[4], v128_t a, v128_t b, v128_t c, v128_t d)
{
    const v128_t ab0 = wasm_i32x4_shuffle(a, b, 0, 4, 1, 5);
    const v128_t ab1 = wasm_i32x4_shuffle(a, b, 2, 6, 3, 7);
    const v128_t cd0 = wasm_i32x4_shuffle(c, d, 0, 4, 1, 5);
    const v128_t cd1 = wasm_i32x4_shuffle(c, d, 2, 6, 3, 7);
    out[0] = wasm_i64x2_shuffle(ab0, cd0, 0, 2);
    out[1] = wasm_i64x2_shuffle(ab0, cd0, 1, 3);
    out[2] = wasm_i64x2_shuffle(ab1, cd1, 0, 2);
    out[3] = wasm_i64x2_shuffle(ab1, cd1, 1, 3);
}

static KV_INLINE void kv_transpose(kv_rows_b out[8], const kv_b32 rows[KV_ROWS])
{
    kv_transpose4(out, rows[0].a, rows[1].a, rows[2].a, rows[3].a);
    kv_transpose4(out + 4, rows[0].b, rows[1].b, rows[2].b, rows[3].b);
}

static KV_INLINE void kv_transpose_f(kv_f x[16])
{
    kv_f in[16];
    memcpy(in, x, sizeof in);
    KV_UNROLL
    for (int i = 0; i < 4; i++) { /* rows 4 * i to 4 * i + 3 become part i */
        const kv_f *row = in + 4 * i;
        v128_t out[16];
        kv_transpose4(out, row[0].a, row[1].a, row[2].a, row[3].a);
        kv_transpose4(out + 4, row[0].b, row[1].b, row[2].b, row[3].b);
        kv_transpose4(out + 8, row[0].c, row[1].c, row[2].c, row[3].c);
        kv_transpose4(out + 12, row[0].d, row[1].d, row[2].d, row[3].d);
        KV_UNROLL
        for (int j = 0; j < 16; j++)
            *(i == 0 ? &x[j].a : i == 1 ? &x[j].b : i == 2 ? &x[j].c : &x[j].d) = out[j];
    }
}

static KV_INLINE kv_rows_b kv_rows_load_b(const void *p)
{
    return wasm_v128_load(p);
}

static KV_INLINE kv_rows_i kv_rows_load_i(const void *p)
{
    return wasm_v128_load(p);
}

static KV_INLINE kv_rows_f kv_rows_load_f(const void *p)
{
    return wasm_v128_load(p);
}

static KV_INLINE void kv_rows_store(void *p, kv_rows_b x)
{
    wasm_v128_store(p, x);
}

static KV_INLINE kv_rows_b kv_rows_same(const uint8_t *p)
{
    return wasm_v128_load32_splat(p);
}

static KV_INLINE kv_acc kv_acc_zero(void)
{
    return (kv_acc){wasm_i32x4_splat(0), wasm_i32x4_splat(0)};
}

/* 8 * 31 * 127, 4 * 63 * 127 or 2 * 127 * 127 is the most that 16 bits hold. */
static KV_INLINE int kv_acc_steps(kv_kind kind)
{
    return kind == KV_U6 ? 4 : kind == KV_U7 ? 2 : 8;
}

static KV_INLINE int kv_scaled_steps(kv_kind kind)
{
    return kv_acc_steps(kind);
}

static KV_INLINE kv_acc kv_acc_step(kv_kind kind, kv_acc acc, kv_rows_b w, kv_rows_b a)
{
    const v128_t low = wasm_i16x8_extmul_low_i8x16(w, a);
    const v128_t high = wasm_i16x8_extmul_high_i8x16(w, a);
    if (kind == KV_S8)
        return (kv_acc){wasm_i32x4_add(acc.a, wasm_i32x4_extadd_pairwise_i16x8(low)),
                        wasm_i32x4_add(acc.b, wasm_i32x4_extadd_pairwise_i16x8(high))};
    return (kv_acc){wasm_i16x8_add(acc.a, low), wasm_i16x8_add(acc.b, high)};
}

static KV_INLINE kv_rows_i kv_acc_flush(kv_kind kind, kv_acc acc)
{
    if (kind == KV_S8)
        return kv_sum_pairs(acc.a, acc.b);
    return kv_sum_pairs(wasm_i32x4_extadd_pairwise_i16x8(acc.a),
                        wasm_i32x4_extadd_pairwise_i16x8(acc.b));
}

static KV_INLINE kv_acc kv_acc_begin(kv_rows_i term)
{
    (void)term;
    return kv_acc_zero();
}

static KV_INLINE kv_rows_i kv_acc_end(kv_kind kind, kv_acc acc, kv_rows_i term)
{
    return wasm_i32x4_add(kv_acc_flush(kind, acc), term);
}

static KV_INLINE int32_t kv_rows_scale(kv_kind kind, int scale)
{
    (void)kind;
    return scale;
}

static KV_INLINE kv_rows_i kv_acc_flush_scaled(kv_kind kind, kv_rows_i sum, kv_acc acc,
                                               kv_rows_i scale)
{
    return wasm_i32x4_add(sum, wasm_i32x4_mul(kv_acc_flush(kind, acc), scale));
}

static KV_INLINE kv_rows_i kv_rows_zero(void)
{
    return wasm_i32x4_splat(0);
}

static KV_INLINE kv_rows_i kv_rows_dot_pair(kv_rows_i sum, kv_rows_b x, kv_rows_b y)
{
    return wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(x, y));
}

static KV_INLINE kv_rows_b kv_rows_pair(int16_t x)
{
    return wasm_i16x8_splat(x);
}

static KV_INLINE kv_rows_i kv_rows_add(kv_rows_i x, kv_rows_i y)
{
    return wasm_i32x4_add(x, y);
}

static KV_INLINE kv_rows_i kv_rows_sub(kv_rows_i x, kv_rows_i y)
{
    return wasm_i32x4_sub(x, y);
}

static KV_INLINE kv_rows_f kv_rows_of_int(kv_rows_i x)
{
    return wasm_f32x4_convert_i32x4(x);
}

static KV_INLINE kv_rows_f kv_rows_set1(float x)
{
    return wasm_f32x4_splat(x);
}

static KV_INLINE kv_rows_f kv_rows_addf(kv_rows_f x, kv_rows_f y)
{
    return wasm_f32x4_add(x, y);
}

static KV_INLINE kv_rows_f kv_rows_subf(kv_rows_f x, kv_rows_f y)
{
    return wasm_f32x4_sub(x, y);
}

static KV_INLINE kv_rows_f kv_rows_mulf(kv_rows_f x, kv_rows_f y)
{
    return wasm_f32x4_mul(x, y);
}

static KV_INLINE void kv_rows_storef(float *p, kv_rows_f x)
{
    wasm_v128_store(p, x);
}

#endif
