/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* iq2.c - iq2_xxs, iq2_xs, iq2_s: eight weights of 8, 25 or 43 and a sign from a codebook of 256,
 * 512 or 1024 entries; y = d / 8 * (2 * sc + 1) * w.
 *
 * Layouts are in blocks.h; iq_fit.c chooses what is packed here. */
#include "tensor/quant/codecs.h"
#include "tensor/quant/iq.h"
#include "tensor/quant/iq_fit.h"
#include "tensor/quant/iq_grids.h"

#define FACTOR 0.125f

static void unpack_eight(int8_t w[8], uint64_t entry, uint8_t signs)
{
    for (int i = 0; i < 8; i++) {
        const int8_t magnitude = (int8_t)(entry >> (8 * i) & 127);
        w[i] = (int8_t)(signs >> i & 1 ? -magnitude : magnitude);
    }
}

void kw_iq2_xxs_unpack(kw_iq_super *out, const void *src)
{
    const kw_block_iq2_xxs *const block = src;
    out->d = kw_load_f16(block->d) * FACTOR;
    for (int g = 0; g < 8; g++) {
        const uint8_t *const qs = block->qs + 8 * g;
        const uint32_t rest = kw_load_u32(qs + 4);
        out->scale[2 * g] = out->scale[2 * g + 1] = (uint8_t)(2 * (rest >> 28) + 1);
        for (int i = 0; i < 4; i++)
            unpack_eight(out->w + 32 * g + 8 * i, kw_iq2_xxs_grid[qs[i]],
                         kw_even_signs(rest >> (7 * i)));
    }
}

/* One scale of four bits for each 16 weights. */
static void unpack_scales(uint8_t scale[16], const uint8_t packed[8])
{
    for (int i = 0; i < 16; i++)
        scale[i] = (uint8_t)(2 * (packed[i / 2] >> (i % 2 * 4) & 15) + 1);
}

void kw_iq2_xs_unpack(kw_iq_super *out, const void *src)
{
    const kw_block_iq2_xs *const block = src;
    out->d = kw_load_f16(block->d) * FACTOR;
    unpack_scales(out->scale, block->scales);
    for (int i = 0; i < 32; i++) {
        const uint16_t q = kw_load_u16(block->qs + 2 * i);
        unpack_eight(out->w + 8 * i, kw_iq2_xs_grid[q & 511], kw_even_signs(q >> 9));
    }
}

void kw_iq2_s_unpack(kw_iq_super *out, const void *src)
{
    const kw_block_iq2_s *const block = src;
    out->d = kw_load_f16(block->d) * FACTOR;
    unpack_scales(out->scale, block->scales);
    for (int i = 0; i < 32; i++) {
        const int high = block->qh[i / 4] >> (i % 4 * 2) & 3;
        unpack_eight(out->w + 8 * i, kw_iq2_s_grid[block->qs[i] | high << 8], block->signs[i]);
    }
}

KW_IQ_DECODER(iq2_xxs)
KW_IQ_DECODER(iq2_xs)
KW_IQ_DECODER(iq2_s)

/* ---- encoding ---- */

/* Four sign bytes without their redundant bits, and the scale code. */
static void pack_even_signs(uint8_t out[4], const uint8_t sign[4], int sc)
{
    uint32_t bits = (uint32_t)sc << 28;
    for (int i = 0; i < 4; i++)
        bits |= (uint32_t)(sign[i] & 127) << (7 * i);
    memcpy(out, &bits, sizeof bits);
}

static void pack_iq2_xxs(kw_block_iq2_xxs *out, const kw_iq_codes *from)
{
    memcpy(out->d, &from->d, sizeof out->d);
    for (int g = 0; g < 8; g++) {
        for (int i = 0; i < 4; i++)
            out->qs[8 * g + i] = (uint8_t)from->entry[4 * g + i];
        pack_even_signs(out->qs + 8 * g + 4, from->sign + 4 * g, from->sc[g]);
    }
}

static void pack_scales(uint8_t out[8], const uint8_t sc[16])
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(sc[2 * i] | sc[2 * i + 1] << 4);
}

static void pack_iq2_xs(kw_block_iq2_xs *out, const kw_iq_codes *from)
{
    memcpy(out->d, &from->d, sizeof out->d);
    for (int i = 0; i < 32; i++) {
        const uint16_t q = (uint16_t)(from->entry[i] | (from->sign[i] & 127) << 9);
        memcpy(out->qs + 2 * i, &q, sizeof q);
    }
    pack_scales(out->scales, from->sc);
}

static void pack_iq2_s(kw_block_iq2_s *out, const kw_iq_codes *from)
{
    memcpy(out->d, &from->d, sizeof out->d);
    memset(out->qh, 0, sizeof out->qh);
    for (int i = 0; i < 32; i++) {
        out->qs[i] = (uint8_t)from->entry[i];
        out->qh[i / 4] = (uint8_t)(out->qh[i / 4] | from->entry[i] >> 8 << (i % 4 * 2));
    }
    memcpy(out->signs, from->sign, sizeof out->signs);
    pack_scales(out->scales, from->sc);
}

#define SPEC_2(entries, n, per_scale, how)                                                         \
    {.eight = (entries),                                                                           \
     .n_entries = (n),                                                                             \
     .level_shift = 4,                                                                             \
     .group = (per_scale),                                                                         \
     .top = 15,                                                                                    \
     .factor = FACTOR,                                                                             \
     .narrow = NARROW,                                                                             \
     .wide = WIDE,                                                                                 \
     .signs = (how)}
#define NARROW 34.0f
#define WIDE 62.0f

static const kw_iq_spec XXS = SPEC_2(kw_iq2_xxs_grid, 256, 32, KW_IQ_EVEN);
static const kw_iq_spec XS = SPEC_2(kw_iq2_xs_grid, 512, 16, KW_IQ_EVEN);
static const kw_iq_spec S = SPEC_2(kw_iq2_s_grid, 1024, 16, KW_IQ_FREE);

KW_IQ_ENCODER(iq2_xxs, XXS)
KW_IQ_ENCODER(iq2_xs, XS)
KW_IQ_ENCODER(iq2_s, S)
