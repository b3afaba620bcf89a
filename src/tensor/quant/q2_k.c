/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* q2_k.c - superblocks of 256 in sixteen groups of 16: y = (d * sc) * q - dmin * m, q in 0..3. */
#include "tensor/quant/codecs.h"
#include "tensor/quant/fit_k.h"

enum { GROUP = 16 };

KW_DECODER(kw_q2_k_decode)
{
    const kw_block_q2_k *const blocks = src;
    for (size_t b = 0; b < n / KW_QK_K; b++) {
        const float d = kw_load_f16(blocks[b].d);
        const float dmin = kw_load_f16(blocks[b].dmin);
        for (size_t g = 0; g < KW_QK_K / GROUP; g++) {
            const uint8_t *const qs = blocks[b].qs + g / 8 * 32 + g % 2 * GROUP;
            const int shift = (int)(g % 8 / 2 * 2), packed = blocks[b].scales[g];
            const float scale = d * (float)(packed & 15), offset = dmin * (float)(packed >> 4);
            float *const y = dst + b * KW_QK_K + g * GROUP;
            for (size_t i = 0; i < GROUP; i++)
                y[i] = scale * (float)(qs[i] >> shift & 3) - offset;
        }
    }
}

KW_ENCODER(kw_q2_k_encode)
{
    static const kw_fit_shape shape = {GROUP, 0, 15, 0.0f, 3.0f, NULL};
    kw_block_q2_k *const blocks = dst;
    for (size_t b = 0; b < n / KW_QK_K; b++) {
        kw_fit_super fitted;
        const size_t at = b * KW_QK_K;
        kw_fit_super_affine(&fitted, &shape, src + at, importance ? importance + at : NULL);
        memcpy(blocks[b].d, &fitted.d, sizeof blocks[b].d);
        memcpy(blocks[b].dmin, &fitted.dmin, sizeof blocks[b].dmin);
        for (size_t g = 0; g < KW_QK_K / GROUP; g++)
            blocks[b].scales[g] = (uint8_t)(fitted.sc[g] | fitted.m[g] << 4);
        kw_pack_pairs(blocks[b].qs, fitted.codes);
    }
}
