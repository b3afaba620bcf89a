/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_websocket.c - any bytes as WebSocket frames: cut anywhere they mean the same, and no
 * more comes out than went in. The first byte says which side reads and where to cut. */
#include "net/websocket.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct got {
    kw_buf data, sent;
    kw_status status;
} got;

static void on_data(void *user, kw_bytes bytes)
{
    kw_buf_add(&((got *)user)->data, (const char *)bytes.data, bytes.len);
}

static void on_send(void *user, kw_bytes bytes)
{
    kw_buf_add(&((got *)user)->sent, (const char *)bytes.data, bytes.len);
}

static got run(bool client, const uint8_t *data, size_t size, size_t step)
{
    static const kw_ws_events events = {.data = on_data, .send = on_send};
    kw_ws ws = {.client = client};
    got g = {.status = KW_OK};
    for (size_t at = 0; at < size && g.status == KW_OK; at += step) {
        const size_t n = step < size - at ? step : size - at;
        uint8_t *piece = malloc(n);
        if (!piece)
            abort();
        memcpy(piece, data + at, n);
        g.status = kw_ws_feed(&ws, piece, n, &events, &g, NULL);
        free(piece);
    }
    return g;
}

static bool same(const kw_buf *a, const kw_buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const bool client = data[0] & 1;
    const size_t step = 1 + (data[0] >> 1);
    got whole = run(client, data + 1, size - 1, size), cut = run(client, data + 1, size - 1, step);
    if (whole.status != cut.status || !same(&whole.data, &cut.data) ||
        !same(&whole.sent, &cut.sent) || whole.data.len > size)
        abort();
    kw_buf_free(&whole.data);
    kw_buf_free(&whole.sent);
    kw_buf_free(&cut.data);
    kw_buf_free(&cut.sent);
    return 0;
}
