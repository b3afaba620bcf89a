/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* error.c - the error record and the log: always terminated, never required. */
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"

static kw_status failing(kw_error *err, int value)
{
    return kw_fail(err, KW_E_LIMIT, "thing \"%s\": %d passes %d", "x", value, 10);
}

static kw_status trying(kw_error *err, bool *reached)
{
    KW_TRY(failing(err, 11));
    *reached = true;
    return KW_OK;
}

static kw_status cleaning(kw_error *err, int *cleaned)
{
    kw_status status;
    KW_GOTO(status, KW_OK);
    KW_GOTO(status, failing(err, 12));
    return KW_OK;
fail:
    *cleaned = 1;
    return status;
}

static void record_is_filled(void **state)
{
    (void)state;
    kw_error err;
    memset(&err, 0x55, sizeof(err));
    assert_int_equal(failing(&err, 11), KW_E_LIMIT);
    assert_int_equal(err.code, KW_E_LIMIT);
    assert_string_equal(err.message, "thing \"x\": 11 passes 10");
    assert_true(err.line > 0 && strstr(err.file, "error.c") != NULL);
    assert_int_equal(failing(NULL, 11), KW_E_LIMIT);
}

static void macros_pass_failures_on(void **state)
{
    (void)state;
    kw_error err;
    bool reached = false;
    int cleaned = 0;
    assert_int_equal(trying(&err, &reached), KW_E_LIMIT);
    assert_false(reached);
    assert_int_equal(cleaning(&err, &cleaned), KW_E_LIMIT);
    assert_int_equal(cleaned, 1);
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    kw_error err;
    char text[1000];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(kw_fail(&err, KW_E_ARG, "%s", text), KW_E_ARG);
    assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
}

static void every_status_has_its_own_name(void **state)
{
    (void)state;
    for (int a = KW_OK; a <= KW_E_INTERNAL; a++) {
        assert_string_not_equal(kw_status_name((kw_status)a), "unknown");
        for (int b = KW_OK; b < a; b++)
            assert_string_not_equal(kw_status_name((kw_status)a), kw_status_name((kw_status)b));
    }
    assert_string_equal(kw_status_name((kw_status)1000), "unknown");
}

typedef struct heard {
    int n, level;
    char last[2000];
} heard;

static void hear(void *user, int level, const char *message)
{
    heard *to = user;
    to->n++;
    to->level = level;
    strncpy(to->last, message, sizeof(to->last) - 1);
}

static void log_filters_by_level(void **state)
{
    (void)state;
    heard to = {0};
    const kw_log log = {.write = hear, .user = &to, .level = KW_LOG_WARN};
    kw_log_print(&log, KW_LOG_INFO, "quiet %d", 1);
    assert_int_equal(to.n, 0);
    kw_log_print(&log, KW_LOG_WARN, "loud %d", 2);
    assert_int_equal(to.n, 1);
    assert_int_equal(to.level, KW_LOG_WARN);
    assert_string_equal(to.last, "loud 2");
    kw_log_print(NULL, KW_LOG_ERROR, "nobody");
    const kw_log silent = {.level = KW_LOG_DEBUG};
    kw_log_print(&silent, KW_LOG_ERROR, "nobody");
    assert_int_equal(to.n, 1);
    char text[1900];
    memset(text, 'b', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    kw_log_print(&log, KW_LOG_ERROR, "%s", text);
    assert_int_equal(strlen(to.last), 1023);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_is_filled),      cmocka_unit_test(macros_pass_failures_on),
        cmocka_unit_test(long_messages_are_cut), cmocka_unit_test(every_status_has_its_own_name),
        cmocka_unit_test(log_filters_by_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
