/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_stun.c - any bytes as a binding request, and any name in one that is otherwise right. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "net/stun.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(kw_bytes request)
{
    const kw_stun_from from = {.ip6 = request.len % 2, .ip = {1, 2, 3}, .port = 4001};
    uint8_t out[KW_STUN_ANSWER_MAX];
    kw_stun said;
    size_t len = 0;
    kw_error err = {.message = ""};
    if (kw_stun_answer(request, &from, out, &len, &err) != KW_OK) {
        promise(err.message[0] != '\0');
        return;
    }
    promise(len <= sizeof out && len <= request.len);
    promise(kw_stun_read((kw_bytes){out, len}, &said, NULL) == KW_OK);
    promise(said.type == KW_STUN_SUCCESS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t id[12] = {7};
    uint8_t request[KW_STUN_MAX];
    size_t len;
    answer((kw_bytes){data, size});
    const kw_str name = {(const char *)data, size};
    const char *const colon = size ? memchr(data, ':', size) : NULL;
    const kw_str password = {name.data, colon ? (size_t)(colon - name.data) : size};
    if (kw_stun_ask(id, name, password, request, &len, NULL) == KW_OK)
        answer((kw_bytes){request, len});
    return 0;
}
