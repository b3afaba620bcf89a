/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fmath.c - the elementary functions whose bits are the same on every machine.
 *
 * The f32 functions perform exactly the operations written down in fmath_coeffs.h: vector kernels
 * are compared with them by memcmp. fmaf and fma are exact by definition, in software where the
 * processor has none. Compiled with -ffp-contract=off, so that nothing else fuses. */
#include "base/fmath.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/fmath_coeffs.h"

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

float kw_expf(float x)
{
    const float t = fmaf(x, KW_FMATH_LOG2E, KW_FMATH_MAGIC);
    const float n = t - KW_FMATH_MAGIC;
    float r = fmaf(-n, KW_FMATH_LN2_HI, x);
    r = fmaf(-n, KW_FMATH_LN2_LO, r);
    float p = KW_EXPF_C6;
    p = fmaf(p, r, KW_EXPF_C5);
    p = fmaf(p, r, KW_EXPF_C4);
    p = fmaf(p, r, KW_EXPF_C3);
    p = fmaf(p, r, KW_EXPF_C2);
    p = fmaf(p, r, 1.0f);
    p = fmaf(p, r, 1.0f);
    float y = float_of(bits_of(p) + (bits_of(t) << 23));
    y = x < KW_EXPF_LO ? 0.0f : y;
    y = x > KW_EXPF_HI ? INFINITY : y;
    return x != x ? x : y;
}

float kw_tanhf(float x)
{
    const float a = fabsf(x);
    const float z = a * a;
    float p = KW_TANHF_C4;
    p = fmaf(p, z, KW_TANHF_C3);
    p = fmaf(p, z, KW_TANHF_C2);
    p = fmaf(p, z, KW_TANHF_C1);
    p = fmaf(p, z, KW_TANHF_C0);
    const float small = fmaf(a * z, p, a);
    const float e = kw_expf(a + a);
    const float large = 1.0f - 2.0f / (e + 1.0f);
    return copysignf(a < KW_TANHF_SPLIT ? small : large, x);
}

float kw_erff(float x)
{
    const float a = fabsf(x);
    const float z = a * a;
    float p = KW_ERFF_C6;
    p = fmaf(p, z, KW_ERFF_C5);
    p = fmaf(p, z, KW_ERFF_C4);
    p = fmaf(p, z, KW_ERFF_C3);
    p = fmaf(p, z, KW_ERFF_C2);
    p = fmaf(p, z, KW_ERFF_C1);
    p = fmaf(p, z, KW_ERFF_C0);
    const float small = fmaf(a, p, a);
    const float c = a > KW_ERFF_END ? KW_ERFF_END : a;
    float q = KW_ERFF_D6;
    q = fmaf(q, c, KW_ERFF_D5);
    q = fmaf(q, c, KW_ERFF_D4);
    q = fmaf(q, c, KW_ERFF_D3);
    q = fmaf(q, c, KW_ERFF_D2);
    q = fmaf(q, c, KW_ERFF_D1);
    q = fmaf(q, c, KW_ERFF_D0);
    const float large = 1.0f - kw_expf(q);
    return copysignf(a < 1.0f ? small : large, x);
}

float kw_logf(float x)
{
    const float w = x < 0x1p-126f ? x * 0x1p23f : x;
    const float o = x < 0x1p-126f ? -23.0f : 0.0f;
    const uint32_t i = bits_of(w) - KW_LOGF_ROOT;
    const float e = (float)((int32_t)i >> 23) + o;
    const float f = float_of((i & 0x7fffffu) + KW_LOGF_ROOT) - 1.0f;
    float p = KW_LOGF_C7;
    p = fmaf(p, f, KW_LOGF_C6);
    p = fmaf(p, f, KW_LOGF_C5);
    p = fmaf(p, f, KW_LOGF_C4);
    p = fmaf(p, f, KW_LOGF_C3);
    p = fmaf(p, f, KW_LOGF_C2);
    p = fmaf(p, f, KW_LOGF_C1);
    p = fmaf(p, f, KW_LOGF_C0);
    const float z = f * f;
    float u = (f * z) * p;
    u = fmaf(-0.5f, z, u);
    u = fmaf(e, KW_FMATH_LN2_LO, u);
    float y = fmaf(e, KW_FMATH_LN2_HI, f + u);
    y = x == 0.0f ? -INFINITY : y;
    y = x < 0.0f ? NAN : y;
    y = x == INFINITY ? x : y;
    return x != x ? x : y;
}
