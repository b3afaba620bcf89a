/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* history.c - the file of what was typed: round trip, limits, places. */
#include "cli/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/kwaai-history-XXXXXX";

static char *test_env(const char *name)
{
    return strcmp(name, "XDG_STATE_HOME") == 0 ? dir : NULL;
}

static char *home_env(const char *name)
{
    static char relative[] = "state", home[] = "/home/someone";
    if (strcmp(name, "XDG_STATE_HOME") == 0)
        return relative; /* not absolute: the standard says to ignore it */
    return strcmp(name, "HOME") == 0 ? home : NULL;
}

static char *no_env(const char *name)
{
    (void)name;
    return NULL;
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    char path[64];
    (void)snprintf(path, sizeof path, "%s/kwaai/history", dir);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/kwaai", dir);
    (void)rmdir(path);
    return rmdir(dir);
}

static void add(kw_history *h, const char *text)
{
    kw_history_add(h, text, strlen(text));
}

static void test_round_trip(void **state)
{
    (void)state;
    kw_history h;
    kw_history_open(&h, test_env);
    assert_int_equal(h.n, 0);
    add(&h, "one");
    add(&h, "two\nlines \\ and \\n");
    add(&h, "two\nlines \\ and \\n"); /* the same again: kept once */
    add(&h, "");
    add(&h, "three");
    assert_int_equal(h.n, 3);
    struct stat info;
    assert_int_equal(stat(h.path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    kw_history_free(&h);
    kw_history_open(&h, test_env);
    assert_int_equal(h.n, 3);
    assert_string_equal(h.entries[0], "one");
    assert_string_equal(h.entries[1], "two\nlines \\ and \\n");
    assert_string_equal(h.entries[2], "three");
    kw_history_free(&h);
}

static void test_limit(void **state)
{
    (void)state;
    kw_history h;
    char text[32];
    kw_history_open(&h, test_env);
    for (int i = 0; i < 2 * KW_HISTORY_MAX + 10; i++) {
        (void)snprintf(text, sizeof text, "entry %d", i);
        add(&h, text);
    }
    assert_int_equal(h.n, KW_HISTORY_MAX);
    kw_history_free(&h);
    kw_history_open(&h, test_env); /* shortens the file */
    assert_int_equal(h.n, KW_HISTORY_MAX);
    assert_string_equal(h.entries[h.n - 1], text);
    struct stat info;
    assert_int_equal(stat(h.path, &info), 0);
    assert_true(info.st_size < KW_HISTORY_MAX * 16);
    kw_history_free(&h);
}

static void test_places(void **state)
{
    (void)state;
    kw_buf path = {0};
    assert_true(kw_xdg_dir(home_env, "XDG_STATE_HOME", ".local/state", &path));
    assert_string_equal(path.data, "/home/someone/.local/state/kwaai");
    kw_buf_free(&path);
    assert_false(kw_xdg_dir(no_env, "XDG_STATE_HOME", ".local/state", &path));
    kw_history h;
    kw_history_open(&h, no_env); /* nowhere to keep it: it works for this time */
    assert_null(h.path);
    add(&h, "one");
    assert_int_equal(h.n, 1);
    kw_history_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_places),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
