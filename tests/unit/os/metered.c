/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* metered.c - a message bus that is a thread of this test: it says yes, no, nothing, and nonsense.
 */
#include "os/metered.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "os/thread.h"

typedef struct bus {
    char dir[64], path[80];
    int listener;
    const uint8_t *reply;
    size_t len;
    const char *welcome;
    char got[2048];
    size_t n_got;
} bus;

/* The answer to Hello, a signal, and the answer to the second call: a variant with a number. */
static const uint8_t answer[] = {
    /* Hello: return, no body, in reply to 1 */
    'l', 2, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 5, 1, 'u', 0, 1, 0, 0, 0,
    /* a signal: its member is "A", and its body "x" */
    'l', 4, 1, 1, 6, 0, 0, 0, 2, 0, 0, 0, 10, 0, 0, 0, 3, 1, 's', 0, 1, 0, 0, 0, 'A', 0, 0, 0, 0, 0,
    0, 0, 1, 0, 0, 0, 'x', 0,
    /* Get: return in reply to 2, with a sender ":1" and a signature "v" before */
    'l', 2, 1, 1, 8, 0, 0, 0, 3, 0, 0, 0, 32, 0, 0, 0, 7, 1, 's', 0, 2, 0, 0, 0, ':', '1', 0, 0, 0,
    0, 0, 0, 8, 1, 'g', 0, 1, 'v', 0, 0, 5, 1, 'u', 0, 2, 0, 0, 0,
    /* its body */
    1, 'u', 0, 0, 1, 0, 0, 0};
#define VALUE (sizeof answer - 4)

static void serve(void *user)
{
    bus *b = user;
    const int fd = accept(b->listener, NULL, NULL);
    if (fd < 0)
        return;
    char line[256];
    ssize_t n = read(fd, line, sizeof line);
    if (n > 0 && b->welcome && write(fd, b->welcome, strlen(b->welcome)) > 0) {
        /* BEGIN and two calls; what was asked for is kept for the test. */
        while (b->n_got < sizeof b->got - 1) {
            n = read(fd, b->got + b->n_got, sizeof b->got - 1 - b->n_got);
            if (n <= 0)
                break;
            b->n_got += (size_t)n;
            if (memmem(b->got, b->n_got, "Metered", 8))
                break;
        }
        for (size_t at = 0; at < b->len; at++) /* in the smallest pieces */
            if (send(fd, b->reply + at, 1, MSG_NOSIGNAL) != 1)
                break;
    }
    close(fd);
}

static kw_metered ask(bus *b, const char *welcome, const uint8_t *reply, size_t len)
{
    kw_thread *thread;
    b->welcome = welcome;
    b->reply = reply;
    b->len = len;
    b->n_got = 0;
    assert_int_equal(kw_thread_start(&thread, serve, b, NULL), KW_OK);
    const kw_metered metered = kw_metered_read(b->path);
    kw_thread_join(thread);
    return metered;
}

static int setup(void **state)
{
    bus *b = calloc(1, sizeof *b);
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    if (!b)
        return -1;
    *state = b;
    strcpy(b->dir, "/tmp/kw-bus-XXXXXX");
    if (!mkdtemp(b->dir))
        return -1;
    (void)snprintf(b->path, sizeof b->path, "%s/bus", b->dir);
    strcpy(where.sun_path, b->path);
    b->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    return bind(b->listener, (struct sockaddr *)&where, sizeof where) == 0 ? listen(b->listener, 4)
                                                                           : -1;
}

static int teardown(void **state)
{
    bus *b = *state;
    close(b->listener);
    unlink(b->path);
    rmdir(b->dir);
    free(b);
    return 0;
}

static void test_values(void **state)
{
    static const kw_metered meanings[] = {KW_METERED_UNKNOWN, KW_METERED_YES, KW_METERED_NO,
                                          KW_METERED_YES,     KW_METERED_NO,  KW_METERED_UNKNOWN};
    bus *b = *state;
    uint8_t reply[sizeof answer];
    memcpy(reply, answer, sizeof answer);
    for (uint8_t value = 0; value < sizeof meanings / sizeof *meanings; value++) {
        reply[VALUE] = value;
        assert_int_equal(ask(b, "OK 0123456789abcdef\r\n", reply, sizeof reply), meanings[value]);
    }
    assert_non_null(memmem(b->got, b->n_got, "BEGIN\r\n", 7));
    assert_non_null(memmem(b->got, b->n_got, "org.freedesktop.NetworkManager", 31));
}

/* Cut anywhere, and each byte changed: never more than a wrong answer. */
static void test_damaged(void **state)
{
    bus *b = *state;
    uint8_t reply[sizeof answer];
    for (size_t n = 0; n < sizeof answer; n++)
        assert_int_equal(ask(b, "OK 0\r\n", answer, n), KW_METERED_UNKNOWN);
    for (size_t i = 0; i < sizeof answer; i++) {
        memcpy(reply, answer, sizeof answer);
        reply[i] ^= 0xff;
        (void)ask(b, "OK 0\r\n", reply, sizeof reply);
    }
    memcpy(reply, answer, sizeof answer);
    reply[sizeof answer - 8 - 48 + 1] = 3; /* an error instead of a return */
    assert_int_equal(ask(b, "OK 0\r\n", reply, sizeof reply), KW_METERED_UNKNOWN);
}

static void test_refused(void **state)
{
    bus *b = *state;
    assert_int_equal(ask(b, "REJECTED EXTERNAL\r\n", answer, sizeof answer), KW_METERED_UNKNOWN);
    assert_int_equal(ask(b, NULL, answer, 0), KW_METERED_UNKNOWN);
    assert_int_equal(kw_metered_read("/nonexistent"), KW_METERED_UNKNOWN);
    char path[300];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(kw_metered_read(path), KW_METERED_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
