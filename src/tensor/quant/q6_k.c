/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* q6_k.c - superblocks of 256 in sixteen groups of 16: y = (d * sc) * (q - 32).
 *
 * encode fits the scale of each group, rounds them to int8 under the superblock's f16 d, then
 * re-fits codes and the neighbouring scales to what the decoder will compute. */
#include "tensor/quant/blocks.h"
#include "tensor/quant/codecs.h"
#include "tensor/quant/fit.h"

#include "base/check.h"

enum { GROUPS = 16, GROUP = 16, OFFSET = 32, ANCHORS = 4 };

static const float LOW = -32.0f, HIGH = 31.0f;

/* Code of quarter t, element l of half h (layout in blocks.h), 0..63. */
static int code_at(const kw_block_q6_k *block, size_t h, size_t t, size_t l)
{
    const int low = block->ql[64 * h + 32 * (t % 2) + l] >> (t / 2 * 4) & 15;
    const int high = block->qh[32 * h + l] >> (2 * t) & 3;
    return low | high << 4;
}

KW_DECODER(kw_q6_k_decode)
{
    const kw_block_q6_k *const blocks = src;
    for (size_t b = 0; b < n / KW_QK_K; b++) {
        const float d = kw_load_f16(blocks[b].d);
        for (size_t h = 0; h < 2; h++) {
            for (size_t t = 0; t < 4; t++) {
                const int8_t *const sc = blocks[b].scales + 8 * h + 2 * t;
                const float scale[2] = {d * (float)sc[0], d * (float)sc[1]};
                float *const y = dst + b * KW_QK_K + 128 * h + 32 * t;
                for (size_t l = 0; l < 32; l++)
                    y[l] = scale[l / 16] * (float)(code_at(&blocks[b], h, t, l) - OFFSET);
            }
        }
    }
}

/* The int8 scale nearest to s / d, or a neighbour when it gives less error. Returns the error. */
static float fit_step(const float *x, const float *w, float s, float d, int *out)
{
    const int near = (int)kw_fit_round(s * kw_fit_inverse(d), -128.0f, 127.0f);
    float best_error = INFINITY;
    *out = near;
    for (int sc = KW_MAX(near - 1, -128); sc <= KW_MIN(near + 1, 127); sc++) {
        const float error = kw_fit_error(x, w, GROUP, LOW, HIGH, d * (float)sc, 0.0f);
        if (error < best_error) {
            best_error = error;
            *out = sc;
        }
    }
    return best_error;
}

static void pack_codes(const uint8_t codes[KW_QK_K], kw_block_q6_k *out)
{
    memset(out->ql, 0, sizeof out->ql);
    memset(out->qh, 0, sizeof out->qh);
    for (size_t i = 0; i < KW_QK_K; i++) {
        const size_t h = i / 128, t = i % 128 / 32, l = i % 32;
        uint8_t *const low = &out->ql[64 * h + 32 * (t % 2) + l];
        uint8_t *const high = &out->qh[32 * h + l];
        *low = (uint8_t)(*low | (codes[i] & 15) << (t / 2 * 4));
        *high = (uint8_t)(*high | codes[i] >> 4 << (2 * t));
    }
}

/* Scales and d of one superblock: the largest group scale s_max becomes -128, -127, ... steps of d,
 * whichever leaves the least error. Returns d as f16. */
static uint16_t fit_scales(const float *x, const float *w, const float s[GROUPS], int sc[GROUPS])
{
    float s_max = 0.0f, best_error = INFINITY;
    for (size_t g = 0; g < GROUPS; g++)
        s_max = fabsf(s[g]) > fabsf(s_max) ? s[g] : s_max;
    uint16_t best = 0;
    for (int g = 0; g < GROUPS; g++)
        sc[g] = 0;
    for (int anchor = 0; anchor < ANCHORS && s_max != 0.0f; anchor++) {
        const uint16_t half = kw_fit_f16(s_max / (float)(anchor - 128));
        const float d = kw_f32_from_f16(half);
        int tried[GROUPS];
        float error = 0.0f;
        for (size_t g = 0; g < GROUPS; g++)
            error += fit_step(x + g * GROUP, w + g * GROUP, s[g], d, &tried[g]);
        if (anchor == 0 || error < best_error) { /* NaN keeps the first */
            best_error = error;
            best = half;
            memcpy(sc, tried, sizeof tried);
        }
    }
    return best;
}

/* x, w: [256] */
static void encode_block(const float *x, const float *w, kw_block_q6_k *out)
{
    float s[GROUPS];
    int sc[GROUPS];
    uint8_t codes[KW_QK_K];
    for (size_t g = 0; g < GROUPS; g++)
        s[g] = kw_fit_scale(x + g * GROUP, w + g * GROUP, GROUP, LOW, HIGH);
    const uint16_t half = fit_scales(x, w, s, sc);
    const float d = kw_f32_from_f16(half);
    memcpy(out->d, &half, sizeof half);
    for (size_t g = 0; g < GROUPS; g++) {
        out->scales[g] = (int8_t)sc[g];
        kw_fit_codes(codes + g * GROUP, x + g * GROUP, GROUP, LOW, HIGH, d * (float)sc[g], 0.0f);
    }
    pack_codes(codes, out);
}

KW_ENCODER(kw_q6_k_encode)
{
    kw_block_q6_k *const blocks = dst;
    float ones[KW_QK_K];
    for (size_t i = 0; i < KW_QK_K; i++)
        ones[i] = 1.0f;
    for (size_t b = 0; b < n / KW_QK_K; b++) {
        const float *const w = importance ? importance + b * KW_QK_K : ones;
        encode_block(src + b * KW_QK_K, w, &blocks[b]);
    }
}
