/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* q3_k.c - superblocks of 256 in sixteen groups of 16: y = (d * sc) * (q - 4), q in 0..7. */
#include "tensor/quant/codecs.h"
#include "tensor/quant/fit_k.h"

enum { GROUP = 16, GROUPS = KW_QK_K / GROUP };

KW_DECODER(kw_q3_k_decode)
{
    const kw_block_q3_k *const blocks = src;
    for (size_t b = 0; b < n / KW_QK_K; b++) {
        const float d = kw_load_f16(blocks[b].d);
        int8_t sc[GROUPS];
        uint64_t packed[2];
        kw_q3_k_scales(blocks[b].scales, packed);
        memcpy(sc, packed, sizeof sc);
        for (size_t i = 0; i < KW_QK_K; i++) {
            const int low = blocks[b].qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
            const int high = blocks[b].hmask[i % 32] >> (i / 32) & 1;
            const int8_t scale = sc[i / GROUP];
            dst[b * KW_QK_K + i] = (d * (float)scale) * (float)((low | high << 2) - 4);
        }
    }
}

static void pack_scales(uint8_t packed[12], const int8_t sc[GROUPS])
{
    memset(packed, 0, 12);
    for (size_t j = 0; j < GROUPS; j++) {
        const int stored = sc[j] + 32;
        uint8_t *const low = &packed[j % 8], *const high = &packed[8 + j % 4];
        *low = (uint8_t)(*low | (stored & 15) << (j / 8 * 4));
        *high = (uint8_t)(*high | stored >> 4 << (j / 4 * 2));
    }
}

KW_ENCODER(kw_q3_k_encode)
{
    static const kw_fit_shape shape = {GROUP, -32, 31, -4.0f, 3.0f, NULL};
    kw_block_q3_k *const blocks = dst;
    for (size_t b = 0; b < n / KW_QK_K; b++) {
        kw_fit_super fitted;
        const size_t at = b * KW_QK_K;
        kw_fit_super_scale(&fitted, &shape, src + at, importance ? importance + at : NULL);
        memcpy(blocks[b].d, &fitted.d, sizeof blocks[b].d);
        pack_scales(blocks[b].scales, fitted.sc);
        kw_pack_pairs(blocks[b].qs, fitted.codes);
        memset(blocks[b].hmask, 0, sizeof blocks[b].hmask);
        for (size_t i = 0; i < KW_QK_K; i++) {
            uint8_t *const high = &blocks[b].hmask[i % 32];
            *high = (uint8_t)(*high | fitted.codes[i] >> 2 << (i / 32));
        }
    }
}
