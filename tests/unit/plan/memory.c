/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* memory.c - the memory planner: what is alive together never overlaps, nothing is wasted without
 * bound, sizes that do not fit are refused. */
#include "plan/memory.h"

#include "base/check.h"
#include "base/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_LIVES = 120, MAX_WAVES = 60 };

static bool share_time(const kw_extent_of_life *a, const kw_extent_of_life *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static bool share_space(const kw_extent_of_life *a, const kw_extent_of_life *b)
{
    return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

/* The most bytes that any one wave needs: no layout is smaller. */
static size_t lower_bound(const kw_extent_of_life *lives, size_t n)
{
    size_t most = 0;
    for (uint32_t wave = 0; wave < MAX_WAVES; wave++) {
        size_t sum = 0;
        for (size_t i = 0; i < n; i++)
            if (lives[i].bytes > 0 && lives[i].first <= wave && wave <= lives[i].last)
                sum += kw_align_up(lives[i].bytes, 64);
        most = KW_MAX(most, sum);
    }
    return most;
}

/* Returns total / lower bound. */
static double check_layout(kw_extent_of_life *lives, size_t n)
{
    size_t total = 999, sum = 0;
    kw_error err = {0};
    if (kw_memory_plan(lives, n, &total, &err) != KW_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < n; i++) {
        if (lives[i].bytes == 0)
            continue;
        sum += kw_align_up(lives[i].bytes, 64);
        assert_int_equal(lives[i].offset % 64, 0);
        assert_true(lives[i].offset + lives[i].bytes <= total);
        for (size_t j = 0; j < i; j++)
            if (lives[j].bytes > 0 && share_time(&lives[i], &lives[j]) &&
                share_space(&lives[i], &lives[j]))
                fail_msg("lives %zu and %zu of %zu overlap", j, i, n);
    }
    const size_t least = lower_bound(lives, n);
    assert_true(total <= sum);
    assert_true(total >= least);
    return least > 0 ? (double)total / (double)least : 1;
}

static void random_lives_do_not_overlap(void **state)
{
    kw_extent_of_life lives[MAX_LIVES];
    double worst = 1, sum = 0;
    (void)state;
    for (uint64_t trial = 0; trial < 500; trial++) {
        const size_t n = 1 + kw_rng_u32(trial, 0, 0) % MAX_LIVES;
        for (uint64_t i = 0; i < n; i++) {
            const uint32_t first = kw_rng_u32(trial, 1, i) % MAX_WAVES;
            const uint32_t length = kw_rng_u32(trial, 2, i) % (trial % 2 ? 6 : MAX_WAVES);
            const uint32_t size = kw_rng_u32(trial, 3, i);
            lives[i] = (kw_extent_of_life){
                .bytes = size % 7 == 0 ? 0 : (size % 5 == 0 ? size % 100000 : size % 4096),
                .first = first,
                .last = KW_MIN(first + length, (uint32_t)MAX_WAVES - 1)};
        }
        const double factor = check_layout(lives, n);
        worst = KW_MAX(worst, factor);
        sum += factor;
    }
    print_message("total over the lower bound: mean %.3f, worst %.3f\n", sum / 500, worst);
    assert_true(sum / 500 < 1.05);
    assert_true(worst < 1.5);
}

static void nothing_needs_nothing(void **state)
{
    kw_extent_of_life none[3] = {{0, 0, 5, 77}, {0, 1, 1, 78}, {0, 0, 0, 79}};
    size_t total = 99;
    (void)state;
    assert_int_equal(kw_memory_plan(NULL, 0, &total, NULL), KW_OK);
    assert_int_equal(total, 0);
    total = 99;
    assert_int_equal(kw_memory_plan(none, 3, &total, NULL), KW_OK);
    assert_int_equal(total, 0);
    assert_int_equal(none[0].offset, 77); /* what needs no place is left alone */
}

/* A chain where each value dies when the next but one is made fits in two places. */
static void chains_use_two_places(void **state)
{
    kw_extent_of_life lives[MAX_WAVES - 1];
    size_t total = 0;
    (void)state;
    for (uint32_t i = 0; i < MAX_WAVES - 1; i++)
        lives[i] = (kw_extent_of_life){.bytes = 1000, .first = i, .last = i + 1};
    assert_true(check_layout(lives, MAX_WAVES - 1) < 1.001);
    assert_int_equal(kw_memory_plan(lives, MAX_WAVES - 1, &total, NULL), KW_OK);
    assert_int_equal(total, 2048);
}

static void all_alive_at_once_lie_side_by_side(void **state)
{
    kw_extent_of_life lives[MAX_LIVES];
    (void)state;
    for (uint32_t i = 0; i < MAX_LIVES; i++)
        lives[i] = (kw_extent_of_life){.bytes = 1 + i * 13, .first = i % 3, .last = MAX_WAVES - 1};
    assert_true(check_layout(lives, MAX_LIVES) < 1.001);
}

/* The smallest gap that holds it, not the first. */
static void the_smallest_gap_is_taken(void **state)
{
    kw_extent_of_life lives[] = {
        {640, 0, 2, 0}, /* at 0 */
        {512, 0, 0, 0}, /* at 640; free after wave 0: a gap of 512 */
        {448, 0, 2, 0}, /* at 1152 */
        {256, 0, 0, 0}, /* at 1600; a gap of 256 */
        {192, 0, 2, 0}, /* at 1856 */
        {192, 1, 2, 0}, /* fits both gaps: belongs in the second */
    };
    (void)state;
    (void)check_layout(lives, sizeof lives / sizeof lives[0]);
    assert_int_equal(lives[5].offset, lives[3].offset);
}

static void sizes_that_do_not_fit_are_refused(void **state)
{
    kw_extent_of_life lives[8];
    kw_error err = {0};
    size_t total = 5;
    (void)state;
    lives[0] = (kw_extent_of_life){.bytes = SIZE_MAX, .first = 0, .last = 1};
    assert_int_equal(kw_memory_plan(lives, 1, &total, &err), KW_E_LIMIT);
    assert_non_null(strstr(err.message, "plan: values of more than"));
    for (int i = 0; i < 8; i++)
        lives[i] = (kw_extent_of_life){.bytes = SIZE_MAX / 4, .first = 0, .last = 1};
    assert_int_equal(kw_memory_plan(lives, 8, &total, &err), KW_E_LIMIT);
    assert_int_equal(total, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_lives_do_not_overlap),
        cmocka_unit_test(nothing_needs_nothing),
        cmocka_unit_test(chains_use_two_places),
        cmocka_unit_test(all_alive_at_once_lie_side_by_side),
        cmocka_unit_test(the_smallest_gap_is_taken),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
