/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fit.c - searches for the scale (and offset) of a group of weights.
 *
 * For fixed codes the best scale is a least-squares fit; for a fixed scale the best codes are the
 * nearest levels. Each candidate start alternates the two, and the start with the smallest weighted
 * squared error wins; ties keep the earlier one, so the result is a function of the input alone.
 * Source: Lloyd 1982, "Least squares quantization in PCM", applied to uniform levels. */
#include "tensor/quant/fit.h"

#include "base/check.h"

enum { STEPS = 10, POLISH = 3 };

float kw_fit_error(const float *x, const float *w, size_t n, int lo, int hi, float s, float m,
                   uint8_t *q_out)
{
    const float inverse = kw_fit_inverse(s);
    float error = 0.0f;
    for (size_t i = 0; i < n; i++) {
        const int q = s == 0.0f ? KW_MAX(lo, 0) : kw_fit_round((x[i] + m) * inverse, lo, hi);
        const float diff = x[i] - (s * (float)q - m);
        error += w[i] * diff * diff;
        if (q_out)
            q_out[i] = (uint8_t)(q - lo);
    }
    return error;
}

/* The least-squares scale for the nearest codes at scale `start`. */
static float refit_scale(const float *x, const float *w, size_t n, int lo, int hi, float start)
{
    const float inverse = kw_fit_inverse(start);
    float sum_xq = 0.0f, sum_qq = 0.0f;
    for (size_t i = 0; i < n; i++) {
        const float q = (float)kw_fit_round(x[i] * inverse, lo, hi);
        sum_xq += w[i] * x[i] * q;
        sum_qq += w[i] * q * q;
    }
    const float s = sum_xq / sum_qq;
    return isfinite(s) ? s : start;
}

float kw_fit_scale(const float *x, const float *w, size_t n, int lo, int hi)
{
    kw_assert(n <= KW_FIT_MAX && lo < 0 && hi > 0);
    float peak = 0.0f;
    for (size_t i = 0; i < n; i++)
        peak = fabsf(x[i]) > fabsf(peak) ? x[i] : peak;
    if (peak == 0.0f || !isfinite(peak))
        return 0.0f;
    float best = peak / (float)lo;
    float best_error = kw_fit_error(x, w, n, lo, hi, best, 0.0f, NULL);
    for (int step = -STEPS; step <= STEPS; step++) {
        float s = peak / ((float)lo + 0.1f * (float)step);
        for (int round = 0; round < POLISH; round++) {
            s = refit_scale(x, w, n, lo, hi, s);
            const float error = kw_fit_error(x, w, n, lo, hi, s, 0.0f, NULL);
            if (!(error < best_error))
                break;
            best_error = error;
            best = s;
        }
    }
    return best;
}

/* The least-squares (scale, offset) for the nearest codes at (*s, *m), offset at least 0. */
static void refit_affine(const float *x, const float *w, size_t n, int hi, float *s, float *m)
{
    const float inverse = kw_fit_inverse(*s);
    float sum_w = 0.0f, sum_x = 0.0f, sum_q = 0.0f, sum_qq = 0.0f, sum_xq = 0.0f;
    for (size_t i = 0; i < n; i++) {
        const float q = (float)kw_fit_round((x[i] + *m) * inverse, 0, hi);
        sum_w += w[i];
        sum_x += w[i] * x[i];
        sum_q += w[i] * q;
        sum_qq += w[i] * q * q;
        sum_xq += w[i] * x[i] * q;
    }
    const float determinant = sum_w * sum_qq - sum_q * sum_q;
    float scale = (sum_w * sum_xq - sum_x * sum_q) / determinant;
    float offset = -(sum_qq * sum_x - sum_q * sum_xq) / determinant;
    if (!(offset >= 0.0f)) {
        offset = 0.0f;
        scale = sum_xq / sum_qq;
    }
    if (isfinite(scale) && isfinite(offset) && scale >= 0.0f) {
        *s = scale;
        *m = offset;
    }
}

void kw_fit_affine(const float *x, const float *w, size_t n, int hi, float *s_out, float *m_out)
{
    kw_assert(n <= KW_FIT_MAX && hi > 0);
    float low = 0.0f, high = x[0];
    for (size_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    *s_out = 0.0f;
    *m_out = isfinite(low) ? -low : 0.0f;
    const float range = high - low;
    if (!(range > 0.0f) || !isfinite(range))
        return;
    float best_error = kw_fit_error(x, w, n, 0, hi, 0.0f, -low, NULL);
    for (int step = -STEPS; step <= STEPS; step++) {
        float s = range / ((float)hi + 0.1f * (float)step), m = -low;
        for (int round = 0; round < POLISH; round++) {
            refit_affine(x, w, n, hi, &s, &m);
            const float error = kw_fit_error(x, w, n, 0, hi, s, m, NULL);
            if (!(error < best_error))
                break;
            best_error = error;
            *s_out = s;
            *m_out = m;
        }
    }
}
