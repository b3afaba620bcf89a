/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* decimal.c - decimal text to double against known hard cases and the C library's strtod, which
 * glibc rounds correctly and which sees no locale but C here. */
#include "base/decimal.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/rng.h"

static void check(const char *text, double want)
{
    double got = -77.0;
    if (!kw_decimal_f64(kw_str_from(text), &got))
        fail_msg("refused: %.60s", text);
    if (memcmp(&got, &want, sizeof(got)) != 0)
        fail_msg("%.60s: %a for %a", text, got, want);
}

static void hard_cases(void **state)
{
    (void)state;
    check("0", 0.0);
    check("-0", -0.0);
    check("-0.0e99999999999999999999", -0.0);
    check("1", 1.0);
    check("+1.5", 1.5);
    check(".5", 0.5);
    check("5.", 5.0);
    check("1e22", 1e22);
    check("1e23", 1e23);
    check("0.1", 0.1);
    check("123456789012345678", 123456789012345678.0);
    check("9007199254740993", 9007199254740992.0);
    check("9007199254740993.00000000000000000000000000000000000000001", 9007199254740994.0);
    check("9007199254740995", 9007199254740996.0);
    /* 1 + 2^-53, the midpoint, and a little more. */
    check("1.00000000000000011102230246251565404236316680908203125", 1.0);
    check("1.00000000000000011102230246251565404236316680908203126", 1.0 + DBL_EPSILON);
    check("0.99999999999999994448884876874217297881841659545898437", 1.0 - DBL_EPSILON / 2);
    /* The largest, and the midpoint beyond which nothing is finite. */
    check("1.7976931348623157e308", DBL_MAX);
    check("1.797693134862315807e308", DBL_MAX);
    /* The smallest normal and its neighbours, where other parsers have looped. */
    check("2.2250738585072011e-308", 0x0.fffffffffffffp-1022);
    check("2.2250738585072012e-308", 0x1p-1022);
    check("4.9406564584124654e-324", 0x1p-1074);
    check("2.4703282292062327208e-324", 0.0);
    check("2.4703282292062328e-324", 0x1p-1074);
    check("1e-400", 0.0);
    check("-1e-99999999999999999999999", -0.0);
    /* 1.5 * 2^-1074 less a little */
    check("7.410984687618698162648531893023320585475897039214871466383785237510132"
          "60905313127797949754542453988569694847043168576596e-324",
          0x1p-1074);
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "-",
        ".",
        "-.",
        "e5",
        "1e",
        "1e+",
        "1e-",
        "1.2.3",
        "0x10",
        "1 ",
        " 1",
        "1,5",
        "nan",
        "infinity",
        "1e5.0",
        "--1",
        "1_000",
        "1f",
        "1e5e5",
        "+",
        ".e1",
        "1e1a",
        "1e309",
        "-1e309",
        "1e99999999999999999999",
        "1.797693134862315808e308",
    };
    for (size_t i = 0; i < KW_COUNT(texts); i++) {
        double out = 77.0;
        if (kw_decimal_f64(kw_str_from(texts[i]), &out))
            fail_msg("accepted: \"%s\"", texts[i]);
        assert_true(out == 77.0);
    }
    double out = 77.0;
    assert_false(kw_decimal_f64((kw_str){"1\0", 2}, &out));
}

static void zeros_around_the_point(void **state)
{
    (void)state;
    char text[1200];
    memset(text, '0', sizeof(text));
    /* 0.000..01 with 400 zeros, scaled back; 1000..0 likewise; leading zeros. */
    text[1] = '.';
    memcpy(text + 402, "1e401", 6);
    check(text, 1.0);
    memset(text, '0', sizeof(text));
    text[0] = '1';
    memcpy(text + 401, "e-400", 6);
    check(text, 1.0);
    memset(text, '0', sizeof(text));
    memcpy(text + 1000, "25e-1", 6);
    check(text, 2.5);
}

/* Digits beyond the 800 that are kept decide only whether a midpoint was passed. */
static void digits_beyond_those_kept(void **state)
{
    (void)state;
    static const char middle[] = "1.00000000000000011102230246251565404236316680908203125";
    char text[2000];
    memset(text, '0', sizeof(text));
    memcpy(text, middle, sizeof(middle) - 1);
    text[1500] = '\0';
    check(text, 1.0);
    text[1499] = '1';
    check(text, 1.0 + DBL_EPSILON);
    memset(text, '9', sizeof(text));
    memcpy(text + 1500, "e-1500", 7);
    check(text, 1.0);
}

/* A finite double of any exponent. */
static double draw(uint64_t i)
{
    const uint64_t bits = (uint64_t)kw_rng_u32(3, 0, i) << 32 | kw_rng_u32(3, 1, i);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return isfinite(value) ? value : (double)i;
}

static void random_values_equal_strtod(void **state)
{
    (void)state;
    static const int digits[] = {16, 14, 15, 17, 20, 30, 0, 5};
    for (uint64_t i = 0; i < 60000; i++) {
        char text[64];
        snprintf(text, sizeof(text), "%.*e", digits[i % KW_COUNT(digits)], draw(i));
        const double want = strtod(text, NULL);
        if (isfinite(want))
            check(text, want);
    }
}

/* Values as files hold them: a few digits around the point. */
static void everyday_values_equal_strtod(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 60000; i++) {
        char text[64];
        const double value = (double)(int32_t)kw_rng_u32(4, 0, i) * 1.0000000001e-7;
        snprintf(text, sizeof(text), "%.*g", (int)(i % 18) + 1, value);
        check(text, strtod(text, NULL));
    }
}

/* The exact midpoint between two neighbours, in full: up to 767 digits. A long double holds it. */
static void exact_midpoints_round_to_even(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 400; i++) {
        const double low = fabs(draw(i + 100000));
        const double high = nextafter(low, HUGE_VAL);
        if (!isfinite(high))
            continue;
        const long double middle = ((long double)low + (long double)high) / 2;
        char text[1400];
        snprintf(text, sizeof(text), "%.800Le", middle);
        uint64_t bits;
        memcpy(&bits, &low, sizeof(bits));
        check(text, (bits & 1) == 0 ? low : high);
        assert_true(strtod(text, NULL) == ((bits & 1) == 0 ? low : high));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hard_cases),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(zeros_around_the_point),
        cmocka_unit_test(digits_beyond_those_kept),
        cmocka_unit_test(random_values_equal_strtod),
        cmocka_unit_test(everyday_values_equal_strtod),
        cmocka_unit_test(exact_midpoints_round_to_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
