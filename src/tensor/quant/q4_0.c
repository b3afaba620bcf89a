/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* q4_0.c - 32 four-bit codes with one f16 scale: y = d * (q - 8).
 *
 * encode without importance is ggml's reference (the element of largest magnitude becomes -8); with
 * importance it searches the scale of the smallest weighted squared error. */
#include "tensor/quant/blocks.h"
#include "tensor/quant/codecs.h"
#include "tensor/quant/fit.h"

KW_DECODER(kw_q4_0_decode)
{
    const kw_block_q4_0 *const blocks = src;
    for (size_t b = 0; b < n / KW_QK; b++) {
        const float d = kw_load_f16(blocks[b].d);
        float *const y = dst + b * KW_QK;
        for (size_t i = 0; i < KW_QK / 2; i++) {
            y[i] = (float)((blocks[b].qs[i] & 15) - 8) * d;
            y[i + KW_QK / 2] = (float)((blocks[b].qs[i] >> 4) - 8) * d;
        }
    }
}

/* The reference's scale and codes of one block. */
static float quantize_plain(const float *x, uint8_t codes[KW_QK])
{
    float peak = 0.0f;
    for (size_t i = 0; i < KW_QK; i++)
        peak = fabsf(x[i]) > fabsf(peak) ? x[i] : peak;
    const float d = peak / -8.0f;
    const float inverse = kw_fit_inverse(d);
    for (size_t i = 0; i < KW_QK; i++) {
        const float v = x[i] * inverse + 8.5f;
        codes[i] = v >= 15.0f ? 15 : v > 0.0f ? (uint8_t)v : 0;
    }
    return d;
}

KW_ENCODER(kw_q4_0_encode)
{
    kw_block_q4_0 *const blocks = dst;
    for (size_t b = 0; b < n / KW_QK; b++) {
        const float *const x = src + b * KW_QK;
        uint8_t codes[KW_QK];
        uint16_t half;
        if (importance) {
            const float *const w = importance + b * KW_QK;
            half = kw_fit_f16(kw_fit_scale(x, w, KW_QK, -8.0f, 7.0f));
            kw_fit_codes(codes, x, KW_QK, -8.0f, 7.0f, kw_f32_from_f16(half), 0.0f);
        } else {
            half = kw_fit_f16(quantize_plain(x, codes));
        }
        memcpy(blocks[b].d, &half, sizeof half);
        for (size_t i = 0; i < KW_QK / 2; i++)
            blocks[b].qs[i] = (uint8_t)(codes[i] | codes[i + KW_QK / 2] << 4);
    }
}
