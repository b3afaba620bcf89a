/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fmath64.c - exp, log, pow, sine and cosine in f64: the same bits on every machine, within an ulp
 * or so.
 *
 * Arguments are reduced with fused multiply-add, so that the products are exact, and where the
 * result is small beside its parts the rest of a rounding is carried along. The series are
 * Taylor's, cut where the next term is below 1e-17 of the result. */
#include "base/fmath.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"

#define MAGIC 0x1.8p52 /* adding and taking it away rounds to a whole number */
#define LOG2E 0x1.71547652b82fep0
#define LN2_HI 0x1.62e42fefa38p-1 /* 42 bits: products with an exponent are exact */
#define LN2_LO 0x1.ef35793c7673p-45
#define TWO_OVER_PI 0x1.45f306dc9c883p-1
#define HALF_PI_1 0x1.921fb54442d18p0
#define HALF_PI_2 0x1.1a62633145c07p-54
#define HALF_PI_3 -0x1.f1976b7ed8fbcp-110
#define SQRT_HALF 0x1.6a09e667f3bcdp-1

/* hi + lo, lo at most half an ulp of hi once normalised */
typedef struct pair {
    double hi, lo;
} pair;

/* a + b exactly (Knuth's two-sum). */
static pair sum(double a, double b)
{
    const double hi = a + b;
    const double part = hi - a;
    return (pair){hi, (a - (hi - part)) + (b - part)};
}

/* Coefficients c[0] + c[1] x + .. c[n - 1] x^(n - 1) */
static double horner(const double *c, size_t n, double x)
{
    double y = c[n - 1];
    for (size_t i = n - 1; i-- > 0;)
        y = fma(y, x, c[i]);
    return y;
}

/* 2^n for n in [-1022, 1023]. */
static double power_of_two(int n)
{
    const uint64_t bits = (uint64_t)(n + 1023) << 52;
    double y;
    memcpy(&y, &bits, sizeof(y));
    return y;
}

/* exp(x + tail), |tail| small beside 1. */
static double exp_pair(double x, double tail)
{
    static const double c[] = {
        1.0 / 2.0,       1.0 / 6.0,        1.0 / 24.0,        1.0 / 120.0,
        1.0 / 720.0,     1.0 / 5040.0,     1.0 / 40320.0,     1.0 / 362880.0,
        1.0 / 3628800.0, 1.0 / 39916800.0, 1.0 / 479001600.0, 1.0 / 6227020800.0,
    };
    if (x != x)
        return x;
    if (x > 709.79)
        return HUGE_VAL;
    if (x < -745.2)
        return 0.0;
    const double n = (x * LOG2E + MAGIC) - MAGIC;
    const pair r = sum(fma(-n, LN2_HI, x), fma(-n, LN2_LO, tail));
    const double p = 1.0 + (r.hi + fma(r.hi * r.hi, horner(c, KW_COUNT(c), r.hi), r.lo));
    /* Only the second step can leave the normal range, so a subnormal result rounds once more. */
    const int whole = (int)n, half = whole / 2;
    return p * power_of_two(half) * power_of_two(whole - half);
}

/* log(x) for finite x > 0, with about 60 bits. */
static pair log_pair(double x)
{
    static const double c[] = {
        1.0 / 3.0,  1.0 / 5.0,  1.0 / 7.0,  1.0 / 9.0,  1.0 / 11.0, 1.0 / 13.0,
        1.0 / 15.0, 1.0 / 17.0, 1.0 / 19.0, 1.0 / 21.0, 1.0 / 23.0,
    };
    int exponent;
    double m = frexp(x, &exponent); /* exact */
    if (m < SQRT_HALF) {
        m *= 2.0;
        exponent--;
    }
    /* log m = 2 atanh s = 2 s (1 + s^2 / 3 + s^4 / 5 + ..), s = (m - 1) / (m + 1) */
    const double f = m - 1.0;
    const pair d = sum(m, 1.0);
    const double s = f / d.hi;
    const double s_rest = (fma(-s, d.hi, f) - s * d.lo) / d.hi;
    const double z = s * s;
    const double t = z * horner(c, KW_COUNT(c), z);
    const double e = (double)exponent;
    const pair high = sum(e * LN2_HI, 2.0 * s);
    const double low = fma(e, LN2_LO, 2.0 * fma(s, t, s_rest));
    const pair y = sum(high.hi, high.lo + low);
    return y;
}

double kw_exp(double x)
{
    return exp_pair(x, 0.0);
}

double kw_log_e(double x)
{
    if (x != x || x == HUGE_VAL)
        return x;
    if (x == 0.0)
        return -HUGE_VAL;
    if (x < 0.0)
        return (double)NAN;
    const pair y = log_pair(x);
    return y.hi;
}

double kw_pow(double base, double exponent)
{
    if (exponent == 0.0 || base == 1.0)
        return 1.0;
    if (base != base || exponent != exponent || base < 0.0)
        return (double)NAN;
    if (base == 0.0 || base == HUGE_VAL)
        return (base == 0.0) == (exponent > 0.0) ? 0.0 : HUGE_VAL;
    const pair log_base = log_pair(base);
    const double product = exponent * log_base.hi;
    if (fabs(product) > 1000.0)
        return product > 0.0 ? HUGE_VAL : 0.0;
    const double rest = fma(exponent, log_base.hi, -product) + exponent * log_base.lo;
    return exp_pair(product, rest);
}

/* sin(r.hi + r.lo), |r.hi| <= pi / 4 */
static double sin_pair(pair r)
{
    static const double c[] = {
        -1.0 / 6.0,        1.0 / 120.0,        -1.0 / 5040.0,          1.0 / 362880.0,
        -1.0 / 39916800.0, 1.0 / 6227020800.0, -1.0 / 1307674368000.0, 1.0 / 355687428096000.0,
    };
    const double z = r.hi * r.hi;
    const double cubic = r.hi * z * horner(c, KW_COUNT(c), z);
    return r.hi + fma(r.lo, fma(-0.5, z, 1.0), cubic);
}

/* cos(r.hi + r.lo), |r.hi| <= pi / 4 */
static double cos_pair(pair r)
{
    static const double c[] = {
        1.0 / 24.0,        -1.0 / 720.0,         1.0 / 40320.0,          -1.0 / 3628800.0,
        1.0 / 479001600.0, -1.0 / 87178291200.0, 1.0 / 20922789888000.0,
    };
    const double z = r.hi * r.hi;
    const double half = 0.5 * z, w = 1.0 - half;
    const double quartic = z * z * horner(c, KW_COUNT(c), z);
    return w + (((1.0 - w) - half) + fma(-r.hi, r.lo, quartic));
}

void kw_sincos(double x, double *sin_out, double *cos_out)
{
    const double n = (x * TWO_OVER_PI + MAGIC) - MAGIC;
    if (!(fabs(n) <= 0x1p30)) {
        *sin_out = *cos_out = (double)NAN;
        return;
    }
    /* The first difference is exact: a multiple of 2^-53 below 1. */
    const double product = n * HALF_PI_2;
    const pair r = sum(fma(-n, HALF_PI_1, x), -product);
    const double rest = fma(n, HALF_PI_2, -product) + n * HALF_PI_3;
    const pair angle = sum(r.hi, r.lo - rest);
    const double s = sin_pair(angle), c = cos_pair(angle);
    switch ((int64_t)n & 3) {
    case 0:
        *sin_out = s;
        *cos_out = c;
        break;
    case 1:
        *sin_out = c;
        *cos_out = -s;
        break;
    case 2:
        *sin_out = -s;
        *cos_out = -c;
        break;
    default:
        *sin_out = -c;
        *cos_out = s;
        break;
    }
}
