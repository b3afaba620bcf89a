/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* web.c - the sources that speak HTTP, each beside the other, against a server of a few threads
 * that answers ranges and blocks, closes connections in the middle and changes bytes as a seed
 * says. Whatever it does, what is fetched is right; closing in the middle leaves nothing behind.
 *
 * kw-test: labels threads
 * kw-test: timeout 120 */
#include "hub/web.h"

#include "hub_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/rng.h"
#include "base/sha256.h"
#include "hub/fetch.h"
#include "hub/gateway.h"
#include "hub/web_source.h"
#include "os/thread.h"

enum { BLOCK = 65536, BLOCKS = 40, THREADS = 12 };
#define SIZE ((size_t)BLOCK * BLOCKS - 100)

/* ---- a server ---- */

typedef struct server {
    int listener;
    uint16_t port;
    uint32_t cuts_percent, lies_percent;
    uint8_t data[SIZE], leaves[BLOCKS][32];
    kw_thread *threads[THREADS];
    _Atomic uint32_t draws;
    atomic_bool stop;
} server;

static bool chance(server *s, uint32_t percent)
{
    return kw_rng_u32(5, 1, atomic_fetch_add(&s->draws, 1)) % 100 < percent;
}

static bool send_all(int fd, const void *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        const ssize_t n = send(fd, (const char *)data + at, len - at, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

/* One body; false: the connection is to be closed. */
static bool send_part(server *s, int fd, const char *head, size_t from, size_t len)
{
    static _Thread_local uint8_t copy[SIZE];
    char text[300];
    memcpy(copy, s->data + from, len);
    if (chance(s, s->lies_percent))
        copy[len / 2] ^= 1;
    const bool cut = chance(s, s->cuts_percent);
    const int n =
        snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", head, len);
    return send_all(fd, text, (size_t)n) && send_all(fd, copy, cut ? len / 3 : len) && !cut;
}

static bool answer(server *s, int fd, const char *request)
{
    char head[200];
    const char *const range = strstr(request, "Range: bytes=");
    if (strncmp(request, "GET /ipfs/", 10) == 0) {
        kw_cid cid;
        const char *const name = request + 10;
        if (kw_cid_parse((kw_str){name, strcspn(name, "? ")}, &cid, NULL) != KW_OK)
            return false;
        for (size_t i = 0; i < BLOCKS; i++) {
            if (memcmp(cid.digest, s->leaves[i], 32) == 0)
                return send_part(s, fd, "200 OK", i * BLOCK, KW_MIN(BLOCK, SIZE - i * BLOCK));
        }
        return send_all(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 45);
    }
    if (!range)
        return send_part(s, fd, "200 OK", 0, SIZE);
    char *end;
    const size_t from = strtoul(range + 13, &end, 10);
    const size_t to =
        *end == '-' && end[1] >= '0' && end[1] <= '9' ? strtoul(end + 1, NULL, 10) + 1 : SIZE;
    if (from >= SIZE)
        return false;
    const size_t last = KW_MIN(to, SIZE);
    (void)snprintf(head, sizeof head,
                   "206 Partial Content\r\nETag: \"one\"\r\nContent-Range: bytes %zu-%zu/%zu", from,
                   last - 1, SIZE);
    return send_part(s, fd, head, from, last - from);
}

static void serve_one(server *s, int fd)
{
    char request[4096];
    size_t len = 0;
    const struct timeval patience = {.tv_usec = 50000};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    while (!atomic_load(&s->stop)) {
        const ssize_t n = recv(fd, request + len, sizeof request - 1 - len, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        len += n > 0 ? (size_t)n : 0;
        request[len] = '\0';
        if (!strstr(request, "\r\n\r\n")) /* one request at a time: libcurl does not pipeline */
            continue;
        len = 0;
        if (!answer(s, fd, request))
            break;
    }
    (void)close(fd);
}

/* Each thread has one connection at a time. */
static void serve(void *user)
{
    server *const s = user;
    while (!atomic_load(&s->stop)) {
        const int fd = accept(s->listener, NULL, NULL);
        if (fd >= 0)
            serve_one(s, fd);
    }
}

static server *start_server(void)
{
    server *const s = calloc(1, sizeof *s);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    const struct timeval patience = {.tv_usec = 50000};
    assert_non_null(s);
    for (size_t i = 0; i < SIZE; i++)
        s->data[i] = (uint8_t)(kw_rng_u32(3, 2, i / 4) >> 8 * (i % 4));
    for (size_t i = 0; i < BLOCKS; i++) {
        const kw_bytes leaf = {s->data + i * BLOCK, KW_MIN(BLOCK, SIZE - i * BLOCK)};
        memcpy(s->leaves[i], kw_cid_of(KW_CODEC_RAW, leaf, kw_sha256_kernel(false)).digest, 32);
    }
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(s->listener >= 0);
    assert_int_equal(setsockopt(s->listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience),
                     0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(s->listener, 64), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&addr, &len), 0);
    s->port = ntohs(addr.sin_port);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(kw_thread_start(&s->threads[i], serve, s, NULL), KW_OK);
    return s;
}

static void stop_server(server *s)
{
    atomic_store(&s->stop, true);
    for (size_t i = 0; i < THREADS; i++)
        kw_thread_join(s->threads[i]);
    (void)close(s->listener);
    free(s);
}

/* ---- who fetches ---- */

typedef struct job {
    kw_fetch_config config;
    char base[128], path[128];
    uint64_t stop_at; /* progress ends it there; 0: never */
} job;

static bool on_progress(void *user, const kw_fetch_progress *p)
{
    const job *const j = user;
    return j->stop_at == 0 || p->bytes < j->stop_at;
}

static kw_status fetch(server *s, const fixture *f, uint64_t stop_at, kw_fetch_result *result,
                       kw_error *err)
{
    char url[64], gateway_url[64];
    kw_web *web;
    job j = {.stop_at = stop_at};
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/file", s->port);
    (void)snprintf(gateway_url, sizeof gateway_url, "http://127.0.0.1:%u", s->port);
    (void)snprintf(j.base, sizeof j.base, "%s/x", f->dir);
    (void)snprintf(j.path, sizeof j.path, "%s/done", f->dir);
    assert_int_equal(kw_web_open("kwaai/test", &web, NULL), KW_OK);
    kw_web_source plain = {.web = web};
    kw_gateway gateway = {.web = web, .url = gateway_url};
    kw_source sources[] = {kw_web_source_make(&plain), kw_gateway_make(&gateway)};
    const kw_source *const list[] = {&sources[0], &sources[1]};
    sources[0].order = sources[1].order; /* both at once */
    j.config = (kw_fetch_config){.sources = list,
                                 .n_sources = 2,
                                 .leaves = (const uint8_t(*)[32])s->leaves,
                                 .n_leaves = BLOCKS,
                                 .base = j.base,
                                 .path = j.path,
                                 .n_cells = 16,
                                 .progress = on_progress,
                                 .user = &j};
    j.config.want = (kw_want){.size = SIZE,
                              .has_root = true, /* whose leaves are known */
                              .url = url,
                              .name = "file",
                              .leaf_size = BLOCK};
    const kw_status status = kw_fetch(&j.config, result, err);
    kw_web_close(web);
    return status;
}

static void check_file(const server *s, const fixture *f)
{
    uint8_t *const got = malloc(SIZE + 1);
    FILE *const file = fopen(in_dir(f, "done"), "rb");
    assert_true(got && file);
    assert_int_equal(fread(got, 1, SIZE + 1, file), SIZE);
    assert_memory_equal(got, s->data, SIZE);
    assert_int_equal(fclose(file), 0);
    free(got);
}

static void test_both(void **state)
{
    server *const s = start_server();
    kw_fetch_result result;
    kw_error err = {.message = ""};
    if (fetch(s, *state, 0, &result, &err) != KW_OK)
        fail_msg("%s", err.message);
    check_file(s, *state);
    assert_int_equal(result.n_shares, 2);
    assert_int_equal(result.shares[0].bytes + result.shares[1].bytes, SIZE);
    stop_server(s);
}

static void test_badly_served(void **state)
{
    server *const s = start_server();
    kw_fetch_result result;
    kw_error err = {.message = ""};
    s->cuts_percent = 15;
    s->lies_percent = 2;
    const kw_status status = fetch(s, *state, 0, &result, &err);
    if (status == KW_OK)
        check_file(s, *state); /* else both were given up, which is their right */
    else
        assert_true(err.message[0] != '\0');
    stop_server(s);
}

/* Given up in the middle, then taken up again. */
static void test_given_up(void **state)
{
    server *const s = start_server();
    kw_fetch_result result;
    kw_error err = {.message = ""};
    assert_int_equal(fetch(s, *state, 1, &result, &err), KW_E_CANCELLED);
    if (fetch(s, *state, 0, &result, &err) != KW_OK)
        fail_msg("%s", err.message);
    check_file(s, *state);
    stop_server(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both, setup, teardown),
        cmocka_unit_test_setup_teardown(test_badly_served, setup, teardown),
        cmocka_unit_test_setup_teardown(test_given_up, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
