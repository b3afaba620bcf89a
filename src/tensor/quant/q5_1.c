/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* q5_1.c - 32 five-bit codes with an f16 scale and an f16 minimum: y = d * q + m.
 *
 * encode without importance is ggml's reference. */
#include "tensor/quant/codecs.h"
#include "tensor/quant/fit_block.h"

KW_DECODER(kw_q5_1_decode)
{
    const kw_block_q5_1 *const blocks = src;
    for (size_t b = 0; b < n / KW_QK; b++) {
        const float d = kw_load_f16(blocks[b].d), m = kw_load_f16(blocks[b].m);
        for (size_t i = 0; i < KW_QK; i++) {
            const int low = blocks[b].qs[i % 16] >> (i / 16 * 4) & 15;
            const int high = blocks[b].qh[i / 8] >> (i % 8) & 1;
            dst[b * KW_QK + i] = (float)(low | high << 4) * d + m;
        }
    }
}

KW_ENCODER(kw_q5_1_encode)
{
    kw_block_q5_1 *const blocks = dst;
    for (size_t b = 0; b < n / KW_QK; b++) {
        const float *const w = importance ? importance + b * KW_QK : NULL;
        uint8_t codes[KW_QK];
        uint16_t m;
        const uint16_t d = kw_fit_block_affine(codes, src + b * KW_QK, w, 31.0f, &m);
        memcpy(blocks[b].d, &d, sizeof d);
        memcpy(blocks[b].m, &m, sizeof m);
        kw_pack_nibbles(blocks[b].qs, codes);
        kw_pack_fifth(blocks[b].qh, codes);
    }
}
