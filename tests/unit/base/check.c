/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* check.c - checked arithmetic at the edges, and views. */
#include "base/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static void size_products_and_sums(void **state)
{
    (void)state;
    size_t out = 77;
    assert_true(kw_mul_size(0, SIZE_MAX, &out) && out == 0);
    assert_true(kw_mul_size(SIZE_MAX, 0, &out) && out == 0);
    assert_true(kw_mul_size(SIZE_MAX, 1, &out) && out == SIZE_MAX);
    assert_true(kw_mul_size(SIZE_MAX / 3, 3, &out) && out == SIZE_MAX / 3 * 3);
    out = 77;
    assert_false(kw_mul_size(SIZE_MAX / 2 + 1, 2, &out));
    assert_false(kw_mul_size(SIZE_MAX, SIZE_MAX, &out));
    assert_false(kw_add_size(SIZE_MAX, 1, &out));
    assert_int_equal(out, 77);
    assert_true(kw_add_size(SIZE_MAX - 5, 5, &out) && out == SIZE_MAX);
}

static void u64_products_and_sums(void **state)
{
    (void)state;
    uint64_t out = 77;
    assert_false(kw_mul_u64(UINT64_C(1) << 32, UINT64_C(1) << 32, &out));
    assert_false(kw_add_u64(UINT64_MAX, 1, &out));
    assert_true(out == 77);
    assert_true(kw_mul_u64(UINT32_MAX, UINT32_MAX, &out) && out == UINT64_C(0xfffffffe00000001));
    assert_true(kw_add_u64(UINT64_MAX - 1, 1, &out) && out == UINT64_MAX);
}

static void align_up(void **state)
{
    (void)state;
    assert_int_equal(kw_align_up(0, 32), 0);
    assert_int_equal(kw_align_up(1, 32), 32);
    assert_int_equal(kw_align_up(32, 32), 32);
    assert_int_equal(kw_align_up(33, 1), 33);
}

static void views(void **state)
{
    (void)state;
    const kw_str abc = KW_STR("abc");
    assert_int_equal(abc.len, 3);
    assert_true(kw_str_eq(abc, (kw_str){"abcd", 3}));
    assert_false(kw_str_eq(abc, KW_STR("abd")));
    assert_true(kw_str_eq((kw_str){NULL, 0}, KW_STR("")));
    assert_true(kw_str_is(abc, "abc"));
    assert_false(kw_str_is(abc, "ab"));
    assert_true(kw_str_starts(abc, KW_STR("ab")));
    assert_false(kw_str_starts(KW_STR("ab"), abc));
    assert_int_equal(kw_str_from(NULL).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(size_products_and_sums),
        cmocka_unit_test(u64_products_and_sums),
        cmocka_unit_test(align_up),
        cmocka_unit_test(views),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
