/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* q5_k.c - superblocks of 256 in eight groups of 32: y = (d * sc) * q - dmin * m, as q4_k with one
 * bit more. */
#include "tensor/quant/codecs.h"
#include "tensor/quant/fit_k.h"

enum { GROUPS = 8, GROUP = 32 };

KW_DECODER(kw_q5_k_decode)
{
    const kw_block_q5_k *const blocks = src;
    for (size_t b = 0; b < n / KW_QK_K; b++) {
        const float d = kw_load_f16(blocks[b].d);
        const float dmin = kw_load_f16(blocks[b].dmin);
        uint8_t sc[GROUPS], m[GROUPS];
        kw_q4_k_scales(blocks[b].scales, sc, m);
        for (size_t g = 0; g < GROUPS; g++) {
            const uint8_t *const qs = blocks[b].qs + g / 2 * GROUP, *const qh = blocks[b].qh;
            const int shift = g % 2 ? 4 : 0;
            const float scale = d * (float)sc[g], offset = dmin * (float)m[g];
            float *const y = dst + b * KW_QK_K + g * GROUP;
            for (size_t i = 0; i < GROUP; i++)
                y[i] = scale * (float)((qs[i] >> shift & 15) | (qh[i] >> g & 1) << 4) - offset;
        }
    }
}

static void pack(const kw_fit_super *from, kw_block_q5_k *out)
{
    memcpy(out->d, &from->d, sizeof out->d);
    memcpy(out->dmin, &from->dmin, sizeof out->dmin);
    kw_q4_k_pack_scales(out->scales, from->sc, from->m);
    for (size_t i = 0; i < sizeof out->qs; i++) {
        const uint8_t *const low = from->codes + i / GROUP * 2 * GROUP + i % GROUP;
        out->qs[i] = (uint8_t)((low[0] & 15) | (low[GROUP] & 15) << 4);
    }
    memset(out->qh, 0, sizeof out->qh);
    for (size_t i = 0; i < KW_QK_K; i++)
        out->qh[i % GROUP] = (uint8_t)(out->qh[i % GROUP] | from->codes[i] >> 4 << (i / GROUP));
}

KW_ENCODER(kw_q5_k_encode)
{
    static const kw_fit_shape shape = {GROUP, 0, 63, 0.0f, 31.0f, NULL};
    kw_block_q5_k *const blocks = dst;
    for (size_t b = 0; b < n / KW_QK_K; b++) {
        kw_fit_super fitted;
        const size_t at = b * KW_QK_K;
        kw_fit_super_affine(&fitted, &shape, src + at, importance ? importance + at : NULL);
        pack(&fitted, &blocks[b]);
    }
}
