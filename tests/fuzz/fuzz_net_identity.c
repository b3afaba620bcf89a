/* SPDX-License-Identifier: Apache-2.0 OR MIT */
/* fuzz_net_identity.c - any bytes are a key file that comes back, or are refused; any bytes are a
 * public key under which nothing of our making verifies. */
#include "net/identity.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t message[8];
    const kw_bytes bytes = {data, size};
    kw_identity identity, again;
    kw_error err = {0};
    const kw_status status = kw_identity_get(bytes, &identity, &err);
    promise(status == KW_OK || (err.code == status && err.message[0]));
    if (status == KW_OK) {
        kw_buf out = {0};
        kw_identity_put(&identity, &out);
        promise(kw_identity_get((kw_bytes){(const uint8_t *)out.data, out.len}, &again, NULL) ==
                KW_OK);
        promise(kw_peer_id_equal(&identity.id, &again.id));
        kw_buf_free(&out);
    }
    /* A key, and the rest of the input as its signature. */
    const size_t key = size / 2;
    (void)kw_identity_verify((kw_bytes){data, key}, (kw_bytes){message, sizeof(message)},
                             (kw_bytes){data + key, size - key});
    (void)kw_identity_verify(bytes, (kw_bytes){message, sizeof(message)},
                             (kw_bytes){message, sizeof(message)});
    return 0;
}
