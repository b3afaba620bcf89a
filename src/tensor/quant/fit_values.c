/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fit_values.c - searches for the scale of a group of weights whose levels lie at unequal
 * distances.
 *
 * As fit.c: starts that put the largest weight on a place near the first or the last level, each
 * followed by least-squares fits for its nearest levels; the smallest error wins, ties keep the
 * earlier one. A level is found by comparing with all fifteen midpoints, which vectors do at once.
 * Sums run in lanes, so that a compiler may use vectors without changing a bit. */
#include "tensor/quant/fit_values.h"

#include "tensor/quant/fit.h"

enum { LANES = 8, LEVELS = 16, STEPS = 7, POLISH = 2 };

typedef struct levels {
    float first, step[LEVELS - 1], middle[LEVELS - 1];
} levels;

static levels levels_of(const int8_t values[LEVELS])
{
    levels out = {.first = (float)values[0]};
    for (size_t i = 0; i + 1 < LEVELS; i++) {
        out.step[i] = (float)(values[i + 1] - values[i]);
        out.middle[i] = 0.5f * (float)(values[i + 1] + values[i]);
    }
    return out;
}

/* The levels nearest to x * inverse; NaN gives the first. */
static void nearest(float q[LANES], const levels *at, const float x[LANES], float inverse)
{
    float v[LANES];
    for (size_t l = 0; l < LANES; l++) {
        v[l] = x[l] * inverse;
        q[l] = at->first;
    }
    for (size_t i = 0; i + 1 < LEVELS; i++)
        for (size_t l = 0; l < LANES; l++)
            q[l] += v[l] > at->middle[i] ? at->step[i] : 0.0f;
}

static float sum(const float lanes[LANES])
{
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
           ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

static float error_at(const levels *at, const float *x, const float *w, size_t n, float s)
{
    const float inverse = kw_fit_inverse(s);
    float error[LANES] = {0}, q[LANES];
    for (size_t i = 0; i < n; i += LANES) {
        nearest(q, at, x + i, inverse);
        for (size_t l = 0; l < LANES; l++) {
            const float diff = x[i + l] - s * q[l];
            error[l] += w[i + l] * diff * diff;
        }
    }
    return sum(error);
}

/* The least-squares scale for the nearest levels at scale `start`. */
static float refit(const levels *at, const float *x, const float *w, size_t n, float start)
{
    const float inverse = kw_fit_inverse(start);
    float xq[LANES] = {0}, qq[LANES] = {0}, q[LANES];
    for (size_t i = 0; i < n; i += LANES) {
        nearest(q, at, x + i, inverse);
        for (size_t l = 0; l < LANES; l++) {
            const float wq = w[i + l] * q[l];
            xq[l] += wq * x[i + l];
            qq[l] += wq * q[l];
        }
    }
    const float s = sum(xq) / sum(qq);
    return isfinite(s) ? s : start;
}

float kw_fit_values_scale(const float *x, const float *w, size_t n, const int8_t values[16])
{
    const levels at = levels_of(values);
    const float ends[2] = {(float)values[0], (float)values[LEVELS - 1]};
    const float peak = kw_fit_peak(x, n);
    if (peak == 0.0f || !isfinite(peak))
        return 0.0f;
    float best = peak / ends[0];
    float best_error = error_at(&at, x, w, n, best);
    for (int start = 0; start < 2 * (2 * STEPS + 1); start++) {
        const int step = start / 2 - STEPS;
        const float end = ends[start % 2];
        float s = peak / (end + 0.02f * end * (float)step);
        for (int round = 0; round < POLISH; round++) {
            s = refit(&at, x, w, n, s);
            const float error = error_at(&at, x, w, n, s);
            if (!(error < best_error))
                break;
            best_error = error;
            best = s;
        }
    }
    return best;
}

float kw_fit_values_error(const float *x, const float *w, size_t n, const int8_t values[16],
                          float s)
{
    const levels at = levels_of(values);
    return error_at(&at, x, w, n, s);
}

void kw_fit_values_codes(uint8_t *codes, const float *x, size_t n, const int8_t values[16], float s)
{
    const levels at = levels_of(values);
    const float inverse = kw_fit_inverse(s);
    for (size_t i = 0; i < n; i++) {
        codes[i] = 0;
        for (size_t j = 0; j + 1 < LEVELS; j++)
            codes[i] = (uint8_t)(codes[i] + (x[i] * inverse > at.middle[j]));
    }
}
