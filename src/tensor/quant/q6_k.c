/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* q6_k.c - superblocks of 256 in sixteen groups of 16: y = (d * sc) * (q - 32). */
#include "tensor/quant/blocks.h"
#include "tensor/quant/codecs.h"
#include "tensor/quant/fit_k.h"

enum { OFFSET = 32 };

/* Code of quarter t, element l of half h (layout in blocks.h), 0..63. */
static int code_at(const kw_block_q6_k *block, size_t h, size_t t, size_t l)
{
    const int low = block->ql[64 * h + 32 * (t % 2) + l] >> (t / 2 * 4) & 15;
    const int high = block->qh[32 * h + l] >> (2 * t) & 3;
    return low | high << 4;
}

KW_DECODER(kw_q6_k_decode)
{
    const kw_block_q6_k *const blocks = src;
    for (size_t b = 0; b < n / KW_QK_K; b++) {
        const float d = kw_load_f16(blocks[b].d);
        for (size_t h = 0; h < 2; h++) {
            for (size_t t = 0; t < 4; t++) {
                const int8_t *const sc = blocks[b].scales + 8 * h + 2 * t;
                const float scale[2] = {d * (float)sc[0], d * (float)sc[1]};
                float *const y = dst + b * KW_QK_K + 128 * h + 32 * t;
                for (size_t l = 0; l < 32; l++)
                    y[l] = scale[l / 16] * (float)(code_at(&blocks[b], h, t, l) - OFFSET);
            }
        }
    }
}

static void pack_codes(const uint8_t codes[KW_QK_K], kw_block_q6_k *out)
{
    memset(out->ql, 0, sizeof out->ql);
    memset(out->qh, 0, sizeof out->qh);
    for (size_t i = 0; i < KW_QK_K; i++) {
        const size_t h = i / 128, t = i % 128 / 32, l = i % 32;
        uint8_t *const low = &out->ql[64 * h + 32 * (t % 2) + l];
        uint8_t *const high = &out->qh[32 * h + l];
        *low = (uint8_t)(*low | (codes[i] & 15) << (t / 2 * 4));
        *high = (uint8_t)(*high | codes[i] >> 4 << (2 * t));
    }
}

KW_ENCODER(kw_q6_k_encode)
{
    static const kw_fit_shape shape = {16, -128, 127, -32.0f, 31.0f, NULL};
    kw_block_q6_k *const blocks = dst;
    for (size_t b = 0; b < n / KW_QK_K; b++) {
        kw_fit_super fitted;
        const size_t at = b * KW_QK_K;
        kw_fit_super_scale(&fitted, &shape, src + at, importance ? importance + at : NULL);
        memcpy(blocks[b].d, &fitted.d, sizeof fitted.d);
        memcpy(blocks[b].scales, fitted.sc, sizeof fitted.sc);
        pack_codes(fitted.codes, &blocks[b]);
    }
}
