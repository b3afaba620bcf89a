/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_http.c - any bytes as HTTP requests: cut anywhere they are answered alike, each request
 * once, and nothing is kept. The first byte says where to cut. */
#include "net/http.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct side {
    kw_buf out;
    bool closed;
    int n_open;
} side;

static kw_status next(void *user, uint64_t offset, size_t max, kw_bytes *out, bool *ended)
{
    static const uint8_t body[40];
    (void)user;
    const size_t left = sizeof body - (size_t)offset;
    *out = (kw_bytes){body + offset, left < max ? left : max};
    *ended = left == 0;
    return KW_OK;
}

static void done(void *user, bool sent)
{
    (void)sent;
    ((side *)user)->n_open--;
}

static void on_send(void *user, kw_bytes bytes)
{
    kw_buf_add(&((side *)user)->out, (const char *)bytes.data, bytes.len);
}

static size_t on_room(void *user)
{
    (void)user;
    return 7; /* of each piece: never full, always in pieces */
}

static void on_request(void *user, kw_http_request *request)
{
    side *s = user;
    kw_str value;
    s->n_open++;
    const bool streamed = kw_http_parameter(request, "s", &value);
    kw_http_reply(request, &(kw_http_reply_t){.status = 200,
                                              .size = streamed ? KW_HTTP_SIZE_UNKNOWN : 40,
                                              .ranges = !streamed,
                                              .next = next,
                                              .done = done,
                                              .user = s});
}

static bool on_upgrade(void *user, kw_str key, uint8_t *rest, size_t n)
{
    (void)rest;
    (void)n;
    kw_buf_add(&((side *)user)->out, key.data, key.len);
    return true;
}

static void on_close(void *user)
{
    ((side *)user)->closed = true;
}

static side run(const uint8_t *data, size_t size, size_t step)
{
    static const kw_http_owner owner = {.send = on_send,
                                        .room = on_room,
                                        .request = on_request,
                                        .upgrade = on_upgrade,
                                        .close = on_close};
    side s = {.n_open = 0};
    kw_http *http;
    if (kw_http_open(&owner, &s, &http, NULL) != KW_OK)
        abort();
    for (size_t at = 0; at < size; at += step)
        kw_http_receive(http, (kw_bytes){data + at, step < size - at ? step : size - at});
    kw_http_free(http);
    if (s.n_open != 0)
        abort();
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Longer input meets the limit on what may wait, which does depend on the cuts. */
    if (size == 0 || size > KW_HTTP_HEAD_MAX / 2)
        return 0;
    side whole = run(data + 1, size - 1, size), cut = run(data + 1, size - 1, 1 + data[0]);
    if (whole.closed != cut.closed || whole.out.len != cut.out.len ||
        (whole.out.len > 0 && memcmp(whole.out.data, cut.out.data, whole.out.len) != 0))
        abort();
    kw_buf_free(&whole.out);
    kw_buf_free(&cut.out);
    return 0;
}
