/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* q5_0.c - 32 five-bit codes with one f16 scale: y = d * (q - 16).
 *
 * encode without importance is ggml's reference. */
#include "tensor/quant/codecs.h"
#include "tensor/quant/fit_block.h"

KW_DECODER(kw_q5_0_decode)
{
    const kw_block_q5_0 *const blocks = src;
    for (size_t b = 0; b < n / KW_QK; b++) {
        const float d = kw_load_f16(blocks[b].d);
        for (size_t i = 0; i < KW_QK; i++) {
            const int low = blocks[b].qs[i % 16] >> (i / 16 * 4) & 15;
            const int high = blocks[b].qh[i / 8] >> (i % 8) & 1;
            dst[b * KW_QK + i] = (float)((low | high << 4) - 16) * d;
        }
    }
}

KW_ENCODER(kw_q5_0_encode)
{
    kw_block_q5_0 *const blocks = dst;
    for (size_t b = 0; b < n / KW_QK; b++) {
        const float *const w = importance ? importance + b * KW_QK : NULL;
        uint8_t codes[KW_QK];
        const uint16_t d = kw_fit_block_scale(codes, src + b * KW_QK, w, -16.0f, 15.0f);
        memcpy(blocks[b].d, &d, sizeof d);
        kw_pack_nibbles(blocks[b].qs, codes);
        kw_pack_fifth(blocks[b].qh, codes);
    }
}
