/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* q4_0.c - 32 four-bit codes with one f16 scale: y = d * (q - 8).
 *
 * encode without importance is ggml's reference (the element of largest magnitude becomes -8); with
 * importance it searches the scale of the smallest weighted squared error. */
#include "tensor/quant/blocks.h"
#include "tensor/quant/codecs.h"
#include "tensor/quant/fit_block.h"

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

KW_ENCODER(kw_q4_0_encode)
{
    kw_block_q4_0 *const blocks = dst;
    for (size_t b = 0; b < n / KW_QK; b++) {
        const float *const w = importance ? importance + b * KW_QK : NULL;
        uint8_t codes[KW_QK];
        const uint16_t d = kw_fit_block_scale(codes, src + b * KW_QK, w, -8.0f, 7.0f);
        memcpy(blocks[b].d, &d, sizeof d);
        kw_pack_nibbles(blocks[b].qs, codes);
    }
}
