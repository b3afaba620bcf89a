/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* q8_act.c - activations of the integer dot product: one column of the tile that
 * backend/cpu/kernels.h lays out. This encoder is the definition that the kernels equal.
 *
 * Over the 32 (A32) or 256 (A256) elements that share a scale: amax = largest |x| (NaN is skipped),
 * d = amax / 127, inverse = amax ? 127 / amax : 0, v = x * inverse, q = v to nearest even where
 * |v| < 128, else 0 (only NaN, infinities and groups below 2^-121 reach that). */
#include "tensor/quant/blocks.h"
#include "tensor/quant/codecs.h"

#include <math.h>

KW_DECODER(kw_q8_act_decode)
{
    const kw_block_q8_act *const blocks = src;
    for (size_t b = 0; b < n / KW_QK; b++) {
        float d;
        memcpy(&d, blocks[b].d, sizeof d);
        for (size_t i = 0; i < KW_QK; i++)
            dst[b * KW_QK + i] = (float)blocks[b].qs[i] * d;
    }
}

/* x: [32]; the scale is the group's */
static void encode_block(const float *x, float d, float inverse, kw_block_q8_act *out)
{
    int16_t sums[2] = {0, 0};
    for (size_t i = 0; i < KW_QK; i++) {
        const float v = x[i] * inverse;
        const int8_t q = fabsf(v) < 128.0f ? (int8_t)rintf(v) : 0;
        out->qs[i] = q;
        sums[i / 16] = (int16_t)(sums[i / 16] + q);
    }
    memcpy(out->d, &d, sizeof d);
    memcpy(out->sums, sums, sizeof sums);
}

/* group: elements that share a scale, a multiple of 32 that divides n */
static void encode(kw_block_q8_act *out, const float *x, size_t n, size_t group)
{
    for (size_t start = 0; start < n; start += group) {
        float amax = 0.0f;
        for (size_t i = 0; i < group; i++)
            amax = fabsf(x[start + i]) > amax ? fabsf(x[start + i]) : amax;
        const float d = amax / 127.0f;
        const float inverse = amax != 0.0f ? 127.0f / amax : 0.0f;
        for (size_t i = start; i < start + group; i += KW_QK)
            encode_block(x + i, d, inverse, &out[i / KW_QK]);
    }
}

KW_ENCODER(kw_q8_a32_encode)
{
    (void)importance;
    encode(dst, src, n, KW_QK);
}

KW_ENCODER(kw_q8_a256_encode)
{
    (void)importance;
    encode(dst, src, n, KW_QK_K);
}
