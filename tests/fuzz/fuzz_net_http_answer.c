/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_http_answer.c - any bytes as the answer to an HTTP request: cut anywhere they are taken
 * alike. The first byte says where to cut, and whether it answers HEAD. */
#include "net/http_answer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct taken {
    kw_buf body;
    unsigned status;
    kw_status end;
} taken;

static bool on_head(void *user, unsigned status, const kw_http_head *head)
{
    taken *const t = user;
    if (head->n > KW_HTTP_FIELDS_MAX || t->status != 0)
        abort();
    t->status = status;
    return status != 599;
}

static bool on_body(void *user, kw_bytes bytes)
{
    taken *const t = user;
    if (t->status == 0)
        abort();
    kw_buf_add(&t->body, (const char *)bytes.data, bytes.len);
    return true;
}

static taken run(const uint8_t *data, size_t size, size_t step, bool head_only)
{
    static const kw_http_answer_events events = {.head = on_head, .body = on_body};
    taken t = {.status = 0};
    kw_http_answer a = kw_http_answer_of(head_only);
    for (size_t at = 0; at < size && t.end == KW_OK; at += step) {
        const kw_bytes piece = {data + at, step < size - at ? step : size - at};
        t.end = kw_http_answer_take(&a, piece, &events, &t, NULL);
    }
    if (t.end == KW_OK)
        t.end = kw_http_answer_end(&a, NULL);
    kw_http_answer_free(&a);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const bool head_only = (data[0] & 128) != 0;
    const size_t step = 1 + (data[0] & 127);
    taken whole = run(data + 1, size - 1, size, head_only);
    taken cut = run(data + 1, size - 1, step, head_only);
    /* A line that is too long is refused as soon as that is seen. */
    if (whole.end != cut.end && whole.end != KW_E_LIMIT && cut.end != KW_E_LIMIT)
        abort();
    if (whole.status != cut.status || whole.body.len != cut.body.len ||
        (whole.body.len > 0 && memcmp(whole.body.data, cut.body.data, cut.body.len) != 0))
        abort();
    kw_buf_free(&whole.body);
    kw_buf_free(&cut.body);
    return 0;
}
