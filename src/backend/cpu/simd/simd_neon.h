/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* simd_neon.h - the vector operations of kernels/ in AArch64 NEON with the dot product extension.
 *
 * Meanings are in simd_avx2.h. A vector of sixteen floats is four registers; the dot product
 * multiplies signed bytes, so no kind of weight needs a bias. */
#ifndef KW_SIMD_NEON_H
#define KW_SIMD_NEON_H

#include "backend/cpu/simd/simd.h"

#include <arm_neon.h>

enum {
    KV_ROWS = 4,
    KV_TILE_VECTORS = 2,
    KV_TILE_COLS = 4,
    KV_COLUMNS = 4,
    KV_F_VECTORS = 1,
    KV_F_COLS = 6,
    KV_SIGNED_BIAS = 0
};

#define KV_STEPS _Pragma("GCC unroll 8")
#define KV_F_STEPS _Pragma("GCC unroll 1")

typedef struct kv_f {
    float32x4_t a, b, c, d;
} kv_f;
typedef struct kv_i {
    int32x4_t a, b, c, d;
} kv_i;
typedef struct kv_m {
    uint32x4_t a, b, c, d;
} kv_m;

/* One operation on each quarter. */
#define QUARTERS_1(type, op, x) ((type){op((x).a), op((x).b), op((x).c), op((x).d)})
#define QUARTERS_2(type, op, x, y)                                                                 \
    ((type){op((x).a, (y).a), op((x).b, (y).b), op((x).c, (y).c), op((x).d, (y).d)})

/* ---- sixteen floats ---- */

static KV_INLINE kv_f kv_set1(float x)
{
    const float32x4_t v = vdupq_n_f32(x);
    return (kv_f){v, v, v, v};
}

static KV_INLINE kv_f kv_zero(void)
{
    return kv_set1(0.0f);
}

static KV_INLINE kv_f kv_load(const float *p)
{
    return (kv_f){vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)};
}

static KV_INLINE kv_f kv_load_shared(const float *p)
{
    return kv_load(p);
}

static KV_INLINE void kv_store(float *p, kv_f x)
{
    vst1q_f32(p, x.a);
    vst1q_f32(p + 4, x.b);
    vst1q_f32(p + 8, x.c);
    vst1q_f32(p + 12, x.d);
}

static KV_INLINE kv_f kv_load_f16(const uint16_t *p)
{
    const float16x8_t x = vreinterpretq_f16_u16(vld1q_u16(p));
    const float16x8_t y = vreinterpretq_f16_u16(vld1q_u16(p + 8));
    return (kv_f){vcvt_f32_f16(vget_low_f16(x)), vcvt_high_f32_f16(x),
                  vcvt_f32_f16(vget_low_f16(y)), vcvt_high_f32_f16(y)};
}

static KV_INLINE void kv_store_f16(uint16_t *p, kv_f x)
{
    const float16x8_t low = vcvt_high_f16_f32(vcvt_f16_f32(x.a), x.b);
    const float16x8_t high = vcvt_high_f16_f32(vcvt_f16_f32(x.c), x.d);
    vst1q_u16(p, vreinterpretq_u16_f16(low));
    vst1q_u16(p + 8, vreinterpretq_u16_f16(high));
}

static KV_INLINE float32x4_t kv_bf16_quarter(const uint16_t *p)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}

static KV_INLINE kv_f kv_load_bf16(const uint16_t *p)
{
    return (kv_f){kv_bf16_quarter(p), kv_bf16_quarter(p + 4), kv_bf16_quarter(p + 8),
                  kv_bf16_quarter(p + 12)};
}

static KV_INLINE kv_f kv_load_i8(const int8_t *p)
{
    const int8x16_t x = vld1q_s8(p);
    const int16x8_t low = vmovl_s8(vget_low_s8(x)), high = vmovl_high_s8(x);
    return (kv_f){vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))), vcvtq_f32_s32(vmovl_high_s16(low)),
                  vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
                  vcvtq_f32_s32(vmovl_high_s16(high))};
}

static KV_INLINE void kv_load_pairs(const float *p, kv_f *first, kv_f *second)
{
    const float32x4x2_t a = vld2q_f32(p), b = vld2q_f32(p + 8);
    const float32x4x2_t c = vld2q_f32(p + 16), d = vld2q_f32(p + 24);
    *first = (kv_f){a.val[0], b.val[0], c.val[0], d.val[0]};
    *second = (kv_f){a.val[1], b.val[1], c.val[1], d.val[1]};
}

static KV_INLINE void kv_store_pairs(float *p, kv_f first, kv_f second)
{
    vst2q_f32(p, ((float32x4x2_t){{first.a, second.a}}));
    vst2q_f32(p + 8, ((float32x4x2_t){{first.b, second.b}}));
    vst2q_f32(p + 16, ((float32x4x2_t){{first.c, second.c}}));
    vst2q_f32(p + 24, ((float32x4x2_t){{first.d, second.d}}));
}

static KV_INLINE kv_f kv_add(kv_f x, kv_f y)
{
    return QUARTERS_2(kv_f, vaddq_f32, x, y);
}

static KV_INLINE kv_f kv_sub(kv_f x, kv_f y)
{
    return QUARTERS_2(kv_f, vsubq_f32, x, y);
}

static KV_INLINE kv_f kv_mul(kv_f x, kv_f y)
{
    return QUARTERS_2(kv_f, vmulq_f32, x, y);
}

static KV_INLINE kv_f kv_div(kv_f x, kv_f y)
{
    return QUARTERS_2(kv_f, vdivq_f32, x, y);
}

static KV_INLINE kv_f kv_fma(kv_f x, kv_f y, kv_f z)
{
    return (kv_f){vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c),
                  vfmaq_f32(z.d, x.d, y.d)};
}

static KV_INLINE kv_f kv_sqrt(kv_f x)
{
    return QUARTERS_1(kv_f, vsqrtq_f32, x);
}

static KV_INLINE float32x4_t kv_max4(float32x4_t x, float32x4_t y)
{
    return vbslq_f32(vcgtq_f32(x, y), x, y);
}

static KV_INLINE float32x4_t kv_min4(float32x4_t x, float32x4_t y)
{
    return vbslq_f32(vcltq_f32(x, y), x, y);
}

static KV_INLINE kv_f kv_max(kv_f x, kv_f y)
{
    return QUARTERS_2(kv_f, kv_max4, x, y);
}

static KV_INLINE kv_f kv_min(kv_f x, kv_f y)
{
    return QUARTERS_2(kv_f, kv_min4, x, y);
}

static KV_INLINE float kv_sum(kv_f x)
{
    const float32x4_t four = vaddq_f32(vaddq_f32(x.a, x.c), vaddq_f32(x.b, x.d));
    const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

static KV_INLINE float kv_largest(kv_f x)
{
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(x.a, x.b), vmaxq_f32(x.c, x.d)));
}

/* ---- bits and comparisons ---- */

static KV_INLINE kv_i kv_bits(kv_f x)
{
    return QUARTERS_1(kv_i, vreinterpretq_s32_f32, x);
}

static KV_INLINE kv_f kv_of_bits(kv_i x)
{
    return QUARTERS_1(kv_f, vreinterpretq_f32_s32, x);
}

static KV_INLINE kv_i kv_iset1(int32_t x)
{
    const int32x4_t v = vdupq_n_s32(x);
    return (kv_i){v, v, v, v};
}

static KV_INLINE kv_i kv_iadd(kv_i x, kv_i y)
{
    return QUARTERS_2(kv_i, vaddq_s32, x, y);
}

static KV_INLINE kv_i kv_iand(kv_i x, kv_i y)
{
    return QUARTERS_2(kv_i, vandq_s32, x, y);
}

static KV_INLINE kv_i kv_ixor(kv_i x, kv_i y)
{
    return QUARTERS_2(kv_i, veorq_s32, x, y);
}

static KV_INLINE kv_i kv_shl23(kv_i x)
{
    return (kv_i){vshlq_n_s32(x.a, 23), vshlq_n_s32(x.b, 23), vshlq_n_s32(x.c, 23),
                  vshlq_n_s32(x.d, 23)};
}

static KV_INLINE kv_i kv_sar23(kv_i x)
{
    return (kv_i){vshrq_n_s32(x.a, 23), vshrq_n_s32(x.b, 23), vshrq_n_s32(x.c, 23),
                  vshrq_n_s32(x.d, 23)};
}

static KV_INLINE kv_f kv_of_int(kv_i x)
{
    return QUARTERS_1(kv_f, vcvtq_f32_s32, x);
}

static KV_INLINE kv_m kv_less(kv_f x, kv_f y)
{
    return QUARTERS_2(kv_m, vcltq_f32, x, y);
}

static KV_INLINE kv_m kv_equal(kv_f x, kv_f y)
{
    return QUARTERS_2(kv_m, vceqq_f32, x, y);
}

static KV_INLINE kv_f kv_select(kv_m m, kv_f yes, kv_f no)
{
    return (kv_f){vbslq_f32(m.a, yes.a, no.a), vbslq_f32(m.b, yes.b, no.b),
                  vbslq_f32(m.c, yes.c, no.c), vbslq_f32(m.d, yes.d, no.d)};
}

static KV_INLINE int16x4_t kv_quantise4(float32x4_t x)
{
    const uint32x4_t fits = vcaltq_f32(x, vdupq_n_f32(128.0f));
    return vmovn_s32(vandq_s32(vcvtnq_s32_f32(x), vreinterpretq_s32_u32(fits)));
}

static KV_INLINE int kv_store_i8(int8_t *p, kv_f x)
{
    const int16x8_t low = vcombine_s16(kv_quantise4(x.a), kv_quantise4(x.b));
    const int16x8_t high = vcombine_s16(kv_quantise4(x.c), kv_quantise4(x.d));
    vst1q_s8(p, vqmovn_high_s16(vqmovn_s16(low), high));
    return vaddvq_s16(vaddq_s16(low, high));
}

/* ---- one group of a row ---- */

typedef struct kv_b32 {
    int8x16_t a, b;
} kv_b32;
typedef struct kv_h16 {
    int16x8_t a, b;
} kv_h16;
typedef int32x4_t kv_part, kv_i4;
typedef float32x4_t kv_f4;

static KV_INLINE kv_b32 kv_load_b32(const void *p)
{
    return (kv_b32){vld1q_s8(p), vld1q_s8((const int8_t *)p + 16)};
}

static KV_INLINE int8x16_t kv_low_nibbles(int8x16_t x)
{
    return vandq_s8(x, vdupq_n_s8(15));
}

static KV_INLINE int8x16_t kv_high_nibbles(int8x16_t x)
{
    return vreinterpretq_s8_u8(vshrq_n_u8(vreinterpretq_u8_s8(x), 4));
}

static KV_INLINE kv_b32 kv_nibbles(const uint8_t *p)
{
    const int8x16_t x = vreinterpretq_s8_u8(vld1q_u8(p));
    return (kv_b32){kv_low_nibbles(x), kv_high_nibbles(x)};
}

static KV_INLINE kv_b32 kv_low4(kv_b32 x)
{
    return (kv_b32){kv_low_nibbles(x.a), kv_low_nibbles(x.b)};
}

static KV_INLINE kv_b32 kv_high4(kv_b32 x)
{
    return (kv_b32){kv_high_nibbles(x.a), kv_high_nibbles(x.b)};
}

static KV_INLINE int8x16_t kv_bits_of_half(int8x16_t x, int left, int mask)
{
    const uint8x16_t moved = vshlq_u8(vreinterpretq_u8_s8(x), vdupq_n_s8((int8_t)left));
    return vreinterpretq_s8_u8(vandq_u8(moved, vdupq_n_u8((uint8_t)mask)));
}

static KV_INLINE kv_b32 kv_bits_of(kv_b32 x, int left, int mask)
{
    return (kv_b32){kv_bits_of_half(x.a, left, mask), kv_bits_of_half(x.b, left, mask)};
}

static KV_INLINE int8x16_t kv_spread_half(uint32_t bits, int value)
{
    const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
    const uint8x16_t both = vcombine_u8(vdup_n_u8((uint8_t)bits), vdup_n_u8((uint8_t)(bits >> 8)));
    return vreinterpretq_s8_u8(vandq_u8(vtstq_u8(both, bit), vdupq_n_u8((uint8_t)value)));
}

static KV_INLINE kv_b32 kv_spread_bits(uint32_t bits, int value)
{
    return (kv_b32){kv_spread_half(bits, value), kv_spread_half(bits >> 16, value)};
}

static KV_INLINE int8x16_t kv_negate_half(int8x16_t x, uint32_t bits)
{
    const int8x16_t minus = kv_spread_half(bits, 0xff);
    return vsubq_s8(veorq_s8(x, minus), minus);
}

static KV_INLINE kv_b32 kv_negate(kv_b32 x, const uint8_t *bits)
{
    return (kv_b32){kv_negate_half(x.a, kv_u16(bits)), kv_negate_half(x.b, kv_u16(bits + 2))};
}

static KV_INLINE int8x16_t kv_even_signs_half(int8x16_t x)
{
    return vorrq_s8(x, vshlq_n_s8(vcntq_s8(x), 7));
}

static KV_INLINE kv_b32 kv_even_signs(kv_b32 x)
{
    return (kv_b32){kv_even_signs_half(x.a), kv_even_signs_half(x.b)};
}

static KV_INLINE void kv_store_b32(uint8_t *p, kv_b32 x)
{
    vst1q_s8((int8_t *)p, x.a);
    vst1q_s8((int8_t *)p + 16, x.b);
}

static KV_INLINE void kv_zip_store(uint16_t *p, kv_b32 low, kv_b32 high)
{
    vst2q_s8((int8_t *)p, ((int8x16x2_t){{low.a, high.a}}));
    vst2q_s8((int8_t *)(p + 16), ((int8x16x2_t){{low.b, high.b}}));
}

static KV_INLINE kv_b32 kv_words(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return (kv_b32){vcombine_s8(vcreate_s8(a), vcreate_s8(b)),
                    vcombine_s8(vcreate_s8(c), vcreate_s8(d))};
}

static KV_INLINE kv_b32 kv_or(kv_b32 x, kv_b32 y)
{
    return (kv_b32){vorrq_s8(x.a, y.a), vorrq_s8(x.b, y.b)};
}

static KV_INLINE kv_b32 kv_add_bytes(kv_b32 x, kv_b32 y)
{
    return (kv_b32){vaddq_s8(x.a, y.a), vaddq_s8(x.b, y.b)};
}

static KV_INLINE kv_b32 kv_load_twice(const uint8_t *p)
{
    const int8x16_t x = vreinterpretq_s8_u8(vld1q_u8(p));
    return (kv_b32){x, x};
}

static KV_INLINE kv_b32 kv_halves(kv_b32 x, kv_b32 y)
{
    return (kv_b32){x.a, y.b};
}

static KV_INLINE kv_b32 kv_lookup(kv_b32 table, kv_b32 i)
{
    return (kv_b32){vqtbl1q_s8(table.a, vreinterpretq_u8_s8(i.a)),
                    vqtbl1q_s8(table.a, vreinterpretq_u8_s8(i.b))};
}

static KV_INLINE int8x16_t kv_above_half(int8x16_t x, int limit)
{
    const uint8x16_t over = vcgtq_u8(vreinterpretq_u8_s8(x), vdupq_n_u8((uint8_t)limit));
    return vreinterpretq_s8_u8(vshrq_n_u8(over, 7));
}

static KV_INLINE kv_b32 kv_above(kv_b32 x, int limit)
{
    return (kv_b32){kv_above_half(x.a, limit), kv_above_half(x.b, limit)};
}

static KV_INLINE kv_b32 kv_signed(kv_b32 x)
{
    return x;
}

static KV_INLINE kv_part kv_part_zero(void)
{
    return vdupq_n_s32(0);
}

static KV_INLINE kv_part kv_dot(kv_kind kind, kv_b32 w, kv_b32 a)
{
    (void)kind;
    return vdotq_s32(vdotq_s32(vdupq_n_s32(0), w.a, a.a), w.b, a.b);
}

static KV_INLINE kv_part kv_dot_scaled(kv_part sum, kv_kind kind, kv_b32 w, kv_b32 a,
                                       const int16_t *scale)
{
    return vmlaq_n_s32(sum, kv_dot(kind, w, a), scale[0]);
}

static KV_INLINE kv_part kv_dot_scaled2(kv_part sum, kv_kind kind, kv_b32 w, kv_b32 a,
                                        const int16_t *scale)
{
    (void)kind;
    sum = vmlaq_n_s32(sum, vdotq_s32(vdupq_n_s32(0), w.a, a.a), scale[0]);
    return vmlaq_n_s32(sum, vdotq_s32(vdupq_n_s32(0), w.b, a.b), scale[1]);
}

static KV_INLINE kv_i4 kv_sum4(kv_part a, kv_part b, kv_part c, kv_part d)
{
    return vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d));
}

static KV_INLINE kv_h16 kv_zip(uint64_t even, uint64_t odd)
{
    const uint8x8_t x = vcreate_u8(even), y = vcreate_u8(odd);
    return (kv_h16){vreinterpretq_s16_u16(vmovl_u8(vzip1_u8(x, y))),
                    vreinterpretq_s16_u16(vmovl_u8(vzip2_u8(x, y)))};
}

static KV_INLINE kv_h16 kv_twice(uint64_t bytes)
{
    return kv_zip(bytes, bytes);
}

static KV_INLINE kv_h16 kv_widen_two(uint64_t low, uint64_t high)
{
    return (kv_h16){vmovl_s8(vcreate_s8(low)), vmovl_s8(vcreate_s8(high))};
}

static KV_INLINE kv_h16 kv_widen_i8(const int8_t *p)
{
    const int8x16_t x = vld1q_s8(p);
    return (kv_h16){vmovl_s8(vget_low_s8(x)), vmovl_high_s8(x)};
}

static KV_INLINE void kv_store_h16(int16_t *p, kv_h16 x)
{
    vst1q_s16(p, x.a);
    vst1q_s16(p + 8, x.b);
}

static KV_INLINE int16x8_t kv_gather4(const uint8_t *p, size_t stride)
{
    uint32x4_t x = vdupq_n_u32(kv_u32(p));
    x = vsetq_lane_u32(kv_u32(p + stride), x, 1);
    x = vsetq_lane_u32(kv_u32(p + 2 * stride), x, 2);
    x = vsetq_lane_u32(kv_u32(p + 3 * stride), x, 3);
    return vreinterpretq_s16_u32(x);
}

static KV_INLINE kv_h16 kv_gather_pairs(const uint8_t *p, size_t stride)
{
    return (kv_h16){kv_gather4(p, stride), kv_gather4(p + 4 * stride, stride)};
}

static KV_INLINE kv_part kv_dot16(kv_h16 x, kv_h16 y)
{
    int32x4_t sum = vmull_s16(vget_low_s16(x.a), vget_low_s16(y.a));
    sum = vmlal_high_s16(sum, x.a, y.a);
    sum = vmlal_s16(sum, vget_low_s16(x.b), vget_low_s16(y.b));
    return vmlal_high_s16(sum, x.b, y.b);
}

/* ---- four rows ---- */

static KV_INLINE kv_i4 kv_i4_sub_pair(kv_i4 x, const uint8_t *pair, int16_t scale)
{
    const int sum = (int16_t)kv_u16(pair) + (int16_t)kv_u16(pair + 2);
    return vsubq_s32(x, vdupq_n_s32(scale * sum));
}

static KV_INLINE kv_i4 kv_i4_sub_shifted(kv_i4 x, kv_i4 y, int shift)
{
    return vsubq_s32(x, vshlq_s32(y, vdupq_n_s32(shift)));
}

static KV_INLINE float32x4_t kv_fours(kv_f x)
{
    return vaddq_f32(vaddq_f32(x.a, x.c), vaddq_f32(x.b, x.d));
}

static KV_INLINE kv_f4 kv_f4_zero(void)
{
    return vdupq_n_f32(0.0f);
}

static KV_INLINE kv_f4 kv_f4_set1(float x)
{
    return vdupq_n_f32(x);
}

static KV_INLINE kv_f4 kv_f4_of_int(kv_i4 x)
{
    return vcvtq_f32_s32(x);
}

static KV_INLINE kv_f4 kv_f4_halves(const uint8_t *const p[4], size_t at)
{
    uint16x4_t h = vdup_n_u16(kv_u16(p[0] + at));
    h = vset_lane_u16(kv_u16(p[1] + at), h, 1);
    h = vset_lane_u16(kv_u16(p[2] + at), h, 2);
    h = vset_lane_u16(kv_u16(p[3] + at), h, 3);
    return vcvt_f32_f16(vreinterpret_f16_u16(h));
}

static KV_INLINE kv_f4 kv_f4_powers(const uint8_t *const p[4], size_t at)
{
    const int32_t bytes[4] = {p[0][at], p[1][at], p[2][at], p[3][at]};
    const int32x4_t e = vld1q_s32(bytes), one = vdupq_n_s32(1);
    const int32x4_t normal = vshlq_n_s32(vsubq_s32(e, one), 23);
    const int32x4_t tiny = vshlq_n_s32(vaddq_s32(vandq_s32(e, one), one), 21);
    return vreinterpretq_f32_s32(vmaxq_s32(normal, tiny));
}

static KV_INLINE kv_f4 kv_f4_add(kv_f4 x, kv_f4 y)
{
    return vaddq_f32(x, y);
}

static KV_INLINE kv_f4 kv_f4_sub(kv_f4 x, kv_f4 y)
{
    return vsubq_f32(x, y);
}

static KV_INLINE kv_f4 kv_f4_mul(kv_f4 x, kv_f4 y)
{
    return vmulq_f32(x, y);
}

static KV_INLINE void kv_f4_store(float *p, kv_f4 x)
{
    vst1q_f32(p, x);
}

/* ---- panels: KV_ROWS rows at once ---- */

typedef int8x16_t kv_rows_b;
typedef int32x4_t kv_rows_i, kv_acc;
typedef float32x4_t kv_rows_f;

static KV_INLINE void kv_transpose4(kv_rows_b out[4], int8x16_t a, int8x16_t b, int8x16_t c,
                                    int8x16_t d)
{
    const int32x4_t x = vreinterpretq_s32_s8(a), y = vreinterpretq_s32_s8(b);
    const int32x4_t z = vreinterpretq_s32_s8(c), w = vreinterpretq_s32_s8(d);
    const int64x2_t xy0 = vreinterpretq_s64_s32(vtrn1q_s32(x, y));
    const int64x2_t xy1 = vreinterpretq_s64_s32(vtrn2q_s32(x, y));
    const int64x2_t zw0 = vreinterpretq_s64_s32(vtrn1q_s32(z, w));
    const int64x2_t zw1 = vreinterpretq_s64_s32(vtrn2q_s32(z, w));
    out[0] = vreinterpretq_s8_s64(vtrn1q_s64(xy0, zw0));
    out[1] = vreinterpretq_s8_s64(vtrn1q_s64(xy1, zw1));
    out[2] = vreinterpretq_s8_s64(vtrn2q_s64(xy0, zw0));
    out[3] = vreinterpretq_s8_s64(vtrn2q_s64(xy1, zw1));
}

static KV_INLINE void kv_transpose(kv_rows_b out[8], const kv_b32 rows[KV_ROWS])
{
    kv_transpose4(out, rows[0].a, rows[1].a, rows[2].a, rows[3].a);
    kv_transpose4(out + 4, rows[0].b, rows[1].b, rows[2].b, rows[3].b);
}

static KV_INLINE void kv_transpose4_f(float32x4_t out[4], float32x4_t a, float32x4_t b,
                                      float32x4_t c, float32x4_t d)
{
    int8x16_t turned[4];
    kv_transpose4(turned, vreinterpretq_s8_f32(a), vreinterpretq_s8_f32(b), vreinterpretq_s8_f32(c),
                  vreinterpretq_s8_f32(d));
    KV_UNROLL
    for (int i = 0; i < 4; i++)
        out[i] = vreinterpretq_f32_s8(turned[i]);
}

static KV_INLINE void kv_transpose_f(kv_f x[16])
{
    kv_f in[16];
    memcpy(in, x, sizeof in);
    KV_UNROLL
    for (int i = 0; i < 4; i++) { /* rows 4 * i to 4 * i + 3 become part i */
        const kv_f *row = in + 4 * i;
        float32x4_t out[16];
        kv_transpose4_f(out, row[0].a, row[1].a, row[2].a, row[3].a);
        kv_transpose4_f(out + 4, row[0].b, row[1].b, row[2].b, row[3].b);
        kv_transpose4_f(out + 8, row[0].c, row[1].c, row[2].c, row[3].c);
        kv_transpose4_f(out + 12, row[0].d, row[1].d, row[2].d, row[3].d);
        KV_UNROLL
        for (int j = 0; j < 16; j++)
            *(i == 0 ? &x[j].a : i == 1 ? &x[j].b : i == 2 ? &x[j].c : &x[j].d) = out[j];
    }
}

static KV_INLINE kv_rows_b kv_rows_load_b(const void *p)
{
    return vld1q_s8(p);
}

static KV_INLINE kv_rows_i kv_rows_load_i(const void *p)
{
    return vld1q_s32(p);
}

static KV_INLINE void kv_rows_store(void *p, kv_rows_b x)
{
    vst1q_s8(p, x);
}

static KV_INLINE kv_rows_f kv_rows_load_f(const void *p)
{
    return vld1q_f32(p);
}

static KV_INLINE kv_rows_b kv_rows_same(const uint8_t *p)
{
    return vreinterpretq_s8_u32(vdupq_n_u32(kv_u32(p)));
}

static KV_INLINE kv_acc kv_acc_zero(void)
{
    return vdupq_n_s32(0);
}

static KV_INLINE int kv_acc_steps(kv_kind kind)
{
    (void)kind;
    return 8;
}

static KV_INLINE int kv_scaled_steps(kv_kind kind)
{
    return kv_acc_steps(kind);
}

static KV_INLINE kv_acc kv_acc_step(kv_kind kind, kv_acc acc, kv_rows_b w, kv_rows_b a)
{
    (void)kind;
    return vdotq_s32(acc, w, a);
}

static KV_INLINE kv_rows_i kv_acc_flush(kv_kind kind, kv_acc acc)
{
    (void)kind;
    return acc;
}

static KV_INLINE kv_acc kv_acc_begin(kv_rows_i term)
{
    (void)term;
    return kv_acc_zero();
}

static KV_INLINE kv_rows_i kv_acc_end(kv_kind kind, kv_acc acc, kv_rows_i term)
{
    return vaddq_s32(kv_acc_flush(kind, acc), term);
}

static KV_INLINE int32_t kv_rows_scale(kv_kind kind, int scale)
{
    (void)kind;
    return scale;
}

static KV_INLINE kv_rows_i kv_acc_flush_scaled(kv_kind kind, kv_rows_i sum, kv_acc acc,
                                               kv_rows_i scale)
{
    (void)kind;
    return vmlaq_s32(sum, acc, scale);
}

static KV_INLINE kv_rows_i kv_rows_zero(void)
{
    return vdupq_n_s32(0);
}

static KV_INLINE kv_rows_i kv_rows_dot_pair(kv_rows_i sum, kv_rows_b x, kv_rows_b y)
{
    const int16x8_t a = vreinterpretq_s16_s8(x), b = vreinterpretq_s16_s8(y);
    const int32x4_t low = vmull_s16(vget_low_s16(a), vget_low_s16(b));
    return vaddq_s32(sum, vpaddq_s32(low, vmull_high_s16(a, b)));
}

static KV_INLINE kv_rows_b kv_rows_pair(int16_t x)
{
    return vreinterpretq_s8_s16(vdupq_n_s16(x));
}

static KV_INLINE kv_rows_i kv_rows_add(kv_rows_i x, kv_rows_i y)
{
    return vaddq_s32(x, y);
}

static KV_INLINE kv_rows_i kv_rows_sub(kv_rows_i x, kv_rows_i y)
{
    return vsubq_s32(x, y);
}

static KV_INLINE kv_rows_f kv_rows_of_int(kv_rows_i x)
{
    return vcvtq_f32_s32(x);
}

static KV_INLINE kv_rows_f kv_rows_set1(float x)
{
    return vdupq_n_f32(x);
}

static KV_INLINE kv_rows_f kv_rows_addf(kv_rows_f x, kv_rows_f y)
{
    return vaddq_f32(x, y);
}

static KV_INLINE kv_rows_f kv_rows_subf(kv_rows_f x, kv_rows_f y)
{
    return vsubq_f32(x, y);
}

static KV_INLINE kv_rows_f kv_rows_mulf(kv_rows_f x, kv_rows_f y)
{
    return vmulq_f32(x, y);
}

static KV_INLINE void kv_rows_storef(float *p, kv_rows_f x)
{
    vst1q_f32(p, x);
}

#endif
