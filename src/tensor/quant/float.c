/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* float.c - the types of one element a block: floats, integers and booleans.
 *
 * f16 and bf16 round to nearest even; integers beyond 2^24 and f64 round to the nearest f32.
 * Elements are loaded by memcpy, since a file may put them at any address. */
#include "tensor/half.h"
#include "tensor/quant/codecs.h"

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
