/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* iq4.c - four-bit codes that stand for sixteen integers at unequal distances, closer around zero,
 * where weights are: iq4_nl in blocks of 32 with an f16 scale, iq4_xs in superblocks of 256.
 * Source: the value table is ggml's, part of the format. */
#include "tensor/quant/codecs.h"
#include "tensor/quant/fit.h"
#include "tensor/quant/fit_k.h"
#include "tensor/quant/fit_values.h"

enum { GROUPS = KW_QK_K / KW_QK };

const int8_t kw_iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113};

/* 32 elements of one scale. */
static void decode_group(float *y, const uint8_t qs[16], float scale)
{
    for (size_t i = 0; i < 16; i++) {
        y[i] = scale * (float)kw_iq4_values[qs[i] & 15];
        y[i + 16] = scale * (float)kw_iq4_values[qs[i] >> 4];
    }
}

KW_DECODER(kw_iq4_nl_decode)
{
    const kw_block_iq4_nl *const blocks = src;
    for (size_t b = 0; b < n / KW_QK; b++)
        decode_group(dst + b * KW_QK, blocks[b].qs, kw_load_f16(blocks[b].d));
}

KW_DECODER(kw_iq4_xs_decode)
{
    const kw_block_iq4_xs *const blocks = src;
    for (size_t b = 0; b < n / KW_QK_K; b++) {
        const float d = kw_load_f16(blocks[b].d);
        int8_t sc[GROUPS];
        const uint64_t packed = kw_iq4_xs_scales(&blocks[b]);
        memcpy(sc, &packed, sizeof sc);
        for (size_t g = 0; g < GROUPS; g++)
            decode_group(dst + b * KW_QK_K + g * KW_QK, blocks[b].qs + 16 * g, d * (float)sc[g]);
    }
}

KW_ENCODER(kw_iq4_nl_encode)
{
    kw_block_iq4_nl *const blocks = dst;
    float ones[KW_QK];
    for (size_t i = 0; i < KW_QK; i++)
        ones[i] = 1.0f;
    for (size_t b = 0; b < n / KW_QK; b++) {
        const float *const x = src + b * KW_QK, *const w =
                                                    importance ? importance + b * KW_QK : ones;
        const uint16_t d = kw_fit_f16(kw_fit_values_scale(x, w, KW_QK, kw_iq4_values));
        uint8_t codes[KW_QK];
        kw_fit_values_codes(codes, x, KW_QK, kw_iq4_values, kw_f32_from_f16(d));
        memcpy(blocks[b].d, &d, sizeof d);
        kw_pack_nibbles(blocks[b].qs, codes);
    }
}

static void pack(const kw_fit_super *from, kw_block_iq4_xs *out)
{
    unsigned high = 0;
    memcpy(out->d, &from->d, sizeof out->d);
    memset(out->scales_l, 0, sizeof out->scales_l);
    for (size_t g = 0; g < GROUPS; g++) {
        const unsigned stored = (unsigned)(from->sc[g] + 32);
        out->scales_l[g / 2] = (uint8_t)(out->scales_l[g / 2] | (stored & 15) << (g % 2 * 4));
        high |= stored >> 4 << (2 * g);
        kw_pack_nibbles(out->qs + 16 * g, from->codes + KW_QK * g);
    }
    out->scales_h[0] = (uint8_t)(high & 255);
    out->scales_h[1] = (uint8_t)(high >> 8);
}

KW_ENCODER(kw_iq4_xs_encode)
{
    static const kw_fit_shape shape = {KW_QK, -32, 31, 0.0f, 15.0f, kw_iq4_values};
    kw_block_iq4_xs *const blocks = dst;
    for (size_t b = 0; b < n / KW_QK_K; b++) {
        kw_fit_super fitted;
        const size_t at = b * KW_QK_K;
        kw_fit_super_scale(&fitted, &shape, src + at, importance ? importance + at : NULL);
        pack(&fitted, &blocks[b]);
    }
}
