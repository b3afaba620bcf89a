/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* float.c - the types of one element a block: floats, integers and booleans.
 *
 * f16 and bf16 round to nearest even; integers beyond 2^24 and f64 round to the nearest f32.
 * Elements are loaded by memcpy, since a file may put them at any address. Sources of the floats of
 * a byte: Micikevicius et al. 2022, arXiv:2209.05433 (E4M3, E5M2); Noune et al. 2022,
 * arXiv:2206.02915 (FNUZ); the OCP's Microscaling Formats 1.0 (E8M0). */
#include "tensor/half.h"
#include "tensor/quant/codecs.h"

#include <math.h>
#include <stdbool.h>

KW_DECODER(kw_f32_decode)
{
    memcpy(dst, src, n * sizeof *dst);
}

KW_ENCODER(kw_f32_encode)
{
    (void)importance;
    memcpy(dst, src, n * sizeof *src);
}

/* A decoder of n elements of `type`; `v` names the element in `expression`. */
#define DECODE(name, type, expression)                                                             \
    KW_DECODER(name)                                                                               \
    {                                                                                              \
        const unsigned char *const bytes = src;                                                    \
        for (size_t i = 0; i < n; i++) {                                                           \
            type v;                                                                                \
            memcpy(&v, bytes + i * sizeof v, sizeof v);                                            \
            dst[i] = (expression);                                                                 \
        }                                                                                          \
    }

#define ENCODE(name, type, expression)                                                             \
    KW_ENCODER(name)                                                                               \
    {                                                                                              \
        unsigned char *const bytes = dst;                                                          \
        (void)importance;                                                                          \
        for (size_t i = 0; i < n; i++) {                                                           \
            const float f = src[i];                                                                \
            const type v = (expression);                                                           \
            memcpy(bytes + i * sizeof v, &v, sizeof v);                                            \
        }                                                                                          \
    }

DECODE(kw_f16_decode, uint16_t, kw_f32_from_f16(v))
ENCODE(kw_f16_encode, uint16_t, kw_f16_from_f32(f))
DECODE(kw_bf16_decode, uint16_t, kw_f32_from_bf16(v))
ENCODE(kw_bf16_encode, uint16_t, kw_bf16_from_f32(f))
DECODE(kw_f64_decode, double, (float)v)
ENCODE(kw_f64_encode, double, (double)f)
DECODE(kw_i8_decode, int8_t, (float)v)
DECODE(kw_i16_decode, int16_t, (float)v)
DECODE(kw_i32_decode, int32_t, (float)v)
DECODE(kw_i64_decode, int64_t, (float)v)
DECODE(kw_u8_decode, uint8_t, (float)v)
DECODE(kw_bool_decode, uint8_t, v ? 1.0f : 0.0f)
DECODE(kw_u16_decode, uint16_t, (float)v)
DECODE(kw_u32_decode, uint32_t, (float)v)
DECODE(kw_u64_decode, uint64_t, (float)v)

static float f32_of_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* A sign, an exponent and `mantissa` bits; every value is an f32. Without regard to what the
 * largest exponent or a negative zero means. */
static float f8(uint8_t v, unsigned mantissa, unsigned bias)
{
    const uint32_t sign = (uint32_t)(v & 0x80) << 24, magnitude = v & 0x7f;
    const uint32_t exponent = magnitude >> mantissa;
    if (exponent > 0)
        return f32_of_bits(sign | ((magnitude << (23 - mantissa)) + ((127 - bias) << 23)));
    const float smallest = f32_of_bits((128 - bias - mantissa) << 23);
    const float small = (float)magnitude * smallest;
    return sign ? -small : small;
}

/* 255 is no number; 0 is 2^-127, which f32 has as a subnormal. */
static float f8_power(uint8_t v)
{
    return v == 0xff ? NAN : v == 0 ? 0x1p-127f : f32_of_bits((uint32_t)v << 23);
}

static bool is_last(uint8_t v)
{
    return (v & 0x7f) == 0x7f;
}

/* Infinity, and behind it what is no number. */
static float f8_beyond(uint8_t v)
{
    return (v & 0x7f) > 0x7c ? NAN : v & 0x80 ? -INFINITY : INFINITY;
}

DECODE(kw_f8_e4m3_decode, uint8_t, is_last(v) ? NAN : f8(v, 3, 7))
DECODE(kw_f8_e5m2_decode, uint8_t, (v & 0x7f) >= 0x7c ? f8_beyond(v) : f8(v, 2, 15))
DECODE(kw_f8_e4m3fnuz_decode, uint8_t, v == 0x80 ? NAN : f8(v, 3, 8))
DECODE(kw_f8_e5m2fnuz_decode, uint8_t, v == 0x80 ? NAN : f8(v, 2, 16))
DECODE(kw_f8_e8m0_decode, uint8_t, f8_power(v))
