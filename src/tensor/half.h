/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* half.h - f16 and bf16 conversion, round to nearest even, NaN stays NaN. Same bits as F16C. */
#ifndef KW_TENSOR_HALF_H
#define KW_TENSOR_HALF_H

#include <stdint.h>
#include <string.h>

static inline float kw_f32_from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint32_t kw_f32_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static inline float kw_f32_from_bf16(uint16_t h)
{
    return kw_f32_from_bits((uint32_t)h << 16);
}

float kw_f32_from_f16(uint16_t h);
uint16_t kw_f16_from_f32(float f);
uint16_t kw_bf16_from_f32(float f);

#endif
