/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* mxfp4.c - 32 four-bit floats (E2M1) with one power of two. Values are kept doubled, which makes
 * them integers, and the scale halved.
 *
 * encode without importance is ggml's reference: the exponent of the largest |x| less 2, codes to
 * nearest, ties towards zero. With importance the exponents around it are tried too.
 * Source: OCP Microscaling Formats (MX) Specification 1.0. */
#include "tensor/quant/blocks.h"
#include "tensor/quant/codecs.h"
#include "tensor/quant/fit.h"

const int8_t kw_mxfp4_values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

KW_DECODER(kw_mxfp4_decode)
{
    const kw_block_mxfp4 *const blocks = src;
    for (size_t b = 0; b < n / KW_QK; b++) {
        const float d = kw_load_e8m0(&blocks[b].e);
        for (size_t i = 0; i < KW_QK / 2; i++) {
            float *const y = dst + b * KW_QK + i;
            y[0] = d * (float)kw_mxfp4_values[blocks[b].qs[i] & 15];
            y[KW_QK / 2] = d * (float)kw_mxfp4_values[blocks[b].qs[i] >> 4];
        }
    }
}

/* The nearest code; NaN gives 0. */
static uint8_t code_of(float v)
{
    static const float middle[7] = {0.5f, 1.5f, 2.5f, 3.5f, 5.0f, 7.0f, 10.0f};
    int code = 0;
    for (size_t i = 0; i < 7; i++)
        code += fabsf(v) > middle[i];
    return (uint8_t)(v < 0.0f && code > 0 ? code | 8 : code);
}

static float codes_at(uint8_t codes[KW_QK], const float *x, const float *w, uint8_t e)
{
    const float d = kw_load_e8m0(&e), inverse = kw_fit_inverse(d);
    float error = 0.0f;
    for (size_t i = 0; i < KW_QK; i++) {
        codes[i] = code_of(x[i] * inverse);
        const float diff = x[i] - d * (float)kw_mxfp4_values[codes[i]];
        error += (w ? w[i] : 1.0f) * diff * diff;
    }
    return error;
}

/* floor(log2 amax) + 125, within 0..254. */
static int exponent(const float *x)
{
    float amax = 0.0f;
    for (size_t i = 0; i < KW_QK; i++)
        amax = fabsf(x[i]) > amax ? fabsf(x[i]) : amax;
    uint32_t bits;
    memcpy(&bits, &amax, sizeof bits);
    const int e = (int)(bits >> 23) - 2;
    return amax > 0.0f && e > 0 ? e : 0;
}

KW_ENCODER(kw_mxfp4_encode)
{
    kw_block_mxfp4 *const blocks = dst;
    for (size_t b = 0; b < n / KW_QK; b++) {
        const float *const x = src + b * KW_QK, *const w =
                                                    importance ? importance + b * KW_QK : NULL;
        const int e = exponent(x);
        uint8_t codes[KW_QK], tried[KW_QK];
        float best = codes_at(codes, x, w, (uint8_t)e);
        blocks[b].e = (uint8_t)e;
        for (int step = -1; w && step <= 1; step += 2) {
            const uint8_t near = (uint8_t)(e > 0 ? e + step : e);
            const float error = codes_at(tried, x, w, near);
            if (error < best) {
                best = error;
                blocks[b].e = near;
                memcpy(codes, tried, sizeof codes);
            }
        }
        kw_pack_nibbles(blocks[b].qs, codes);
    }
}
