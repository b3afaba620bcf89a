/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* arena.c - every allocation is zeroed, aligned, apart from all others, and within the limit. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"

#define N_MANY 3000

/* Sizes from nothing to several chunks. */
static size_t size_of(size_t i)
{
    static const size_t sizes[] = {0, 1, 7, 16, 33, 100, 1000, 4000, 5000, 70000};
    return i % 500 == 499 ? 3000000 : sizes[i * 7 % KW_COUNT(sizes)];
}

static void allocations_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    kw_arena arena = {0};
    static unsigned char *at[N_MANY];
    for (size_t i = 0; i < N_MANY; i++) {
        const size_t size = size_of(i);
        at[i] = kw_arena_alloc(&arena, size);
        assert_non_null(at[i]);
        assert_int_equal((uintptr_t)at[i] % alignof(max_align_t), 0);
        for (size_t j = 0; j < size; j++)
            assert_true(at[i][j] == 0);
        memset(at[i], (int)(i % 251 + 1), size);
    }
    for (size_t i = 0; i < N_MANY; i++) {
        const unsigned char mark = (unsigned char)(i % 251 + 1);
        for (size_t j = 0; j < size_of(i); j++)
            assert_true(at[i][j] == mark);
    }
    kw_arena_free(&arena);
    assert_null(arena.chunks);
    assert_int_equal(arena.total_bytes, 0);
    assert_non_null(kw_arena_alloc(&arena, 10));
    kw_arena_free(&arena);
}

static void allocations_of_nothing_differ(void **state)
{
    (void)state;
    kw_arena arena = {0};
    const void *a = kw_arena_alloc(&arena, 0), *b = kw_arena_alloc(&arena, 0);
    assert_non_null(a);
    assert_ptr_not_equal(a, b);
    kw_arena_free(&arena);
}

static void limit_is_kept(void **state)
{
    (void)state;
    kw_arena arena = {.limit_bytes = 100000};
    size_t n = 0;
    while (kw_arena_alloc(&arena, 1000))
        n++;
    assert_in_range(n, 90, 100);
    assert_true(arena.total_bytes <= 100000);
    assert_null(kw_arena_alloc(&arena, 100001));
    kw_arena_free(&arena);

    kw_arena tight = {.limit_bytes = 8};
    assert_null(kw_arena_alloc(&tight, 1));
    kw_arena_free(&tight);
}

static void sizes_that_overflow_are_refused(void **state)
{
    (void)state;
    kw_arena arena = {0};
    assert_null(kw_arena_alloc(&arena, SIZE_MAX));
    assert_null(kw_arena_alloc(&arena, SIZE_MAX - 64));
    assert_null(kw_arena_array(&arena, SIZE_MAX / 2, 3));
    assert_null(kw_arena_array(&arena, SIZE_MAX, SIZE_MAX));
    assert_non_null(kw_arena_array(&arena, 0, SIZE_MAX));
    assert_int_equal(arena.total_bytes > 0, 1);
    kw_arena_free(&arena);
}

static void strdup_terminates(void **state)
{
    (void)state;
    kw_arena arena = {0};
    assert_string_equal(kw_arena_strdup(&arena, (kw_str){"view of more", 4}), "view");
    assert_string_equal(kw_arena_strdup(&arena, (kw_str){NULL, 0}), "");
    assert_null(kw_arena_strdup(&arena, (kw_str){"x", SIZE_MAX}));
    kw_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_zeroed_aligned_and_apart),
        cmocka_unit_test(allocations_of_nothing_differ),
        cmocka_unit_test(limit_is_kept),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(strdup_terminates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
