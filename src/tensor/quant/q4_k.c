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

enum { GROUPS = 8, GROUP = 32, TOP = 63, LEVELS = 15 };

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

typedef struct group_codes {
    uint8_t sc, m;
    uint8_t q[GROUP];
} group_codes;

/* The six-bit pair nearest to (s / d, m / dmin), or a neighbour when it gives less error. */
static void fit_pair(const float *x, const float *w, float s, float m, float d, float dmin,
                     group_codes *out)
{
    const int sc_near = kw_fit_round(s * kw_fit_inverse(d), 0, TOP);
    const int m_near = kw_fit_round(m * kw_fit_inverse(dmin), 0, TOP);
    float best_error = INFINITY;
    out->sc = (uint8_t)sc_near;
    out->m = (uint8_t)m_near;
    for (int sc = KW_MAX(sc_near - 1, 0); sc <= KW_MIN(sc_near + 1, TOP); sc++) {
        for (int mi = KW_MAX(m_near - 1, 0); mi <= KW_MIN(m_near + 1, TOP); mi++) {
            const float error =
                kw_fit_error(x, w, GROUP, 0, LEVELS, d * (float)sc, dmin * (float)mi, NULL);
            if (error < best_error) {
                best_error = error;
                out->sc = (uint8_t)sc;
                out->m = (uint8_t)mi;
            }
        }
    }
    kw_fit_error(x, w, GROUP, 0, LEVELS, d * (float)out->sc, dmin * (float)out->m, out->q);
}

static void pack(const group_codes groups[GROUPS], uint16_t d, uint16_t dmin, kw_block_q4_k *out)
{
    memcpy(out->d, &d, sizeof d);
    memcpy(out->dmin, &dmin, sizeof dmin);
    for (size_t j = 0; j < 4; j++) {
        const group_codes *const low = &groups[j], *const high = &groups[j + 4];
        out->scales[j] = (uint8_t)(low->sc | high->sc >> 4 << 6);
        out->scales[j + 4] = (uint8_t)(low->m | high->m >> 4 << 6);
        out->scales[j + 8] = (uint8_t)((high->sc & 15) | (high->m & 15) << 4);
    }
    for (size_t g = 0; g < GROUPS; g += 2) {
        for (size_t i = 0; i < GROUP; i++)
            out->qs[g / 2 * GROUP + i] = (uint8_t)(groups[g].q[i] | groups[g + 1].q[i] << 4);
    }
}

/* x, w: [256] */
static void encode_block(const float *x, const float *w, kw_block_q4_k *out)
{
    float s[GROUPS], m[GROUPS], s_max = 0.0f, m_max = 0.0f;
    for (size_t g = 0; g < GROUPS; g++) {
        kw_fit_affine(x + g * GROUP, w + g * GROUP, GROUP, LEVELS, &s[g], &m[g]);
        s_max = KW_MAX(s_max, s[g]);
        m_max = KW_MAX(m_max, m[g]);
    }
    const uint16_t d_half = kw_fit_f16(s_max / (float)TOP);
    const uint16_t dmin_half = kw_fit_f16(m_max / (float)TOP);
    const float d = kw_f32_from_f16(d_half), dmin = kw_f32_from_f16(dmin_half);
    group_codes groups[GROUPS];
    for (size_t g = 0; g < GROUPS; g++)
        fit_pair(x + g * GROUP, w + g * GROUP, s[g], m[g], d, dmin, &groups[g]);
    pack(groups, d_half, dmin_half, out);
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
