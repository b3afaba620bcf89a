/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* iq1.c - iq1_s and iq1_m: eight weights of -1, 0 or 1 from a codebook of 2048 entries, all moved
 * up or down by an eighth; y = d / 8 * (2 * sc + 1) * w with w = 8 * (-1, 0, 1) + (1 or -1).
 *
 * Layouts are in blocks.h; iq_fit.c chooses what is packed here. */
#include "tensor/quant/codecs.h"
#include "tensor/quant/iq.h"
#include "tensor/quant/iq_fit.h"
#include "tensor/quant/iq_grids.h"

#define FACTOR 0.125f

static void unpack_eight(int8_t w[8], uint64_t entry, bool minus)
{
    for (int i = 0; i < 8; i++)
        w[i] = (int8_t)((int)(entry >> (8 * i) & 127) - 8 + (minus ? -1 : 1));
}

void kw_iq1_s_unpack(kw_iq_super *out, const void *src)
{
    const kw_block_iq1_s *const block = src;
    out->d = kw_load_f16(block->d) * FACTOR;
    for (int g = 0; g < 8; g++) {
        const uint16_t qh = kw_load_u16(block->qh + 2 * g);
        out->scale[2 * g] = out->scale[2 * g + 1] = (uint8_t)(2 * (qh >> 12 & 7) + 1);
        for (int i = 0; i < 4; i++) {
            const int high = qh >> (3 * i) & 7;
            unpack_eight(out->w + 32 * g + 8 * i, kw_iq1_grid[block->qs[4 * g + i] | high << 8],
                         qh >> 15);
        }
    }
}

void kw_iq1_m_unpack(kw_iq_super *out, const void *src)
{
    const kw_block_iq1_m *const block = src;
    out->d = kw_f32_from_f16(kw_iq1_m_d(block->scales)) * FACTOR;
    for (int i = 0; i < 16; i++)
        out->scale[i] =
            (uint8_t)(2 * (kw_load_u16(block->scales + i / 4 * 2) >> (i % 4 * 3) & 7) + 1);
    for (int i = 0; i < 32; i++) {
        const int high = block->qh[i / 2] >> (i % 2 * 4);
        unpack_eight(out->w + 8 * i, kw_iq1_grid[block->qs[i] | (high & 7) << 8], high & 8);
    }
}

KW_IQ_DECODER(iq1_s)
KW_IQ_DECODER(iq1_m)

/* ---- encoding ---- */

static void pack_iq1_s(kw_block_iq1_s *out, const kw_iq_codes *from)
{
    memcpy(out->d, &from->d, sizeof out->d);
    for (int g = 0; g < 8; g++) {
        int qh = from->sc[g] << 12 | from->sign[4 * g] << 15;
        for (int i = 0; i < 4; i++) {
            out->qs[4 * g + i] = (uint8_t)from->entry[4 * g + i];
            qh |= from->entry[4 * g + i] >> 8 << (3 * i);
        }
        out->qh[2 * g] = (uint8_t)qh;
        out->qh[2 * g + 1] = (uint8_t)(qh >> 8);
    }
}

static void pack_iq1_m(kw_block_iq1_m *out, const kw_iq_codes *from)
{
    memset(out->qh, 0, sizeof out->qh);
    for (int i = 0; i < 32; i++) {
        const int high = from->entry[i] >> 8 | from->sign[i] << 3;
        out->qs[i] = (uint8_t)from->entry[i];
        out->qh[i / 2] = (uint8_t)(out->qh[i / 2] | high << (i % 2 * 4));
    }
    for (int i = 0; i < 4; i++) {
        int scales = (from->d >> (4 * i) & 15) << 12;
        for (int j = 0; j < 4; j++)
            scales |= from->sc[4 * i + j] << (3 * j);
        out->scales[2 * i] = (uint8_t)scales;
        out->scales[2 * i + 1] = (uint8_t)(scales >> 8);
    }
}

#define SPEC_1(per_scale, how)                                                                     \
    {.eight = kw_iq1_grid,                                                                         \
     .n_entries = 2048,                                                                            \
     .level_shift = 3,                                                                             \
     .group = (per_scale),                                                                         \
     .top = 7,                                                                                     \
     .factor = FACTOR,                                                                             \
     .narrow = 8.0f,                                                                               \
     .wide = 22.0f,                                                                                \
     .signs = (how)}

static const kw_iq_spec S = SPEC_1(32, KW_IQ_SHIFT_GROUP);
static const kw_iq_spec M = SPEC_1(16, KW_IQ_SHIFT_ENTRY);

KW_IQ_ENCODER(iq1_s, S)
KW_IQ_ENCODER(iq1_m, M)
