/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_wire_multiaddr.c - any bytes and any text are an address that walks, prints and reads again,
 * or are refused. */
#include "promise.h"
#include "wire/multiaddr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void touch(const kw_multiaddr *addr)
{
    char text[KW_MULTIADDR_TEXT_MAX];
    kw_multiaddr again, without;
    kw_multiaddr_part part;
    kw_peer_id peer;
    size_t at = 0;
    while (kw_multiaddr_next(addr, &at, &part))
        promise(part.value.data + part.value.len == addr->bytes + at);
    promise(at == addr->len && at > 0);
    kw_multiaddr_text(addr, text);
    promise(kw_multiaddr_parse(kw_str_from(text), &again, NULL) == KW_OK);
    promise(kw_multiaddr_equal(addr, &again));
    promise(kw_multiaddr_get((kw_bytes){addr->bytes, addr->len}, &again, NULL) == KW_OK);
    if (kw_multiaddr_split(addr, &without, &peer)) {
        promise(kw_multiaddr_add(&without, KW_MA_P2P, (kw_bytes){peer.bytes, peer.len}, NULL) ==
                KW_OK);
        promise(kw_multiaddr_equal(addr, &without));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kw_multiaddr addr;
    kw_error err = {0};
    kw_status status = kw_multiaddr_get((kw_bytes){data, size}, &addr, &err);
    promise(status == KW_OK || (err.code == status && err.message[0]));
    if (status == KW_OK)
        touch(&addr);
    status = kw_multiaddr_parse((kw_str){(const char *)data, size}, &addr, &err);
    promise(status == KW_OK || (err.code == status && err.message[0]));
    if (status == KW_OK)
        touch(&addr);
    return 0;
}
