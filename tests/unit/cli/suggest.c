/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* suggest.c - distances and the nearest name. */
#include "cli/suggest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(kw_edit_distance("", ""), 0);
    assert_int_equal(kw_edit_distance("run", ""), 3);
    assert_int_equal(kw_edit_distance("run", "run"), 0);
    assert_int_equal(kw_edit_distance("rnu", "run"), 1); /* neighbours swapped */
    assert_int_equal(kw_edit_distance("ran", "run"), 1);
    assert_int_equal(kw_edit_distance("runn", "run"), 1);
    assert_int_equal(kw_edit_distance("kitten", "sitting"), 3);
    assert_int_equal(kw_edit_distance("ca", "abc"), 3); /* no substring is moved twice */
    char longest[100];
    for (size_t i = 0; i < 99; i++)
        longest[i] = 'x';
    longest[99] = '\0';
    assert_true(kw_edit_distance(longest, "x") == SIZE_MAX);
}

static const char *nearest(const char *word)
{
    static const char *const names[] = {"run", "inspect", "tensors", "tokenize", "detokenize"};
    kw_suggestion s;
    kw_suggest_init(&s, word);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)kw_suggest_consider(&s, names[i]);
    return s.best;
}

static void test_nearest(void **state)
{
    (void)state;
    assert_string_equal(nearest("rnu"), "run");
    assert_string_equal(nearest("tensor"), "tensors");
    assert_string_equal(nearest("tokenise"), "tokenize");
    assert_string_equal(nearest("insp"), "inspect"); /* an abbreviation */
    assert_null(nearest("serve"));
    assert_null(nearest("x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
