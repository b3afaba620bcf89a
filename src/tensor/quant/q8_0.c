/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* q8_0.c - 32 int8 with one f16 scale: y = d * q.
 *
 * encode is ggml's reference: d = amax / 127, q = x / d rounded half away from zero. */
#include "tensor/quant/blocks.h"
#include "tensor/quant/codecs.h"
#include "tensor/quant/fit.h"

KW_DECODER(kw_q8_0_decode)
{
    const kw_block_q8_0 *const blocks = src;
    for (size_t b = 0; b < n / KW_QK; b++) {
        const float d = kw_load_f16(blocks[b].d);
        for (size_t i = 0; i < KW_QK; i++)
            dst[b * KW_QK + i] = (float)blocks[b].qs[i] * d;
    }
}

KW_ENCODER(kw_q8_0_encode)
{
    kw_block_q8_0 *const blocks = dst;
    (void)importance;
    for (size_t b = 0; b < n / KW_QK; b++) {
        const float *const x = src + b * KW_QK;
        float amax = 0.0f;
        for (size_t i = 0; i < KW_QK; i++)
            amax = fabsf(x[i]) > amax ? fabsf(x[i]) : amax;
        const float d = amax / 127.0f;
        const float inverse = kw_fit_inverse(d);
        const uint16_t half = kw_fit_f16(d);
        memcpy(blocks[b].d, &half, sizeof half);
        for (size_t i = 0; i < KW_QK; i++)
            blocks[b].qs[i] = (int8_t)kw_fit_round(roundf(x[i] * inverse), -127.0f, 127.0f);
    }
}
