/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_hub_web_header.c - any lines are a header whose values keep their promises. */
#include "hub/web_header.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_web_reply reply = {0};
    const char *at = (const char *)data, *const end = at + size;
    while (at < end) {
        const char *const stop = memchr(at, '\n', (size_t)(end - at));
        const size_t len = stop ? (size_t)(stop - at) + 1 : (size_t)(end - at);
        if (!kw_web_header_line(&reply, (kw_str){at, len}))
            break;
        at += len;
        promise(reply.n_bytes <= KW_WEB_HEADERS_MAX);
        promise(reply.status >= 0 && reply.status < 1000);
        promise(memchr(reply.tag, 0, sizeof(reply.tag)) != NULL);
        promise(memchr(reply.digest, 0, sizeof(reply.digest)) != NULL);
        promise(memchr(reply.next, 0, sizeof(reply.next)) != NULL);
        promise(!strpbrk(reply.tag, "\r\n "));
    }
    return 0;
}
