/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_identify.c - any bytes as an identify message: what was read can be written and reads
 * the same again. */
#include "net/identify_message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static kw_identify first, again;
    kw_buf out = {0};
    char text[64];
    first = again = (kw_identify){0};
    if (kw_identify_get((kw_bytes){data, size}, &first, NULL) != KW_OK || size > 2048)
        return 0;
    kw_identify_text(first.agent, text, sizeof text);
    kw_identify_put(&first, &out);
    require(kw_identify_get((kw_bytes){(const uint8_t *)out.data, out.len}, &again, NULL) == KW_OK);
    require(again.n_addrs == first.n_addrs && again.n_protocols == first.n_protocols);
    for (size_t i = 0; i < first.n_addrs; i++)
        require(kw_multiaddr_equal(&first.addrs[i], &again.addrs[i]));
    for (size_t i = 0; i < first.n_protocols; i++)
        require(kw_str_eq(first.protocols[i], again.protocols[i]));
    require(kw_multiaddr_equal(&first.observed, &again.observed));
    require(kw_str_eq(first.agent, again.agent) && kw_str_eq(first.version, again.version));
    kw_buf_free(&out);
    return 0;
}
