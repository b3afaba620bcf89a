/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fit.h - searches for the scale (and offset) of a group of weights, shared by the encoders. */
#ifndef KW_TENSOR_QUANT_FIT_H
#define KW_TENSOR_QUANT_FIT_H

#include "tensor/half.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* The integer nearest to v (ties to even) within [lo, hi], as a float; NaN gives lo. The sum with
 * 1.5 * 2^23 has no bits below one, so it rounds; |lo| and |hi| are at most 2^22. */
static inline float kw_fit_round(float v, float lo, float hi)
{
    const float above = v > lo ? v : lo;
    const float within = above < hi ? above : hi;
    return (within + 12582912.0f) - 12582912.0f;
}

/* The f16 of a scale, saturated to its largest finite value. */
static inline uint16_t kw_fit_f16(float scale)
{
    const float limit = 65504.0f;
    return kw_f16_from_f32(scale > limit ? limit : scale < -limit ? -limit : scale);
}

/* 1 / v, or 0 where that is not finite. */
static inline float kw_fit_inverse(float v)
{
    const float inverse = 1.0f / v;
    return isfinite(inverse) ? inverse : 0.0f;
}

/* The element of largest magnitude, the first of equals; nan counts for nothing. The magnitude is
 * kept beside it: clang 19 at -O3 for AVX2 gives a wrong element when it is taken anew in each
 * comparison. */
static inline float kw_fit_peak(const float *x, size_t n)
{
    float peak = 0.0f, size = 0.0f;
    for (size_t i = 0; i < n; i++) {
        const float now = fabsf(x[i]);
        peak = now > size ? x[i] : peak;
        size = now > size ? now : size;
    }
    return peak;
}

/* A scale s that makes sum w (x - s q)^2 small for integers q in [lo, hi], lo < 0 < hi; it may be
 * negative, and is 0 for a group of zeros. Here and below n is a multiple of 8. */
float kw_fit_scale(const float *x, const float *w, size_t n, float lo, float hi);

/* A scale s >= 0 and an offset m >= 0 that make sum w (x - (s q - m))^2 small for q in [0, hi]. */
void kw_fit_affine(const float *x, const float *w, size_t n, float hi, float *s_out, float *m_out);

/* Those q, as q - lo. */
void kw_fit_codes(uint8_t *codes, const float *x, size_t n, float lo, float hi, float s, float m);

#endif
