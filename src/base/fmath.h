/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fmath.h - the project's own elementary functions: the same bits on every machine.
 *
 * The f32 functions are the definition that every ISA's vector form equals bit for bit; the
 * operations and their order are written down in fmath_coeffs.h. The f64 functions serve tables
 * (rotary angles, sampling) and have scalar code only. Error bounds are asserted by tests. */
#ifndef KW_BASE_FMATH_H
#define KW_BASE_FMATH_H

float kw_expf(float x);  /* at most 1 ulp; 0 below -87.3, +inf above 88.72 */
float kw_tanhf(float x); /* at most 2 ulp */
float kw_erff(float x);  /* absolute error at most 1e-7 */
float kw_logf(float x);  /* at most 1 ulp; 0 gives -inf, x < 0 nan */

/* Relative error at most 2e-16; zeros, infinities and nan as libm does unless stated. */
double kw_exp(double x);
double kw_log_e(double x);
double kw_pow(double base, double exponent);                /* base >= 0; nan below */
void kw_sincos(double x, double *sin_out, double *cos_out); /* |x| up to 2^30; nan beyond */

#endif
