/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fit_k.h - searches for the scales of a superblock of 256, shared by the encoders of the K types.
 *
 * The scale (and offset) of each group is fitted alone, rounded to the few bits that are stored
 * under the superblock's f16 d (and dmin), then codes and neighbouring stored values are fitted
 * again to what the decoder will compute. */
#ifndef KW_TENSOR_QUANT_FIT_K_H
#define KW_TENSOR_QUANT_FIT_K_H

#include "tensor/quant/blocks.h"

typedef struct kw_fit_shape {
    size_t group;     /* elements that share a scale: 16 or 32 */
    int sc_lo, sc_hi; /* stored scales; with offsets sc_lo is 0 and sc_hi bounds them too */
    float lo, hi;     /* codes; with offsets lo is 0 */
    /* What codes 0..15 stand for, instead of lo + code; NULL: nothing else. Without offsets. */
    const int8_t *values;
} kw_fit_shape;

typedef struct kw_fit_super {
    uint16_t d, dmin; /* f16 */
    int8_t sc[KW_QK_K / 16];
    uint8_t m[KW_QK_K / 16];
    float error;            /* that they leave */
    uint8_t codes[KW_QK_K]; /* q - lo */
} kw_fit_super;

/* The weights of the squared error with few bits: out = w sqrt(x^2 + mean x^2). What a model
 * predicts suffers less when large weights count for more than w alone would have it. out may be w.
 */
void kw_fit_emphasis(float out[KW_QK_K], const float *x, const float *w);
/* The scale d, made larger so that what it decodes to is as long in the direction of x as x itself.
 * A least-squares fit is shorter by the share of the sum of squares xx that its error leaves; with
 * few bits that dampens a whole layer. */
uint16_t kw_fit_lengthen(uint16_t d, float error, float xx);

/* y = (d * sc) * q - dmin * m. x: [256]; w: [256] weights of the squared error, or NULL */
void kw_fit_super_affine(kw_fit_super *out, const kw_fit_shape *shape, const float *x,
                         const float *w);
/* y = (d * sc) * q; dmin and m stay 0. */
void kw_fit_super_scale(kw_fit_super *out, const kw_fit_shape *shape, const float *x,
                        const float *w);

#endif
