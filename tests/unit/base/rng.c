/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* rng.c - Philox against the known answers published with Random123, and the draws built on it. */
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

static void known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < KW_COUNT(cases); i++) {
        uint32_t out[4];
        kw_philox(cases[i].counter, cases[i].key, out);
        assert_memory_equal(out, cases[i].want, sizeof(out));
    }
}

/* The layout of a draw is part of the contract: a seed gives the same tokens for ever. */
static void draws_are_philox_words(void **state)
{
    (void)state;
    const uint64_t seed = UINT64_C(0x299f31d0a4093822), stream = UINT64_C(0x0370734413198a2e);
    const uint64_t index = UINT64_C(0x85a308d3243f6a88);
    assert_int_equal(kw_rng_u32(seed, stream, index), 0xd16cfe09);
    assert_true(kw_rng_uniform(seed, stream, index) == (float)0xd16cfe * 0x1p-24f);
    assert_int_equal(kw_rng_u32(0, 0, 0), 0x6627e8d5);
}

static void uniform_is_uniform(void **state)
{
    (void)state;
    const int n = 200000;
    double sum = 0, squares = 0, lag = 0;
    int bins[64] = {0};
    float before = 0.5f;
    for (int i = 0; i < n; i++) {
        const float u = kw_rng_uniform(42, 7, (uint64_t)i);
        assert_true(u >= 0.0f && u < 1.0f);
        assert_true(u * 0x1p24f == (float)(int)(u * 0x1p24f));
        sum += (double)u;
        squares += (double)u * (double)u;
        lag += ((double)u - 0.5) * ((double)before - 0.5);
        before = u;
        bins[(int)(u * 64.0f)]++;
    }
    /* Five standard deviations of each statistic. */
    assert_float_equal((float)(sum / n), 0.5f, 0.0033f);
    assert_float_equal((float)(squares / n), 1.0f / 3.0f, 0.0034f);
    assert_float_equal((float)(lag / n), 0.0f, 0.00094f);
    for (size_t i = 0; i < 64; i++)
        assert_in_range(bins[i], 3125 - 280, 3125 + 280);
}

static void streams_and_seeds_differ(void **state)
{
    (void)state;
    int same = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        same += kw_rng_u32(1, 0, i) == kw_rng_u32(2, 0, i);
        same += kw_rng_u32(1, 0, i) == kw_rng_u32(1, 1, i);
        same += kw_rng_u32(1, 0, i) == kw_rng_u32(1, 0, i + 1);
    }
    assert_int_equal(same, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(draws_are_philox_words),
        cmocka_unit_test(uniform_is_uniform),
        cmocka_unit_test(streams_and_seeds_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
