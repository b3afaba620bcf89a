/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* imatrix.c - importance matrices of the older form: means, what was never used, what is cut off.
 */
#include "engine/imatrix.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct bytes {
    char data[256];
    size_t len;
} bytes;

static void put_i32(bytes *b, int32_t v)
{
    memcpy(b->data + b->len, &v, sizeof v);
    b->len += sizeof v;
}

static void put_text(bytes *b, const char *text)
{
    put_i32(b, (int32_t)strlen(text));
    memcpy(b->data + b->len, text, strlen(text));
    b->len += strlen(text);
}

static void put_entry(bytes *b, const char *name, int32_t calls, const float *values, int32_t n)
{
    put_text(b, name);
    put_i32(b, calls);
    put_i32(b, n);
    memcpy(b->data + b->len, values, (size_t)n * sizeof *values);
    b->len += (size_t)n * sizeof *values;
}

static bytes sample(void)
{
    static const float sums[] = {2.0f, 4.0f, 0.0f}, one[] = {3.0f};
    bytes b = {.len = 0};
    put_i32(&b, 2);
    put_entry(&b, "blk.0.attn_q.weight", 2, sums, 3);
    put_entry(&b, "unused", 0, one, 1);
    put_i32(&b, 7);
    put_text(&b, "text.txt");
    return b;
}

static void means(void **state)
{
    const bytes b = sample();
    kw_imatrix m = {0};
    (void)state;
    assert_int_equal(kw_imatrix_parse((kw_str){b.data, b.len}, &m, NULL), KW_OK);
    assert_int_equal(m.n_entries, 2);
    const float *const q = kw_imatrix_find(&m, KW_STR("blk.0.attn_q.weight"), 3);
    assert_non_null(q);
    assert_true(q[0] == 1.0f && q[1] == 2.0f && q[2] == 0.0f);
    assert_null(kw_imatrix_find(&m, KW_STR("blk.0.attn_q.weight"), 4));
    assert_null(kw_imatrix_find(&m, KW_STR("blk.1.attn_q.weight"), 3));
    assert_int_equal(m.n_chunks, 7);
    assert_true(kw_str_is(m.dataset, "text.txt"));
    kw_arena_free(&m.arena);
}

/* Cut anywhere: refused, but for what may be missing at the end. */
static void truncated(void **state)
{
    const bytes b = sample();
    const size_t optional = 4 + 4 + 8;
    (void)state;
    for (size_t n = 0; n < b.len; n++) {
        kw_imatrix m = {0};
        const kw_status status = kw_imatrix_parse((kw_str){b.data, n}, &m, NULL);
        assert_int_equal(status, n < b.len - optional ? KW_E_FORMAT : KW_OK);
        kw_arena_free(&m.arena);
    }
}

static void not_numbers(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        const float bad[] = {1.0f, i ? -1.0f : INFINITY};
        bytes b = {.len = 0};
        kw_error err = {0};
        kw_imatrix m = {0};
        put_i32(&b, 1);
        put_entry(&b, "a", 1, bad, 2);
        assert_int_equal(kw_imatrix_parse((kw_str){b.data, b.len}, &m, &err), KW_E_FORMAT);
        assert_non_null(strstr(err.message, "value 1"));
        kw_arena_free(&m.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(means),
        cmocka_unit_test(truncated),
        cmocka_unit_test(not_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
