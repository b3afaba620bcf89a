/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fmath.c - the f32 functions against libm's double functions, within the bounds of fmath.h, and
 * their bits against digests that are the same on every machine. */
#include "base/fmath.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha256.h"

#define STRIDE 4001 /* of bit patterns: about a million inputs, in every binade */

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* Distance of two neighbours at y, which lies in the range of normal numbers or is taken so. */
static double ulp_at(double y)
{
    int exponent;
    (void)frexp(y, &exponent);
    return ldexp(1.0, (exponent < -125 ? -125 : exponent) - 24);
}

/* Runs f over the sweep where low <= x <= high. Fails when an error passes both bounds. */
static void sweep(float (*f)(float), double (*reference)(double), float low, float high,
                  double max_ulp, double max_absolute)
{
    double worst = 0.0;
    float worst_at = 0.0f;
    uint32_t n = 0;
    for (uint64_t bits = 1; bits <= UINT32_MAX; bits += STRIDE) {
        const float x = float_of((uint32_t)bits);
        if (!(x >= low && x <= high))
            continue;
        const double want = reference((double)x);
        const double error = fabs((double)f(x) - want);
        n++;
        if (!(error <= max_absolute || error <= max_ulp * ulp_at(want)))
            fail_msg("at %a: %a for %a", (double)x, (double)f(x), want);
        if (error / ulp_at(want) > worst) {
            worst = error / ulp_at(want);
            worst_at = x;
        }
    }
    assert_true(n > 100000);
    print_message("%u inputs, worst %.3f ulp at %a\n", n, worst, (double)worst_at);
}

static void expf_bound(void **state)
{
    (void)state;
    sweep(kw_expf, exp, -87.3f, 0x1.62e42ep6f, 1.0, 0.0);
}

static void tanhf_bound(void **state)
{
    (void)state;
    sweep(kw_tanhf, tanh, -INFINITY, INFINITY, 2.0, 0.0);
}

static void erff_bound(void **state)
{
    (void)state;
    sweep(kw_erff, erf, -INFINITY, INFINITY, 1.5, 1e-7);
}

static void logf_bound(void **state)
{
    (void)state;
    sweep(kw_logf, log, float_of(1), 0x1.fffffep127f, 1.0, 0.0);
}

/* Dense where the arguments of attention and activations lie. */
static void bounds_near_zero_and_one(void **state)
{
    (void)state;
    for (int i = -400000; i <= 400000; i++) {
        const float x = (float)i * 0x1p-15f;
        assert_true(fabs((double)kw_expf(x) - exp((double)x)) <= ulp_at(exp((double)x)));
        assert_true(fabs((double)kw_tanhf(x) - tanh((double)x)) <= 2.0 * ulp_at(tanh((double)x)));
        assert_true(fabs((double)kw_erff(x) - erf((double)x)) <= 1e-7);
        const float y = 1.0f + (float)i * 0x1p-23f;
        assert_true(i == 0 || fabs((double)kw_logf(y) - log((double)y)) <= ulp_at(log((double)y)));
    }
    assert_true(kw_logf(1.0f) == 0.0f);
    assert_true(kw_expf(0.0f) == 1.0f && kw_expf(-0.0f) == 1.0f);
}

static void special_values(void **state)
{
    (void)state;
    assert_true(kw_expf(INFINITY) == INFINITY && kw_expf(-INFINITY) == 0.0f);
    assert_true(isnan(kw_expf(NAN)) && isnan(kw_tanhf(NAN)) && isnan(kw_erff(NAN)));
    assert_true(isfinite(kw_expf(0x1.62e42ep6f)) && kw_expf(0x1.62e43p6f) == INFINITY);
    assert_true(kw_expf(-87.3f) > 0x1p-126f);
    assert_true(kw_expf(nextafterf(-87.3f, -100.0f)) == 0.0f);
    assert_true(kw_tanhf(INFINITY) == 1.0f && kw_tanhf(-INFINITY) == -1.0f);
    assert_true(kw_erff(INFINITY) == 1.0f && kw_erff(-INFINITY) == -1.0f);
    assert_true(signbit(kw_tanhf(-0.0f)) && kw_tanhf(-0.0f) == 0.0f && !signbit(kw_tanhf(0.0f)));
    assert_true(signbit(kw_erff(-0.0f)) && kw_erff(-0.0f) == 0.0f && !signbit(kw_erff(0.0f)));
    assert_true(kw_logf(0.0f) == -INFINITY && kw_logf(-0.0f) == -INFINITY);
    assert_true(isnan(kw_logf(-1.0f)) && isnan(kw_logf(-INFINITY)) && isnan(kw_logf(NAN)));
    assert_true(kw_logf(INFINITY) == INFINITY);
}

static void odd_functions_are_odd_and_bounded(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x7f800000; bits += 5003) {
        const float x = float_of(bits);
        assert_true(kw_tanhf(-x) == -kw_tanhf(x) && kw_tanhf(x) <= 1.0f);
        assert_true(kw_erff(-x) == -kw_erff(x) && kw_erff(x) <= 1.0f);
    }
}

/* SHA-256 over the results, little endian, nan as 7fc00000, of one input in 4001. */
static void bits_of(float (*f)(float), const char *want)
{
    kw_sha256 hash;
    kw_sha256_init(&hash, kw_sha256_kernel(false));
    for (uint64_t bits = 1; bits <= UINT32_MAX; bits += STRIDE) {
        const float y = f(float_of((uint32_t)bits));
        uint32_t out = 0x7fc00000;
        if (!isnan(y))
            memcpy(&out, &y, sizeof(out));
        const uint8_t bytes[4] = {(uint8_t)out, (uint8_t)(out >> 8), (uint8_t)(out >> 16),
                                  (uint8_t)(out >> 24)};
        kw_sha256_update(&hash, bytes, sizeof(bytes));
    }
    uint8_t digest[32];
    char hex[65];
    kw_sha256_final(&hash, digest);
    kw_sha256_hex(digest, hex);
    assert_string_equal(hex, want);
}

static void bits_are_the_same_everywhere(void **state)
{
    (void)state;
    bits_of(kw_expf, "16960f2ea7f5ecf4e0b3419d1428b36b044e311aa3f7341157928cdd5c058fb4");
    bits_of(kw_tanhf, "f7643ccdf697e1f23e643be7eec9a99e1ca137db04044df8e934aa3d091ae5ee");
    bits_of(kw_erff, "395efbad5eeb3155504cca3a64654a103f5b645b42ec38927ef19b9b8ac65585");
    bits_of(kw_logf, "0190fec0a7cda1bd807ef316a3b361e0044b9d7ee4850cad6141bb48028873ee");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expf_bound),
        cmocka_unit_test(tanhf_bound),
        cmocka_unit_test(erff_bound),
        cmocka_unit_test(logf_bound),
        cmocka_unit_test(bounds_near_zero_and_one),
        cmocka_unit_test(special_values),
        cmocka_unit_test(odd_functions_are_odd_and_bounded),
        cmocka_unit_test(bits_are_the_same_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
