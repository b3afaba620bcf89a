/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fit.h - searches for the scale (and offset) of a group of weights, shared by the encoders. */
#ifndef KW_TENSOR_QUANT_FIT_H
#define KW_TENSOR_QUANT_FIT_H

#include "tensor/half.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>

enum { KW_FIT_MAX = 32 }; /* elements of a group at most */

/* The integer nearest to v (ties to even) within [lo, hi]; NaN gives lo. */
static inline int kw_fit_round(float v, int lo, int hi)
{
    if (!(v > (float)lo))
        return lo;
    if (v >= (float)hi)
        return hi;
    return (int)rintf(v);
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

/* A scale s that makes sum w (x - s q)^2 small for integers q in [lo, hi], lo < 0 < hi; it may be
 * negative, and is 0 for a group of zeros. n <= KW_FIT_MAX. */
float kw_fit_scale(const float *x, const float *w, size_t n, int lo, int hi);

/* A scale s >= 0 and an offset m >= 0 that make sum w (x - (s q - m))^2 small for q in [0, hi]. */
void kw_fit_affine(const float *x, const float *w, size_t n, int hi, float *s_out, float *m_out);

/* sum w (x - (s q - m))^2 for the best q in [lo, hi]; q_out[n] receives q - lo when not NULL. */
float kw_fit_error(const float *x, const float *w, size_t n, int lo, int hi, float s, float m,
                   uint8_t *q_out);

#endif
