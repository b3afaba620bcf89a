/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fit.c - searches for the scale (and offset) of a group of weights.
 *
 * For fixed codes the best scale is a least-squares fit; for a fixed scale the best codes are the
 * nearest levels. Each candidate start alternates the two, and the start with the smallest weighted
 * squared error wins; ties keep the earlier one, so the result is a function of the input alone.
 * Source: Lloyd 1982, "Least squares quantization in PCM", applied to uniform levels. */
#include "tensor/quant/fit.h"

#include "base/check.h"

enum { STEPS = 10, POLISH = 3, LANES = 8 };

/* Sums run in lanes, so that a compiler may use vectors without changing a bit. */
static float sum(const float lanes[LANES])
{
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
           ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

/* sum w (x - (s q - m))^2 for the nearest q in [lo, hi]. */
static float fit_error(const float *x, const float *w, size_t n, float lo, float hi, float s,
                       float m)
{
    const float inverse = kw_fit_inverse(s);
    float error[LANES] = {0};
    for (size_t i = 0; i < n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            const float q = kw_fit_round((x[i + l] + m) * inverse, lo, hi);
            const float diff = x[i + l] - (s * q - m);
            error[l] += w[i + l] * diff * diff;
        }
    }
    return sum(error);
}

void kw_fit_codes(uint8_t *codes, const float *x, size_t n, float lo, float hi, float s, float m)
{
    const float inverse = kw_fit_inverse(s);
    for (size_t i = 0; i < n; i++)
        codes[i] = (uint8_t)(kw_fit_round((x[i] + m) * inverse, lo, hi) - lo);
}

/* The least-squares scale for the nearest codes at scale `start`. */
static float refit_scale(const float *x, const float *w, size_t n, float lo, float hi, float start)
{
    const float inverse = kw_fit_inverse(start);
    float xq[LANES] = {0}, qq[LANES] = {0};
    for (size_t i = 0; i < n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            const float q = kw_fit_round(x[i + l] * inverse, lo, hi);
            const float wq = w[i + l] * q;
            xq[l] += wq * x[i + l];
            qq[l] += wq * q;
        }
    }
    const float s = sum(xq) / sum(qq);
    return isfinite(s) ? s : start;
}

float kw_fit_scale(const float *x, const float *w, size_t n, float lo, float hi)
{
    kw_assert(n % LANES == 0 && lo < 0.0f && hi > 0.0f);
    const float peak = kw_fit_peak(x, n);
    if (peak == 0.0f || !isfinite(peak))
        return 0.0f;
    float best = peak / lo;
    float best_error = fit_error(x, w, n, lo, hi, best, 0.0f);
    for (int step = -STEPS; step <= STEPS; step++) {
        float s = peak / (lo + 0.1f * (float)step);
        for (int round = 0; round < POLISH; round++) {
            s = refit_scale(x, w, n, lo, hi, s);
            const float error = fit_error(x, w, n, lo, hi, s, 0.0f);
            if (!(error < best_error))
                break;
            best_error = error;
            best = s;
        }
    }
    return best;
}

/* Sums over a group that do not depend on the codes. */
typedef struct moments {
    float w, wx;
} moments;

static moments moments_of(const float *x, const float *w, size_t n)
{
    moments m = {0};
    for (size_t i = 0; i < n; i++) {
        m.w += w[i];
        m.wx += w[i] * x[i];
    }
    return m;
}

/* The least-squares (scale, offset) for the nearest codes at (*s, *m), offset at least 0. */
static void refit_affine(const float *x, const float *w, size_t n, float hi, moments fixed,
                         float *s, float *m)
{
    const float inverse = kw_fit_inverse(*s), start = *m;
    float lane_q[LANES] = {0}, lane_qq[LANES] = {0}, lane_xq[LANES] = {0};
    for (size_t i = 0; i < n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            const float q = kw_fit_round((x[i + l] + start) * inverse, 0.0f, hi);
            const float wq = w[i + l] * q;
            lane_q[l] += wq;
            lane_qq[l] += wq * q;
            lane_xq[l] += wq * x[i + l];
        }
    }
    const float q = sum(lane_q), qq = sum(lane_qq), xq = sum(lane_xq);
    const float determinant = fixed.w * qq - q * q;
    float scale = (fixed.w * xq - fixed.wx * q) / determinant;
    float offset = (q * xq - qq * fixed.wx) / determinant;
    if (!(offset >= 0.0f)) {
        offset = 0.0f;
        scale = xq / qq;
    }
    if (isfinite(scale) && isfinite(offset) && scale >= 0.0f) {
        *s = scale;
        *m = offset;
    }
}

void kw_fit_affine(const float *x, const float *w, size_t n, float hi, float *s_out, float *m_out)
{
    kw_assert(n % LANES == 0 && hi > 0.0f);
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
    const moments fixed = moments_of(x, w, n);
    float best_error = fit_error(x, w, n, 0.0f, hi, 0.0f, -low);
    for (int step = -STEPS; step <= STEPS; step++) {
        float s = range / (hi + 0.1f * (float)step), m = -low;
        for (int round = 0; round < POLISH; round++) {
            refit_affine(x, w, n, hi, fixed, &s, &m);
            const float error = fit_error(x, w, n, 0.0f, hi, s, m);
            if (!(error < best_error))
                break;
            best_error = error;
            *s_out = s;
            *m_out = m;
        }
    }
}
