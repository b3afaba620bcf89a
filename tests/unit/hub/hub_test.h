/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* hub_test.h - a folder of its own for a test, and files in it. */
#ifndef KW_TEST_HUB_H
#define KW_TEST_HUB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

typedef struct fixture {
    char dir[64];
} fixture;

static inline int setup(void **state)
{
    fixture *const f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    strcpy(f->dir, "/tmp/kw-hub-XXXXXX");
    *state = f;
    return mkdtemp(f->dir) ? 0 : -1;
}

static inline int teardown(void **state)
{
    fixture *const f = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    const int code = system(command);
    free(f);
    return code;
}

/* A path in the folder; valid until the fourth call from now. */
static inline const char *in_dir(const fixture *f, const char *name)
{
    static char paths[4][512];
    static int turn;
    char *const path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", f->dir, name);
    return path;
}

/* Writes len bytes that depend on seed, making the directories above it. */
static inline void write_file(const char *path, size_t len, uint32_t seed)
{
    char part[512];
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        (void)mkdir(part, 0700);
    }
    FILE *const file = fopen(path, "wb");
    assert_non_null(file);
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525u + 1013904223u;
        assert_int_not_equal(fputc((int)(seed >> 24), file), EOF);
    }
    assert_int_equal(fclose(file), 0);
}

#endif
