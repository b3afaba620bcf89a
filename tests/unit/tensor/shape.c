/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* shape.c - comparing, counting with overflow, printing into buffers of every size. */
#include "tensor/shape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void equality_needs_rank_and_every_dimension(void **state)
{
    (void)state;
    assert_true(kw_shape_eq(SHAPE(2, 3), SHAPE(2, 3)));
    assert_false(kw_shape_eq(SHAPE(2, 3), SHAPE(3, 2)));
    assert_false(kw_shape_eq(SHAPE(2), SHAPE(2, 1)));
    assert_true(kw_shape_eq((kw_shape){0, {1}}, (kw_shape){0, {2}}));
}

static void count_is_checked(void **state)
{
    (void)state;
    int64_t n = -1;
    assert_true(kw_shape_count((kw_shape){0}, &n));
    assert_int_equal(n, 1);
    assert_true(kw_shape_count(SHAPE(2, 3, 4, 5), &n));
    assert_int_equal(n, 120);
    assert_true(kw_shape_count(SHAPE(INT64_MAX, 1), &n));
    assert_true(n == INT64_MAX);
    assert_true(kw_shape_count(SHAPE(INT64_MAX, INT64_MAX, 0), &n));
    assert_int_equal(n, 0);
    n = 7;
    assert_false(kw_shape_count(SHAPE(INT64_MAX, 2), &n));
    assert_false(kw_shape_count(SHAPE(1LL << 32, 1LL << 31), &n));
    assert_false(kw_shape_count(SHAPE(-1), &n));
    assert_false(kw_shape_count(SHAPE(0, -1), &n));
    assert_false(kw_shape_count((kw_shape){5, {1, 1, 1, 1}}, &n));
    assert_int_equal(n, 7);
}

static void print_always_terminates(void **state)
{
    (void)state;
    char text[100];
    assert_string_equal(kw_shape_print(SHAPE(32000, 2048), text, sizeof text), "[32000, 2048]");
    assert_string_equal(kw_shape_print((kw_shape){0}, text, sizeof text), "[]");
    assert_string_equal(kw_shape_print(SHAPE(7), text, sizeof text), "[7]");
    for (size_t size = 1; size < 16; size++) {
        memset(text, 'x', sizeof text);
        kw_shape_print(SHAPE(12, 34, 56), text, size);
        assert_non_null(memchr(text, '\0', size));
        assert_int_equal(text[size], 'x');
        assert_memory_equal(text, "[12, 34, 56]", strlen(text));
    }
    text[0] = 'x';
    kw_shape_print(SHAPE(1), text, 0);
    assert_int_equal(text[0], 'x');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_needs_rank_and_every_dimension),
        cmocka_unit_test(count_is_checked),
        cmocka_unit_test(print_always_terminates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
