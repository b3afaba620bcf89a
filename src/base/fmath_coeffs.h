/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fmath_coeffs.h - constants of fmath.h's f32 functions, and the exact operations that use them.
 *
 * This text is the definition: fmath.c is its scalar form, and every vector form performs the same
 * operations in the same order. fma is fused, every other operation rounds once to f32 (nearest,
 * ties to even), `bits` reinterprets, integers wrap at 32 bits, a comparison with nan is false
 * (!= is true). A result that is nan may be any nan. Subnormals are kept, never flushed.
 * The coefficients are minimax (Remez) on the stated interval, rounded to f32.
 *
 * expf(x)
 *   t = fma(x, LOG2E, MAGIC)
 *   n = t - MAGIC                          x / ln 2 rounded to a whole number
 *   r = fma(-n, LN2_HI, x)
 *   r = fma(-n, LN2_LO, r)                 |r| <= ln 2 / 2
 *   p = EXPF_C6
 *   p = fma(p, r, C5) .. fma(p, r, C2)     four steps
 *   p = fma(p, r, 1)
 *   p = fma(p, r, 1)
 *   y = float(bits(p) + (bits(t) << 23))   p * 2^n; the exponent cannot overflow inside [LO, HI]
 *   y = x < EXPF_LO ? 0 : y
 *   y = x > EXPF_HI ? +inf : y
 *   y = x != x ? x : y
 *
 * tanhf(x)
 *   a = |x|                                sign bit cleared
 *   z = a * a
 *   p = TANHF_C4
 *   p = fma(p, z, C3) .. fma(p, z, C0)     four steps
 *   s = fma(a * z, p, a)                   the product a * z is rounded
 *   e = expf(a + a)
 *   b = 1 - 2 / (e + 1)                    a rounded sum, quotient and difference
 *   y = a < TANHF_SPLIT ? s : b
 *   y with the sign bit of x
 *
 * erff(x)
 *   a = |x|
 *   z = a * a
 *   p = ERFF_C6
 *   p = fma(p, z, C5) .. fma(p, z, C0)     six steps
 *   s = fma(a, p, a)
 *   c = a > ERFF_END ? ERFF_END : a
 *   q = ERFF_D6
 *   q = fma(q, c, D5) .. fma(q, c, D0)     six steps
 *   b = 1 - expf(q)
 *   y = a < 1 ? s : b
 *   y with the sign bit of x
 *
 * logf(x)
 *   w = x < 2^-126 ? x * 2^23 : x          o = x < 2^-126 ? -23 : 0
 *   i = bits(w) - LOGF_ROOT                as a signed number
 *   e = float of (i >> 23), arithmetic shift, converted exactly; e = e + o
 *   f = float((i & 0x7fffff) + LOGF_ROOT) - 1
 *   p = LOGF_C7
 *   p = fma(p, f, C6) .. fma(p, f, C0)     seven steps
 *   z = f * f
 *   u = (f * z) * p
 *   u = fma(-0.5, z, u)
 *   u = fma(e, LN2_LO, u)
 *   y = fma(e, LN2_HI, f + u)              the sum f + u is rounded
 *   y = x == 0 ? -inf : y
 *   y = x < 0 ? nan : y
 *   y = x == +inf ? x : y
 *   y = x != x ? x : y
 */
#ifndef KW_BASE_FMATH_COEFFS_H
#define KW_BASE_FMATH_COEFFS_H

#define KW_FMATH_MAGIC 0x1.8p23f /* adding it leaves a whole number in the low bits */
#define KW_FMATH_LOG2E 0x1.715476p0f
#define KW_FMATH_LN2_HI 0x1.62e4p-1f /* 15 bits: n * LN2_HI is exact */
#define KW_FMATH_LN2_LO 0x1.7f7d1cp-20f

/* exp(r) = 1 + r + r^2 (C2 + C3 r + ..), |r| <= ln 2 / 2: relative error 3.1e-9. */
#define KW_EXPF_LO -87.3f
#define KW_EXPF_HI 0x1.62e42ep6f /* the largest whose exponential is finite */
#define KW_EXPF_C2 0x1.fffffcp-2f
#define KW_EXPF_C3 0x1.555492p-3f
#define KW_EXPF_C4 0x1.5558f2p-5f
#define KW_EXPF_C5 0x1.1239e4p-7f
#define KW_EXPF_C6 0x1.6a243ap-10f

/* tanh(a) = a + a^3 (C0 + C1 a^2 + ..), a < SPLIT: relative error 4.4e-9. */
#define KW_TANHF_SPLIT 0.625f
#define KW_TANHF_C0 -0x1.555532p-2f
#define KW_TANHF_C1 0x1.110726p-3f
#define KW_TANHF_C2 -0x1.b83c58p-5f
#define KW_TANHF_C3 0x1.522696p-6f
#define KW_TANHF_C4 -0x1.75e1b6p-8f

/* erf(a) = a + a (C0 + C1 a^2 + ..), a < 1: relative error 1.3e-9. */
#define KW_ERFF_C0 0x1.06eba8p-3f
#define KW_ERFF_C1 -0x1.81273ep-2f
#define KW_ERFF_C2 0x1.ce2cf8p-4f
#define KW_ERFF_C3 -0x1.b7f90cp-6f
#define KW_ERFF_C4 0x1.5405b2p-8f
#define KW_ERFF_C5 -0x1.a3f6fcp-11f
#define KW_ERFF_C6 0x1.496a26p-14f
/* erf(a) = 1 - exp(D0 + D1 a + ..), 1 <= a <= END: absolute error 1.1e-9. erf is 1 beyond. */
#define KW_ERFF_END 4.0f
#define KW_ERFF_D0 -0x1.661bcap-12f
#define KW_ERFF_D1 -0x1.2088ecp0f
#define KW_ERFF_D2 -0x1.46baeap-1f
#define KW_ERFF_D3 -0x1.a6534ap-4f
#define KW_ERFF_D4 0x1.65cb82p-6f
#define KW_ERFF_D5 -0x1.825b0ep-9f
#define KW_ERFF_D6 0x1.86dda4p-13f

/* log(1 + f) = f - f^2 / 2 + f^3 (C0 + C1 f + ..), sqrt(1/2) <= 1 + f < sqrt(2): relative
 * error 5.8e-9. */
#define KW_LOGF_ROOT 0x3f3504f3 /* bits of sqrt(1/2) */
#define KW_LOGF_C0 0x1.555554p-2f
#define KW_LOGF_C1 -0x1.000226p-2f
#define KW_LOGF_C2 0x1.99a008p-3f
#define KW_LOGF_C3 -0x1.547246p-3f
#define KW_LOGF_C4 0x1.22da2p-3f
#define KW_LOGF_C5 -0x1.0d854p-3f
#define KW_LOGF_C6 0x1.055b5ap-3f
#define KW_LOGF_C7 -0x1.38b564p-4f

#endif
