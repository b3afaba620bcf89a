/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* name_index.c - the hash index: every name is found, strangers are not, duplicates and names made
 * to collide are refused. */
#include "format/name_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct record {
    kw_str name;
    int other[3];
} record;

static void names_are_found(void **state)
{
    (void)state;
    enum { N = 20000 };
    kw_arena arena = {0};
    record *const records = calloc(N, sizeof *records);
    char(*const names)[16] = calloc(N, sizeof *names);
    assert_true(records && names);
    for (size_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "blk.%zu.w", i);
        records[i].name = kw_str_from(names[i]);
    }
    for (size_t n = 0; n <= N; n = n < 20 ? n + 1 : n * 3) {
        kw_name_index index;
        assert_int_equal(
            kw_name_index_build(&index, &arena, records, sizeof *records, n, "x", NULL), KW_OK);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(kw_name_index_find(&index, records[i].name), i);
        for (size_t i = n; i < n + 10 && i < N; i++)
            assert_true(kw_name_index_find(&index, records[i].name) == KW_NOT_FOUND);
        assert_true(kw_name_index_find(&index, KW_STR("")) == KW_NOT_FOUND);
    }
    const kw_name_index none = {0};
    assert_true(kw_name_index_find(&none, KW_STR("x")) == KW_NOT_FOUND);
    kw_arena_free(&arena);
    free(records);
    free(names);
}

static void duplicates_are_named(void **state)
{
    (void)state;
    kw_arena arena = {0};
    kw_name_index index;
    kw_error err = {0};
    const kw_str names[] = {KW_STR("a"), KW_STR(""), KW_STR("b"), KW_STR("a")};
    assert_int_equal(kw_name_index_build(&index, &arena, names, sizeof names[0], 3, "key", &err),
                     KW_OK);
    assert_int_equal(kw_name_index_find(&index, KW_STR("")), 1);
    assert_int_equal(kw_name_index_build(&index, &arena, names, sizeof names[0], 4, "key", &err),
                     KW_E_FORMAT);
    assert_string_equal(err.message, "key \"a\" appears twice");
    kw_arena_free(&arena);
}

/* The index's own hash, to make names that collide. */
static uint64_t hash_name(const char *name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    h ^= h >> 32;
    h *= UINT64_C(0xd6e8feb86659fd93);
    return h ^ h >> 32;
}

static void colliding_names_are_refused(void **state)
{
    (void)state;
    enum { N = 1000, SLOTS = 2048 };
    kw_arena arena = {0};
    kw_name_index index;
    kw_error err = {0};
    kw_str *const names = calloc(N, sizeof *names);
    char(*const texts)[16] = calloc(N, sizeof *texts);
    assert_true(names && texts);
    size_t n = 0;
    for (unsigned i = 0; n < N; i++) {
        snprintf(texts[n], sizeof texts[n], "%u", i);
        if (hash_name(texts[n]) % SLOTS < 4) {
            names[n] = kw_str_from(texts[n]);
            n++;
        }
    }
    assert_int_equal(kw_name_index_build(&index, &arena, names, sizeof *names, N, "tensor", &err),
                     KW_E_LIMIT);
    assert_non_null(strstr(err.message, "names share its hash"));
    kw_arena_free(&arena);
    free(names);
    free(texts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found),
        cmocka_unit_test(duplicates_are_named),
        cmocka_unit_test(colliding_names_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
