/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fit_values.h - fit.h for codes that stand for any sixteen integers, in increasing order, the
 * first below and the last above zero. */
#ifndef KW_TENSOR_QUANT_FIT_VALUES_H
#define KW_TENSOR_QUANT_FIT_VALUES_H

#include <stddef.h>
#include <stdint.h>

/* A scale s that makes sum w (x - s values[q])^2 small; it may be negative, and is 0 for a group of
 * zeros. Here and below n is a multiple of 8. */
float kw_fit_values_scale(const float *x, const float *w, size_t n, const int8_t values[16]);
/* sum w (x - s values[q])^2 for the nearest q. */
float kw_fit_values_error(const float *x, const float *w, size_t n, const int8_t values[16],
                          float s);
/* Those q. */
void kw_fit_values_codes(uint8_t *codes, const float *x, size_t n, const int8_t values[16],
                         float s);

#endif
