/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* q4_k.c - superblocks of 256 in eight groups of 32: y = (d * sc) * q - dmin * m.
 *
 * encode fits scale and offset of each group, rounds them to six bits under the superblock's f16 d
 * and dmin, then re-fits codes and the neighbouring six-bit pairs to what the decoder will compute.
 */
#include "tensor/quant/blocks.h"
#include "tensor/quant/codecs.h"
#include "tensor/quant/fit.h"

#include "base/check.h"

enum { GROUPS = 8, GROUP = 32, TOP = 63, ANCHORS = 4 };

static const float LEVELS = 15.0f;

KW_DECODER(kw_q4_k_decode)
{
    const kw_block_q4_k *const blocks = src;
    for (size_t b = 0; b < n / KW_QK_K; b++) {
        const float d = kw_load_f16(blocks[b].d);
        const float dmin = kw_load_f16(blocks[b].dmin);
        uint8_t sc[GROUPS], m[GROUPS];
        kw_q4_k_scales(blocks[b].scales, sc, m);
        for (size_t g = 0; g < GROUPS; g++) {
            const uint8_t *const qs = blocks[b].qs + g / 2 * GROUP;
            const int shift = g % 2 ? 4 : 0;
            const float scale = d * (float)sc[g], offset = dmin * (float)m[g];
            float *const y = dst + b * KW_QK_K + g * GROUP;
            for (size_t i = 0; i < GROUP; i++)
                y[i] = scale * (float)(qs[i] >> shift & 15) - offset;
        }
    }
}

/* The stored scales of a superblock, and the error that they leave. */
typedef struct scales {
    uint16_t d, dmin; /* f16 */
    uint8_t sc[GROUPS], m[GROUPS];
    float error;
} scales;

/* The six-bit pair of one group nearest to (s / d, offset / dmin), or a neighbour when it gives
 * less error. Returns the error. */
static float fit_pair(const float *x, const float *w, float s, float offset, float d, float dmin,
                      uint8_t *sc_out, uint8_t *m_out)
{
    const int sc_near = (int)kw_fit_round(s * kw_fit_inverse(d), 0.0f, (float)TOP);
    const int m_near = (int)kw_fit_round(offset * kw_fit_inverse(dmin), 0.0f, (float)TOP);
    float best = INFINITY;
    *sc_out = (uint8_t)sc_near;
    *m_out = (uint8_t)m_near;
    for (int sc = KW_MAX(sc_near - 1, 0); sc <= KW_MIN(sc_near + 1, TOP); sc++) {
        for (int m = KW_MAX(m_near - 1, 0); m <= KW_MIN(m_near + 1, TOP); m++) {
            const float error =
                kw_fit_error(x, w, GROUP, 0.0f, LEVELS, d * (float)sc, dmin * (float)m);
            if (error < best) {
                best = error;
                *sc_out = (uint8_t)sc;
                *m_out = (uint8_t)m;
            }
        }
    }
    return best;
}

/* The best stored scales under one d and dmin. x, w: [256]; s, offset: [8], as fitted */
static scales fit_under(const float *x, const float *w, const float *s, const float *offset,
                        float d, float dmin)
{
    scales out = {.d = kw_fit_f16(d), .dmin = kw_fit_f16(dmin)};
    for (size_t g = 0; g < GROUPS; g++)
        out.error += fit_pair(x + g * GROUP, w + g * GROUP, s[g], offset[g], kw_f32_from_f16(out.d),
                              kw_f32_from_f16(out.dmin), &out.sc[g], &out.m[g]);
    return out;
}

/* The largest group scale becomes 63, 62, ... steps of d and the largest offset as many of dmin,
 * whichever leave the least error: first d is chosen, then dmin. */
static scales fit_scales(const float *x, const float *w, const float *s, const float *offset)
{
    float s_max = 0.0f, m_max = 0.0f;
    for (size_t g = 0; g < GROUPS; g++) {
        s_max = KW_MAX(s_max, s[g]);
        m_max = KW_MAX(m_max, offset[g]);
    }
    float d = s_max / (float)TOP;
    scales best = fit_under(x, w, s, offset, d, m_max / (float)TOP);
    for (int anchor = 1; anchor < ANCHORS; anchor++) {
        const float tried = s_max / (float)(TOP - anchor);
        const scales now = fit_under(x, w, s, offset, tried, m_max / (float)TOP);
        if (now.error < best.error) {
            best = now;
            d = tried;
        }
    }
    for (int anchor = 1; anchor < ANCHORS && m_max > 0.0f; anchor++) {
        const scales now = fit_under(x, w, s, offset, d, m_max / (float)(TOP - anchor));
        if (now.error < best.error)
            best = now;
    }
    return best;
}

static void pack(const scales *from, const uint8_t codes[KW_QK_K], kw_block_q4_k *out)
{
    memcpy(out->d, &from->d, sizeof out->d);
    memcpy(out->dmin, &from->dmin, sizeof out->dmin);
    for (size_t j = 0; j < 4; j++) {
        out->scales[j] = (uint8_t)(from->sc[j] | from->sc[j + 4] >> 4 << 6);
        out->scales[j + 4] = (uint8_t)(from->m[j] | from->m[j + 4] >> 4 << 6);
        out->scales[j + 8] = (uint8_t)((from->sc[j + 4] & 15) | (from->m[j + 4] & 15) << 4);
    }
    for (size_t i = 0; i < sizeof out->qs; i++) {
        const uint8_t *const low = codes + i / GROUP * 2 * GROUP + i % GROUP;
        out->qs[i] = (uint8_t)(low[0] | low[GROUP] << 4);
    }
}

/* x, w: [256] */
static void encode_block(const float *x, const float *w, kw_block_q4_k *out)
{
    float s[GROUPS], offset[GROUPS];
    uint8_t codes[KW_QK_K];
    for (size_t g = 0; g < GROUPS; g++)
        kw_fit_affine(x + g * GROUP, w + g * GROUP, GROUP, LEVELS, &s[g], &offset[g]);
    const scales fitted = fit_scales(x, w, s, offset);
    const float d = kw_f32_from_f16(fitted.d), dmin = kw_f32_from_f16(fitted.dmin);
    for (size_t g = 0; g < GROUPS; g++)
        kw_fit_codes(codes + g * GROUP, x + g * GROUP, GROUP, 0.0f, LEVELS, d * (float)fitted.sc[g],
                     dmin * (float)fitted.m[g]);
    pack(&fitted, codes, out);
}

KW_ENCODER(kw_q4_k_encode)
{
    kw_block_q4_k *const blocks = dst;
    float ones[KW_QK_K];
    for (size_t i = 0; i < KW_QK_K; i++)
        ones[i] = 1.0f;
    for (size_t b = 0; b < n / KW_QK_K; b++) {
        const float *const w = importance ? importance + b * KW_QK_K : ones;
        encode_block(src + b * KW_QK_K, w, &blocks[b]);
    }
}
