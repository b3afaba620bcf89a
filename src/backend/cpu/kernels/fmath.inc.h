/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fmath.inc.h - exp, log, tanh and erf of sixteen numbers: the operations that
 * base/fmath_coeffs.h writes down, in its order. */

static KV_INLINE kv_f v_copysign(kv_f magnitude, kv_f sign)
{
    const kv_i m = kv_iand(kv_bits(magnitude), kv_iset1(0x7fffffff));
    return kv_of_bits(kv_iadd(m, kv_iand(kv_bits(sign), kv_iset1(INT32_MIN))));
}

static KV_INLINE kv_f v_abs(kv_f x)
{
    return kv_of_bits(kv_iand(kv_bits(x), kv_iset1(0x7fffffff)));
}

static KV_INLINE kv_f v_neg(kv_f x)
{
    return kv_of_bits(kv_ixor(kv_bits(x), kv_iset1(INT32_MIN)));
}

static KV_INLINE kv_f v_exp(kv_f x)
{
    const kv_f t = kv_fma(x, kv_set1(KW_FMATH_LOG2E), kv_set1(KW_FMATH_MAGIC));
    const kv_f minus_n = v_neg(kv_sub(t, kv_set1(KW_FMATH_MAGIC)));
    kv_f r = kv_fma(minus_n, kv_set1(KW_FMATH_LN2_HI), x);
    r = kv_fma(minus_n, kv_set1(KW_FMATH_LN2_LO), r);
    kv_f p = kv_set1(KW_EXPF_C6);
    p = kv_fma(p, r, kv_set1(KW_EXPF_C5));
    p = kv_fma(p, r, kv_set1(KW_EXPF_C4));
    p = kv_fma(p, r, kv_set1(KW_EXPF_C3));
    p = kv_fma(p, r, kv_set1(KW_EXPF_C2));
    p = kv_fma(p, r, kv_set1(1.0f));
    p = kv_fma(p, r, kv_set1(1.0f));
    kv_f y = kv_of_bits(kv_iadd(kv_bits(p), kv_shl23(kv_bits(t))));
    y = kv_select(kv_less(x, kv_set1(KW_EXPF_LO)), kv_zero(), y);
    y = kv_select(kv_less(kv_set1(KW_EXPF_HI), x), kv_set1(INFINITY), y);
    return kv_select(kv_equal(x, x), y, x);
}

static KV_INLINE kv_f v_sigmoid(kv_f x)
{
    const kv_f one = kv_set1(1.0f);
    return kv_div(one, kv_add(one, v_exp(v_neg(x))));
}

static KV_INLINE kv_f v_tanh(kv_f x)
{
    const kv_f a = v_abs(x), z = kv_mul(a, a), one = kv_set1(1.0f);
    kv_f p = kv_set1(KW_TANHF_C4);
    p = kv_fma(p, z, kv_set1(KW_TANHF_C3));
    p = kv_fma(p, z, kv_set1(KW_TANHF_C2));
    p = kv_fma(p, z, kv_set1(KW_TANHF_C1));
    p = kv_fma(p, z, kv_set1(KW_TANHF_C0));
    const kv_f small = kv_fma(kv_mul(a, z), p, a);
    const kv_f e = v_exp(kv_add(a, a));
    const kv_f large = kv_sub(one, kv_div(kv_set1(2.0f), kv_add(e, one)));
    return v_copysign(kv_select(kv_less(a, kv_set1(KW_TANHF_SPLIT)), small, large), x);
}

static KV_INLINE kv_f v_erf(kv_f x)
{
    const kv_f a = v_abs(x), z = kv_mul(a, a), end = kv_set1(KW_ERFF_END);
    kv_f p = kv_set1(KW_ERFF_C6);
    p = kv_fma(p, z, kv_set1(KW_ERFF_C5));
    p = kv_fma(p, z, kv_set1(KW_ERFF_C4));
    p = kv_fma(p, z, kv_set1(KW_ERFF_C3));
    p = kv_fma(p, z, kv_set1(KW_ERFF_C2));
    p = kv_fma(p, z, kv_set1(KW_ERFF_C1));
    p = kv_fma(p, z, kv_set1(KW_ERFF_C0));
    const kv_f small = kv_fma(a, p, a);
    const kv_f c = kv_select(kv_less(end, a), end, a);
    kv_f q = kv_set1(KW_ERFF_D6);
    q = kv_fma(q, c, kv_set1(KW_ERFF_D5));
    q = kv_fma(q, c, kv_set1(KW_ERFF_D4));
    q = kv_fma(q, c, kv_set1(KW_ERFF_D3));
    q = kv_fma(q, c, kv_set1(KW_ERFF_D2));
    q = kv_fma(q, c, kv_set1(KW_ERFF_D1));
    q = kv_fma(q, c, kv_set1(KW_ERFF_D0));
    const kv_f large = kv_sub(kv_set1(1.0f), v_exp(q));
    return v_copysign(kv_select(kv_less(a, kv_set1(1.0f)), small, large), x);
}

static KV_INLINE kv_f v_log(kv_f x)
{
    const kv_i root = kv_iset1(KW_LOGF_ROOT);
    const kv_m subnormal = kv_less(x, kv_set1(0x1p-126f));
    const kv_f w = kv_select(subnormal, kv_mul(x, kv_set1(0x1p23f)), x);
    const kv_f o = kv_select(subnormal, kv_set1(-23.0f), kv_zero());
    const kv_i i = kv_iadd(kv_bits(w), kv_iset1(-KW_LOGF_ROOT));
    const kv_f e = kv_add(kv_of_int(kv_sar23(i)), o);
    const kv_i fraction = kv_iadd(kv_iand(i, kv_iset1(0x7fffff)), root);
    const kv_f f = kv_sub(kv_of_bits(fraction), kv_set1(1.0f));
    kv_f p = kv_set1(KW_LOGF_C7);
    p = kv_fma(p, f, kv_set1(KW_LOGF_C6));
    p = kv_fma(p, f, kv_set1(KW_LOGF_C5));
    p = kv_fma(p, f, kv_set1(KW_LOGF_C4));
    p = kv_fma(p, f, kv_set1(KW_LOGF_C3));
    p = kv_fma(p, f, kv_set1(KW_LOGF_C2));
    p = kv_fma(p, f, kv_set1(KW_LOGF_C1));
    p = kv_fma(p, f, kv_set1(KW_LOGF_C0));
    const kv_f z = kv_mul(f, f);
    kv_f u = kv_mul(kv_mul(f, z), p);
    u = kv_fma(kv_set1(-0.5f), z, u);
    u = kv_fma(e, kv_set1(KW_FMATH_LN2_LO), u);
    kv_f y = kv_fma(e, kv_set1(KW_FMATH_LN2_HI), kv_add(f, u));
    y = kv_select(kv_equal(x, kv_zero()), kv_set1(-INFINITY), y);
    y = kv_select(kv_less(x, kv_zero()), kv_set1(NAN), y);
    y = kv_select(kv_equal(x, kv_set1(INFINITY)), x, y);
    return kv_select(kv_equal(x, x), y, x);
}
