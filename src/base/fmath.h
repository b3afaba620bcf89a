/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fmath.h - the project's own elementary functions: the same bits on every machine.
 *
 * The f32 functions are the definition that every ISA's vector form equals bit for bit: written
 * with kw_fma (fused, always) and plain IEEE operations in a fixed order. The f64 functions serve
 * tables (rotary angles, sampling) and have scalar code only. Error bounds are asserted by tests.
 */
#ifndef KW_BASE_FMATH_H
#define KW_BASE_FMATH_H

float kw_expf(float x);  /* at most 2 ulp; 0 below -87.3, +inf above 88.7 */
float kw_tanhf(float x); /* at most 4 ulp */
float kw_erff(float x);  /* absolute error at most 4e-7 */
float kw_logf(float x);  /* at most 2 ulp; x <= 0 gives -inf or nan as libm does */

double kw_exp(double x);
double kw_log_e(double x);
double kw_pow(double base, double exponent);                /* base > 0 */
void kw_sincos(double x, double *sin_out, double *cos_out); /* |x| up to 2^30 */

#endif
