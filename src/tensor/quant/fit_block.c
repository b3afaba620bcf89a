/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fit_block.c - scales of a block of 32: the reference's rounding without importance, a search for
 * the least weighted error with it.
 * Source: the reference quantisers of the ggml project, for what their rounding is. */
#include "tensor/quant/fit_block.h"

#include "tensor/quant/fit.h"

/* Truncated after 0.5 was added, within 0..top; NaN gives 0. */
static uint8_t code_of(float v, float top)
{
    return v >= top ? (uint8_t)top : v > 0.0f ? (uint8_t)v : 0;
}

static float plain_scale(uint8_t codes[KW_QK], const float *x, float lo, float hi)
{
    const float d = kw_fit_peak(x, KW_QK) / lo, inverse = kw_fit_inverse(d);
    for (size_t i = 0; i < KW_QK; i++)
        codes[i] = code_of(x[i] * inverse + (0.5f - lo), hi - lo);
    return d;
}

uint16_t kw_fit_block_scale(uint8_t codes[KW_QK], const float *x, const float *w, float lo,
                            float hi)
{
    if (!w)
        return kw_fit_f16(plain_scale(codes, x, lo, hi));
    const uint16_t d = kw_fit_f16(kw_fit_scale(x, w, KW_QK, lo, hi));
    kw_fit_codes(codes, x, KW_QK, lo, hi, kw_f32_from_f16(d), 0.0f);
    return d;
}

uint16_t kw_fit_block_affine(uint8_t codes[KW_QK], const float *x, const float *w, float hi,
                             uint16_t *min)
{
    float low = x[0], high = x[0];
    for (size_t i = 1; i < KW_QK; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    if (!w) {
        const float d = (high - low) / hi, inverse = kw_fit_inverse(d);
        for (size_t i = 0; i < KW_QK; i++)
            codes[i] = code_of((x[i] - low) * inverse + 0.5f, hi);
        *min = kw_fit_f16(low);
        return kw_fit_f16(d);
    }
    /* The search wants minima at or below zero: nothing is above zero once the largest is. */
    float shifted[KW_QK], s, offset;
    for (size_t i = 0; i < KW_QK; i++)
        shifted[i] = x[i] - high;
    kw_fit_affine(shifted, w, KW_QK, hi, &s, &offset);
    const uint16_t d = kw_fit_f16(s);
    *min = kw_fit_f16(high - offset);
    kw_fit_codes(codes, x, KW_QK, 0.0f, hi, kw_f32_from_f16(d), -kw_f32_from_f16(*min));
    return d;
}
