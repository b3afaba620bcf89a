/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fmath64.c - the f64 functions against libm's long double functions, and their bits against a
 * digest that is the same on every machine. */
#include "base/fmath.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "base/sha256.h"

#define N_INPUTS 100000
#define BOUND 1.6e-16 /* relative: fmath.h promises 2e-16 */

/* Draw i in [low, high). */
static double draw(uint64_t stream, uint64_t i, double low, double high)
{
    const uint64_t word =
        (uint64_t)kw_rng_u32(1, stream, 2 * i) << 21 ^ kw_rng_u32(1, stream, 2 * i + 1);
    return low + (high - low) * ((double)word * 0x1p-53);
}

static void near(double got, long double want, double at)
{
    if (!(fabsl((long double)got - want) <= (long double)BOUND * fabsl(want)))
        fail_msg("at %a: %a for %La", at, got, want);
}

/* Under valgrind long double is double, in fact: then it is no reference. */
static void need_long_double(void)
{
    volatile long double one = 1.0L, step = LDBL_EPSILON;
    if (one + step == one) {
        print_message("SKIPPED: long double has only the precision of double here\n");
        skip();
    }
}

static void exp_is_near(void **state)
{
    (void)state;
    need_long_double();
    for (uint64_t i = 0; i < N_INPUTS; i++) {
        const double x = i % 2 ? draw(1, i, -708.0, 709.7) : draw(1, i, -2.0, 2.0);
        near(kw_exp(x), expl((long double)x), x);
    }
    assert_true(kw_exp(0.0) == 1.0);
    assert_true(kw_exp(710.0) == HUGE_VAL && kw_exp(-746.0) == 0.0);
    assert_true(isfinite(kw_exp(709.78)));
    assert_true(kw_exp(HUGE_VAL) == HUGE_VAL && kw_exp(-HUGE_VAL) == 0.0);
    assert_true(isnan(kw_exp((double)NAN)));
    /* Subnormal results are within one step of the smallest. */
    for (double x = -745.0; x < -708.5; x += 0.01)
        assert_true(fabsl((long double)kw_exp(x) - expl((long double)x)) <= 0x1p-1074L);
}

static void log_is_near(void **state)
{
    (void)state;
    need_long_double();
    for (uint64_t i = 0; i < N_INPUTS; i++) {
        const double near_one = 1.0 + ldexp(draw(2, i, -1.0, 1.0), -(int)(i % 52));
        const double x = i % 2 && near_one > 0.0
                             ? near_one
                             : ldexp(draw(2, i, 0.5, 1.0), (int)(i % 2098) - 1074);
        near(kw_log_e(x), logl((long double)x), x);
    }
    assert_true(kw_log_e(1.0) == 0.0);
    assert_true(kw_log_e(0.0) == -HUGE_VAL && kw_log_e(HUGE_VAL) == HUGE_VAL);
    assert_true(isnan(kw_log_e(-1.0)) && isnan(kw_log_e((double)NAN)));
}

static void pow_is_near(void **state)
{
    (void)state;
    need_long_double();
    for (uint64_t i = 0; i < N_INPUTS; i++) {
        const double base = kw_exp(draw(3, i, -300.0, 300.0)), exponent = draw(4, i, -2.0, 2.0);
        near(kw_pow(base, exponent), powl((long double)base, (long double)exponent), base);
    }
    /* Rotary frequencies: theta^(-2i / dims). */
    static const double thetas[] = {10000.0, 500000.0, 1000000.0};
    for (int t = 0; t < 3; t++) {
        for (int i = 0; i < 128; i++) {
            const double exponent = -2.0 * i / 256.0;
            near(kw_pow(thetas[t], exponent), powl((long double)thetas[t], (long double)exponent),
                 exponent);
        }
    }
    assert_true(kw_pow(2.0, 10.0) == 1024.0 && kw_pow(2.0, -1074.0) == 0x1p-1074);
    assert_true(kw_pow(10.0, 2.0) == 100.0 && kw_pow(9.0, 0.5) == 3.0);
    assert_true(kw_pow(7.0, 0.0) == 1.0 && kw_pow(1.0, HUGE_VAL) == 1.0);
    assert_true(kw_pow(2.0, 1024.0) == HUGE_VAL && kw_pow(2.0, -1100.0) == 0.0);
    assert_true(kw_pow(2.0, HUGE_VAL) == HUGE_VAL && kw_pow(0.5, HUGE_VAL) == 0.0);
    assert_true(kw_pow(0.0, 2.0) == 0.0 && kw_pow(0.0, -2.0) == HUGE_VAL);
    assert_true(kw_pow(HUGE_VAL, 2.0) == HUGE_VAL && kw_pow(HUGE_VAL, -2.0) == 0.0);
    assert_true(isnan(kw_pow(-1.0, 2.0)) && isnan(kw_pow((double)NAN, 2.0)));
}

/* Half of the inputs lie beside multiples of pi / 2, where one of the results nearly vanishes. */
static void sincos_is_near(void **state)
{
    (void)state;
    need_long_double();
    for (uint64_t i = 0; i < N_INPUTS; i++) {
        double x = draw(5, i, -1.0, 1.0) * ldexp(1.0, (int)(i / 2 % 61) - 30);
        if (i % 2)
            x = floor(x) * 0x1.921fb54442d18p0 * 0.5;
        if (fabs(x) > 0x1p30)
            continue;
        double s, c;
        kw_sincos(x, &s, &c);
        near(s, sinl((long double)x), x);
        near(c, cosl((long double)x), x);
    }
    double s, c;
    kw_sincos(0.0, &s, &c);
    assert_true(s == 0.0 && c == 1.0);
    kw_sincos(HUGE_VAL, &s, &c);
    assert_true(isnan(s) && isnan(c));
    kw_sincos((double)NAN, &s, &c);
    assert_true(isnan(s) && isnan(c));
    kw_sincos(0x1p40, &s, &c);
    assert_true(isnan(s) && isnan(c));
}

static void absorb(kw_sha256 *hash, double y)
{
    uint64_t bits;
    memcpy(&bits, &y, sizeof(bits));
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(bits >> (8 * i));
    kw_sha256_update(hash, bytes, sizeof(bytes));
}

static void bits_are_the_same_everywhere(void **state)
{
    (void)state;
    kw_sha256 hash;
    kw_sha256_init(&hash, kw_sha256_kernel(false));
    for (uint64_t i = 0; i < N_INPUTS; i++) {
        const double x = draw(6, i, -500.0, 500.0);
        double s, c;
        kw_sincos(x * 65536.0, &s, &c);
        absorb(&hash, kw_exp(x));
        absorb(&hash, kw_log_e(fabs(x)));
        absorb(&hash, kw_pow(fabs(x), x / 512.0));
        absorb(&hash, s);
        absorb(&hash, c);
    }
    uint8_t digest[32];
    char hex[65];
    kw_sha256_final(&hash, digest);
    kw_sha256_hex(digest, hex);
    assert_string_equal(hex, "626c605431b02efe84b66b12593342c8b5d806641ce406317840d764b8fcbbf4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_near),
        cmocka_unit_test(log_is_near),
        cmocka_unit_test(pow_is_near),
        cmocka_unit_test(sincos_is_near),
        cmocka_unit_test(bits_are_the_same_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
