/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* tq.c - ternary weights in superblocks of 256 with one f16 scale: y = d * (t - 1), t in 0..2;
 * tq2_0 has two bits for each, tq1_0 five in a byte.
 *
 * encode without importance is ggml's reference: d is the largest |x|, as weights that were trained
 * ternary want it. */
#include "tensor/quant/blocks.h"
#include "tensor/quant/codecs.h"
#include "tensor/quant/fit.h"

KW_DECODER(kw_tq1_0_decode)
{
    const kw_block_tq1_0 *const blocks = src;
    for (size_t b = 0; b < n / KW_QK_K; b++) {
        const float d = kw_load_f16(blocks[b].d);
        int8_t digits[KW_QK_K];
        kw_tq1_0_digits(&blocks[b], digits);
        for (size_t i = 0; i < KW_QK_K; i++)
            dst[b * KW_QK_K + i] = (float)(digits[i] - 1) * d;
    }
}

KW_DECODER(kw_tq2_0_decode)
{
    const kw_block_tq2_0 *const blocks = src;
    for (size_t b = 0; b < n / KW_QK_K; b++) {
        const float d = kw_load_f16(blocks[b].d);
        for (size_t i = 0; i < KW_QK_K; i++) {
            const int q = blocks[b].qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
            dst[b * KW_QK_K + i] = (float)(q - 1) * d;
        }
    }
}

/* Scale as f16 and codes of one superblock. */
static uint16_t fit(uint8_t codes[KW_QK_K], const float *x, const float *w)
{
    if (w) {
        const uint16_t half = kw_fit_f16(kw_fit_scale(x, w, KW_QK_K, -1.0f, 1.0f));
        kw_fit_codes(codes, x, KW_QK_K, -1.0f, 1.0f, kw_f32_from_f16(half), 0.0f);
        return half;
    }
    float amax = 0.0f;
    for (size_t i = 0; i < KW_QK_K; i++)
        amax = fabsf(x[i]) > amax ? fabsf(x[i]) : amax;
    const float inverse = kw_fit_inverse(amax);
    for (size_t i = 0; i < KW_QK_K; i++) {
        const float v = x[i] * inverse; /* rounded half away from zero */
        codes[i] = (uint8_t)(v >= 0.5f ? 2 : v <= -0.5f ? 0 : 1);
    }
    return kw_fit_f16(amax);
}

/* Five digits as the top of a byte: the smallest b with b * 3^5 >= value * 256. */
static uint8_t pack_digits(const uint8_t *codes, size_t stride, size_t n)
{
    unsigned value = 0;
    for (size_t i = 0; i < 5; i++)
        value = 3 * value + (i < n ? codes[i * stride] : 0u);
    return (uint8_t)((value * 256 + 242) / 243);
}

KW_ENCODER(kw_tq1_0_encode)
{
    kw_block_tq1_0 *const blocks = dst;
    for (size_t b = 0; b < n / KW_QK_K; b++) {
        const size_t at = b * KW_QK_K;
        uint8_t codes[KW_QK_K];
        const uint16_t d = fit(codes, src + at, importance ? importance + at : NULL);
        memcpy(blocks[b].d, &d, sizeof d);
        for (size_t i = 0; i < 32; i++)
            blocks[b].qs[i] = pack_digits(codes + i, 32, 5);
        for (size_t i = 0; i < 16; i++)
            blocks[b].qs[32 + i] = pack_digits(codes + 160 + i, 16, 5);
        for (size_t i = 0; i < 4; i++)
            blocks[b].qh[i] = pack_digits(codes + 240 + i, 4, 4);
    }
}

KW_ENCODER(kw_tq2_0_encode)
{
    kw_block_tq2_0 *const blocks = dst;
    for (size_t b = 0; b < n / KW_QK_K; b++) {
        const size_t at = b * KW_QK_K;
        uint8_t codes[KW_QK_K];
        const uint16_t d = fit(codes, src + at, importance ? importance + at : NULL);
        memcpy(blocks[b].d, &d, sizeof d);
        kw_pack_pairs(blocks[b].qs, codes);
    }
}
