/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* iq3.c - iq3_xxs and iq3_s: four weights of eight magnitudes from a codebook of 256 or 512
 * entries, with signs; y = d / 4 * (2 * sc + 1) * w, and d * (2 * sc + 1) * w.
 *
 * Layouts are in blocks.h; iq_fit.c chooses what is packed here. */
#include "tensor/quant/codecs.h"
#include "tensor/quant/iq.h"
#include "tensor/quant/iq_fit.h"
#include "tensor/quant/iq_grids.h"

#define XXS_FACTOR 0.25f

/* signs: of these four weights, in the low bits */
static void unpack_four(int8_t w[4], uint32_t entry, int signs)
{
    for (int i = 0; i < 4; i++) {
        const int8_t magnitude = (int8_t)(entry >> (8 * i) & 127);
        w[i] = (int8_t)(signs >> i & 1 ? -magnitude : magnitude);
    }
}

void kw_iq3_xxs_unpack(kw_iq_super *out, const void *src)
{
    const kw_block_iq3_xxs *const block = src;
    out->d = kw_load_f16(block->d) * XXS_FACTOR;
    for (int g = 0; g < 8; g++) {
        const uint32_t rest = kw_load_u32(block->signs + 4 * g);
        out->scale[2 * g] = out->scale[2 * g + 1] = (uint8_t)(2 * (rest >> 28) + 1);
        for (int i = 0; i < 8; i++)
            unpack_four(out->w + 32 * g + 4 * i, kw_iq3_xxs_grid[block->qs[8 * g + i]],
                        kw_even_signs(rest >> (7 * (i / 2))) >> (i % 2 * 4));
    }
}

void kw_iq3_s_unpack(kw_iq_super *out, const void *src)
{
    const kw_block_iq3_s *const block = src;
    out->d = kw_load_f16(block->d);
    for (int i = 0; i < 16; i++)
        out->scale[i] = (uint8_t)(2 * (block->scales[i / 4] >> (i / 2 % 2 * 4) & 15) + 1);
    for (int i = 0; i < 64; i++) {
        const int high = block->qh[i / 8] >> (i % 8) & 1;
        unpack_four(out->w + 4 * i, kw_iq3_s_grid[block->qs[i] | high << 8],
                    block->signs[i / 2] >> (i % 2 * 4));
    }
}

KW_IQ_DECODER(iq3_xxs)
KW_IQ_DECODER(iq3_s)

/* ---- encoding ---- */

static void pack_iq3_xxs(kw_block_iq3_xxs *out, const kw_iq_codes *from)
{
    memcpy(out->d, &from->d, sizeof out->d);
    for (int i = 0; i < 64; i++)
        out->qs[i] = (uint8_t)from->entry[i];
    for (int g = 0; g < 8; g++) {
        uint32_t bits = (uint32_t)from->sc[g] << 28;
        for (int i = 0; i < 4; i++)
            bits |= (uint32_t)(from->sign[4 * g + i] & 127) << (7 * i);
        memcpy(out->signs + 4 * g, &bits, sizeof bits);
    }
}

static void pack_iq3_s(kw_block_iq3_s *out, const kw_iq_codes *from)
{
    memcpy(out->d, &from->d, sizeof out->d);
    memset(out->qh, 0, sizeof out->qh);
    for (int i = 0; i < 64; i++) {
        out->qs[i] = (uint8_t)from->entry[i];
        out->qh[i / 8] = (uint8_t)(out->qh[i / 8] | from->entry[i] >> 8 << (i % 8));
    }
    memcpy(out->signs, from->sign, sizeof out->signs);
    for (int i = 0; i < 4; i++)
        out->scales[i] = (uint8_t)(from->sc[2 * i] | from->sc[2 * i + 1] << 4);
}

static const kw_iq_spec XXS = {.four = kw_iq3_xxs_grid,
                               .n_entries = 256,
                               .level_shift = 3,
                               .group = 32,
                               .top = 15,
                               .factor = XXS_FACTOR,
                               .narrow = 48.0f,
                               .wide = 72.0f,
                               .signs = KW_IQ_EVEN};
static const kw_iq_spec S = {.four = kw_iq3_s_grid,
                             .n_entries = 512,
                             .level_shift = 1,
                             .group = 32,
                             .top = 15,
                             .factor = 1.0f,
                             .narrow = 12.0f,
                             .wide = 18.0f,
                             .signs = KW_IQ_FREE};

KW_IQ_ENCODER(iq3_xxs, XXS)
KW_IQ_ENCODER(iq3_s, S)
