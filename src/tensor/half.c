/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* half.c - f16 and bf16 conversion in integer arithmetic.
 *
 * The invariant: the bits of VCVTPH2PS and VCVTPS2PH (round to nearest even), so a NaN keeps its
 * sign and the top of its payload and becomes quiet, and subnormals are exact. Source: IEEE
 * 754-2019, sections 3.4 and 4.3.1. */
#include "tensor/half.h"

float kw_f32_from_f16(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    const uint32_t exponent = (h >> 10) & 0x1fu;
    const uint32_t fraction = h & 0x3ffu;
    if (exponent == 0x1f)
        return kw_f32_from_bits(sign | 0x7f800000u | fraction << 13 | (fraction ? 0x400000u : 0));
    if (exponent == 0)
        return kw_f32_from_bits(sign | kw_f32_bits((float)fraction * 0x1p-24f));
    return kw_f32_from_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

uint16_t kw_f16_from_f32(float f)
{
    const uint32_t bits = kw_f32_bits(f);
    const uint32_t sign = (bits >> 16) & 0x8000u;
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
    if (magnitude >= 0x47800000u) /* 2^16 */
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude < 0x38800000u) { /* 2^-14: one ulp of 0.5 + x is the subnormal step 2^-24 */
        const float shifted = kw_f32_from_bits(magnitude) + 0.5f;
        return (uint16_t)(sign | (kw_f32_bits(shifted) - 0x3f000000u));
    }
    const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
    return (uint16_t)(sign | ((rounded - (112u << 23)) >> 13));
}

uint16_t kw_bf16_from_f32(float f)
{
    const uint32_t bits = kw_f32_bits(f);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
